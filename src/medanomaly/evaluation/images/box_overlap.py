"""How much boxes overlap; apart from the metrics, because whoever draws boxes needs it too."""

import numpy as np


def pairwise_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union (.., n, m) of boxes (.., n, 4) and (.., m, 4), x0, y0, x1, y1; 0 where both have no area."""
    a = np.asarray(first, dtype=np.float64)[..., :, None, :]
    b = np.asarray(second, dtype=np.float64)[..., None, :, :]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    common = np.clip(sides, 0, None).prod(axis=-1)
    union = (a[..., 2:] - a[..., :2]).prod(axis=-1) + (b[..., 2:] - b[..., :2]).prod(axis=-1) - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)
