"""From an image of any shape to a square, without a change of proportions."""

import numpy as np
from PIL import Image


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
    if geometry == "centre_crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        pixels = pixels[top : top + side, left : left + side]
    else:
        side = max(height, width)
        top, left = (side - height) // 2, (side - width) // 2
        pixels = np.pad(pixels, ((top, side - height - top), (left, side - width - left)))
    if side == size:
        return np.ascontiguousarray(pixels)
    resized = Image.fromarray(np.ascontiguousarray(pixels)).resize((size, size), Image.Resampling.BILINEAR)
    return np.array(resized, dtype=np.float32)
