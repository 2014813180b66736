"""An image with a map of where it is unusual, as a picture."""

import io

import numpy as np
from PIL import Image

# side of the picture, px: the model's own images are too small to look at
SIDE = 512
FULL_RED = 0.995
STRENGTH = 0.6


def overlay_png(image: np.ndarray, found: np.ndarray) -> bytes:
    """A PNG in which the grey image shows through red.

    Args:
        image: (H, W) in [0, 1].
        found: (H, W) map, higher = more unusual. Red begins at its median and is full at its 99.5 % quantile.
    """
    low, high = np.quantile(found, [0.5, FULL_RED])
    share = np.clip((found - low) / max(high - low, np.finfo(np.float32).tiny), 0, 1)
    grey, red = (_enlarged(part) for part in (np.clip(image, 0, 1), share))
    weight = STRENGTH * red
    colours = np.stack([grey * (1 - weight) + weight, grey * (1 - weight), grey * (1 - weight)], axis=-1)
    stream = io.BytesIO()
    Image.fromarray(np.round(255 * colours).astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def _enlarged(part: np.ndarray) -> np.ndarray:
    side = max(SIDE, *part.shape)
    picture = Image.fromarray(part.astype(np.float32)).resize((side, side), Image.Resampling.BILINEAR)
    return np.clip(np.asarray(picture), 0, 1)
