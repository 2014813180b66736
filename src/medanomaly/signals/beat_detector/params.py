"""Parameters of the beat detector; importable without compiled code."""

from pydantic import Field

from medanomaly.core.models import ModelParams


class BeatDetectorParams(ModelParams):
    """Parameters of :class:`medanomaly.signals.beat_detector.detector.BeatDetector`.

    Attributes:
        variant: ``either``, ``A`` or ``B`` (:data:`medanomaly.signals.beat_detector.fusion.VARIANTS`).
        causal: True uses nothing that comes later than 0.86 s after the R peak.
        learn_s: learning time of a recording in seconds.
    """

    variant: str = "either"
    causal: bool = True
    learn_s: float = Field(300.0, gt=0)
