"""From the bytes of an image file to grey values in [0, 1]."""

import io
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from medanomaly.core.errors import InputError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
DICOM_SUFFIXES = (".dcm", ".dicom")
LARGEST_PIXELS = 200_000_000  # a larger file is treated as a decompression bomb


@dataclass(frozen=True)
class RawImage:
    """One image before preparation.

    Attributes:
        pixels: (H, W) float32 in [0, 1], bright = dense.
        attributes: other facts from the file, as plain values.
    """

    pixels: np.ndarray
    attributes: dict = field(default_factory=dict)


def decode(content: bytes, name: str) -> RawImage:
    """Decode a PNG, JPEG, BMP, TIFF or DICOM file; its content shows which it is.

    Raises:
        InputError: the file is empty, damaged, truncated, or of another kind.
    """
    if not content:
        raise InputError("the file is empty", source=name)
    if content[128:132] == b"DICM":
        from medanomaly.imaging.sources.dicom import decode_dicom

        return decode_dicom(content, name)
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > LARGEST_PIXELS:
                raise InputError(f"{image.width} x {image.height} px are too many", source=name)
            if getattr(image, "n_frames", 1) > 1:
                raise InputError(f"{image.n_frames} frames in one file", remedy="Give one image per file.")
            return RawImage(grey(image))
    except InputError:
        raise
    # Pillow raises errors of many kinds on damaged files
    except Exception as error:
        raise InputError(f"not a readable image: {error}", source=name) from error


def grey(image: Image.Image) -> np.ndarray:
    """(H, W) float32 in [0, 1]: colours become luminance, transparency is ignored, 16-bit values are divided by 65535."""
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.float32)
        if values.size and (values.min() < 0 or values.max() > 65535):
            raise InputError("values outside 0..65535", remedy="Save grey images with 8 or 16 bits.")
        return values / np.float32(65535)
    if image.mode == "F":
        raise InputError("floating-point pixels without a range", remedy="Save with 8 or 16 bits.")
    return np.asarray(image.convert("L"), dtype=np.float32) / np.float32(255)
