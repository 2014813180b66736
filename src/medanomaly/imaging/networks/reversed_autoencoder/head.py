"""What turns the answers of the Reversed Autoencoder into scores and maps."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from medanomaly.imaging.networks.reversed_autoencoder.clahe import clahe
from medanomaly.imaging.networks.reversed_autoencoder.params import ReversedAutoencoderParams
from medanomaly.imaging.networks.score_head import ScoreHead


class ReversedHead(ScoreHead):
    """Residual, residual after CLAHE, and the distance between the embeddings of an image and of its reconstruction."""

    @property
    def score_name(self) -> str:
        """Which of the three is the score of the detector."""
        return self.params.score

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """Three maps by name. None of them is the published score, which needs perceptual weights.

        The embedding distance is the reversed embedding loss (Bercea et al. 2023) at each place. At each resolution it is
        half the squared difference, plus one minus the cosine between channels; these are interpolated and averaged.
        """
        seen = self.contrast(images)
        answer, embeddings = self.network(seen)
        again = self.network.encoder(answer)[2]
        distance = torch.zeros_like(seen)
        for a, b in zip(embeddings, again, strict=True):
            squared = 0.5 * (a - b).square().mean(dim=1, keepdim=True)
            # written out, because the cosine functions of the runtimes use their epsilon in different places
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
        """The image decoded from the mean of the latent vector."""
        return self.network(seen)[0]


def build_head(
    network: nn.Module, params: ReversedAutoencoderParams, image_size: int, n_reference: int
) -> ScoreHead:
    """The head of a trained network."""
    return ReversedHead(network, params)
