"""What can be set about the detector of boxes."""

from pydantic import Field

from medanomaly.imaging.networks.params import AugmentationParams, Contrast, NetworkParams

# px of an image per cell of the heat map
STRIDE = 4


class BoxDetectorParams(NetworkParams):
    """A centre-point detector (Zhou et al. 2019).

    Attributes:
        augmentation: without rotation, because a turned box is no box any more.
        width: channels of the first stage of the encoder; each later stage has twice as many.
        size_weight: of the loss of sizes and offsets beside that of the heat map.
        most_boxes: largest number of boxes that are given per image.
        overlap: two boxes of one label that overlap more (intersection over union) are one; the weaker is left out.
    """

    network: str = "box_detector"
    contrast: Contrast = "zscore"
    augmentation: AugmentationParams | None = AugmentationParams(
        degrees=0.0, shift=0.05, scale=0.1, gamma=0.15
    )
    width: int = Field(12, ge=4, multiple_of=4)
    size_weight: float = Field(2.0, gt=0)
    most_boxes: int = Field(10, ge=1, le=100)
    overlap: float = Field(0.3, gt=0, le=1)
