"""Convolutional autoencoder with a fully connected bottleneck; it can also predict the variance of its error."""

from torch import Tensor, nn

from medanomaly.imaging.networks.blocks import check_size

HALVINGS = 4
# exp(+-8): beyond it the weight of a pixel has no meaning, and float32 loses precision
LARGEST_LOG_VARIANCE = 8.0


def _down(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


def _up(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class Autoencoder(nn.Module):
    """Four halvings, a bottleneck of ``latent`` numbers, four doublings (Cai et al. 2024, MedIAnomaly).

    Args:
        image_size: side of the square images, a multiple of 16.
        latent: size of the bottleneck.
        width: channels of the first block; the next blocks have 2, 4 and 4 times as many.
        hidden: units of the layer on either side of the bottleneck.
        variance: whether to predict the log-variance of each pixel too.
    """

    def __init__(self, image_size: int, latent: int, width: int, hidden: int, variance: bool):
        super().__init__()
        side = check_size(image_size, HALVINGS)
        widths = (width, 2 * width, 4 * width, 4 * width)
        flat = widths[-1] * side * side
        self.variance = variance
        self.encoder = nn.Sequential(
            *(_down(i, o) for i, o in zip((1, *widths[:-1]), widths, strict=True)),
            nn.Flatten(),
            nn.Linear(flat, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, latent),
        )
        reversed_widths = widths[::-1]
        self.decoder = nn.Sequential(
            nn.Linear(latent, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, flat),
            nn.Unflatten(1, (widths[-1], side, side)),
            *(_up(i, o) for i, o in zip(reversed_widths, (*reversed_widths[1:], width), strict=True)),
            nn.Conv2d(width, 2 if variance else 1, 3, padding=1),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """(n, 1, H, W) to the reconstruction, and the log-variance or None, both (n, 1, H, W)."""
        out = self.decoder(self.encoder(x))
        if not self.variance:
            return out, None
        return out[:, :1], out[:, 1:].clamp(-LARGEST_LOG_VARIANCE, LARGEST_LOG_VARIANCE)
