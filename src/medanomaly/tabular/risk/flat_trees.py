"""Trees as flat arrays: predictions and exact Shapley values, also with categories and missing values.

A bundle holds fitted trees as arrays instead of scikit-learn objects, so it contains nothing that can run. Explanations
cover native categories; there the shap package (0.51) is wrong for HistGradientBoosting, without a warning.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from medanomaly.core.errors import BundleError

LEAF = -1


@dataclass(frozen=True)
class FlatTrees:
    """All N nodes of all T trees in one set of arrays.

    Attributes:
        feature: (N,) int32 column that is split on, -1 for a leaf.
        threshold: (N,) float64; a number goes left where ``x <= threshold``.
        left, right, parent: (N,) int32, -1 where there is none.
        missing_left: (N,) bool, whether NaN goes left.
        category: (N,) int32 row of ``bitsets`` for a split on codes, -1 for a split on numbers.
        bitsets: (K, 8) uint32; code c goes left where bit c is set.
        value: (N,) float64, added to the prediction by a leaf.
        cover: (N,) float64 training cases.
        roots: (T,) int32.
        base: constant added to every prediction.

    Raises:
        BundleError: an array read from a bundle points outside the trees; compiled code would follow it.
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    parent: np.ndarray
    missing_left: np.ndarray
    category: np.ndarray
    bitsets: np.ndarray
    value: np.ndarray
    cover: np.ndarray
    roots: np.ndarray
    base: float

    def __setstate__(self, state: dict) -> None:
        """What a bundle holds, after checking that every index stays inside its array."""
        self.__dict__.update(state)
        n, itself = len(self.feature), np.arange(len(self.feature))
        whole = {"feature", "left", "right", "parent", "category"}
        alike = [getattr(self, name) for name in (*whole, "threshold", "missing_left", "value", "cover")]
        integers = [getattr(self, name) for name in (*whole, "roots")]
        sound = all(a.shape == (n,) for a in alike) and all(a.dtype == np.int32 for a in integers)
        sound = (
            sound
            and self.bitsets.dtype == np.uint32
            and self.bitsets.shape[1:] == (8,)
            and self.roots.ndim == 1
        )
        if sound:
            inner = self.feature >= 0
            children = np.stack([self.left[inner], self.right[inner]])
            # a child stands behind its parent, which also rules out a circle
            sound = bool(
                (self.feature >= LEAF).all()
                and (children > itself[inner]).all()
                and (children < n).all()
                and ((self.parent >= -1) & (self.parent < np.maximum(itself, 0))).all()
                and ((self.category >= -1) & (self.category < len(self.bitsets))).all()
                and ((self.roots >= 0) & (self.roots < n)).all()
            )
        if not sound:
            raise BundleError(
                "a tree of the risk model points outside itself", remedy="Train the model again."
            )

    def predict(self, X: np.ndarray) -> np.ndarray:
        """(n,) float64: base plus the leaves that each (n, d) float32 row falls into, trees added in order."""
        self._check_columns(X)
        out = np.full(len(X), self.base)
        _predict(np.ascontiguousarray(X, dtype=np.float32), *self._splits(), self.value, self.roots, out)
        return out

    def leaves(self, X: np.ndarray) -> np.ndarray:
        """(n, T) int32: the node that each (n, d) float32 row ends in, of each tree."""
        self._check_columns(X)
        out = np.empty((len(X), len(self.roots)), dtype=np.int32)
        _leaves(np.ascontiguousarray(X, dtype=np.float32), *self._splits(), self.roots, out)
        return out

    def contributions(self, X: np.ndarray) -> tuple[np.ndarray, float]:
        """Shapley values of the path-dependent tree game.

        Args:
            X: (n, d) float32.

        Returns:
            ``(terms, base)``: (n, d) float64 and the mean prediction weighted by cover; ``base + terms.sum(1)`` is the
            prediction. Lundberg et al. 2020, "From local explanations to global understanding with explainable AI
            for trees" (algorithm 1 defines the game); computed leaf by leaf as Mitchell et al. 2022, "GPUTreeShap",
            do: a leaf's game is a product over the features of its path, whose Shapley values are a polynomial.
        """
        self._check_columns(X)
        out = np.zeros((len(X), X.shape[1]))
        leaves = np.flatnonzero(self.feature == LEAF).astype(np.int64)
        depth = 1 + int(_depths(self.parent).max(initial=0))
        X = np.ascontiguousarray(X, dtype=np.float32)
        base = _contributions(X, *self._splits(), self.value, self.parent, self.cover, leaves, depth, out)
        return out, self.base + base

    def _check_columns(self, X: np.ndarray) -> None:
        if self.feature.max(initial=LEAF) >= X.shape[1]:
            raise BundleError(
                f"a tree of the risk model splits on column {self.feature.max()} of {X.shape[1]}",
                remedy="Train the model again.",
            )

    def _splits(self) -> tuple:
        return (
            self.feature,
            self.threshold,
            self.left,
            self.right,
            self.missing_left,
            self.category,
            self.bitsets,
        )


