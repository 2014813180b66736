"""From a trained network to a score and a map an image: modules whose forward pass is exactly what is exported."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from medanomaly.imaging.networks.autoencoder.loss import normalised_error
from medanomaly.imaging.networks.contrast import ContrastLayer
from medanomaly.imaging.networks.params import NetworkParams
from medanomaly.imaging.networks.reversed_autoencoder.clahe import clahe
from medanomaly.imaging.networks.unet.corruption import hole_masks


class Scorer(nn.Module):
    """Images in [0, 1] to scores; a subclass implements :meth:`error`.

    Args:
        network: trained.
        params: its parameters.
    """

    reconstructs = True
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
        """The network's idea of a normal version of what it saw."""
        return self.network(seen)

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """Error maps by the name of the score that is their mean: (n, 1, H, W) each."""
        seen = self.contrast(images)
        return {"residual": self.error(seen, self.answer(seen))}

    def region_mean(self, error_map: Tensor) -> Tensor:
        """(n,) mean over the pixels that count."""
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
        """(n, 1, H, W) what the network makes of the images, in the images' own units."""
        return self.contrast.undo(self.answer(self.contrast(images)), images)


class AutoencoderScorer(Scorer):
    """Squared error, in units of the predicted variance where the network predicts one."""

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """One map."""
        seen = self.contrast(images)
        return {"residual": normalised_error(seen, *self.network(seen))}

    def answer(self, seen: Tensor) -> Tensor:
        """The reconstruction without its variance."""
        return self.network(seen)[0]


class InpaintingScorer(Scorer):
    """Each pixel as it was filled in while it was hidden, put together from complementary holes."""

    def __init__(self, network: nn.Module, params: NetworkParams, image_size: int):
        super().__init__(network, params)
        hidden, scored = hole_masks(image_size, image_size, params.hole)
        self.register_buffer("hidden", hidden[:, 0], persistent=False)
        self.register_buffer("scored", scored[:, 0], persistent=False)

    def answer(self, seen: Tensor) -> Tensor:
        """Fillings of all holes, no pixel of which saw itself."""
        # two boards a pass: the feature maps of all eight would not stay in a core's cache
        parts = zip(self.hidden.split(2), self.scored.split(2), strict=True)
        return sum(self._filled(seen, hidden, scored) for hidden, scored in parts)

    def _filled(self, seen: Tensor, hidden: Tensor, scored: Tensor) -> Tensor:
        """(n, 1, H, W) fillings where ``scored``, 0 elsewhere; ``hidden`` and ``scored`` are (boards, H, W)."""
        visible = seen * (1 - hidden)
        both = torch.stack([visible, hidden.expand_as(visible)], dim=2)
        filled = self.network(both.flatten(0, 1)).reshape(-1, *hidden.shape)
        return (filled * scored).sum(dim=1, keepdim=True)


class ReversedScorer(Scorer):
    """Residual, residual after CLAHE, and the distance between the embeddings of an image and of its reconstruction."""

    @property
    def score_name(self) -> str:
        """Which of the three is the detector's score."""
        return self.params.score

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """Three maps under their own names; none of them is the published score, which needs perceptual weights.

        The embedding distance is the reversed embedding loss (Bercea et al. 2023) kept apart by place: at each
        resolution half the squared difference plus one minus the cosine between channels, interpolated and averaged.
        """
        seen = self.contrast(images)
        answer, embeddings = self.network(seen)
        again = self.network.encoder(answer)[2]
        distance = torch.zeros_like(seen)
        for a, b in zip(embeddings, again, strict=True):
            squared = 0.5 * (a - b).square().mean(dim=1, keepdim=True)
            # written out: the runtimes differ in where their own cosine puts its epsilon
            lengths = (a.square().sum(1, keepdim=True) * b.square().sum(1, keepdim=True) + 1e-8).sqrt()
            cosine = (a * b).sum(1, keepdim=True) / lengths
            distance = distance + functional.interpolate(
                squared + 1 - cosine, size=seen.shape[2:], mode="bilinear", align_corners=False
            )
        pixels = self.contrast.undo(answer, images)
        return {
            "residual": (seen - answer).abs(),
            "clahe_residual": (clahe(images) - clahe(pixels)).abs(),
            "embedding_distance": distance / len(embeddings),
        }

    def answer(self, seen: Tensor) -> Tensor:
        """Decoded from the mean of the latent vector."""
        return self.network(seen)[0]


class LesionMapScorer(Scorer):
    """Predicted probability that a pixel belongs to a lesion."""

    reconstructs = False
    score_name = "lesion_probability"

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """One map, in [0, 1]."""
        return {"lesion_probability": torch.sigmoid(self.network(self.contrast(images)))}


class NeighbourScorer(LesionMapScorer):
    """Mean distance to the nearest training normals in the network's embedding; the map is the lesion probability.

    The embedding is mean and standard deviation of each channel of the encoder's second coarsest resolution.

    Args:
        network: a :class:`UNet`.
        params: its parameters.
        n_reference: images that :meth:`fit_reference` will be given.
    """

    def __init__(self, network: nn.Module, params: NetworkParams, n_reference: int):
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
        """Take (n_reference, size) embeddings of normal images as what is usual."""
        self.centre.copy_(embedded.mean(dim=0))
        self.spread.copy_(embedded.std(dim=0) + 1e-6)
        self.reference.copy_((embedded - self.centre) / self.spread)

    def scores(self, images: Tensor) -> dict[str, Tensor]:
        """Both scores."""
        return super().scores(images) | {"neighbours": self.neighbour_distance(images)}

    def neighbour_distance(self, images: Tensor) -> Tensor:
        """(n,) mean distance to the nearest training normals."""
        z = (self.embed(images) - self.centre) / self.spread
        # differences first: expanding the square would leave nothing of a small distance but rounding
        squared = (z[:, None] - self.reference[None]).square().sum(dim=2)
        k = min(self.params.neighbours, self.reference.shape[0])
        nearest = torch.topk(squared, k, dim=1, largest=False).values
        return nearest.sqrt().mean(dim=1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Distance (n,), and lesion probability (n, H, W)."""
        return self.neighbour_distance(images), self.maps(images)["lesion_probability"][:, 0]


class EnsembleScorer(nn.Module):
    """Mean of several members' scores, each centred and scaled by healthy validation images.

    Args:
        members: scorers of networks that differ in their seed.
    """

    def __init__(self, members: list[Scorer]):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.reconstructs = all(member.reconstructs for member in members)
        self.register_buffer("centre", torch.zeros(len(members)))
        self.register_buffer("spread", torch.ones(len(members)))

    def standardise(self, scores: Tensor) -> None:
        """Take (members, n) scores of healthy images as what is usual."""
        self.centre.copy_(scores.median(dim=1).values)
        self.spread.copy_(scores.std(dim=1) + 1e-12)

    def scores(self, images: Tensor) -> dict[str, Tensor]:
        """The ensemble's score."""
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
