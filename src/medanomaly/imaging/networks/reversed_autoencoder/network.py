"""The Reversed Autoencoder's network: a variational autoencoder without skips whose encoder shows all its resolutions.

Bercea et al. (2023), "Generalizing Unsupervised Anomaly Detection: Towards Unbiased Pathology Screening". Group
normalisation stands where the paper has batch normalisation: real images, reconstructions and samples pass the same
encoder, and running statistics of that mixture would describe none of them.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from medanomaly.imaging.networks.blocks import ResidualBlock, check_size, group_norm


class ReversedEncoder(nn.Module):
    """Halves the image once a width; gives mean and log-variance of the latent vector, and every pooled feature map."""

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
        # beyond +-10 the divergence's exponential is all that would be left of the loss
        return mu, log_variance.clamp(-10.0, 10.0), embeddings


class ReversedDecoder(nn.Module):
    """Latent vector to image, the encoder in reverse; a sigmoid keeps the image in [0, 1]."""

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
    """Encoder and decoder, apart, for each has its own loss and optimiser.

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
        """Reconstruction from the mean, never from a sample, and the embeddings of ``x``: deterministic."""
        mu, _, embeddings = self.encoder(x)
        return self.decoder(mu), embeddings


def sample(mu: Tensor, log_variance: Tensor, generator: torch.Generator) -> Tensor:
    """A draw of the latent vector, differentiable in mean and variance (Kingma & Welling 2014)."""
    noise = torch.randn(mu.shape, generator=generator, device=mu.device, dtype=mu.dtype)
    return mu + noise * (0.5 * log_variance).exp()
