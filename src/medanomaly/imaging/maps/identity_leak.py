"""Does a reconstruction copy what it should take out? Paste a disc, and see how much of it comes back."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from medanomaly.core.errors import InputError


@dataclass(frozen=True)
class IdentityLeak:
    """How much of a pasted disc survives reconstruction.

    Attributes:
        leak: mean over the images; 1 for a network that copies, 0 for one that takes the disc out altogether.
        per_image: (n,) of each image.
    """

    leak: float
    per_image: np.ndarray


def paste_discs(
    images: np.ndarray, radius: float, amplitude: float, seed: int, margin: float = 0.25
) -> np.ndarray:
    """Add a bright disc to each image, or a dark one where there is more room below.

    Args:
        images: (n, H, W) float32 in [0, 1].
        radius: in pixels; the edge is one pixel soft.
        amplitude: change of grey level inside, cut where the image's range ends.
        seed: of the places.
        margin: share of height and width that no centre comes near.

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

    With d what was pasted, ``leak = <R(x + d) - R(x), d> / <d, d>``: the change of the reconstruction R, projected on the
    disc, so that a brighter surrounding elsewhere does not count.

    Args:
        reconstruct: (n, H, W) images in [0, 1] to their reconstructions, deterministic.
        images: (n, H, W) float32 in [0, 1], normal and not trained on.
        radius: of the disc in px; None for a tenth of the height.
        amplitude: of the disc in grey levels of the range.
        seed: of the discs' places.

    Raises:
        InputError: no images, or values outside [0, 1].
    """
    images = np.asarray(images, dtype=np.float32)
    if images.ndim != 3 or not len(images):
        raise InputError(f"images of shape {images.shape}", remedy="Give one or more as (n, H, W).")
    if not np.isfinite(images).all() or images.min() < 0 or images.max() > 1:
        raise InputError("images outside [0, 1]", remedy="Bring them under the input contract first.")
    radius = images.shape[1] / 10 if radius is None else radius
    pasted = paste_discs(images, radius, amplitude, seed)
    disc = (pasted - images).astype(np.float64)
    change = np.asarray(reconstruct(pasted), dtype=np.float64) - np.asarray(
        reconstruct(images), dtype=np.float64
    )
    leaks = (change * disc).sum(axis=(1, 2)) / (disc**2).sum(axis=(1, 2))
    return IdentityLeak(float(leaks.mean()), leaks)


def explained_variance(reconstruct: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> float:
    """Share of what differs between normal images that their reconstructions give back.

    ``1 - |x - R(x)|^2 / |x - mean|^2`` over all pixels of all images: 1 for a copy, 0 for a network that answers every image
    with the mean image, as one whose code has collapsed does, however low its leak is.

    Args:
        reconstruct: (n, H, W) images in [0, 1] to their reconstructions.
        images: (n, H, W) float32 in [0, 1], normal and not trained on, not all the same.
    """
    images = np.asarray(images, dtype=np.float64)
    error = np.square(images - np.asarray(reconstruct(images.astype(np.float32)), dtype=np.float64)).mean()
    return float(1 - error / np.square(images - images.mean(axis=0)).mean())
