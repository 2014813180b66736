"""How well a predicted mask agrees with the true one: overlap, and distance of the outlines."""

import numpy as np
from scipy.ndimage import binary_erosion, distance_transform_edt

from medanomaly.core.errors import InputError


def _pair(predicted: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    predicted, true = np.asarray(predicted), np.asarray(true)
    if predicted.shape != true.shape or predicted.ndim != 2:
        raise InputError(
            f"masks of shape {predicted.shape} and {true.shape}", remedy="Give two masks (H, W) of one size."
        )
    for mask in (predicted, true):
        if mask.dtype != bool and not np.isin(mask, (0, 1)).all():
            raise InputError("a mask has values other than 0 and 1", remedy="Apply a threshold first.")
    return predicted.astype(bool), true.astype(bool)


def dice(predicted: np.ndarray, true: np.ndarray) -> float:
    """2 |A and B| / (|A| + |B|) of two (H, W) masks (Dice 1945); 1 if both are empty: there was nothing to find."""
    a, b = _pair(predicted, true)
    total = int(a.sum()) + int(b.sum())
    return 1.0 if total == 0 else 2.0 * int((a & b).sum()) / total


def intersection_over_union(predicted: np.ndarray, true: np.ndarray) -> float:
    """|A and B| / |A or B| of two (H, W) masks (Jaccard 1912); 1 if both are empty."""
    a, b = _pair(predicted, true)
    union = int((a | b).sum())
    return 1.0 if union == 0 else int((a & b).sum()) / union


def outline(mask: np.ndarray) -> np.ndarray:
    """Pixels of a mask that share an edge with the outside; the border of the image counts as outside."""
    return mask & ~binary_erosion(mask, border_value=0)


def boundary_f1(predicted: np.ndarray, true: np.ndarray, tolerance: float = 2.0) -> float:
    """Harmonic mean of the shares of each outline within ``tolerance`` pixels of the other (Csurka et al. 2013).

    Args:
        predicted: (H, W) of 0 and 1.
        true: (H, W) of 0 and 1.
        tolerance: in pixels.

    Returns:
        1 if both are empty, 0 if one is.
    """
    a, b = _pair(predicted, true)
    if not a.any() or not b.any():
        return float(not a.any() and not b.any())
    edge_a, edge_b = outline(a), outline(b)
    precision = float((distance_transform_edt(~edge_b)[edge_a] <= tolerance).mean())
    recall = float((distance_transform_edt(~edge_a)[edge_b] <= tolerance).mean())
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def segmentation_metrics(
    predicted: np.ndarray, true: np.ndarray, tolerance: float = 2.0
) -> dict[str, np.ndarray]:
    """Dice, intersection over union and boundary F1 of each image.

    Args:
        predicted: (n, H, W) of 0 and 1.
        true: (n, H, W) of 0 and 1.
        tolerance: of the outlines, in pixels.

    Returns:
        ``dice``, ``iou`` and ``boundary_f1``, (n,) each.

    Raises:
        InputError: shapes differ, or values other than 0 and 1.
    """
    if len(predicted) != len(true):
        raise InputError(f"{len(predicted)} predicted masks for {len(true)} true ones")
    pairs = list(zip(predicted, true, strict=True))
    return {
        "dice": np.array([dice(p, t) for p, t in pairs]),
        "iou": np.array([intersection_over_union(p, t) for p, t in pairs]),
        "boundary_f1": np.array([boundary_f1(p, t, tolerance) for p, t in pairs]),
    }
