"""The contract of every model of several classes."""

from abc import abstractmethod

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from threadpoolctl import threadpool_limits

from medanomaly.core.errors import ConfigurationError, InputError

# keeps logarithms finite; no model is that sure
LEAST = 1e-6


class ClassModel(BaseEstimator):
    """A model of the probability of each class.

    ``fit`` learns everything, preprocessing included, so a model that is fitted on a fold knows nothing of the others.

    Attributes:
        classes_: (k,) classes of the training cases, sorted; a class that training lacks is never predicted.
        counts_: (k,) training cases of each.
    """

    def fit(self, features: pd.DataFrame, y: np.ndarray) -> "ClassModel":
        """Learn from cases whose class is known.

        Args:
            features: feature table of n rows with ``case_id``.
            y: (n,) classes as text.

        Raises:
            InputError: the lengths differ, or a class is missing.
            ConfigurationError: there are fewer than two classes.
        """
        y = np.asarray(y, dtype=object)
        if len(y) != len(features):
            raise InputError(f"{len(y)} classes for {len(features)} rows", remedy="Give one class per row.")
        if pd.isna(y).any():
            raise InputError("a class is missing", remedy="Leave out cases whose class is unknown.")
        self.classes_, codes, self.counts_ = np.unique(y.astype(str), return_inverse=True, return_counts=True)
        if len(self.classes_) < 2:
            raise ConfigurationError(
                "there are fewer than two classes", remedy="Bring cases of another class."
            )
        # one thread: another order of additions would give another model on another machine
        with threadpool_limits(1):
            self._fit(features.reset_index(drop=True), codes)
        return self

    @abstractmethod
    def _fit(self, features: pd.DataFrame, codes: np.ndarray) -> None:
        """Learn from checked input; ``codes`` are positions in ``classes_``."""

    @abstractmethod
    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        """(n, k) probabilities in the order of ``classes_``; rows add up to 1."""

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        """(n,) the most probable class."""
        return self.classes_[self.predict_proba(features).argmax(axis=1)]


def normalised(probability: np.ndarray) -> np.ndarray:
    """(n, k) probabilities kept away from 0 whose rows add up to 1."""
    probability = np.maximum(probability, LEAST)
    return probability / probability.sum(axis=1, keepdims=True)
