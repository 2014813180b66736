"""From a heat map of centres to boxes: peaks, then the weaker of two boxes about one thing is left out. Numpy alone."""

import numpy as np
import pandas as pd
from scipy.ndimage import maximum_filter

from medanomaly.evaluation.images.box_overlap import pairwise_iou

FOUND_COLUMNS = ("image", "label", "x0", "y0", "x1", "y1", "score")
# a peak below this share is not looked at: it would be a box on every image
LEAST_SCORE = 0.01


def non_maximum_suppression(boxes: np.ndarray, scores: np.ndarray, overlap: float) -> np.ndarray:
    """Positions of the boxes that are kept, the highest score first.

    Args:
        boxes: (n, 4) x0, y0, x1, y1.
        scores: (n,).
        overlap: a box that overlaps a better one by more (intersection over union) is left out.
    """
    order = np.argsort(-np.asarray(scores), kind="stable")
    close = pairwise_iou(boxes[order], boxes[order]) > overlap
    kept = np.ones(len(order), dtype=bool)
    for position in range(len(order)):
        if kept[position]:
            kept[position + 1 :] &= ~close[position, position + 1 :]
    return order[kept]


def boxes_of_heat(
    heat: np.ndarray,
    geometry: np.ndarray,
    stride: int,
    *,
    overlap: float,
    most: int,
    least_score: float = LEAST_SCORE,
) -> pd.DataFrame:
    """Boxes of the answers of a centre-point network.

    Args:
        heat: (n, labels, h, w) probability that a cell is a centre.
        geometry: (n, 4, h, w) place of the centre in the cell (x, y) and logarithms of width and height in cells.
        stride: px per cell.
        overlap: of two boxes of one label that are one (:func:`non_maximum_suppression`).
        most: largest number of boxes per image.
        least_score: of a box.

    Returns:
        ``image`` (row), ``label`` (number), ``x0, y0, x1, y1`` in px, cut at the border, and ``score``; by image, the
        highest score first.
    """
    height, width = heat.shape[2:]
    peaks = (heat == maximum_filter(heat, size=(1, 1, 3, 3), mode="constant", cval=-1.0)) & (
        heat >= least_score
    )
    image, label, row, column = np.nonzero(peaks)
    score = heat[image, label, row, column].astype(np.float64)
    in_cell_x, in_cell_y, log_x, log_y = geometry[image, :, row, column].astype(np.float64).T
    centre = np.stack([column + in_cell_x, row + in_cell_y], axis=1)
    # an untrained network must not overflow: no side is longer than the image
    side = np.exp(np.minimum(np.stack([log_x, log_y], axis=1), np.log([width, height])))
    limit = np.array([width, height])
    boxes = stride * np.concatenate(
        [np.clip(centre - side / 2, 0, limit), np.clip(centre + side / 2, 0, limit)], axis=1
    )
    table = pd.DataFrame(
        {
            "image": image,
            "label": label,
            **dict(zip(FOUND_COLUMNS[2:6], boxes.T, strict=True)),
            "score": score,
        }
    )
    return suppressed(table, overlap, most)


def suppressed(table: pd.DataFrame, overlap: float, most: int) -> pd.DataFrame:
    """A table of found boxes without the weaker of two about one thing, and with ``most`` boxes per image or fewer.

    Args:
        table: ``FOUND_COLUMNS``; boxes of no area are left out.
        overlap, most: as of :func:`boxes_of_heat`.
    """
    table = table[(table["x1"] > table["x0"]) & (table["y1"] > table["y0"])].reset_index(drop=True)
    boxes, scores = table[["x0", "y0", "x1", "y1"]].to_numpy(), table["score"].to_numpy()
    kept = [
        rows[non_maximum_suppression(boxes[rows], scores[rows], overlap)]
        for rows in table.groupby(["image", "label"], sort=True).indices.values()
    ]
    left = table.iloc[np.concatenate(kept)] if kept else table
    left = left.sort_values(["image", "score"], ascending=[True, False], kind="stable")
    return left.groupby("image", sort=False).head(most).reset_index(drop=True)[list(FOUND_COLUMNS)]
