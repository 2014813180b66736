"""The contract of every risk model.

The contract is three methods: ``fit(features, y, patient)``, ``predict_proba(features)``, and, where the model has one,
``contributions(features)``. Everything is learned inside ``fit``, preprocessing included, so a model that is fitted on a
fold knows nothing of the other folds.
"""

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.base import BaseEstimator
from threadpoolctl import threadpool_limits

from medanomaly.core.errors import ConfigurationError, InputError

MIN_CASES_PER_CLASS = 5


@dataclass(frozen=True)
class Contributions:
    """What each feature adds to a prediction.

    Attributes:
        terms: (n, features), one column per feature.
        base: constant; base + sum of a row = output of the model.
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
            patient: (n,) ids, for models that split the cases again; None treats every case as one patient.
            weight: (n,) positive weights; None gives all cases the same weight.

        Raises:
            InputError: lengths differ, or labels are not 0 and 1.
            ConfigurationError: fewer than 5 cases of a class.
        """
        y = np.asarray(y, dtype=np.float64)
        if len(y) != len(features):
            raise InputError(f"{len(y)} labels for {len(features)} rows", remedy="Give one label per row.")
        if not np.isin(y, (0.0, 1.0)).all():
            raise InputError("labels are not all 0 or 1", remedy="Leave out cases whose label is unknown.")
        fewest = int(min(y.sum(), len(y) - y.sum()))
        if fewest < MIN_CASES_PER_CLASS:
            raise ConfigurationError(
                f"{fewest} cases of one class; fitting a risk model needs {MIN_CASES_PER_CLASS} of each",
                remedy="Bring more labelled cases, or set split.anomalous_patients: split.",
            )
        patient = np.arange(len(y)) if patient is None else np.asarray(patient)
        weight = None if weight is None else np.asarray(weight, dtype=np.float64)
        # one thread: another order of additions would give another model on another machine
        with threadpool_limits(1):
            self._fit(features, y.astype(np.int64), patient, weight)
        return self

    @abstractmethod
    def _fit(
        self, features: pd.DataFrame, y: np.ndarray, patient: np.ndarray, weight: np.ndarray | None
    ) -> None:
        """Learn from checked input. Without weights scikit-learn is faster than with equal weights."""

    @abstractmethod
    def predict_logit(self, features: pd.DataFrame) -> np.ndarray:
        """(n,) log-odds of label 1, finite."""

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        """(n,) probability of label 1, in (0, 1)."""
        return expit(self.predict_logit(features))

    def logit_interval(self, features: pd.DataFrame, level: float) -> tuple[np.ndarray, np.ndarray] | None:
        """Credible interval of the log-odds at ``level``, None where the model has no estimate of its own uncertainty."""
        return None

    def contributions(self, features: pd.DataFrame) -> Contributions:
        """What each feature adds to the prediction.

        Raises:
            ConfigurationError: the model has no additive explanation.
        """
        raise ConfigurationError(
            f"{type(self).__name__} has no additive explanation",
            remedy="Use permutation importance (medanomaly.tabular.risk.fitting.permutation_importance).",
        )


def row_sums(terms: np.ndarray) -> np.ndarray:
    """Sums of rows, added from left to right, so a row has the same sum, bit for bit, alone and in a batch."""
    total = np.zeros(len(terms))
    for column in terms.T:
        total += column
    return total
