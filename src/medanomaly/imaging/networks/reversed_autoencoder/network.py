"""The network of the Reversed Autoencoder: a variational autoencoder without skips that returns all its feature maps.

Bercea et al. (2023), "Generalizing Unsupervised Anomaly Detection: Towards Unbiased Pathology Screening". Group
normalisation replaces the batch normalisation of the paper. Real images, reconstructions and samples pass the same
encoder, and running statistics of that mixture would describe none of them.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from medanomaly.imaging.networks.blocks import ResidualBlock, check_size, group_norm


class ReversedEncoder(nn.Module):
    """Halves the image once per width; returns mean and log-variance of the latent vector, and all pooled feature maps."""

    def __init__(self, image_size: int, latent: int, widths: tuple[int, ...]):
        super().__init__()
        side = check_size(image_size, len(widths))
        stem = nn.Sequential(
            nn.Conv2d(1, widths[0], 5, padding=2, bias=False), group_norm(widths[0]), nn.LeakyReLU(0.2)
        )
        blocks = [ResidualBlock(i, o) for i, o in pairwise(widths)]
        self.stages = nn.ModuleList([stem, *blocks])
        self.pool = nn.AvgPool2d(2)
        self.last = ResidualBlock(widths[-1], widths[-1])
        self.head = nn.Linear(widths[-1] * side * side, 2 * latent)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """(n, 1, H, W) to mu and log-variance (n, latent), and embeddings (n, widths[l], H / 2^(l+1), ...)."""
        embeddings = []
        for stage in self.stages:
            x = self.pool(stage(x))
            embeddings.append(x)
        mu, log_variance = self.head(self.last(x).flatten(1)).chunk(2, dim=1)
        # beyond +-10 the exponential of the divergence would outweigh the rest of the loss
        return mu, log_variance.clamp(-10.0, 10.0), embeddings


class ReversedDecoder(nn.Module):
    """From the latent vector to an image, as the encoder in reverse; a sigmoid can keep the image in [0, 1]."""

    def __init__(self, image_size: int, latent: int, widths: tuple[int, ...], bounded: bool):
        super().__init__()
        side = check_size(image_size, len(widths))
        self.shape = (widths[-1], side, side)
        self.stem = nn.Sequential(nn.Linear(latent, widths[-1] * side * side), nn.ReLU())
        layers: list[nn.Module] = []
        for i, o in zip(widths[::-1], (*widths[-2::-1], widths[0]), strict=True):
            layers += [ResidualBlock(i, o), nn.Upsample(scale_factor=2, mode="nearest")]
        layers += [ResidualBlock(widths[0], widths[0]), nn.Conv2d(widths[0], 1, 5, padding=2)]
        self.body = nn.Sequential(*layers)
        self.bound = nn.Sigmoid() if bounded else nn.Identity()

    def forward(self, z: Tensor) -> Tensor:
        """(n, latent) to (n, 1, H, W)."""
        return self.bound(self.body(self.stem(z).unflatten(1, self.shape)))


class ReversedAutoencoder(nn.Module):
    """Encoder and decoder; they are separate because each has its own loss and optimiser.

    Args:
        image_size: side, a multiple of 2^len(widths).
        latent: size of the latent vector.
        widths: channels of each resolution, from the finest.
        bounded: whether images lie in [0, 1], so that the decoder ends in a sigmoid.
    """

    def __init__(self, image_size: int, latent: int, widths: tuple[int, ...], bounded: bool):
        super().__init__()
        self.encoder = ReversedEncoder(image_size, latent, widths)
        self.decoder = ReversedDecoder(image_size, latent, widths, bounded)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Reconstruction from the latent mean, and the embeddings of ``x``. Both are deterministic: nothing is sampled."""
        mu, _, embeddings = self.encoder(x)
        return self.decoder(mu), embeddings


def sample(mu: Tensor, log_variance: Tensor, generator: torch.Generator) -> Tensor:
    """A draw of the latent vector, differentiable in mean and variance (Kingma & Welling 2014)."""
    noise = torch.randn(mu.shape, generator=generator, device=mu.device, dtype=mu.dtype)
    return mu + noise * (0.5 * log_variance).exp()
