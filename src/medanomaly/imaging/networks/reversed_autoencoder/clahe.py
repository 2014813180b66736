"""Contrast-limited adaptive histogram equalisation as tensor operations, which an exported graph can hold."""

import torch
from torch import Tensor
from torch.nn import functional

BINS = 64


def clahe(images: Tensor, tiles: int = 8, clip: float = 0.02) -> Tensor:
    """Equalise the histogram of each tile, with limited peaks, and blend the maps of neighbouring tiles (Zuiderveld 1994).

    A pixel is shared between its two nearest grey levels in proportion. So the result is continuous in the input: a
    rounding error cannot move a pixel to another level.

    Args:
        images: (n, 1, H, W) in [0, 1]; H and W are multiples of ``tiles``.
        tiles: tiles per side.
        clip: largest share of the pixels of a tile in one grey level; the excess is spread over all levels.

    Returns:
        (n, 1, H, W) in [0, 1].
    """
    height, width = images.shape[2:]
    levels = torch.arange(BINS, dtype=images.dtype, device=images.device).view(1, BINS, 1, 1)
    share = functional.relu(1.0 - (images.clamp(0.0, 1.0) * (BINS - 1) - levels).abs())
    histogram = functional.avg_pool2d(share, (height // tiles, width // tiles))
    cut = histogram.clamp(max=clip)
    cut = cut + (1.0 - cut.sum(dim=1, keepdim=True)) / BINS
    # a product with a triangular matrix is a cumulative sum in the same order in every runtime
    triangle = torch.tril(torch.ones(BINS, BINS, dtype=images.dtype, device=images.device))
    mapped = functional.conv2d(cut, triangle.view(BINS, BINS, 1, 1))
    mapped = functional.interpolate(mapped, size=(height, width), mode="bilinear", align_corners=False)
    return (share * mapped).sum(dim=1, keepdim=True)
