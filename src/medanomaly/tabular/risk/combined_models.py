"""Risk models that are made of others: a model of selected columns, and the mean of several models."""

from fnmatch import fnmatchcase

import numpy as np
import pandas as pd
from sklearn.base import clone

from medanomaly.core.errors import ConfigurationError
from medanomaly.tabular.risk.risk_model import Contributions, RiskModel


class OnColumns(RiskModel):
    """A model that uses only some of the features.

    Args:
        model: the inner model.
        columns: names or shell patterns (``*_mean``); a feature that matches any is used.
        exclude: names or shell patterns; a feature that matches any is not used.
    """

    def __init__(self, model: RiskModel, columns: tuple[str, ...] = ("*",), exclude: tuple[str, ...] = ()):
        self.model = model
        self.columns = columns
        self.exclude = exclude

    def _fit(self, features, y, patient, weight) -> None:
        def matches(name: str, patterns: tuple[str, ...]) -> bool:
            return any(fnmatchcase(name, pattern) for pattern in patterns)

        self.kept_ = [
            name
            for name in features.columns.drop("case_id")
            if matches(name, self.columns) and not matches(name, self.exclude)
        ]
        if not self.kept_:
            raise ConfigurationError(
                f"no feature matches {list(self.columns)} without matching {list(self.exclude)}",
                remedy=f"There are {list(features)}.",
            )
        self.model_ = clone(self.model).fit(features[["case_id", *self.kept_]], y, patient, weight)

    def predict_logit(self, features: pd.DataFrame) -> np.ndarray:
        """Log-odds of the inner model."""
        return self.model_.predict_logit(features)

    def logit_interval(self, features: pd.DataFrame, level: float):
        """Interval of the inner model."""
        return self.model_.logit_interval(features, level)

    def contributions(self, features: pd.DataFrame) -> Contributions:
        """Contributions of the inner model."""
        return self.model_.contributions(features)


class MeanLogit(RiskModel):
    """The plain mean of the log-odds of several models (a logarithmic opinion pool with equal weights, Genest & Zidek 1986).

    Args:
        models: fitted on the same cases.
    """

    def __init__(self, models: tuple[RiskModel, ...]):
        self.models = models

    def _fit(self, features, y, patient, weight) -> None:
        self.models_ = [clone(model).fit(features, y, patient, weight) for model in self.models]

    def predict_logit(self, features: pd.DataFrame) -> np.ndarray:
        """(n,) mean over the models."""
        return np.mean([model.predict_logit(features) for model in self.models_], axis=0)

    def contributions(self, features: pd.DataFrame) -> Contributions:
        """Means of the models' contributions; all of them must explain log-odds."""
        parts = [model.contributions(features) for model in self.models_]
        if any(part.unit != "log-odds" for part in parts):
            raise ConfigurationError(
                "a model of the mean does not explain log-odds", remedy="Leave out random_forest."
            )
        names = list(dict.fromkeys(name for part in parts for name in part.terms.columns))
        terms = sum(part.terms.reindex(columns=names, fill_value=0.0) for part in parts) / len(parts)
        return Contributions(terms, float(np.mean([part.base for part in parts])))
