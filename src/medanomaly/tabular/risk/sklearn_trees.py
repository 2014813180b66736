"""Gradient boosting and random forest of scikit-learn; both handle missing values themselves."""

import numpy as np
import pandas as pd
from scipy.special import logit

from medanomaly.tabular.risk.fitting.design_matrices import TreeDesign, by_feature
from medanomaly.tabular.risk.flat_trees import LEAF, FlatTrees
from medanomaly.tabular.risk.risk_model import Contributions, RiskModel

# a forest whose trees all agree is still not certain; this keeps log-odds finite
SURE = 1e-3


class BoostingRisk(RiskModel):
    """HistGradientBoosting on log-loss; missing values and categories are split on natively.

    Args:
        max_iter, learning_rate, max_leaf_nodes, min_samples_leaf, l2_regularization, max_features: as in
            scikit-learn's ``HistGradientBoostingClassifier``; early stopping would need additional cases, so there is none.
        random_state: of the features drawn per split.
    """

    def __init__(
        self,
        max_iter: int = 120,
        learning_rate: float = 0.06,
        max_leaf_nodes: int = 15,
        min_samples_leaf: int = 40,
        l2_regularization: float = 5.0,
        max_features: float = 1.0,
        random_state: int = 0,
    ):
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.max_features = max_features
        self.random_state = random_state

    def _fit(self, features, y, patient, weight) -> None:
        from sklearn.ensemble import HistGradientBoostingClassifier

        self.design_ = TreeDesign.fit(features, one_hot=False)
        categories = self.design_.is_category
        fitted = HistGradientBoostingClassifier(
            categorical_features=categories if categories.any() else None,
            early_stopping=False,
            **self.get_params(),
        )
        fitted.fit(self.design_.transform(features), y, sample_weight=weight)
        self.trees_ = boosting_trees(fitted)

    def predict_logit(self, features: pd.DataFrame) -> np.ndarray:
        """(n,) sum of the trees."""
        return self.trees_.predict(self.design_.transform(features))

    def contributions(self, features: pd.DataFrame) -> Contributions:
        """Exact Shapley values of the path-dependent tree game."""
        terms, base = self.trees_.contributions(self.design_.transform(features))
        return Contributions(by_feature(terms, self.design_.owners), base)


class ForestRisk(RiskModel):
    """Random forest; the probability is the mean share of label 1 in the leaves.

    Args:
        n_estimators, min_samples_leaf, max_features: as in scikit-learn's ``RandomForestClassifier``.
        random_state: of the trees.
    """

    def __init__(
        self,
        n_estimators: int = 300,
        min_samples_leaf: int = 10,
        max_features: str | float = "sqrt",
        random_state: int = 0,
    ):
        self.n_estimators = n_estimators
        self.min_samples_leaf = min_samples_leaf
        self.max_features = max_features
        self.random_state = random_state

    def _fit(self, features, y, patient, weight) -> None:
        from sklearn.ensemble import RandomForestClassifier

        self.design_ = TreeDesign.fit(features, one_hot=True)
        fitted = RandomForestClassifier(n_jobs=1, **self.get_params())
        fitted.fit(self.design_.transform(features), y, sample_weight=weight)
        self.trees_ = forest_trees(fitted)

    def predict_logit(self, features: pd.DataFrame) -> np.ndarray:
        """(n,) log-odds of the mean share, kept within [0.001, 0.999]."""
        return logit(np.clip(self.trees_.predict(self.design_.transform(features)), SURE, 1 - SURE))

    def contributions(self, features: pd.DataFrame) -> Contributions:
        """Exact Shapley values, of the probability: a mean of shares is not a sum of log-odds."""
        terms, base = self.trees_.contributions(self.design_.transform(features))
        return Contributions(by_feature(terms, self.design_.owners), base, unit="probability")


def boosting_trees(fitted, number: int = 0) -> FlatTrees:
    """The trees of a fitted ``HistGradientBoostingClassifier``: of two classes all, of several those of one class."""
    nodes = [predictors[number].nodes for predictors in fitted._predictors]
    bitsets = [predictors[number].raw_left_cat_bitsets for predictors in fitted._predictors]
    n_sets = np.cumsum([0, *(len(rows) for rows in bitsets)])
    flat = np.concatenate(nodes)
    starts, first = _starts([len(tree) for tree in nodes])
    is_leaf = flat["is_leaf"].astype(bool)
    set_offset = np.repeat(n_sets[:-1], [len(tree) for tree in nodes])
    is_category = flat["is_categorical"].astype(bool) & ~is_leaf
    return _flat_trees(
        feature=np.where(is_leaf, LEAF, flat["feature_idx"]),
        threshold=flat["num_threshold"],
        left=np.where(is_leaf, LEAF, flat["left"].astype(np.int64) + first),
        right=np.where(is_leaf, LEAF, flat["right"].astype(np.int64) + first),
        missing_left=flat["missing_go_to_left"].astype(bool),
        category=np.where(is_category, flat["bitset_idx"] + set_offset, LEAF),
        bitsets=np.concatenate([*bitsets, np.zeros((0, 8), np.uint32)]),
        value=np.where(is_leaf, flat["value"], 0.0),
        cover=flat["count"],
        roots=starts,
        base=float(np.ravel(fitted._baseline_prediction)[number]),
    )


def forest_trees(fitted) -> FlatTrees:
    """The trees of a fitted ``RandomForestClassifier`` of two classes; a leaf holds its share of label 1 / trees.

    Of several classes only the nodes say something: :class:`medanomaly.tabular.classes.trees.ForestClasses` keeps shares.
    """
    trees = [estimator.tree_ for estimator in fitted.estimators_]
    starts, first = _starts([tree.node_count for tree in trees])
    left = np.concatenate([tree.children_left for tree in trees])
    is_leaf = left == LEAF

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(tree, name) for tree in trees])

    share = np.concatenate([tree.value[:, 0, 1] / tree.value[:, 0].sum(axis=1) for tree in trees])
    return _flat_trees(
        feature=np.where(is_leaf, LEAF, joined("feature")),
        threshold=joined("threshold"),
        left=np.where(is_leaf, LEAF, left + first),
        right=np.where(is_leaf, LEAF, joined("children_right") + first),
        missing_left=joined("missing_go_to_left").astype(bool),
        category=np.full(len(left), LEAF),
        bitsets=np.zeros((0, 8), np.uint32),
        value=np.where(is_leaf, share / len(trees), 0.0),
        cover=joined("weighted_n_node_samples"),
        roots=starts,
        base=0.0,
    )


def _starts(sizes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """First node of each tree, and the same for every node."""
    starts = np.cumsum([0, *sizes])[:-1]
    return starts, np.repeat(starts, sizes)


def _flat_trees(*, left: np.ndarray, right: np.ndarray, base: float, **arrays: np.ndarray) -> FlatTrees:
    parent = np.full(len(left), LEAF, dtype=np.int32)
    for child in (left, right):
        inner = np.flatnonzero(child >= 0)
        parent[child[inner]] = inner
    dtypes = {
        "feature": np.int32,
        "category": np.int32,
        "roots": np.int32,
        "missing_left": np.bool_,
        "bitsets": np.uint32,
    }
    typed = {
        name: np.ascontiguousarray(array, dtype=dtypes.get(name, np.float64))
        for name, array in arrays.items()
    }
    return FlatTrees(
        left=left.astype(np.int32), right=right.astype(np.int32), parent=parent, base=base, **typed
    )
