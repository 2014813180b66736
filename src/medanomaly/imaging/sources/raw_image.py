"""From the bytes of an image file to grey values in [0, 1]."""

import io
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, UnidentifiedImageError

from medanomaly.core.errors import InputError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
DICOM_SUFFIXES = (".dcm", ".dicom")
LARGEST_PIXELS = (
    50_000_000  # a larger image is treated as a decompression bomb; mammograms have some 25 million
)
SMALLEST_RANGE = 0.05  # an image that uses less than this share of the grey values is noted
# Pillow tries no other format: it hands PostScript to Ghostscript, whatever the name of the file
FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
ORIENTATION = 0x0112  # tag of EXIF
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PHOTOMETRIC, _BITS_PER_SAMPLE = 262, 258  # tags of TIFF


@dataclass(frozen=True)
class RawImage:
    """One image before preparation.

    Attributes:
        pixels: (H, W) float32 in [0, 1], bright = dense.
        attributes: other facts from the file, as plain values; ``notes`` are what a reader of the results should know,
            as ends of sentences that begin with "images".
    """

    pixels: np.ndarray
    attributes: dict = field(default_factory=dict)


def decode(content: bytes, name: str) -> RawImage:
    """Decode a PNG, JPEG, BMP, TIFF or DICOM file; its content shows which it is.

    Images are turned as their EXIF orientation says.

    Raises:
        InputError: the file is empty, damaged, truncated, too large, or of another kind.
    """
    if not content:
        raise InputError("the file is empty", source=name)
    if is_dicom(content):
        from medanomaly.imaging.sources.dicom import decode_dicom

        return decode_dicom(content, name)
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > LARGEST_PIXELS:
                raise InputError(
                    f"{image.width} x {image.height} px are too many",
                    remedy=f"Give at most {LARGEST_PIXELS // 10**6} million.",
                    source=name,
                )
            if getattr(image, "n_frames", 1) > 1:
                raise InputError(
                    f"{image.n_frames} frames in one file", remedy="Give one image per file.", source=name
                )
            pixels = grey(image)
    except InputError:
        raise
    except UnidentifiedImageError as error:
        raise InputError("no PNG, JPEG, BMP, TIFF or DICOM file", source=name) from error
    # Pillow raises errors of many kinds on damaged files
    except Exception as error:
        raise InputError(
            f"not a readable image: {str(error) or type(error).__name__}", source=name
        ) from error
    return RawImage(pixels, {"notes": tuple(notes_on_range(pixels))})


def is_dicom(content: bytes) -> bool:
    """Whether a file is DICOM: by its preamble or, where old archives left that out, by its first element (group 2 or 8)."""
    return content[128:132] == b"DICM" or (
        (content[:2] in (b"\x02\0", b"\x08\0") and content[3:4] == b"\0") or content[:3] == b"\0\x08\0"
    )


def notes_on_range(pixels: np.ndarray) -> list[str]:
    """A note if grey values, (n,) or (H, W) in [0, 1], use almost nothing of their range; 1 % at each end do not count."""
    few = pixels[tuple(slice(None, None, 1 + side // 512) for side in pixels.shape)]
    if few.size and np.diff(np.percentile(few, [1, 99]))[0] < SMALLEST_RANGE:
        return [f"use less than {100 * SMALLEST_RANGE:g} % of the range of grey values"]
    return []


def grey(image: Image.Image) -> np.ndarray:
    """(H, W) float32 in [0, 1], upright: colours become luminance, transparency is ignored.

    16-bit values are divided by 65535, those of a TIFF by the largest value of its bits per sample.
    """
    tags = getattr(image, "tag_v2", {})
    white_is_zero, bits = tags.get(_PHOTOMETRIC) == 0, tags.get(_BITS_PER_SAMPLE, (16,))[0]
    if image.mode == "F":
        raise InputError("floating-point pixels without a range", remedy="Save with 8 or 16 bits.")
    if not image.mode.startswith("I"):
        values = np.array(_upright(image.convert("L"), image), dtype=np.float32)
        values /= np.float32(255)
        return values
    top = 2**bits - 1 if bits < 16 else 65535
    values = np.array(_upright(image, image)).astype(np.float32)
    if values.size and (values.min() < 0 or values.max() > top or (white_is_zero and bits > 16)):
        raise InputError(f"values outside 0..{top}", remedy="Save grey images with 8 or 16 bits.")
    # Pillow inverts images of 8 bits only
    if white_is_zero:
        values = np.float32(top) - values
    values /= np.float32(top)
    return values


def _upright(image: Image.Image, opened: Image.Image) -> Image.Image:
    """``image`` turned as the EXIF orientation of ``opened`` says."""
    try:
        orientation = opened.getexif().get(ORIENTATION)
    # a damaged EXIF block says nothing about the pixels
    except Exception:
        return image
    return image if orientation not in _TURNS else image.transpose(_TURNS[orientation])
