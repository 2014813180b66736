"""Contrast that a network sees, and the way back. Both are part of the exported graph, so no caller can forget them."""

import torch
from torch import Tensor, nn
from torch.nn import functional

LOCAL_SIGMA = 8.0
# where an image or a surrounding is flat, there is no contrast to raise
LEAST_DEVIATION = 0.03


def gaussian_blur(images: Tensor, sigma: float) -> Tensor:
    """Separable Gaussian of (n, 1, H, W) images, radius 3 sigma, weights renormalised at the border."""
    radius = max(1, round(3 * sigma))
    distance = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-0.5 * (distance / sigma) ** 2)
    kernel = kernel / kernel.sum()
    rows, columns = kernel.view(1, 1, -1, 1), kernel.view(1, 1, 1, -1)

    def blur(x: Tensor) -> Tensor:
        x = functional.conv2d(x, rows, padding=(radius, 0))
        return functional.conv2d(x, columns, padding=(0, radius))

    return blur(images) / blur(torch.ones_like(images[:1]))


class ContrastLayer(nn.Module):
    """Images in [0, 1] to what the network sees.

    Args:
        kind: ``none``, ``zscore`` (per image) or ``local`` (each pixel relative to a Gaussian neighbourhood, sigma 8 px).
    """

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind

    def moments(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Location and scale that are removed from (n, 1, H, W) images."""
        if self.kind == "none":
            return torch.zeros_like(images[:, :1, :1, :1]), torch.ones_like(images[:, :1, :1, :1])
        if self.kind == "zscore":
            mean = images.mean(dim=(2, 3), keepdim=True)
            deviation = (images - mean).square().mean(dim=(2, 3), keepdim=True).sqrt()
            return mean, deviation + LEAST_DEVIATION
        mean = gaussian_blur(images, LOCAL_SIGMA)
        deviation = gaussian_blur((images - mean).square(), LOCAL_SIGMA).sqrt()
        return mean, deviation + LEAST_DEVIATION

    def forward(self, images: Tensor) -> Tensor:
        """(n, 1, H, W), same shape."""
        location, scale = self.moments(images)
        return (images - location) / scale

    def undo(self, seen: Tensor, images: Tensor) -> Tensor:
        """The answer of a network in the units of its input images."""
        location, scale = self.moments(images)
        return seen * scale + location
