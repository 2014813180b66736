"""Mahalanobis distance with a covariance that can be inverted whatever the number of rows."""

import numpy as np
from sklearn.covariance import ledoit_wolf

from medanomaly.detectors.quadratic_form import QuadraticForm, floored_inverse

_SMALLEST_VARIANCE = 1e-6


class MahalanobisDetector(QuadraticForm):
    """Squared Mahalanobis distance from the mean, with the shrunk covariance of Ledoit & Wolf (2004).

    The covariance of the standardised columns is shrunk towards a multiple of the identity by the share that minimises the
    expected squared error, so no option has to be chosen. Constant columns count with variance 1.

    Args:
        contamination: share of the training rows below the threshold of ``predict``.
    """

    label = "Mahalanobis distance"

    def __init__(self, contamination: float = 0.1):
        self.contamination = contamination

    def _precision(self, z: np.ndarray) -> np.ndarray:
        precision = np.eye(z.shape[1])
        varying = ~self.standardise_.constant_
        if varying.any():
            covariance, _ = ledoit_wolf(z[:, varying], assume_centered=True)
            # with many rows nothing is shrunk, and columns that determine each other have a direction of variance 0
            precision[np.ix_(varying, varying)] = floored_inverse(covariance, _SMALLEST_VARIANCE)
        return precision


DETECTOR = MahalanobisDetector
