"""The input contract: what an image must be when a model sees it. Every bundle holds it; it is checked at run time."""

from typing import Literal

import numpy as np
from pydantic import Field

from medanomaly.core.errors import InputError
from medanomaly.core.params import Params
from medanomaly.imaging.sources.geometry import to_square

_TOLERANCE = 1e-3


class InputContract(Params):
    """Geometry, range and contrast of the images of a model; ``model_dump()`` is plain JSON.

    The aspect ratio of an image is kept: its longer side is cropped about the centre, or its shorter side is padded with
    black.
    """

    size: int = Field(64, ge=8, le=4096)  # side, px
    geometry: Literal["centre_crop", "pad"] = "centre_crop"
    contrast: Literal["none", "zscore", "clahe"] = "none"

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value that a pixel can have; a z-score is bounded by the number of pixels."""
        return (-float(self.size), float(self.size)) if self.contrast == "zscore" else (0.0, 1.0)

    def prepare(self, pixels: np.ndarray) -> np.ndarray:
        """Prepare one image to the contract.

        Args:
            pixels: (H, W) grey values in [0, 1], any size.

        Returns:
            (size, size) float32.

        Raises:
            InputError: the image is not two-dimensional, empty, or outside [0, 1].
        """
        pixels = np.asarray(pixels)
        if pixels.ndim != 2 or 0 in pixels.shape:
            raise InputError(f"an image of shape {pixels.shape}", remedy="Give one grey image (H, W).")
        _check_range(pixels, (0.0, 1.0))
        square = np.clip(to_square(pixels, self.size, self.geometry), 0.0, 1.0)
        if self.contrast == "zscore":
            return zscore(square)
        if self.contrast == "clahe":
            from skimage.exposure import equalize_adapthist

            return equalize_adapthist(square).astype(np.float32)
        return square

    def prepare_mask(self, mask: np.ndarray) -> np.ndarray:
        """(H, W) mask to (size, size) bool in the same geometry; a pixel counts if at least half of it is covered."""
        return to_square((np.asarray(mask) > 0).astype(np.float32), self.size, self.geometry) >= 0.5

    def check(self, images: np.ndarray, source: object = "images") -> np.ndarray:
        """Return ``images`` as (n, size, size), or raise an error that says what breaks the contract.

        Args:
            images: (n, size, size) or (n, 1, size, size), float32 or float64.
            source: named in the error.

        Raises:
            InputError: wrong shape or type, NaN, a value outside the range, or z-scores that are not standardised.
        """
        images = np.asarray(images)
        if images.ndim == 4 and images.shape[1] == 1:
            images = images[:, 0]
        if images.ndim != 3 or images.shape[1:] != (self.size, self.size):
            raise InputError(
                f"images of shape {images.shape}",
                remedy=f"This model takes (n, {self.size}, {self.size}); prepare them with its contract.",
                source=source,
            )
        if images.dtype.kind != "f":
            raise InputError(
                f"images of type {images.dtype}",
                remedy="Give floating-point values; divide bytes 0..255 by 255.",
                source=source,
            )
        for number, image in enumerate(images):
            _check_range(image, self.range, source, number)
            if self.contrast == "zscore":
                mean, sd = float(image.mean(dtype=np.float64)), float(image.std(dtype=np.float64))
                if abs(mean) > 0.05 or (abs(sd - 1) > 0.05 and sd > 0.05):
                    raise InputError(
                        f"mean {mean:.2f} and standard deviation {sd:.2f}",
                        remedy="This model takes images that are each standardised to mean 0 and standard deviation 1.",
                        source=source,
                        record=number,
                    )
        return images


def zscore(image: np.ndarray) -> np.ndarray:
    """(H, W) to mean 0 and standard deviation 1; an image without contrast becomes all zeros."""
    image = np.asarray(image, dtype=np.float64)
    sd = image.std()
    return ((image - image.mean()) / (sd if sd > 1e-6 else 1.0)).astype(np.float32)


def _check_range(
    image: np.ndarray, limits: tuple[float, float], source: object = None, record: object = None
):
    low, high = float(np.min(image)), float(np.max(image))
    # NaN fails every comparison
    if not (low >= limits[0] - _TOLERANCE and high <= limits[1] + _TOLERANCE):
        problem = "an image holds NaN" if np.isnan(low) else f"pixel values run from {low:.4g} to {high:.4g}"
        raise InputError(
            problem,
            remedy=f"Expected values in [{limits[0]:g}, {limits[1]:g}].",
            source=source,
            record=record,
        )
