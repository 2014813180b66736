"""Grey images and maps as PNG in text, for the page."""

import base64
import io

import numpy as np
from PIL import Image


def png(values: np.ndarray, low: float, high: float) -> str:
    """(H, W) numbers as an 8-bit grey PNG in base64, ``low`` black and ``high`` white."""
    spread = (np.nan_to_num(values) - low) / ((high - low) or 1.0)
    grey = np.round(255 * np.clip(spread, 0, 1)).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(grey).save(out, format="PNG")
    return base64.b64encode(out.getvalue()).decode("ascii")
