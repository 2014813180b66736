"""What can be set about the fusion of modalities."""

from pydantic import Field

from medanomaly.core.params import Params


class FusionParams(Params):
    """How the modalities of a patient become one answer.

    Attributes:
        min_joint: a pattern of modalities with fewer calibration patients is not calibrated on them alone.
    """

    min_joint: int = Field(100, ge=20)
