"""Gradient boosting and random forest for several classes; all split on missing values themselves."""

import numpy as np
import pandas as pd

from medanomaly.tabular.classes.class_model import ClassModel, normalised
from medanomaly.tabular.risk.boosting_libraries import optional_package
from medanomaly.tabular.risk.fitting.design_matrices import TreeDesign


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
        self.model_ = HistGradientBoostingClassifier(
            categorical_features=categories if categories.any() else None,
            early_stopping=False,
            **self.get_params(),
        ).fit(self.design_.transform(features), codes)

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        """(n, k) softmax of the sums of trees."""
        return normalised(self.model_.predict_proba(self.design_.transform(features)))


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
        self.model_ = lightgbm.train(
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

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        """(n, k) softmax of the sums of trees."""
        found = self.model_.predict(self.design_.transform(features), num_threads=1)
        return normalised(np.asarray(found).reshape(-1, len(self.classes_)))


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
        self.model_ = RandomForestClassifier(
            n_estimators=self.n_estimators,
            min_samples_leaf=self.min_samples_leaf,
            max_features=self.max_features,
            class_weight="balanced_subsample" if self.balanced else None,
            random_state=self.random_state,
            n_jobs=1,
        ).fit(self.design_.transform(features), codes)

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        """(n, k) mean shares."""
        return normalised(self.model_.predict_proba(self.design_.transform(features)))
