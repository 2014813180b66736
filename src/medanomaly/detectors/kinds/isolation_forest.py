"""scikit-learn's isolation forest, with contributions of the features and a state that is safe to load."""

from dataclasses import dataclass

import numpy as np
from sklearn import ensemble
from sklearn.base import clone
from sklearn.tree._tree import Tree
from sklearn.utils.validation import check_is_fitted, validate_data

from medanomaly.core.errors import BundleError
from medanomaly.detectors.onnx.graph import Graph, Node, node, tree_ensemble

LEAF = -1
# so few trees stay in the CPU cache during a batch, and so many need only a few nodes for a single row
TREES_A_NODE = 20
_ROWS_AT_ONCE = 2048


class IsolationForest(ensemble.IsolationForest):
    """Isolation forest (Liu, Ting & Zhou 2008) as scikit-learn has it: same parameters, same scores.

    ``score_samples`` is ``-2^(-h / c)`` with h the mean path length over the trees and c the average path length of an
    unsuccessful search among ``max_samples_`` rows. Missing values are accepted, as by scikit-learn.

    Its state holds the nodes of all trees as plain arrays instead of scikit-learn's ``Tree`` objects, which do
    not check their indices. Loading checks them first, so that an altered file is refused and cannot crash the process.
    """

    label = "isolation forest"

    def fit(self, X: np.ndarray, y: object = None) -> "IsolationForest":
        """Grow the forest on (n, d) rows, n >= 1.

        It takes no weights of rows: in scikit-learn's forest a row of weight 2 is not the same as the row twice, and
        weights of 0 can leave a tree without enough rows.
        """
        return super().fit(X)

    def explain(self, X: np.ndarray) -> np.ndarray:
        """Decompose the mean path length along the paths, feature by feature.

        Every split on a row's path changes the expected path length (the mean over the training rows below the
        node); the change, averaged over the trees, is credited to the feature that is split on, as Saabas (2014) does
        for regression trees. With ``b`` the mean expectation at the roots, the credits of a row add up to ``h - b``.

        Args:
            X: (n, d) numbers; NaN is allowed.

        Returns:
            (n, d) float64 credits over -c, so higher = more anomalous. They add up to the log2 of the anomaly score
            minus the log2 of the score of a row of path length b: ``log2(-score_samples(X)) + b / c``, where ``b / c``
            is ``flat_forest(self).baseline``.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False, ensure_all_finite=False)
        forest = flat_forest(self)
        scale = forest.normaliser * len(forest.roots)
        terms = np.zeros(X.shape)
        if scale > 0:
            for start in range(0, len(X), _ROWS_AT_ONCE):
                rows = slice(start, start + _ROWS_AT_ONCE)
                terms[rows] = forest.path_credits(X[rows]) / -scale
        return terms

    def __getstate__(self) -> dict:
        """The fitted forest as plain arrays."""
        state = dict(super().__getstate__())
        if "estimators_" in state:
            for derived in ("_average_path_length_per_tree", "_decision_path_lengths"):
                state.pop(derived, None)
            trees = state.pop("estimators_")
            states = [tree.tree_.__getstate__() for tree in trees]
            state["trees"] = {
                "nodes": np.concatenate([s["nodes"] for s in states]),
                "values": np.concatenate([s["values"] for s in states]),
                "node_counts": np.array([s["node_count"] for s in states]),
                "depths": np.array([s["max_depth"] for s in states]),
                "seeds": np.array([tree.random_state for tree in trees]),
            }
        return state

    def __setstate__(self, state: dict) -> None:
        """Rebuild the trees after checking that every index stays inside its tree."""
        state = dict(state)
        trees = state.pop("trees", None)
        super().__setstate__(state)
        if trees is None:
            return
        ends = np.cumsum(trees["node_counts"])
        nodes, values = np.split(trees["nodes"], ends)[:-1], np.split(trees["values"], ends)[:-1]
        self.estimators_ = []
        for i, features in enumerate(self.estimators_features_):
            _check_nodes(nodes[i], len(features), self.n_features_in_, features)
            tree = clone(self.estimator_).set_params(random_state=int(trees["seeds"][i]))
            tree.n_features_in_, tree.n_outputs_, tree.max_features_ = len(features), 1, 1
            tree.tree_ = Tree(len(features), np.array([1], dtype=np.intp), 1)
            tree.tree_.__setstate__(
                {
                    "max_depth": int(trees["depths"][i]),
                    "node_count": len(nodes[i]),
                    "nodes": nodes[i],
                    "values": values[i],
                }
            )
            self.estimators_.append(tree)
        inner = [tree.tree_ for tree in self.estimators_]
        self._decision_path_lengths = tuple(tree.compute_node_depths() for tree in inner)
        self._average_path_length_per_tree = tuple(average_path_length(tree.n_node_samples) for tree in inner)

    def _onnx_graph(self) -> Graph:
        n_trees = len(self.estimators_)
        starts = range(0, n_trees, TREES_A_NODE)
        blocks = [flat_forest(self, slice(start, start + TREES_A_NODE)) for start in starts]
        # the normaliser of trees of one row is 0, and scikit-learn sets the score to 1/2, as if all lengths were 1
        normaliser = blocks[0].normaliser
        sums = [f"sum_{start}" for start in starts]
        nodes = [
            *(_forest_node(block, normaliser == 0, name) for block, name in zip(blocks, sums, strict=True)),
            node("Sum", sums, ["lengths"]),
            node("Mul", ["lengths", "per_length"], ["exponent"]),
            node("Pow", ["two", "exponent"], ["powers"]),
            node("Squeeze", ["powers", "columns"], ["score"]),
        ]
        per_length = np.float64(-1.0 / (n_trees * (normaliser or 1.0)))
        return nodes, {"per_length": per_length, "two": np.float64(2.0), "columns": np.array([1])}


@dataclass(frozen=True)
class FlatForest:
    """All nodes of a forest of T trees in arrays of one length N; children are indices into them.

    Attributes:
        roots: (T,) index of each root.
        feature: (N,) column that is split on, ``LEAF`` at leaves.
        threshold: (N,) float64; ``x <= threshold`` goes left.
        left: (N,) left child, the node itself at leaves.
        right: (N,) right child, the node itself at leaves.
        missing_left: (N,) bool, whether NaN goes left.
        length: (N,) float64, at leaves the path length depth + c(rows in the leaf).
        expected: (N,) float64, mean path length of the training rows below the node.
        normaliser: c(max_samples_), 0 for a single row.
    """

    roots: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    missing_left: np.ndarray
    length: np.ndarray
    expected: np.ndarray
    normaliser: float

    @property
    def baseline(self) -> float:
        """Mean expected path length at the roots over the normaliser."""
        return float(self.expected[self.roots].mean() / self.normaliser) if self.normaliser > 0 else 0.0

    def path_credits(self, X: np.ndarray) -> np.ndarray:
        """(n, d) change of the expected path length along the paths, summed over the trees, for (n, d) rows."""
        n, d = X.shape
        node = np.tile(self.roots, n)
        row = np.repeat(np.arange(n), len(self.roots))
        credits = np.zeros(n * d)
        while True:
            walking = self.feature[node] != LEAF
            if not walking.any():
                return credits.reshape(n, d)
            node, row = node[walking], row[walking]
            cell = row * d + self.feature[node]
            x = X.ravel()[cell]
            goes_left = (x <= self.threshold[node]) | (np.isnan(x) & self.missing_left[node])
            child = np.where(goes_left, self.left[node], self.right[node])
            # bincount adds in order, so a row's sums do not depend on the other rows
            credits += np.bincount(cell, self.expected[child] - self.expected[node], minlength=n * d)
            node = child


def flat_forest(forest: ensemble.IsolationForest, part: slice = slice(None)) -> FlatForest:
    """All nodes of a fitted forest (scikit-learn's or this one), or of its trees of ``part``, in arrays."""
    trees = [tree.tree_ for tree in forest.estimators_[part]]
    starts = np.concatenate([[0], np.cumsum([tree.node_count for tree in trees])])
    roots, total = starts[:-1], int(starts[-1])
    itself, shift = np.arange(total), np.repeat(roots, np.diff(starts))

    left = np.concatenate([tree.children_left for tree in trees])
    right = np.concatenate([tree.children_right for tree in trees])
    is_leaf = left == LEAF
    left, right = np.where(is_leaf, itself, left + shift), np.where(is_leaf, itself, right + shift)
    # leaves carry -2 where inner nodes carry a column
    columns = [
        features[np.maximum(tree.feature, 0)]
        for features, tree in zip(forest.estimators_features_[part], trees, strict=True)
    ]

    level = np.concatenate([tree.compute_node_depths() for tree in trees]) - 1.0
    rows = np.concatenate([tree.n_node_samples for tree in trees])
    # in the order of scikit-learn's own sum, so that the last bits agree
    length = np.where(is_leaf, (level + 1.0) + average_path_length(rows) - 1.0, 0.0)
    below = length * rows
    for depth in range(int(level.max()) - 1, -1, -1):
        parents = np.flatnonzero((level == depth) & ~is_leaf)
        below[parents] = below[left[parents]] + below[right[parents]]
    return FlatForest(
        roots=roots,
        feature=np.where(is_leaf, LEAF, np.concatenate(columns)),
        threshold=np.concatenate([tree.threshold for tree in trees]),
        left=left,
        right=right,
        missing_left=np.concatenate([tree.missing_go_to_left for tree in trees]).astype(bool),
        length=length,
        expected=below / rows,
        normaliser=float(average_path_length(np.array([forest.max_samples_]))[0]),
    )


def average_path_length(n: np.ndarray) -> np.ndarray:
    """c(n), the mean length of an unsuccessful search in a binary tree of n rows (Liu et al. 2008, eq. 1).

    With ``H(i) ~ ln(i) + 0.5772``; 0 for one row and 1 for two.
    """
    n = np.asarray(n, dtype=np.float64)
    safe = np.maximum(n, 3.0)
    many = 2.0 * (np.log(safe - 1.0) + np.euler_gamma) - 2.0 * (safe - 1.0) / safe
    return np.where(n <= 1, 0.0, np.where(n == 2, 1.0, many))


def _check_nodes(nodes: np.ndarray, n_features: int, n_columns: int, columns: np.ndarray) -> None:
    left, right, feature = nodes["left_child"], nodes["right_child"], nodes["feature"]
    inner = left != LEAF
    itself = np.arange(len(nodes))
    # scikit-learn stores children behind their parent, which also rules out a circle
    forward = (left > itself) & (right > itself) & (left < len(nodes)) & (right < len(nodes))
    split_on = (feature >= 0) & (feature < n_features)
    leaves_closed = right[~inner] == LEAF
    if not ((forward & split_on)[inner].all() and leaves_closed.all() and len(nodes)):
        raise BundleError("a tree of the forest points outside itself", remedy="Train the model again.")
    if np.min(columns) < 0 or np.max(columns) >= n_columns:
        raise BundleError(
            "a tree of the forest splits on a column that does not exist", remedy="Train the model again."
        )


def _forest_node(forest: FlatForest, single_rows: bool, output: str) -> Node:
    is_leaf = forest.feature == LEAF
    # the operator needs a split: a tree of one leaf becomes a split with that leaf on both sides
    is_inner = ~is_leaf
    is_inner[forest.roots] = True
    leaf_rank, inner_rank = np.cumsum(is_leaf) - 1, np.cumsum(is_inner) - 1

    def children(child: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        child = child[is_inner]
        return np.where(is_leaf[child], leaf_rank[child], inner_rank[child]), is_leaf[child]

    return tree_ensemble(
        output,
        roots=inner_rank[forest.roots],
        feature=np.maximum(forest.feature[is_inner], 0),
        split=forest.threshold[is_inner],
        below=children(forest.left),
        above=children(forest.right),
        weights=np.ones(is_leaf.sum()) if single_rows else forest.length[is_leaf],
        missing_below=forest.missing_left[is_inner],
    )


DETECTOR = IsolationForest
