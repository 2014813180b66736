"""Principal components, each measured in its own standard deviation."""

import numpy as np

from medanomaly.core.errors import ConfigurationError
from medanomaly.detectors.quadratic_form import QuadraticForm, floored_inverse


class PCADetector(QuadraticForm):
    """Sum of the squared principal component scores, each over its variance (Shyu et al. 2003, eq. 4, all components).

    The components are those of the correlation matrix. Components of small variance show
    broken correlations best, but one of almost no variance would outweigh everything. Variances are therefore raised to
    ``floor`` (the mean variance is 1). That also covers constant columns, which have variance 0.

    Args:
        floor: smallest variance of a component, above 0.
        contamination: share of the training rows below the threshold of ``predict``.
    """

    label = "PCA"

    def __init__(self, floor: float = 0.01, contamination: float = 0.1):
        self.floor = floor
        self.contamination = contamination

    def _fit(self, X: np.ndarray) -> None:
        if not self.floor > 0:
            raise ConfigurationError(
                f"floor is {self.floor}", remedy="Give a variance above 0, such as 0.01."
            )
        super()._fit(X)

    def _precision(self, z: np.ndarray) -> np.ndarray:
        return floored_inverse(z.T @ z / len(z), self.floor)


DETECTOR = PCADetector
