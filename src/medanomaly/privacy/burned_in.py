"""Text that is burned into an image: found by OCR without a network, covered, and looked for again."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from medanomaly.core.errors import ConfigurationError, InputError

# which side and which view: they name nobody, and a reader needs them
MARKERS = {
    "L",
    "R",
    "LT",
    "RT",
    "LEFT",
    "RIGHT",
    "AP",
    "PA",
    "LAT",
    "LL",
    "RL",
    "CC",
    "MLO",
    "SUPINE",
    "ERECT",
    "UPRIGHT",
}
# text is read down to a height of about 12 px; smaller images are doubled
_SMALL = 700
_MARGIN = 2
_SURE = 0.3
_PASSES = 3
_FEWEST_LETTERS = 2
_LONG = 2

Box = tuple[int, int, int, int]  # top, bottom, left, right, in pixels; the second of each is not part of it
Reader = Callable[[np.ndarray], list[tuple[Box, str]]]


@dataclass(frozen=True)
class Covered:
    """An image without burned-in text.

    Attributes:
        pixels: as given, constant inside the boxes and unchanged outside.
        boxes: that were covered.
    """

    pixels: np.ndarray
    boxes: tuple[Box, ...]


def cover_text(pixels: np.ndarray, read: Reader, name: str = "image") -> Covered:
    """Cover every text but the markers of side and view, and single letters.

    Args:
        pixels: (height, width) or (height, width, 3) numbers.
        read: of :func:`text_reader`.
        name: shown in errors.

    Raises:
        InputError: text is still found after three passes; nothing may be written then.
    """
    result, boxes = pixels.copy(), []
    for _ in range(_PASSES):
        found = [box for box, text in read(_as_bytes(result)) if not _is_harmless(text, box)]
        if not found:
            return Covered(result, tuple(boxes))
        for box in found:
            _cover(result, box)
        boxes += found
    raise InputError(
        "text is found in the image even after it was covered",
        source=name,
        remedy="Cover it by hand, or leave the image out.",
    )


@cache
def text_reader() -> Reader:
    """Reads text with rapidocr, whose models come with its package.

    Raises:
        ConfigurationError: the package is not installed.
    """
    try:
        from rapidocr import RapidOCR
    except ImportError as error:
        raise ConfigurationError(
            "text in images is found by rapidocr, which is not installed",
            remedy="pip install 'medanomaly[privacy]'.",
        ) from error
    engine = RapidOCR(params={"Global.log_level": "error", "Global.text_score": _SURE})

    def read(image: np.ndarray) -> list[tuple[Box, str]]:
        scale = 2 if max(image.shape[:2]) < _SMALL else 1
        large = np.repeat(np.repeat(image, scale, axis=0), scale, axis=1)
        if large.ndim == 2:
            large = np.repeat(large[..., None], 3, axis=2)
        found = engine(large)
        if found.boxes is None:
            return []
        return [
            (_box(corners / scale, image.shape), text)
            for corners, text in zip(found.boxes, found.txts, strict=True)
        ]

    return read


def _as_bytes(pixels: np.ndarray) -> np.ndarray:
    """Grey values or colours in 0..255, from the darkest to the brightest; letters may be the brightest pixels of all."""
    if pixels.dtype == np.uint8:
        return pixels
    numbers = pixels.astype(np.float64)
    low, high = numbers.min(), numbers.max()
    return ((numbers - low) * (255.0 / (high - low)) if high > low else np.zeros_like(numbers)).astype(
        np.uint8
    )


def _is_harmless(text: str, box: Box) -> bool:
    """Whether it is a marker, or one letter: anatomy is often read as a 1 as large as half of the film.

    One letter in a long box may be a text that was read badly.
    """
    words = text.upper().replace(".", " ").replace("-", " ").split()
    top, bottom, left, right = box
    short, long = sorted((bottom - top, right - left))
    return all(word in MARKERS for word in words) or (
        sum(map(str.isalnum, text)) < _FEWEST_LETTERS and long < _LONG * short
    )


def _box(corners: np.ndarray, shape: tuple[int, ...]) -> Box:
    left, top = np.floor(corners.min(axis=0)).astype(int) - _MARGIN
    right, bottom = np.ceil(corners.max(axis=0)).astype(int) + _MARGIN
    return max(0, top), min(shape[0], bottom), max(0, left), min(shape[1], right)


def _cover(pixels: np.ndarray, box: Box) -> None:
    """Fill a box with the median of the pixels around it."""
    top, bottom, left, right = box
    around = pixels[max(0, top - 3) : bottom + 3, max(0, left - 3) : right + 3]
    inside = np.zeros(around.shape[:2], dtype=bool)
    inside[min(3, top) : min(3, top) + bottom - top, min(3, left) : min(3, left) + right - left] = True
    edge = around[~inside]
    value = np.median(edge, axis=0) if len(edge) else 0
    pixels[top:bottom, left:right] = np.asarray(value).astype(pixels.dtype)
