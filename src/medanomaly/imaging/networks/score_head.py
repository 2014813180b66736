"""From a trained network to a score and a map per image: modules whose forward pass is exactly what is exported."""

import torch
from torch import Tensor, nn

from medanomaly.imaging.networks.contrast import ContrastLayer
from medanomaly.imaging.networks.params import NetworkParams


class ScoreHead(nn.Module):
    """Images in [0, 1] to scores; a subclass implements :meth:`error`.

    Args:
        network: trained.
        params: its parameters.
    """

    uses_reference = False
    score_name = "residual"

    def __init__(self, network: nn.Module, params: NetworkParams):
        super().__init__()
        self.network = network
        self.contrast = ContrastLayer(params.contrast)
        self.params = params

    def error(self, seen: Tensor, answer: Tensor) -> Tensor:
        """(n, 1, H, W) error of each pixel, 0 or more."""
        return (seen - answer).abs()

    def answer(self, seen: Tensor) -> Tensor:
        """The normal version of the image, as the network predicts it."""
        return self.network(seen)

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """Error maps by the name of the score that is their mean: (n, 1, H, W) each."""
        seen = self.contrast(images)
        return {"residual": self.error(seen, self.answer(seen))}

    def region_mean(self, error_map: Tensor) -> Tensor:
        """(n,) mean over the pixels of the region."""
        if self.params.region == "central":
            height, width = error_map.shape[2:]
            error_map = error_map[:, :, height // 8 : height - height // 8, width // 8 : width - width // 8]
        return error_map.mean(dim=(1, 2, 3))

    def scores(self, images: Tensor) -> dict[str, Tensor]:
        """All scores that this network gives, (n,) each, by name."""
        return {name: self.region_mean(error_map) for name, error_map in self.maps(images).items()}

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 1, H, W) to scores (n,), higher = more anomalous, and error maps (n, H, W)."""
        error_map = self.maps(images)[self.score_name]
        return self.region_mean(error_map), error_map[:, 0]

    def reconstruct(self, images: Tensor) -> Tensor:
        """(n, 1, H, W) reconstructions in the units of the images."""
        return self.contrast.undo(self.answer(self.contrast(images)), images)


class EnsembleHead(nn.Module):
    """Mean of the scores of several members, each centred and scaled on healthy validation images.

    Args:
        members: scorers of networks that differ in their seed.
    """

    def __init__(self, members: list[ScoreHead]):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("centre", torch.zeros(len(members)))
        self.register_buffer("spread", torch.ones(len(members)))

    def standardise(self, scores: Tensor) -> None:
        """Centre and scale by (members, n) scores of healthy images."""
        self.centre.copy_(scores.median(dim=1).values)
        self.spread.copy_(scores.std(dim=1) + 1e-12)

    def scores(self, images: Tensor) -> dict[str, Tensor]:
        """The score of the ensemble."""
        return {"ensemble": self(images)[0]}

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (n,) and mean error maps (n, H, W)."""
        score, error_map = images.new_zeros(()), images.new_zeros(())
        for i, member in enumerate(self.members):
            one, one_map = member(images)
            score = score + (one - self.centre[i]) / self.spread[i]
            error_map = error_map + one_map
        return score / len(self.members), error_map / len(self.members)

    def reconstruct(self, images: Tensor) -> Tensor:
        """Mean reconstruction."""
        return torch.stack([member.reconstruct(images) for member in self.members]).mean(dim=0)
