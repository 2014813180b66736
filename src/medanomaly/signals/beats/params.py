"""What can be set about beats, their models and their alarms; importable without compiled code or torch."""

from typing import Literal

from pydantic import Field

from medanomaly.core.models import ModelParams
from medanomaly.core.params import Params
from medanomaly.signals.lstm.params import LSTMParams
from medanomaly.signals.quality.assessment import QualityParams


class BeatParams(Params):
    """How beats are found.

    Attributes:
        marks: ``reference`` takes the marks of the source where a recording has them, ``detected`` never does; labels
            come from reference marks within 150 ms in both cases.
        quality: limits of a good window.
    """

    marks: Literal["reference", "detected"] = "reference"
    quality: QualityParams = QualityParams()


class BeatDetectorParams(ModelParams):
    """The beat detector.

    Attributes:
        variant: ``either``, ``A`` or ``B`` (:data:`medanomaly.signals.beat_detector.fusion.VARIANTS`).
        causal: nothing that comes later than 0.86 s after the R peak is used.
        learn_s: learning time of a recording, s.
    """

    variant: str = "either"
    causal: bool = True
    learn_s: float = Field(300.0, gt=0)


class LSTMModelParams(LSTMParams, ModelParams):
    """The LSTM autoencoder, and on how many normal train beats it learns at most."""

    max_train: int = Field(4000, ge=50)


class EpisodeParams(Params):
    """When beats become an alarm.

    Attributes:
        per_hour: false episodes an hour that the calibration recordings may have in all.
        gap_s: alarms with at most this between them are one episode.
    """

    per_hour: float = Field(5.0, gt=0)
    gap_s: float = Field(5.0, ge=0)