def _depths(parent: np.ndarray) -> np.ndarray:
    # a parent comes before its children in both layouts of scikit-learn
    depth = np.zeros(len(parent), dtype=np.int64)
    for node in range(len(parent)):
        if parent[node] >= 0:
            depth[node] = depth[parent[node]] + 1
    return depth


@njit(cache=True)
def _goes_left(x, node, threshold, missing_left, category, bitsets):
    if np.isnan(x):
        return missing_left[node]
    if category[node] >= 0:
        # a code that training did not have goes where a missing one does
        if not 0 <= x < 256:
            return missing_left[node]
        code = int(x)
        return (bitsets[category[node], code // 32] >> np.uint32(code % 32)) & np.uint32(1) == 1
    return x <= threshold[node]


@njit(cache=True)
def _predict(X, feature, threshold, left, right, missing_left, category, bitsets, value, roots, out):
    for i in range(X.shape[0]):
        for root in roots:
            node = root
            while feature[node] >= 0:
                go = _goes_left(X[i, feature[node]], node, threshold, missing_left, category, bitsets)
                node = left[node] if go else right[node]
            out[i] += value[node]


@njit(cache=True)
def _leaves(X, feature, threshold, left, right, missing_left, category, bitsets, roots, out):
    for i in range(X.shape[0]):
        for tree, root in enumerate(roots):
            node = root
            while feature[node] >= 0:
                go = _goes_left(X[i, feature[node]], node, threshold, missing_left, category, bitsets)
                node = left[node] if go else right[node]
            out[i, tree] = node


@njit(cache=True)
def _contributions(
    X,
    feature,
    threshold,
    left,
    right,
    missing_left,
    category,
    bitsets,
    value,
    parent,
    cover,
    leaves,
    depth,
    out,
):
    names = np.empty(depth, np.int64)
    share, follows = np.empty(depth), np.empty(depth)
    weights = np.empty((depth + 1, depth + 1))
    # weights[m, k] = k! (m - 1 - k)! / m!, of a coalition of k among the m - 1 others
    for m in range(1, depth + 1):
        weights[m, 0] = 1.0 / m
        for k in range(1, m):
            weights[m, k] = weights[m, k - 1] * k / (m - k)
    polynomial = np.empty(depth + 1)
    base = 0.0
    for leaf in leaves:
        reach = 1.0
        node = leaf
        while parent[node] >= 0:
            reach *= cover[node] / cover[parent[node]]
            node = parent[node]
        base += reach * value[leaf]
    for i in range(X.shape[0]):
        for leaf in leaves:
            m, node = 0, leaf
            while parent[node] >= 0:
                above = parent[node]
                go = _goes_left(X[i, feature[above]], above, threshold, missing_left, category, bitsets)
                follow = 1.0 if go == (left[above] == node) else 0.0
                ratio = cover[node] / cover[above]
                known = -1
                for j in range(m):
                    if names[j] == feature[above]:
                        known = j
                if known < 0:
                    names[m], share[m], follows[m] = feature[above], ratio, follow
                    m += 1
                else:
                    share[known] *= ratio
                    follows[known] *= follow
                node = above
            for j in range(m):
                # coefficient k: sum over coalitions of k others of prod(follows inside) prod(share outside)
                polynomial[0] = 1.0
                size = 0
                for other in range(m):
                    if other == j:
                        continue
                    polynomial[size + 1] = 0.0
                    for k in range(size + 1, 0, -1):
                        polynomial[k] = polynomial[k] * share[other] + polynomial[k - 1] * follows[other]
                    polynomial[0] *= share[other]
                    size += 1
                total = 0.0
                for k in range(size + 1):
                    total += weights[m, k] * polynomial[k]
                out[i, names[j]] += value[leaf] * (follows[j] - share[j]) * total
    return base
