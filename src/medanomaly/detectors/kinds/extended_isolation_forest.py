"""Isolation forest with slanted splits: each compares a random combination of a few features with a threshold."""

import numpy as np
from numba import njit
from sklearn.utils import check_random_state

from medanomaly.core.errors import BundleError, ConfigurationError
from medanomaly.detectors.kinds.isolation_forest import average_path_length
from medanomaly.detectors.occlusion import OcclusionDetector
from medanomaly.detectors.onnx.graph import INT64, Graph, node


class ExtendedIsolationForest(OcclusionDetector):
    """Extended isolation forest (Hariri, Carrasco Kind & Brunner 2019, algorithms 2 and 3).

    Each tree is grown on ``max_samples`` rows drawn without replacement, until a row is alone or the depth is
    ``ceil(log2(max_samples))``. A split takes ``ndim`` features that vary in the node, each with a coefficient from the
    standard normal distribution over its standard deviation in the node, and a threshold drawn evenly between the
    smallest and largest combination. This is how isotree (Cortes) does it: the paper draws the point of the cut in the
    bounding box instead, which can leave a side empty, and depends on the units of the features. ``ndim=1`` gives the
    isolation forest of Liu, Ting & Zhou (2008). The anomaly score is ``2^(-h / c)`` in (0, 1], h the mean path length over
    the trees and c the average path length of an unsuccessful search among ``max_samples`` rows.

    All nodes are in arrays, as loading and the export to ONNX need them. A state whose indices point outside is refused.

    Args:
        n_estimators: number of trees T, >= 1.
        max_samples: rows per tree, >= 1, at most n.
        ndim: features per split, at most those that vary.
        contamination: share of the training rows below the threshold of ``predict``.
        random_state: seed or generator.

    Attributes:
        roots_: (T,) index of each root among the N nodes.
        features_: (N, ndim) columns that are combined.
        coefficients_: (N, ndim) float64, 0 at leaves and for columns not used.
        thresholds_: (N,) float64; a combination above it goes right.
        children_: (N, 2) left and right child, after their parent; a leaf is its own child.
        lengths_: (N,) float64, at leaves the path length depth + c(rows in the leaf).
        normaliser_: c(max_samples), 0 for a single row.
    """

    label = "extended isolation forest"

    def __init__(
        self,
        n_estimators: int = 200,
        max_samples: int = 256,
        ndim: int = 2,
        contamination: float = 0.1,
        random_state: object = None,
    ):
        self.n_estimators = n_estimators
        self.max_samples = max_samples
        self.ndim = ndim
        self.contamination = contamination
        self.random_state = random_state

    def _fit(self, X: np.ndarray) -> None:
        for name in ("n_estimators", "max_samples", "ndim"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} is {getattr(self, name)}", remedy="Give 1 or more.")
        sample = min(self.max_samples, len(X))
        ndim = min(self.ndim, X.shape[1])
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        path_lengths = average_path_length(np.arange(sample + 1))
        (
            self.roots_,
            self.features_,
            self.coefficients_,
            self.thresholds_,
            self.children_,
            self.lengths_,
        ) = _grow(
            X.astype(np.float64, order="C"),
            np.random.default_rng(seed),
            self.n_estimators,
            sample,
            ndim,
            int(np.ceil(np.log2(sample))),
            path_lengths,
        )
        self.normaliser_ = float(path_lengths[sample])

    def _scores(self, X: np.ndarray) -> np.ndarray:
        if self.normaliser_ == 0:
            # a forest grown on one row has learned nothing; scikit-learn's isolation forest gives 1/2 too
            return np.full(len(X), 0.5)
        total = _path_lengths(
            X.astype(np.float64, order="C"),
            self.roots_,
            self.features_,
            self.coefficients_,
            self.thresholds_,
            self.children_,
            self.lengths_,
        )
        return np.exp2(-total / (len(self.roots_) * self.normaliser_))

    def __setstate__(self, state: dict) -> None:
        """Restore the state after checking that every index stays inside."""
        super().__setstate__(state)
        if hasattr(self, "roots_"):
            self._check_nodes()

    def _check_nodes(self) -> None:
        n, shape = len(self.lengths_), np.shape(self.features_)
        itself = np.arange(n)[:, None]
        fits = (
            len(shape) == 2
            and shape[0] == n
            and np.shape(self.coefficients_) == shape
            and np.shape(self.thresholds_) == (n,)
            and np.shape(self.children_) == (n, 2)
            and all(
                array.dtype.kind == kind
                for array, kind in (
                    (self.features_, "i"),
                    (self.children_, "i"),
                    (self.roots_, "i"),
                    (self.coefficients_, "f"),
                    (self.thresholds_, "f"),
                    (self.lengths_, "f"),
                )
            )
        )
        if fits:
            leaf = (self.children_ == itself).all(axis=1, keepdims=True)
            fits = (
                ((self.children_ > itself) | leaf).all()
                and (self.children_ < n).all()
                and ((self.roots_ >= 0) & (self.roots_ < n)).all()
                and ((self.features_ >= 0) & (self.features_ < self.n_features_in_)).all()
            )
        if not fits:
            raise BundleError("a tree of the forest points outside itself", remedy="Train the model again.")

    def _onnx_graph(self) -> Graph:
        if self.normaliser_ == 0:
            nodes = [
                node("ReduceSum", ["x", "columns"], ["sums"], keepdims=0),
                node("Shape", ["sums"], ["rows"]),
                node("Expand", ["half", "rows"], ["score"]),
            ]
            return nodes, {"columns": np.array([1]), "half": np.array([0.5])}
        # all rows go down all trees together, one level at a time, and stay at the leaf that they reach
        nodes = [
            node("Shape", ["x"], ["rows"], start=0, end=1),
            node("Concat", ["rows", "n_trees"], ["walkers"], axis=0),
            node("Expand", ["roots", "walkers"], ["at_0"]),
        ]
        ndim = self.features_.shape[1]
        constants = {
            "n_trees": np.array([len(self.roots_)]),
            "roots": self.roots_,
            "thresholds": self.thresholds_,
            "children": self.children_.ravel(),
            "two": np.int64(2),
            "lengths": self.lengths_,
            "per_length": np.full(len(self.roots_), -1.0 / (len(self.roots_) * self.normaliser_)),
            "base": np.float64(2.0),
        }
        for k in range(ndim):
            constants |= {
                f"feature_{k}": self.features_[:, k],
                f"coefficient_{k}": self.coefficients_[:, k],
            }
        depth = self._depth()
        for level in range(depth):
            at, terms = f"at_{level}", []
            for k in range(ndim):
                name = f"{level}_{k}"
                nodes += [
                    node("Gather", [f"feature_{k}", at], [f"column_{name}"]),
                    node("GatherElements", ["x", f"column_{name}"], [f"value_{name}"], axis=1),
                    node("Gather", [f"coefficient_{k}", at], [f"times_{name}"]),
                    node("Mul", [f"times_{name}", f"value_{name}"], [f"term_{name}"]),
                ]
                terms.append(f"term_{name}")
            combined = terms[0]
            for k, term in enumerate(terms[1:], start=1):
                nodes.append(node("Add", [combined, term], [f"combined_{level}_{k}"]))
                combined = f"combined_{level}_{k}"
            nodes += [
                node("Gather", ["thresholds", at], [f"threshold_{level}"]),
                node("Greater", [combined, f"threshold_{level}"], [f"above_{level}"]),
                node("Cast", [f"above_{level}"], [f"side_{level}"], to=INT64),
                node("Mul", [at, "two"], [f"pair_{level}"]),
                node("Add", [f"pair_{level}", f"side_{level}"], [f"child_{level}"]),
                node("Gather", ["children", f"child_{level}"], [f"at_{level + 1}"]),
            ]
        nodes += [
            node("Gather", ["lengths", f"at_{depth}"], ["path_lengths"]),
            node("MatMul", ["path_lengths", "per_length"], ["exponent"]),
            node("Pow", ["base", "exponent"], ["score"]),
        ]
        return nodes, constants

    def _depth(self) -> int:
        """Splits on the longest path of the self."""
        at, depth = self.roots_, 0
        while True:
            at = at[self.children_[at, 0] != at]
            if not len(at):
                return depth
            at, depth = self.children_[at].ravel(), depth + 1


