"""Log band energies: how much detail of each scale each cell of an image holds.

Differences of Gaussians divide an image into four bands (Burt & Adelson 1983, "The Laplacian pyramid as a compact image
code", without the subsampling). The mean absolute value of a band in a cell of a coarse grid is its energy there. The
logarithm makes energies of quiet and of busy cells comparable, and turns a change of contrast into a constant offset.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.ndimage import gaussian_filter1d

from medanomaly.core.errors import ConfigurationError, InputError

SMALLEST_ENERGY = 1e-5
TRUNCATE = 3.0  # a Gaussian ends at this many standard deviations
_CHUNK = 8  # the bands of so many images fit into the second-level cache


def gaussian_matrix(size: int, sigma: float) -> np.ndarray:
    """(size, size) float64 matrix that smooths a column of pixels, mirrored at the edges without repeating them."""
    return gaussian_filter1d(np.eye(size), sigma, axis=0, mode="mirror", truncate=TRUNCATE)


def pooling_matrix(length: int, bins: int) -> np.ndarray:
    """(bins, length) means over ``floor(length i / bins) : ceil(length (i + 1) / bins)``; neighbours may share a pixel."""
    pool = np.zeros((bins, length))
    for i in range(bins):
        start, stop = length * i // bins, -(-length * (i + 1) // bins)
        pool[i, start:stop] = 1.0 / (stop - start)
    return pool


def block_mean(images: np.ndarray, size: int) -> np.ndarray:
    """Images (n, k * size, k * size) to (n, size, size): means of k x k blocks; k = 1 returns them unchanged.

    Raises:
        InputError: the images are not square, or ``size`` does not divide their side.
    """
    if (
        images.ndim != 3
        or images.shape[1] != images.shape[2]
        or images.shape[1] % size
        or not images.shape[1]
    ):
        raise InputError(
            f"images of shape {images.shape[1:]} do not fit",
            remedy=f"Give (n, {size}, {size}), or sides that are a multiple of {size} px.",
        )
    k = images.shape[1] // size
    if k == 1:
        return images
    return images.reshape(len(images), size, k, size, k).mean(axis=(2, 4), dtype=np.float64)


@dataclass(frozen=True)
class BandEnergies:
    """The features of an image: one log energy per band and cell.

    Smoothing is linear along rows and along columns, so an image costs a few small matrix products. Each image has its own
    products, so its features are the same, to the bit, alone and in a batch.

    Attributes:
        size: side of an image, px.
        margin: px left out on each side, at the border of the image.
        grid: cells per side.
        sigmas: standard deviations of the Gaussians, px, ascending. Band b lies between sigma b - 1 and sigma b; the first
            band lies between the image and the first Gaussian.
    """

    size: int = 64
    margin: int = 6
    grid: int = 5
    sigmas: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)

    def __post_init__(self):
        if self.inner < self.grid or self.grid < 1 or self.margin < 0:
            raise ConfigurationError(
                f"an image of {self.size} px with a margin of {self.margin} has no {self.grid} x {self.grid} cells"
            )
        if not self.sigmas or list(self.sigmas) != sorted(set(self.sigmas)) or self.sigmas[0] <= 0:
            raise ConfigurationError(f"sigmas {self.sigmas} are not positive and ascending")

    @property
    def inner(self) -> int:
        """Side of the image without its margins, px."""
        return self.size - 2 * self.margin

    @property
    def shape(self) -> tuple[int, int, int]:
        """(bands, grid, grid)."""
        return len(self.sigmas), self.grid, self.grid

    @property
    def n_features(self) -> int:
        """Bands times cells."""
        return len(self.sigmas) * self.grid**2

    @cached_property
    def smoothing(self) -> np.ndarray:
        """(bands, inner, size) smoothing matrices, rows of the margin left out."""
        inside = slice(self.margin, self.size - self.margin)
        return np.stack([gaussian_matrix(self.size, sigma)[inside] for sigma in self.sigmas])

    @cached_property
    def pooling(self) -> np.ndarray:
        """(grid, inner)."""
        return pooling_matrix(self.inner, self.grid)

    def bands(self, images: np.ndarray) -> np.ndarray:
        """(n, bands, inner, inner) float64 differences of Gaussians of (n, size, size) images."""
        bands, inner = len(self.sigmas), self.inner
        images = np.ascontiguousarray(images, dtype=np.float64)
        rows = np.matmul(self.smoothing.reshape(bands * inner, self.size), images)
        low = np.matmul(rows.reshape(len(images), bands, inner, self.size), self.smoothing.transpose(0, 2, 1))
        inside = slice(self.margin, self.size - self.margin)
        out = np.empty_like(low)
        np.subtract(images[:, inside, inside], low[:, 0], out=out[:, 0])
        np.subtract(low[:, :-1], low[:, 1:], out=out[:, 1:])
        return out

    def energies(self, images: np.ndarray) -> np.ndarray:
        """Mean absolute value of each band in each cell, not below 1e-5.

        Args:
            images: (n, k * size, k * size) images in [0, 1], finite.

        Returns:
            (n, bands, grid, grid) float64.
        """
        images = block_mean(np.asarray(images), self.size)
        out = np.empty((len(images), *self.shape))
        for start in range(0, len(images), _CHUNK):
            bands = self.bands(images[start : start + _CHUNK])
            np.abs(bands, out=bands)
            out[start : start + _CHUNK] = np.matmul(np.matmul(self.pooling, bands), self.pooling.T)
        if not np.isfinite(out).all():
            bad = int(np.flatnonzero(~np.isfinite(out).all(axis=(1, 2, 3)))[0])
            raise InputError("an image holds NaN or infinity", remedy="Images are in [0, 1].", record=bad)
        return np.maximum(out, SMALLEST_ENERGY, out=out)

    def features(self, images: np.ndarray) -> np.ndarray:
        """(n, bands * grid * grid) float64 log energies, bands outermost."""
        energies = self.energies(images).reshape(len(images), self.n_features)
        return np.log(energies, out=energies)
