"""Reviews re-weight an isolation forest: what was confirmed counts more, what was dismissed counts less.

A case lies in one leaf of each tree. Its score is the mean over the trees of a weight of its leaf, which at first is the
anomaly score of the leaf's path length, ``2^(-h / c)``. A confirmed case multiplies the weights of its leaves by
``exp(rate)``, a dismissed one divides them: mirror descent with the entropy as mirror map on a loss that is linear in the
score (Siddiqui, Fern, Dietterich, Wright, Theriault & Archer 2018, "Feedback-guided anomaly discovery via online
optimization"). The order of reviews plays no part.

It orders cases for review. P-values stay those of the sealed model: scores that learned from reviews are not exchangeable
with calibration scores.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.detectors.kinds.isolation_forest import LEAF, IsolationForest, flat_forest
from medanomaly.detectors.scorer import TabularScorer

# of three small sets that are in no benchmark, best of 0.2 to 2
RATE = 0.2


class ReviewedForest:
    """An isolation forest that learns from reviews.

    Args:
        forest: fitted; scikit-learn's or :class:`~medanomaly.detectors.kinds.isolation_forest.IsolationForest`.
        rate: how much one review changes the weights of its leaves: by the factor ``exp(rate)``.
    """

    def __init__(self, forest: object, rate: float = RATE):
        self._flat, self.rate = flat_forest(forest), rate
        self.initial = np.exp2(-self._flat.length / (self._flat.normaliser or 1.0))
        self._steps = np.zeros(len(self.initial))

    def leaves(self, x: np.ndarray) -> np.ndarray:
        """(n, trees) leaf of each row of (n, d) numbers, as an index into all nodes; NaN goes as in training."""
        flat, x = self._flat, np.asarray(x, dtype=np.float32)
        node = np.tile(flat.roots, (len(x), 1))
        rows = np.arange(len(x))[:, None]
        while True:
            inner = flat.feature[node] != LEAF
            if not inner.any():
                return node
            value = x[rows, np.maximum(flat.feature[node], 0)]
            left = (value <= flat.threshold[node]) | (np.isnan(value) & flat.missing_left[node])
            # leaves are their own children
            node = np.where(left, flat.left[node], flat.right[node])

    def review(self, leaves: np.ndarray, anomalous: np.ndarray) -> "ReviewedForest":
        """Learn from reviews.

        Args:
            leaves: (n, trees) of :meth:`leaves`.
            anomalous: (n,) bool, confirmed or dismissed.
        """
        anomalous = np.asarray(anomalous, dtype=bool)
        if len(leaves) != len(anomalous):
            raise InputError(f"{len(leaves)} reviewed cases and {len(anomalous)} reviews")
        np.add.at(self._steps, leaves, np.where(anomalous, 1.0, -1.0)[:, None])
        return self

    @property
    def weights(self) -> np.ndarray:
        """Weight of each leaf; what inner nodes have is not used."""
        return self.initial * np.exp(self.rate * self._steps)

    def score(self, leaves: np.ndarray) -> np.ndarray:
        """(n,) scores of (n, trees) leaves, higher = more anomalous."""
        return self.weights[leaves].mean(axis=1)


def reviewed_scores(
    scorer: TabularScorer, features: pd.DataFrame, truth: Sequence[bool | None]
) -> np.ndarray:
    """Scores of an isolation forest that learned from those of the cases that were reviewed.

    Args:
        scorer: of a bundle.
        features: n rows, as the scorer takes them.
        truth: n reviews; None where there is none.

    Returns:
        (n,) scores, higher = more anomalous. Without a review the order is nearly that of the model, which averages the
        path lengths, not the scores, of the leaves.

    Raises:
        ConfigurationError: the model is no isolation forest.
    """
    if not isinstance(scorer.detector, IsolationForest):
        raise ConfigurationError(
            f"'{scorer.bundle.manifest.name}' is no isolation forest",
            remedy="Reviews re-weight models of the kind isolation_forest; name one with --model.",
        )
    forest = ReviewedForest(scorer.detector)
    leaves = forest.leaves(scorer.preprocessor.transform(features))
    known = np.array([one is not None for one in truth], dtype=bool)
    forest.review(leaves[known], np.array([one for one in truth if one is not None], dtype=bool))
    return forest.score(leaves)
