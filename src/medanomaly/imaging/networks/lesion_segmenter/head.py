"""What turns the answers of the lesion segmenter into scores and maps."""

import torch
from torch import Tensor, nn

from medanomaly.imaging.networks.lesion_segmenter.params import LesionSegmenterParams
from medanomaly.imaging.networks.score_head import ScoreHead


class LesionMapHead(ScoreHead):
    """Predicted probability that a pixel belongs to a lesion."""

    score_name = "lesion_probability"

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """The map of probabilities, in [0, 1]."""
        return {"lesion_probability": torch.sigmoid(self.network(self.contrast(images)))}


class NeighbourHead(LesionMapHead):
    """Mean distance to the nearest training normals in the embedding of the network; the map is the lesion probability.

    The embedding is the mean and standard deviation of each channel of the encoder's second coarsest resolution.

    Args:
        network: a :class:`UNet`.
        params: its parameters.
        n_reference: number of images that :meth:`fit_reference` will get.
    """

    uses_reference = True

    def __init__(self, network: nn.Module, params: LesionSegmenterParams, n_reference: int):
        super().__init__(network, params)
        size = 2 * network.widths[-2]
        self.register_buffer("centre", torch.zeros(size))
        self.register_buffer("spread", torch.ones(size))
        self.register_buffer("reference", torch.zeros(n_reference, size))

    def embed(self, images: Tensor) -> Tensor:
        """(n, 1, H, W) to (n, size)."""
        features = self.network.encode(self.contrast(images))[-2]
        mean = features.mean(dim=(2, 3))
        deviation = (features - mean[:, :, None, None]).square().mean(dim=(2, 3)).sqrt()
        return torch.cat([mean, deviation], dim=1)

    def fit_reference(self, embedded: Tensor) -> None:
        """Use (n_reference, size) embeddings of normal images as the reference."""
        self.centre.copy_(embedded.mean(dim=0))
        self.spread.copy_(embedded.std(dim=0) + 1e-6)
        self.reference.copy_((embedded - self.centre) / self.spread)

    def scores(self, images: Tensor) -> dict[str, Tensor]:
        """Both scores."""
        return super().scores(images) | {"neighbours": self.neighbour_distance(images)}

    def neighbour_distance(self, images: Tensor) -> Tensor:
        """(n,) mean distance to the nearest training normals."""
        z = (self.embed(images) - self.centre) / self.spread
        # differences first: an expanded square would reduce a small distance to rounding errors
        squared = (z[:, None] - self.reference[None]).square().sum(dim=2)
        k = min(self.params.neighbours, self.reference.shape[0])
        nearest = torch.topk(squared, k, dim=1, largest=False).values
        return nearest.sqrt().mean(dim=1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Distance (n,), and lesion probability (n, H, W)."""
        return self.neighbour_distance(images), self.maps(images)["lesion_probability"][:, 0]


def build_head(
    network: nn.Module, params: LesionSegmenterParams, image_size: int, n_reference: int
) -> ScoreHead:
    """The head of a trained network, by the score that its parameters name."""
    if params.score == "neighbours":
        return NeighbourHead(network, params, n_reference)
    return LesionMapHead(network, params)
