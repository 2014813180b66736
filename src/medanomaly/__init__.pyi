from medanomaly.scoring.detect import beats as beats
from medanomaly.scoring.detect import detect as detect
from medanomaly.scoring.models import open_models as open

__version__: str
__all__ = ["beats", "detect", "open"]