@njit(nogil=True, cache=True)
def _grow(X, random, n_trees, sample, ndim, max_depth, path_lengths):
    n, d = X.shape
    capacity = n_trees * (2 * sample - 1)
    roots = np.empty(n_trees, dtype=np.int64)
    features = np.zeros((capacity, ndim), dtype=np.int64)
    coefficients = np.zeros((capacity, ndim))
    thresholds = np.zeros(capacity)
    children = np.empty((capacity, 2), dtype=np.int64)
    lengths = np.zeros(capacity)
    rows = np.arange(n)
    columns = np.arange(d)
    along = np.empty(sample)
    # first row, row after the last, depth and node of what is still to be split
    waiting = np.empty((2 * sample + 2, 4), dtype=np.int64)
    used = 0
    for tree in range(n_trees):
        for i in range(sample):
            other = random.integers(i, n)
            rows[i], rows[other] = rows[other], rows[i]
        roots[tree] = used
        waiting[0] = np.array([0, sample, 0, used])
        used += 1
        n_waiting = 1
        while n_waiting > 0:
            n_waiting -= 1
            start, end, depth, node = waiting[n_waiting]
            threshold, is_split = 0.0, False
            if end - start > 1 and depth < max_depth:
                threshold, is_split = _draw_split(
                    X, random, rows[start:end], columns, features[node], coefficients[node], along
                )
            if not is_split:
                coefficients[node] = 0.0
                children[node] = node
                lengths[node] = depth + path_lengths[end - start]
                continue
            thresholds[node] = threshold
            middle = start
            for i in range(end - start):
                if along[i] <= threshold:
                    # the part of ``along`` after i is still in the order of the rows
                    rows[start + i], rows[middle] = rows[middle], rows[start + i]
                    middle += 1
            for side in range(2):
                children[node, side] = used
                waiting[n_waiting, 0] = start if side == 0 else middle
                waiting[n_waiting, 1] = middle if side == 0 else end
                waiting[n_waiting, 2] = depth + 1
                waiting[n_waiting, 3] = used
                n_waiting += 1
                used += 1
    return (
        roots,
        features[:used].copy(),
        coefficients[:used].copy(),
        thresholds[:used].copy(),
        children[:used].copy(),
        lengths[:used].copy(),
    )


