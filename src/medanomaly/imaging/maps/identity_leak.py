"""Does a reconstruction copy what it should remove? Paste a disc, and measure how much of it comes back."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from medanomaly.core.errors import InputError


@dataclass(frozen=True)
class IdentityLeak:
    """How much of a pasted disc survives reconstruction.

    Attributes:
        leak: mean over the images; 1 for a network that copies, 0 for a network that removes the disc.
        per_image: (n,) leak of each image.
    """

    leak: float
    per_image: np.ndarray


def paste_discs(
    images: np.ndarray, radius: float, amplitude: float, seed: int, margin: float = 0.25
) -> np.ndarray:
    """Add a disc to each image: a bright one where the image is dark, else a dark one.

    Args:
        images: (n, H, W) float32 in [0, 1].
        radius: in pixels; the edge is one pixel soft.
        amplitude: change of the grey level inside; values stay in [0, 1].
        seed: of the places.
        margin: smallest distance of a centre from the border, as a share of height and width.

    Returns:
        (n, H, W) float32 in [0, 1].
    """
    n, height, width = images.shape
    random = np.random.default_rng(seed)
    y = random.uniform(margin * height, (1 - margin) * height, n)[:, None, None]
    x = random.uniform(margin * width, (1 - margin) * width, n)[:, None, None]
    rows, columns = np.arange(height)[None, :, None], np.arange(width)[None, None, :]
    distance = np.hypot(rows - y, columns - x)
    disc = np.clip(radius + 0.5 - distance, 0.0, 1.0)
    weight = disc.sum(axis=(1, 2))
    bright = (disc * images).sum(axis=(1, 2)) / weight <= 0.5
    sign = np.where(bright, 1.0, -1.0)[:, None, None]
    return np.clip(images + amplitude * sign * disc, 0.0, 1.0).astype(np.float32)


def identity_leak(
    reconstruct: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    radius: float | None = None,
    amplitude: float = 0.3,
    seed: int = 0,
) -> IdentityLeak:
    """Share of a pasted disc that a reconstruction gives back.

    With d what was pasted, ``leak = <R(x + d) - R(x), d> / <d, d>``. It is the change of the reconstruction R projected on
    the disc, so changes outside the disc do not count.

    Args:
        reconstruct: (n, H, W) images in [0, 1] to their reconstructions, deterministic.
        images: (n, H, W) float32 in [0, 1], normal images outside the training.
        radius: of the disc in px; None for a tenth of the height.
        amplitude: of the disc in grey levels of the range.
        seed: of the places of the discs.

    Raises:
        InputError: no images, or values outside [0, 1].
    """
    images = np.asarray(images, dtype=np.float32)
    if images.ndim != 3 or not len(images):
        raise InputError(f"images of shape {images.shape}", remedy="Give one or more as (n, H, W).")
    if not np.isfinite(images).all() or images.min() < 0 or images.max() > 1:
        raise InputError("images outside [0, 1]", remedy="Prepare them with the input contract first.")
    radius = images.shape[1] / 10 if radius is None else radius
    pasted = paste_discs(images, radius, amplitude, seed)
    disc = (pasted - images).astype(np.float64)
    change = np.asarray(reconstruct(pasted), dtype=np.float64) - np.asarray(
        reconstruct(images), dtype=np.float64
    )
    leaks = (change * disc).sum(axis=(1, 2)) / (disc**2).sum(axis=(1, 2))
    return IdentityLeak(float(leaks.mean()), leaks)


def explained_variance(reconstruct: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> float:
    """Share of the differences between normal images that their reconstructions keep.

    ``1 - |x - R(x)|^2 / |x - mean|^2`` over all pixels of all images. It is 1 for a copy, and 0 for a network that answers
    every image with the mean image. Such a network has a low leak and is still of no use.

    Args:
        reconstruct: (n, H, W) images in [0, 1] to their reconstructions.
        images: (n, H, W) float32 in [0, 1], normal images outside the training, not all equal.
    """
    images = np.asarray(images, dtype=np.float64)
    error = np.square(images - np.asarray(reconstruct(images.astype(np.float32)), dtype=np.float64)).mean()
    return float(1 - error / np.square(images - images.mean(axis=0)).mean())
