"""From an image of any shape to a square, without a change of proportions."""

import numpy as np
from PIL import Image


def square_of(width: int, height: int, geometry: str) -> tuple[int, int, int]:
    """The square of an image that becomes the prepared one.

    Args:
        width, height: of the image, px.
        geometry: ``centre_crop`` cuts the longer side; ``pad`` extends the shorter side.

    Returns:
        ``(left, top, side)`` in px of the image; left and top are negative where the image is padded.
    """
    if geometry == "centre_crop":
        side = min(height, width)
        return (width - side) // 2, (height - side) // 2, side
    side = max(height, width)
    return -((side - width) // 2), -((side - height) // 2), side


def to_square(pixels: np.ndarray, size: int, geometry: str) -> np.ndarray:
    """Crop or pad to a square about the centre, then resample.

    Args:
        pixels: (H, W) real values.
        size: side of the result, px.
        geometry: ``centre_crop`` cuts the longer side; ``pad`` extends the shorter side with 0.

    Returns:
        (size, size) float32, bilinear; where the image shrinks, a pixel is the mean of all pixels that it covers.
    """
    height, width = pixels.shape
    pixels = np.asarray(pixels, dtype=np.float32)
    left, top, side = square_of(width, height, geometry)
    if geometry == "centre_crop":
        pixels = pixels[top : top + side, left : left + side]
    else:
        pixels = np.pad(pixels, ((-top, side - height + top), (-left, side - width + left)))
    if side == size:
        return np.ascontiguousarray(pixels)
    resized = Image.fromarray(np.ascontiguousarray(pixels)).resize((size, size), Image.Resampling.BILINEAR)
    return np.array(resized, dtype=np.float32)
