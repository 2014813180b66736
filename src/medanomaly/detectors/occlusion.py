"""Detectors whose score is not a sum over the features; setting one feature at a time to a usual value explains it."""

from abc import abstractmethod

import numpy as np

from medanomaly.detectors.base import BaseDetector


class OcclusionDetector(BaseDetector):
    """A detector that implements :meth:`_scores` instead of :meth:`_contributions`; its scores are never negative.

    The contributions are an approximation. Each feature in turn is set to its training median; the fall of the score
    is the feature's effect (occlusion: Zeiler & Fergus 2014, there for patches of an image). Effects below 0 count as
    0. The score is divided in proportion to the others, or in equal parts where no effect is above 0. The
    contributions of a row then add up to its score. Explaining costs d scorings; scoring costs one.

    Attributes:
        reference_: (d,) float32, the training medians.
    """

    @abstractmethod
    def _scores(self, X: np.ndarray) -> np.ndarray:
        """(n,) float64 anomaly scores >= 0 of (n, d) float32 rows, each from its own row alone."""

    def _learn(self, X: np.ndarray, groups: np.ndarray | None = None) -> None:
        # in float64, where the mean of the two middle values cannot overflow
        self.reference_ = np.median(X.astype(np.float64), axis=0).astype(np.float32)
        super()._learn(X, groups)

    def _contributions(self, X: np.ndarray) -> np.ndarray:
        score = self._scores(X)
        effect = np.empty(X.shape)
        for j, usual in enumerate(self.reference_):
            occluded = X.copy()
            occluded[:, j] = usual
            effect[:, j] = score - self._scores(occluded)
        return score[:, None] * positive_shares(effect)


def positive_shares(effect: np.ndarray) -> np.ndarray:
    """(n, d) effects to (n, d) shares >= 0 that add up to 1 in each row; equal shares where no effect is above 0."""
    effect = np.maximum(effect, 0.0)
    total = np.zeros(len(effect))
    for column in effect.T:
        total += column
    # a subnormal total would turn the division into inf * 0
    useful = total > np.finfo(np.float64).tiny
    equal = np.full(effect.shape, 1.0 / effect.shape[1])
    return np.divide(effect, total[:, None], out=equal, where=useful[:, None])
