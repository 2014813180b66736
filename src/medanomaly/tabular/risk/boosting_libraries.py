"""XGBoost and LightGBM as risk models; both are optional packages."""

import importlib
from types import ModuleType

import numpy as np
import pandas as pd

from medanomaly.core.errors import ConfigurationError
from medanomaly.tabular.risk.fitting.design_matrices import TreeDesign, by_feature
from medanomaly.tabular.risk.risk_model import Contributions, RiskModel


def optional_package(package: str, install: str) -> ModuleType:
    """Import a package that only some models need.

    Raises:
        ConfigurationError: it is not installed; says what to install.
    """
    try:
        return importlib.import_module(package)
    except ImportError:
        raise ConfigurationError(
            f"the package '{package}' is not installed", remedy=f"Install {install}, or choose another model."
        ) from None


class XGBoostRisk(RiskModel):
    """Gradient boosting of XGBoost on log-loss.

    Args:
        n_estimators, learning_rate, max_depth, min_child_weight, subsample, colsample_bytree, reg_lambda, max_bin: as in
            ``xgboost.XGBClassifier``.
        random_state: seed of the drawn rows and columns.
    """

    def __init__(
        self,
        n_estimators: int = 300,
        learning_rate: float = 0.03,
        max_depth: int = 3,
        min_child_weight: float = 5.0,
        subsample: float = 0.7,
        colsample_bytree: float = 0.3,
        reg_lambda: float = 10.0,
        max_bin: int = 63,
        random_state: int = 0,
    ):
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.min_child_weight = min_child_weight
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.reg_lambda = reg_lambda
        self.max_bin = max_bin
        self.random_state = random_state

    def _fit(self, features, y, patient, weight) -> None:
        xgboost = optional_package("xgboost", "xgboost-cpu (or xgboost)")
        self.design_ = TreeDesign.fit(features, one_hot=True)
        fitted = xgboost.XGBClassifier(n_jobs=1, tree_method="hist", **self.get_params())
        fitted.fit(self.design_.transform(features), y, sample_weight=weight)
        # the JSON of the library as bytes: plain data in the bundle, no object of the library
        self.model_ = np.frombuffer(bytes(fitted.get_booster().save_raw("json")), dtype=np.uint8).copy()

    def _booster(self):
        xgboost = optional_package("xgboost", "xgboost-cpu (or xgboost)")
        booster = xgboost.Booster({"nthread": 1})
        booster.load_model(bytearray(self.model_.tobytes()))
        return booster, xgboost.DMatrix

    def predict_logit(self, features: pd.DataFrame) -> np.ndarray:
        """(n,) sum of the trees."""
        booster, matrix = self._booster()
        rows = matrix(self.design_.transform(features), nthread=1)
        return booster.predict(rows, output_margin=True).astype(np.float64)

    def contributions(self, features: pd.DataFrame) -> Contributions:
        """Path-dependent Shapley values from XGBoost itself, in float32, so sums are exact to about 1e-5."""
        booster, matrix = self._booster()
        rows = matrix(self.design_.transform(features), nthread=1)
        terms = booster.predict(rows, pred_contribs=True).astype(np.float64)
        base = float(terms[0, -1]) if len(terms) else 0.0
        return Contributions(by_feature(terms[:, :-1], self.design_.owners), base)


class LightGBMRisk(RiskModel):
    """Gradient boosting of LightGBM on log-loss.

    Args:
        n_estimators, learning_rate, num_leaves, min_child_samples, subsample, colsample_bytree, reg_lambda, max_bin: as
            in ``lightgbm.LGBMClassifier``; rows are drawn for every tree.
        random_state: seed of the drawn rows and columns.
    """

    def __init__(
        self,
        n_estimators: int = 700,
        learning_rate: float = 0.015,
        num_leaves: int = 8,
        min_child_samples: int = 30,
        subsample: float = 0.7,
        colsample_bytree: float = 0.08,
        reg_lambda: float = 10.0,
        max_bin: int = 63,
        random_state: int = 0,
    ):
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.min_child_samples = min_child_samples
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.reg_lambda = reg_lambda
        self.max_bin = max_bin
        self.random_state = random_state

    def _fit(self, features, y, patient, weight) -> None:
        lightgbm = optional_package("lightgbm", "lightgbm")
        self.design_ = TreeDesign.fit(features, one_hot=True)
        fitted = lightgbm.LGBMClassifier(
            n_jobs=1,
            verbose=-1,
            subsample_freq=1,
            deterministic=True,
            force_row_wise=True,
            **self.get_params(),
        )
        fitted.fit(self.design_.transform(features), y, sample_weight=weight)
        text = fitted.booster_.model_to_string().encode()
        self.model_ = np.frombuffer(text, dtype=np.uint8).copy()

    def _predict(self, features: pd.DataFrame, **options) -> np.ndarray:
        lightgbm = optional_package("lightgbm", "lightgbm")
        booster = lightgbm.Booster(model_str=self.model_.tobytes().decode())
        return np.asarray(booster.predict(self.design_.transform(features), num_threads=1, **options))

    def predict_logit(self, features: pd.DataFrame) -> np.ndarray:
        """(n,) sum of the trees."""
        return self._predict(features, raw_score=True)

    def contributions(self, features: pd.DataFrame) -> Contributions:
        """Path-dependent Shapley values from LightGBM itself."""
        terms = self._predict(features, pred_contrib=True)
        base = float(terms[0, -1]) if len(terms) else 0.0
        return Contributions(by_feature(terms[:, :-1], self.design_.owners), base)
