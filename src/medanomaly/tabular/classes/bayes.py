"""Naive Bayes on binned values, with priors from the pooled cases and the uncertainty of its own probabilities."""

import numpy as np
import pandas as pd
from scipy.special import softmax

from medanomaly.tabular.classes.class_model import ClassModel, normalised
from medanomaly.tabular.risk.fitting.design_matrices import TreeDesign

# cases whose draws are held at a time
BLOCK = 1000


class BayesianClasses(ClassModel):
    """Classes and, within a class, the bins of every feature have Dirichlet priors.

    A missing value is a bin of its own: which test was ordered says much. The prior of a feature's bins in a class is their
    frequency in all cases, worth ``strength`` cases: a class of three patients looks like everybody, but for what its
    three patients agree on. Features count as independent within a class, which makes probabilities too extreme;
    a ``temper`` above 1 makes them milder (a power posterior, Grünwald 2012).

    Args:
        bins: quantile bins of a number.
        strength: cases that the prior of the bins is worth.
        class_prior: cases that every class has before training (Dirichlet).
        temper: log-likelihood ratios are divided by it.
    """

    def __init__(self, bins: int = 24, strength: float = 2.0, class_prior: float = 0.5, temper: float = 1.0):
        self.bins = bins
        self.strength = strength
        self.class_prior = class_prior
        self.temper = temper

    def _fit(self, features: pd.DataFrame, codes: np.ndarray) -> None:
        self.design_ = TreeDesign.fit(features, one_hot=False)
        matrix = self.design_.transform(features)
        self.edges_ = []
        for column, category in zip(matrix.T, self.design_.is_category, strict=True):
            known = column[~np.isnan(column)].astype(np.float64)
            edges = (
                np.arange(known.max()) + 0.5
                if category
                else np.quantile(known, np.arange(1, self.bins) / self.bins)
            )
            self.edges_.append(np.unique(edges))
        n_classes, n_bins = len(self.classes_), max(map(len, self.edges_)) + 2
        binned = self._binned(matrix)
        # (classes, features, bins) cases
        counts = np.zeros((n_classes, matrix.shape[1], n_bins))
        for feature, column in enumerate(binned.T):
            np.add.at(counts[:, feature], (codes, column), 1.0)
        used = np.array([len(edges) + 2 for edges in self.edges_])
        exists = np.arange(n_bins) < used[:, None]
        pooled = np.where(exists, counts.sum(axis=0) + 0.5, 0.0)
        pooled /= pooled.sum(axis=1, keepdims=True)
        self.bin_counts_ = counts + self.strength * pooled
        self.class_counts_ = self.counts_ + self.class_prior

    def _binned(self, matrix: np.ndarray) -> np.ndarray:
        """(n, d) number of the bin; the last bin of a feature holds what is missing."""
        columns = [
            np.where(np.isnan(column), len(edges) + 1, np.searchsorted(edges, column))
            for column, edges in zip(matrix.T, self.edges_, strict=True)
        ]
        return np.column_stack(columns).astype(np.int64)

    def _log_joint(
        self, binned: np.ndarray, class_weights: np.ndarray, bin_weights: np.ndarray
    ) -> np.ndarray:
        """(n, k) up to a constant, of positive weights that are proportional to probabilities."""
        logs = np.log(np.maximum(bin_weights, 1e-300))
        logs -= np.log(bin_weights.sum(axis=2, keepdims=True))
        evidence = sum(logs[:, feature, column].T for feature, column in enumerate(binned.T))
        return np.log(class_weights / class_weights.sum()) + evidence / self.temper

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        """(n, k) from the posterior means of all frequencies."""
        binned = self._binned(self.design_.transform(features))
        return normalised(softmax(self._log_joint(binned, self.class_counts_, self.bin_counts_), axis=1))

    def probability_interval(
        self, features: pd.DataFrame, level: float = 0.9, draws: int = 200, seed: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Credible interval of each probability: ``(low, high)``, each (n, k).

        All frequencies are drawn from their posterior together. The interval covers how few cases a class has; it does not
        cover that features depend on each other.

        Args:
            features: feature table.
            level: of the central interval.
            draws: from the posterior.
            seed: of the draws.
        """
        binned = self._binned(self.design_.transform(features))
        low, high = np.empty((2, len(binned), len(self.classes_)))
        for start in range(0, len(binned), BLOCK):
            rows = slice(start, start + BLOCK)
            # every block sees the same draws
            rng = np.random.default_rng(seed)
            drawn = [
                # gamma draws over their sum are a Dirichlet draw
                softmax(
                    self._log_joint(
                        binned[rows],
                        rng.standard_gamma(self.class_counts_),
                        rng.standard_gamma(self.bin_counts_),
                    ),
                    axis=1,
                )
                for _ in range(draws)
            ]
            low[rows], high[rows] = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return low, high
