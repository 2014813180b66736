"""Corruptions that a U-Net learns to undo: coarse noise, or holes."""

import torch
from torch import Tensor
from torch.nn import functional

from medanomaly.core.errors import ConfigurationError


def coarse_noise(images: Tensor, sigma: float, scale: int, generator: torch.Generator) -> Tensor:
    """Smooth random patches of the size of lesions (Kascenas et al. 2022, "Denoising autoencoders ... in brain MRI").

    Normal noise on a grid ``scale`` times coarser than the image is upsampled bilinearly. A random offset within a grid cell
    makes sure that no pixel is always a grid point.

    Args:
        images: (n, 1, H, W), for the shape.
        sigma: standard deviation at the grid points.
        scale: pixels from one grid point to the next.
        generator: random numbers, on the images' device.

    Returns:
        (n, 1, H, W) noise.
    """
    n, _, height, width = images.shape
    rows, columns = -(-height // scale) + 1, -(-width // scale) + 1
    grid = sigma * torch.randn(
        n, 1, rows, columns, generator=generator, device=images.device, dtype=images.dtype
    )
    noise = functional.interpolate(grid, scale_factor=float(scale), mode="bilinear", align_corners=False)
    top, left = torch.randint(0, scale, (2, 1), generator=generator, device=images.device)
    # by index, not by slice, so that a GPU need not wait until the host has read the offset
    y, x = (
        start + torch.arange(size, device=images.device) for start, size in ((top, height), (left, width))
    )
    return noise[:, :, y[:, None], x]


def hole_masks(height: int, width: int, hole: int) -> tuple[Tensor, Tensor]:
    """Complementary holes that together score every pixel once.

    Holes of ``hole`` pixels are the dark squares of a chessboard. Only the middle half of each is scored, so all pixels
    within a quarter of a hole were hidden. Eight offsets of the board cover the image; each needs a pass of the network.

    Args:
        height: of the image.
        width: of the image.
        hole: side of a hole, a multiple of 4.

    Returns:
        ``(hidden, scored)``, both (8, 1, height, width) float32 of 0 and 1. ``scored`` adds up to 1 at each pixel and
        lies inside ``hidden``.

    Raises:
        ConfigurationError: ``hole`` is not a multiple of 4, or larger than half the image.
    """
    if hole % 4 or 2 * hole > min(height, width):
        raise ConfigurationError(
            f"holes of {hole} px in images of {height} x {width}",
            remedy="Use a multiple of 4, at most half the side of the image.",
        )
    cell, margin = hole // 2, hole // 4
    masks = []
    for shift in range(8):
        down, right = divmod(shift, 4)
        # a square starts one margin before the scored cell inside it
        y, x = torch.arange(height) - cell * down + margin, torch.arange(width) - cell * right + margin
        hidden = _dark(y, x, hole)
        inside_y, inside_x = ((place - margin) % hole < cell for place in (y, x))
        masks.append(torch.stack([hidden, hidden & inside_y[:, None] & inside_x[None, :]]))
    both = torch.stack(masks).float()
    return both[:, :1], both[:, 1:]


def random_holes(images: Tensor, hole: int, generator: torch.Generator) -> Tensor:
    """A board of :func:`hole_masks` at a random place for each image: (n, 1, H, W) of 0 and 1."""
    n, _, height, width = images.shape
    shift = torch.randint(0, 2 * hole, (2, n, 1), generator=generator, device=images.device)
    y = torch.arange(height, device=images.device) + shift[0]
    x = torch.arange(width, device=images.device) + shift[1]
    return _dark(y, x, hole)[:, None].to(images.dtype)


def _dark(y: Tensor, x: Tensor, side: int) -> Tensor:
    """(..., height, width) bool of rows (..., height) and columns (..., width): the dark squares of a chessboard."""
    upper, left = y % (2 * side) < side, x % (2 * side) < side
    return upper[..., :, None] == left[..., None, :]
