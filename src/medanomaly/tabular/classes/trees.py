"""Gradient boosting and random forest for several classes; all split on missing values themselves."""

import numpy as np
import pandas as pd
from scipy.special import softmax

from medanomaly.tabular.classes.class_model import ClassModel, normalised
from medanomaly.tabular.risk.boosting_libraries import optional_package
from medanomaly.tabular.risk.fitting.design_matrices import TreeDesign
from medanomaly.tabular.risk.sklearn_trees import boosting_trees, forest_trees

# cases whose leaves are held at a time
BLOCK = 1000


class HistBoostingClasses(ClassModel):
    """HistGradientBoosting on the log-loss of all classes; one tree per class and round.

    Args:
        max_iter, learning_rate, max_leaf_nodes, min_samples_leaf, l2_regularization: as in scikit-learn's
            ``HistGradientBoostingClassifier``; there is no early stopping.
        random_state: seed.
    """

    def __init__(
        self,
        max_iter: int = 60,
        learning_rate: float = 0.1,
        max_leaf_nodes: int = 8,
        min_samples_leaf: int = 5,
        l2_regularization: float = 1.0,
        random_state: int = 0,
    ):
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.random_state = random_state

    def _fit(self, features: pd.DataFrame, codes: np.ndarray) -> None:
        from sklearn.ensemble import HistGradientBoostingClassifier

        self.design_ = TreeDesign.fit(features, one_hot=False)
        categories = self.design_.is_category
        fitted = HistGradientBoostingClassifier(
            categorical_features=categories if categories.any() else None,
            early_stopping=False,
            **self.get_params(),
        ).fit(self.design_.transform(features), codes)
        # of two classes there is one tree per round, whose sum is the log-odds of the second
        self.trees_ = [boosting_trees(fitted, k) for k in range(fitted.n_trees_per_iteration_)]

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        """(n, k) softmax of the sums of trees."""
        matrix = self.design_.transform(features)
        sums = [trees.predict(matrix) for trees in self.trees_]
        return normalised(
            softmax(np.column_stack(sums if len(sums) > 1 else [np.zeros(len(matrix)), *sums]), axis=1)
        )


class LightGBMClasses(ClassModel):
    """Gradient boosting of LightGBM on the log-loss of all classes.

    Args:
        n_estimators, learning_rate, num_leaves, min_child_samples, reg_lambda, colsample_bytree, subsample, max_bin: as in
            ``lightgbm.LGBMClassifier``; rows are drawn for every round.
        random_state: seed of the drawn rows and columns.
    """

    def __init__(
        self,
        n_estimators: int = 100,
        learning_rate: float = 0.1,
        num_leaves: int = 8,
        min_child_samples: int = 5,
        reg_lambda: float = 1.0,
        colsample_bytree: float = 0.5,
        subsample: float = 0.8,
        max_bin: int = 127,
        random_state: int = 0,
    ):
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.min_child_samples = min_child_samples
        self.reg_lambda = reg_lambda
        self.colsample_bytree = colsample_bytree
        self.subsample = subsample
        self.max_bin = max_bin
        self.random_state = random_state

    def _fit(self, features: pd.DataFrame, codes: np.ndarray) -> None:
        lightgbm = optional_package("lightgbm", "lightgbm")
        self.design_ = TreeDesign.fit(features, one_hot=True)
        booster = lightgbm.train(
            {
                "objective": "multiclass",
                "num_class": len(self.classes_),
                "num_threads": 1,
                "verbose": -1,
                "deterministic": True,
                "force_row_wise": True,
                "subsample_freq": 1,
                **{name: value for name, value in self.get_params().items() if name != "n_estimators"},
            },
            lightgbm.Dataset(
                self.design_.transform(features), codes, params={"max_bin": self.max_bin, "verbose": -1}
            ),
            num_boost_round=self.n_estimators,
        )
        # the text of the library as bytes: plain data in the bundle, no object of the library
        self.model_ = np.frombuffer(booster.model_to_string().encode(), dtype=np.uint8).copy()

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        """(n, k) softmax of the sums of trees."""
        found = self._booster().predict(self.design_.transform(features), num_threads=1)
        return normalised(np.asarray(found).reshape(-1, len(self.classes_)))

    def _booster(self):
        """Read from its text once per object."""
        if not hasattr(self, "_read"):
            lightgbm = optional_package("lightgbm", "lightgbm")
            self._read = lightgbm.Booster(model_str=self.model_.tobytes().decode())
        return self._read

    def __getstate__(self) -> dict:
        return {name: value for name, value in super().__getstate__().items() if name != "_read"}


class ForestClasses(ClassModel):
    """Random forest; the probability is the mean share of a class in the leaves.

    Args:
        n_estimators, min_samples_leaf, max_features: as in scikit-learn's ``RandomForestClassifier``.
        balanced: weigh cases by the inverse frequency of their class in every tree. Probabilities are then too high for
            rare classes.
        random_state: of the trees.
    """

    def __init__(
        self,
        n_estimators: int = 200,
        min_samples_leaf: int = 1,
        max_features: str | float = "sqrt",
        balanced: bool = False,
        random_state: int = 0,
    ):
        self.n_estimators = n_estimators
        self.min_samples_leaf = min_samples_leaf
        self.max_features = max_features
        self.balanced = balanced
        self.random_state = random_state

    def _fit(self, features: pd.DataFrame, codes: np.ndarray) -> None:
        from sklearn.ensemble import RandomForestClassifier

        self.design_ = TreeDesign.fit(features, one_hot=True)
        fitted = RandomForestClassifier(
            n_estimators=self.n_estimators,
            min_samples_leaf=self.min_samples_leaf,
            max_features=self.max_features,
            class_weight="balanced_subsample" if self.balanced else None,
            random_state=self.random_state,
            n_jobs=1,
        ).fit(self.design_.transform(features), codes)
        self.trees_ = forest_trees(fitted)
        # (N, k) of every node: share of each class / trees in a leaf, nothing in other nodes
        shares = np.concatenate(
            [
                tree.value[:, 0] / tree.value[:, 0].sum(axis=1, keepdims=True)
                for tree in (estimator.tree_ for estimator in fitted.estimators_)
            ]
        )
        shares[self.trees_.feature >= 0] = 0.0
        known = np.nonzero(shares)
        self.starts_ = np.searchsorted(known[0], np.arange(len(shares) + 1)).astype(np.int64)
        self.leaf_class_ = known[1].astype(np.int32)
        self.leaf_share_ = shares[known] / self.n_estimators

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        """(n, k) mean shares."""
        matrix, k = self.design_.transform(features), len(self.classes_)
        parts = [self._shares(matrix[start : start + BLOCK], k) for start in range(0, len(matrix), BLOCK)]
        return normalised(np.concatenate([np.zeros((0, k)), *parts]))

    def _shares(self, matrix: np.ndarray, k: int) -> np.ndarray:
        """(n, k) sums of the shares in the leaf of each tree, trees added in order."""
        leaves = self.trees_.leaves(matrix)
        first, n_known = self.starts_[leaves].ravel(), np.diff(self.starts_)[leaves].ravel()
        # positions first, first + 1, ... of each leaf, one after the other
        ends = np.cumsum(n_known)
        place = np.arange(ends[-1]) + np.repeat(first - (ends - n_known), n_known)
        row = np.repeat(np.arange(len(matrix)), n_known.reshape(leaves.shape).sum(axis=1))
        cell = row * k + self.leaf_class_[place]
        return np.bincount(cell, self.leaf_share_[place], minlength=len(matrix) * k).reshape(-1, k)
