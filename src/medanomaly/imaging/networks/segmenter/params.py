"""What can be set about the segmenter."""

from typing import Literal

from pydantic import Field

from medanomaly.imaging.networks.params import Contrast, NetworkParams


class SegmenterParams(NetworkParams):
    """A supervised U-Net segmenter.

    Attributes:
        width: channels at full resolution.
        levels: resolutions.
        dice_weight: share of the soft Dice loss; the rest is cross-entropy.
    """

    network: Literal["segmenter"] = "segmenter"
    contrast: Contrast = "zscore"
    width: int = Field(16, ge=4, multiple_of=4)
    levels: int = Field(4, ge=2, le=6)
    dice_weight: float = Field(0.5, ge=0, le=1)
