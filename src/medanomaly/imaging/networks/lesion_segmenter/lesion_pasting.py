"""Lesions pasted into normal images for self-supervised training: irregular shapes with soft edges, near the centre.

The evaluation of localisation has its own generator, which shares no code with this one. A network must not be measured on
the shapes of its training. The idea follows AnatPaste (Sato et al. 2023) and foreign patch interpolation (Tan et al. 2020).
"""

import torch
from torch import Tensor
from torch.nn import functional

from medanomaly.imaging.networks.contrast import gaussian_blur

GRIDS = (3, 5, 8, 12)
# a change of a tenth of the range counts as a full lesion
FULL_CHANGE = 0.1
LEAST_CHANGE = 1e-3


def _uniform(n: int, low: float, high: float, like: Tensor, generator: torch.Generator) -> Tensor:
    drawn = torch.rand(n, 1, 1, 1, generator=generator, device=like.device, dtype=like.dtype)
    return low + (high - low) * drawn


def lesion_shapes(images: Tensor, generator: torch.Generator) -> Tensor:
    """Random soft shapes, (n, 1, H, W) in [0, 1]: smooth noise with a threshold, in a random window near the centre."""
    n, _, height, width = images.shape
    grid = GRIDS[int(torch.randint(0, len(GRIDS), (1,), generator=generator, device=images.device))]
    noise = torch.randn(n, 1, grid, grid, generator=generator, device=images.device, dtype=images.dtype)
    noise = functional.interpolate(noise, size=(height, width), mode="bicubic", align_corners=True)
    y = torch.linspace(0, 1, height, device=images.device, dtype=images.dtype).view(1, 1, -1, 1)
    x = torch.linspace(0, 1, width, device=images.device, dtype=images.dtype).view(1, 1, 1, -1)
    centre_y, centre_x = (_uniform(n, 0.2, 0.8, images, generator) for _ in range(2))
    size_y, size_x = (_uniform(n, 0.08, 0.4, images, generator) for _ in range(2))
    window = torch.exp(-0.5 * (((y - centre_y) / size_y) ** 2 + ((x - centre_x) / size_x) ** 2))
    field = torch.sigmoid(40 * (0.42 - (y - 0.5).abs())) * torch.sigmoid(40 * (0.42 - (x - 0.5).abs()))
    return torch.sigmoid(_uniform(n, 3, 10, images, generator) * (noise + 0.3)) * window * field


def paste_training_lesions(images: Tensor, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Change a share of normal images as lesions would.

    Each changed image gets one of four: opacity (towards a bright grey level), haze (towards its own mean), a part of
    another normal image, or loss of sharpness with an offset of brightness.

    Args:
        images: (n, 1, H, W) in [0, 1].
        share: expected share of images that are changed.
        generator: random numbers, on the images' device.

    Returns:
        ``(changed, target)``: images in [0, 1], and (n, 1, H, W) in [0, 1], the amount by which each pixel was changed. A
        change of a tenth of the range or more is 1. Unchanged images have a target of 0 everywhere.
    """
    n = len(images)
    shape = lesion_shapes(images, generator)
    level = torch.quantile(images.flatten(1), 0.55, dim=1), torch.quantile(images.flatten(1), 0.95, dim=1)
    bright = level[0].view(-1, 1, 1, 1) + _uniform(n, 0, 1, images, generator) * (level[1] - level[0]).view(
        -1, 1, 1, 1
    )
    mean = images.mean(dim=(2, 3), keepdim=True)
    offset = _uniform(n, 0.0, 0.12, images, generator)
    towards = torch.stack(
        [
            images + _uniform(n, 0.15, 0.9, images, generator) * (bright - images),
            images + _uniform(n, 0.12, 0.6, images, generator) * (mean + offset - images),
            images + _uniform(n, 0.3, 1.0, images, generator) * (images.roll(1, dims=0) - images),
            gaussian_blur(images, 2.0) + offset,
        ]
    )
    kind = torch.randint(0, len(towards), (n,), generator=generator, device=images.device)
    pasted = towards[kind, torch.arange(n, device=images.device)]
    chosen = (
        torch.rand(n, 1, 1, 1, generator=generator, device=images.device, dtype=images.dtype) < share
    ).to(images.dtype)
    changed = (images + chosen * shape * (pasted - images)).clamp(0.0, 1.0)
    difference = (changed - images).abs()
    target = (difference / FULL_CHANGE).clamp(max=1.0) * (difference > LEAST_CHANGE)
    return changed, target
