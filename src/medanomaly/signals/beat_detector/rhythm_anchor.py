"""How unusual an RR interval is at its heart rate in any patient: an isolation forest whose trees are arrays.

Terms that adapt to the patient take the prevailing rhythm as normal. Where that rhythm is itself abnormal, only a
comparison with other people shows it. scikit-learn grows the forest (Liu, Ting & Zhou 2008); compiled code scores it, at
microseconds per row.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from medanomaly.core.errors import BundleError

TREES, SAMPLES = 200, 2048


@njit(cache=True, nogil=True)
def path_length(x, roots, feature, threshold, left, right, length):
    """Sum of path lengths of one row over all trees; rows are compared in float32, as scikit-learn does."""
    total = 0.0
    for root in roots:
        node = root
        while left[node] >= 0:
            node = left[node] if np.float32(x[feature[node]]) <= threshold[node] else right[node]
        total += length[node]
    return total


@njit(cache=True, nogil=True)
def path_lengths(X, roots, feature, threshold, left, right, length):
    """``path_length`` of (n, d) rows."""
    out = np.empty(len(X))
    for i in range(len(X)):
        out[i] = path_length(X[i], roots, feature, threshold, left, right, length)
    return out


@dataclass(frozen=True)
class RhythmAnchor:
    """Isolation forest over log RR, log of the local RR and their difference.

    Attributes:
        roots: (T,) int32 root of each tree among the N nodes.
        feature: (N,) int32.
        threshold: (N,) float64; values up to it go left.
        left: (N,) int32, -1 at leaves.
        right: (N,) int32.
        length: (N,) float64, at leaves the path length with the correction for the rows in the leaf.
        normaliser: average path length for the number of rows that a tree was grown on.
    """

    roots: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    length: np.ndarray
    normaliser: float

    def __post_init__(self):
        n = len(self.feature)
        inner = self.left >= 0
        own = np.arange(n)
        fits = (
            n > 0
            and all(len(a) == n for a in (self.threshold, self.left, self.right, self.length))
            and ((self.roots >= 0) & (self.roots < n)).all()
            and ((self.feature[inner] >= 0) & (self.feature[inner] < 3)).all()
            # children come after their parent, so that every path ends
            and (self.left[inner] > own[inner]).all()
            and (self.right[inner] > own[inner]).all()
            and (self.left < n).all()
            and (self.right < n).all()
            and self.normaliser > 0
        )
        if not fits:
            raise BundleError("a tree of the rhythm forest points outside itself", remedy="Train it again.")

    @classmethod
    def fit(cls, features: np.ndarray, seed: int) -> "RhythmAnchor":
        """Grow 200 trees on 2048 rows each of ``features``, (n, 3)."""
        from sklearn.ensemble import IsolationForest

        forest = IsolationForest(
            n_estimators=TREES, max_samples=min(SAMPLES, len(features)), random_state=seed
        ).fit(features)
        parts, roots, offset = [], [], 0
        for tree in (e.tree_ for e in forest.estimators_):
            n = tree.node_count
            depth = np.zeros(n)
            for node in range(n):
                if tree.children_left[node] >= 0:
                    depth[[tree.children_left[node], tree.children_right[node]]] = depth[node] + 1
            inner = tree.children_left >= 0
            left = np.where(inner, tree.children_left + offset, -1)
            right = np.where(inner, tree.children_right + offset, -1)
            length = np.where(inner, 0.0, depth + _average_path(tree.n_node_samples))
            parts.append((np.where(inner, tree.feature, 0), tree.threshold, left, right, length))
            roots.append(offset)
            offset += n
        feature, threshold, left, right, length = (np.concatenate(p) for p in zip(*parts, strict=True))
        return cls(
            np.array(roots, dtype=np.int32),
            feature.astype(np.int32),
            threshold.astype(np.float64),
            left.astype(np.int32),
            right.astype(np.int32),
            length,
            float(_average_path(np.array([forest.max_samples_]))[0]),
        )

    def score(self, features: np.ndarray) -> np.ndarray:
        """(n,) anomaly score in (0, 1] of (n, 3) rows, equal to scikit-learn's with the opposite sign."""
        total = path_lengths(features, *self.trees)
        return np.exp2(-total / (len(self.roots) * self.normaliser))

    @property
    def trees(self) -> tuple[np.ndarray, ...]:
        """Arguments of ``path_length`` after the row."""
        return self.roots, self.feature, self.threshold, self.left, self.right, self.length


def _average_path(n: np.ndarray) -> np.ndarray:
    """Average path length of an unsuccessful search among n rows (Liu, Ting & Zhou 2008, equation 1)."""
    n = np.asarray(n, dtype=np.float64)
    many = 2.0 * (np.log(np.maximum(n - 1.0, 1.0)) + np.euler_gamma) - 2.0 * (n - 1.0) / np.maximum(n, 1.0)
    return np.where(n > 2, many, np.where(n == 2, 1.0, 0.0))
