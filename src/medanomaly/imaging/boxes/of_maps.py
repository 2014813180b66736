"""Boxes from masks and from anomaly maps, and a simple map of what normal images do not show: the baseline of detectors."""

import numpy as np
import pandas as pd
from scipy.ndimage import find_objects, gaussian_filter, label

from medanomaly.core.errors import InputError
from medanomaly.imaging.boxes.decode import FOUND_COLUMNS, suppressed
from medanomaly.imaging.sources.contract import zscore

LEAST_AREA = 4  # px; of a region that gets a box
EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=int)


def boxes_of_masks(masks: np.ndarray, least_area: int = LEAST_AREA) -> pd.DataFrame:
    """A box about each region of a mask.

    Args:
        masks: (n, H, W) bool.
        least_area: px; smaller regions are left out, unless a mask has no other: then its largest stays.

    Returns:
        ``image`` (row), ``x0, y0, x1, y1`` in px, ``area``.
    """
    rows = []
    for image, mask in enumerate(np.asarray(masks, dtype=bool)):
        regions, n = label(mask, EIGHT_NEIGHBOURS)
        areas = np.bincount(regions.ravel(), minlength=n + 1)[1:]
        least = min(least_area, areas.max(initial=0))
        for place, area in zip(find_objects(regions), areas, strict=True):
            if area >= least:
                y, x = place
                rows.append((image, x.start, y.start, x.stop, y.stop, int(area)))
    return pd.DataFrame(rows, columns=["image", "x0", "y0", "x1", "y1", "area"])


def boxes_of_maps(
    maps: np.ndarray, threshold: float, *, most: int, name: str = "lesion", least_area: int = LEAST_AREA
) -> pd.DataFrame:
    """A box about each region above a threshold of an anomaly map; its score is the highest value inside.

    Args:
        maps: (n, H, W), higher is more unusual.
        threshold: a pixel above it belongs to a region.
        most: largest number of boxes per image.
        name: label of the boxes.
        least_area: px, of a region.

    Returns:
        ``image`` (row), ``label``, ``x0, y0, x1, y1``, ``score``; by image, the highest score first.

    Raises:
        InputError: a map holds NaN or infinity.
    """
    maps = np.asarray(maps)
    if not np.isfinite(maps).all():
        raise InputError("an anomaly map holds NaN or infinity", remedy="Give finite maps.")
    above = maps > threshold
    boxes = boxes_of_masks(above, least_area)
    boxes = boxes[boxes["area"] >= least_area].reset_index(drop=True)
    corners = boxes[["image", "x0", "y0", "x1", "y1"]].to_numpy(dtype=int)
    score = [maps[i, y0:y1, x0:x1].max() for i, x0, y0, x1, y1 in corners]
    table = boxes.assign(label=name, score=np.array(score, dtype=np.float64))[list(FOUND_COLUMNS)]
    return suppressed(table.astype(dict.fromkeys(("x0", "y0", "x1", "y1"), np.float64)), 1.0, most)


class ResidualMap:
    """How much brighter a pixel is than the principal components of normal images explain, in standard deviations.

    Each image is z-scored, reconstructed from components, and what is left is smoothed and divided by its standard deviation
    at that pixel over normal images that were not fitted on.

    Args:
        components: how many.
        smoothing: px, standard deviation of a Gaussian.
    """

    def __init__(self, components: int = 32, smoothing: float = 1.5):
        self.components, self.smoothing = components, smoothing

    def fit(self, images: np.ndarray, others: np.ndarray) -> "ResidualMap":
        """Learn from normal images.

        Args:
            images: (n, H, W) in [0, 1].
            others: (m, H, W) further normal images, for the deviation of each pixel.

        Raises:
            InputError: fewer than two images more than there are components, or fewer than two others.
        """
        from sklearn.decomposition import PCA

        if len(images) < self.components + 2 or len(others) < 2:
            raise InputError(
                f"{len(images)} and {len(others)} normal images for a map of {self.components} components",
                remedy="Give more normal images, or ask for fewer components.",
            )
        # exact for few images and quick for many
        solver = "randomized" if len(images) > 4 * self.components else "full"
        self.pca_ = PCA(self.components, svd_solver=solver, random_state=0).fit(_flat(images))
        left = self._left(others)
        self.deviation_ = np.sqrt((left**2).mean(axis=0)) + 1e-6
        return self

    def _left(self, images: np.ndarray) -> np.ndarray:
        flat = _flat(images)
        left = (flat - self.pca_.inverse_transform(self.pca_.transform(flat))).reshape(images.shape)
        return gaussian_filter(left, (0, self.smoothing, self.smoothing))

    def maps(self, images: np.ndarray) -> np.ndarray:
        """(n, H, W) float32 of (n, H, W) images."""
        return (self._left(np.asarray(images)) / self.deviation_).astype(np.float32)


def _flat(images: np.ndarray) -> np.ndarray:
    return np.stack([zscore(image).ravel() for image in images])
