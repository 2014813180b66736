"""What every risk model does, the logistic one, and two that are made of others.

The contract is three methods: ``fit(features, y, patient)``, ``predict_proba(features)``, and where the model allows it
``contributions(features)``. Everything that is learned, the matrix included, is learned inside ``fit``: whoever fits on
a fold leaks nothing from the rest.
"""

from abc import abstractmethod
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.base import BaseEstimator, clone
from threadpoolctl import threadpool_limits

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.tabular.risk.fitting.encoding import LinearDesign, by_feature

MIN_CASES_A_CLASS = 5


@dataclass(frozen=True)
class Contributions:
    """What each feature adds to a prediction.

    Attributes:
        terms: (n, features), one column a feature.
        base: what the terms are added to; base + sum of a row = the model's output.
        unit: ``log-odds`` or ``probability``, the scale on which they add up (before calibration).
    """

    terms: pd.DataFrame
    base: float
    unit: str = "log-odds"


class RiskModel(BaseEstimator):
    """A model of the probability that the label is 1."""

    def fit(
        self,
        features: pd.DataFrame,
        y: np.ndarray,
        patient: np.ndarray | None = None,
        weight: np.ndarray | None = None,
    ) -> "RiskModel":
        """Learn from cases whose label is known.

        Args:
            features: feature table of n rows with ``case_id``.
            y: (n,) 0 or 1.
            patient: (n,) ids, for models that split the cases again; None takes every case as a patient.
            weight: (n,) positive weights; None weighs all alike.

        Raises:
            InputError: lengths differ, or labels are not 0 and 1.
            ConfigurationError: fewer than 5 cases of a class.
        """
        y = np.asarray(y, dtype=np.float64)
        if len(y) != len(features):
            raise InputError(f"{len(y)} labels for {len(features)} rows")
        if not np.isin(y, (0.0, 1.0)).all():
            raise InputError("labels are not all 0 or 1", remedy="Leave out cases whose label is unknown.")
        fewest = int(min(y.sum(), len(y) - y.sum()))
        if fewest < MIN_CASES_A_CLASS:
            raise ConfigurationError(
                f"{fewest} cases of one class; a risk model needs {MIN_CASES_A_CLASS} of each to be fitted",
                remedy="Bring more labelled cases, or set data_processing.split.anomalous_patients: split.",
            )
        patient = np.arange(len(y)) if patient is None else np.asarray(patient)
        weight = None if weight is None else np.asarray(weight, dtype=np.float64)
        # one thread: sums in another order would give another model on another machine
        with threadpool_limits(1):
            self._fit(features, y.astype(np.int64), patient, weight)
        return self

    @abstractmethod
    def _fit(
        self, features: pd.DataFrame, y: np.ndarray, patient: np.ndarray, weight: np.ndarray | None
    ) -> None:
        """Learn from checked input; no weights is faster than equal ones where scikit-learn bins or draws by them."""

    @abstractmethod
    def predict_logit(self, features: pd.DataFrame) -> np.ndarray:
        """(n,) log-odds of label 1, finite."""

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        """(n,) probability of label 1, in (0, 1)."""
        return expit(self.predict_logit(features))

    def logit_interval(self, features: pd.DataFrame, level: float) -> tuple[np.ndarray, np.ndarray] | None:
        """Credible interval of the log-odds at ``level``, None where the model knows no uncertainty of its own."""
        return None

    def contributions(self, features: pd.DataFrame) -> Contributions:
        """What each feature adds; :class:`ConfigurationError` where the model has no such sum."""
        raise ConfigurationError(
            f"{type(self).__name__} has no additive explanation",
            remedy="Use permutation importance (medanomaly.tabular.risk.fitting.importance).",
        )


def row_sums(terms: np.ndarray) -> np.ndarray:
    """Sums of rows, added from left to right, so that a row gives the same to the bit alone and in a batch."""
    total = np.zeros(len(terms))
    for column in terms.T:
        total += column
    return total


class LogisticRisk(RiskModel):
    """Logistic regression with an L2 penalty on winsorised, median-filled, standardised features with indicators.

    Args:
        C: inverse penalty of scikit-learn's ``LogisticRegression``; smaller shrinks more.
        quantiles: where numbers are clipped.
    """

    def __init__(self, C: float = 0.01, quantiles: tuple[float, float] = (0.01, 0.99)):
        self.C = C
        self.quantiles = quantiles

    def _fit(self, features, y, patient, weight) -> None:
        from sklearn.linear_model import LogisticRegression

        self.design_ = LinearDesign.fit(features, self.quantiles)
        fitted = LogisticRegression(C=self.C, max_iter=2000, tol=1e-6)
        fitted.fit(self.design_.transform(features).astype(np.float64), y, sample_weight=weight)
        self.coef_, self.intercept_ = fitted.coef_[0], float(fitted.intercept_[0])

    def predict_logit(self, features: pd.DataFrame) -> np.ndarray:
        """(n,) intercept + x . w."""
        return self.intercept_ + row_sums(self.design_.transform(features).astype(np.float64) * self.coef_)

    def contributions(self, features: pd.DataFrame) -> Contributions:
        """Exact: coefficient times standardised value, so a feature at its training mean contributes 0."""
        terms = self.design_.transform(features).astype(np.float64) * self.coef_
        return Contributions(by_feature(terms, self.design_.owners), self.intercept_)


class OnColumns(RiskModel):
    """A model that sees some of the features.

    Args:
        model: what is fitted.
        columns: names or shell patterns (``*_mean``); a feature that matches any is used.
        exclude: likewise; a feature that matches any is not used.
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
                f"no feature matches {list(self.columns)}", remedy=f"There are {list(features)}."
            )
        self.model_ = clone(self.model).fit(features[["case_id", *self.kept_]], y, patient, weight)

    def predict_logit(self, features: pd.DataFrame) -> np.ndarray:
        """Log-odds of the model inside."""
        return self.model_.predict_logit(features)

    def logit_interval(self, features: pd.DataFrame, level: float):
        """Interval of the model inside."""
        return self.model_.logit_interval(features, level)

    def contributions(self, features: pd.DataFrame) -> Contributions:
        """Contributions of the model inside."""
        return self.model_.contributions(features)


class MeanLogit(RiskModel):
    """The plain mean of the log-odds of several models (a logarithmic opinion pool with equal weights, Genest & Zidek 1986).

    Args:
        models: what is fitted, each on the same cases.
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
                "a model of the mean does not explain log-odds", remedy="Leave out the forest."
            )
        names = list(dict.fromkeys(name for part in parts for name in part.terms.columns))
        terms = sum(part.terms.reindex(columns=names, fill_value=0.0) for part in parts) / len(parts)
        return Contributions(terms, float(np.mean([part.base for part in parts])))
