"""What can be set about the lesion segmenter."""

from typing import Literal

from pydantic import Field

from medanomaly.imaging.networks.params import Contrast, NetworkParams


class LesionSegmenterParams(NetworkParams):
    """A U-Net that finds lesions pasted into normal images; it never sees a real one.

    Attributes:
        width: channels at full resolution.
        levels: resolutions.
        score: ``map`` is the mean of the predicted lesion probability; ``neighbours`` is the distance to the nearest
            training normals in the embedding of the network.
        pasted: share of the training images that get a lesion.
        neighbours: number of nearest training normals that are averaged.
    """

    network: Literal["lesion_segmenter"] = "lesion_segmenter"
    contrast: Contrast = "local"
    width: int = Field(8, ge=4, multiple_of=4)
    levels: int = Field(4, ge=2, le=6)
    score: Literal["map", "neighbours"] = "neighbours"
    pasted: float = Field(0.5, gt=0, lt=1)
    neighbours: int = Field(3, ge=1)