@njit(nogil=True, cache=True)
def _draw_split(X, random, rows, columns, feature, coefficient, along):
    """Fill in the split of a node; returns its threshold and whether the rows can be split at all."""
    found = 0
    for c in range(len(columns)):
        other = random.integers(c, len(columns))
        columns[c], columns[other] = columns[other], columns[c]
        j = columns[c]
        low, high, mean = X[rows[0], j], X[rows[0], j], 0.0
        for row in rows:
            x = X[row, j]
            low, high, mean = min(low, x), max(high, x), mean + x / len(rows)
        if high > low:
            variance = 0.0
            for row in rows:
                variance += (X[row, j] - mean) ** 2 / len(rows)
            feature[found] = j
            # a subnormal spread would make the coefficient infinite
            coefficient[found] = random.standard_normal() / max(np.sqrt(variance), 1e-150)
            found += 1
            if found == len(feature):
                break
    if found == 0:
        return 0.0, False
    low, high = np.inf, -np.inf
    for i, row in enumerate(rows):
        combined = 0.0
        for k in range(len(feature)):
            combined += coefficient[k] * X[row, feature[k]]
        along[i] = combined
        low, high = min(low, combined), max(high, combined)
    threshold = low + random.random() * (high - low)
    if threshold >= high:
        threshold = low
    return threshold, low < high


@njit(nogil=True, cache=True)
def _path_lengths(X, roots, features, coefficients, thresholds, children, lengths):
    """(n,) path lengths, summed over the trees in order."""
    total = np.zeros(X.shape[0])
    for i in range(X.shape[0]):
        for root in roots:
            node = root
            while children[node, 0] != node:
                combined = 0.0
                for k in range(features.shape[1]):
                    combined += coefficients[node, k] * X[i, features[node, k]]
                node = children[node, 1 if combined > thresholds[node] else 0]
            total[i] += lengths[node]
    return total


DETECTOR = ExtendedIsolationForest
