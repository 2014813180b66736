"""What can be set about every network; validated without importing torch."""

from typing import Literal

from pydantic import Field

from medanomaly.core.params import Params

Contrast = Literal["none", "zscore", "local"]


class AugmentationParams(Params):
    """Small changes that leave a normal image normal. There is no flip, because it would move the heart.

    Attributes:
        degrees: largest rotation to either side, in degrees.
        shift: largest shift, as a share of the side.
        scale: largest change of size, as a share.
        gamma: largest change of the logarithm of gamma.
        noise: standard deviation of pixel noise, in units of the image's range [0, 1].
    """

    degrees: float = Field(5.0, ge=0, le=30)
    shift: float = Field(0.04, ge=0, le=0.25)
    scale: float = Field(0.08, ge=0, le=0.5)
    gamma: float = Field(0.2, ge=0, le=1)
    noise: float = Field(0.01, ge=0, le=0.2)


class NetworkParams(Params):
    """Parameters that every network has.

    Attributes:
        contrast: what the network sees of an image in [0, 1]: the image (``none``), each image at mean 0 and standard
            deviation 1 (``zscore``), or each pixel relative to its surroundings (``local``). The exported graph holds it.
        augmentation: applied to training images; None for none.
        region: pixels whose mean is the score: ``all``, or the ``central`` three quarters of rows and columns, which
            exclude markers, arms and edges of the collimator.
    """

    contrast: Contrast = "none"
    augmentation: AugmentationParams | None = None
    region: Literal["all", "central"] = "central"
