"""What every detector of rows has in common: the input contract, the threshold, and contributions that add up."""

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from medanomaly.core.errors import ConfigurationError


class BaseDetector(OutlierMixin, BaseEstimator):
    """A one-class detector of rows of numbers whose anomaly score is a sum of one term per feature.

    Rows are cast to float32 when fitting and when scoring, as scikit-learn's trees do, so an ONNX graph that takes float32
    gets exactly the same values. All arithmetic after the cast is float64. Missing and infinite values raise
    scikit-learn's ``ValueError``.

    A row has the same score, to the bit, alone and in any batch. The terms of a row are added up feature by feature, in
    order, and no other row of the batch plays a part.

    A subclass stores its parameters in ``__init__``. One of them is ``contamination``, the share of the training rows
    below the threshold of :meth:`predict`, in (0, 0.5]. It implements :meth:`_fit` and :meth:`_contributions`. To be
    trained into bundles it also has a ``label``, the name that people read, and ``_onnx_graph()``: the nodes from the
    float64 matrix "x" to "score", and their constants (:mod:`medanomaly.detectors.onnx.graph`).

    ``contamination`` only serves :meth:`predict` and :meth:`decision_function`. A false-alarm rate that holds on new
    cases comes from conformal p-values (:mod:`medanomaly.core.conformal`).

    Attributes:
        offset_: the threshold on :meth:`score_samples`.
        n_features_in_: number of features d.

    Example:
        >>> from medanomaly.detectors.kinds.ecdf import DETECTOR
        >>> rng = np.random.default_rng(0)
        >>> detector = DETECTOR().fit(rng.normal(size=(200, 3)))
        >>> int(detector.explain([[0.1, 0.2, 6.0]])[0].argmax()), detector.predict([[0.1, 0.2, 6.0]]).tolist()
        (2, [-1])
    """

    @abstractmethod
    def _fit(self, X: np.ndarray) -> None:
        """Learn from (n, d) float32 rows."""

    @abstractmethod
    def _contributions(self, X: np.ndarray) -> np.ndarray:
        """(n, d) float64 terms of the anomaly score of (n, d) float32 rows, each from its own row alone."""

    def about_training_rows(self) -> dict[str, Any]:
        """What a fitted detector holds of its training rows, as entries of the manifest: empty where it holds none.

        ``rows_kept``: how many of them can be read from it. ``prototypes``: how many means stand for them, and of how many
        patients each is at least. ``differential_privacy``: what was promised of its weights.
        """
        return {}

    # patients are not routed through estimators of scikit-learn, which would add a method to ask for it
    __metadata_request__fit: ClassVar = {"groups": UNUSED}

    def fit(self, X: np.ndarray, y: object = None, groups: np.ndarray | None = None) -> "BaseDetector":
        """Learn what is usual.

        Args:
            X: (n, d) finite numbers, n >= 1.
            y: ignored.
            groups: (n,) patient of each row, for detectors that hold out rows or keep means of them; None takes each row
                as another patient's.

        Raises:
            ConfigurationError: ``contamination`` is outside (0, 0.5].
            ValueError: X is empty, not numeric, or holds NaN or infinity, or ``groups`` has another length.
        """
        if not 0 < self.contamination <= 0.5:
            raise ConfigurationError(
                f"contamination is {self.contamination}", remedy="Give a share above 0 and at most 0.5."
            )
        X = validate_data(self, X, dtype=np.float32)
        check_consistent_length(X, groups)
        self._learn(X, groups)
        self.offset_ = np.percentile(-self._scores(X), 100.0 * self.contamination)
        return self

    def _learn(self, X: np.ndarray, groups: np.ndarray | None = None) -> None:
        """:meth:`_fit` without the checks and the threshold; meanwhile ``_groups`` says whose row each is."""
        self._groups = groups
        try:
            self._fit(X)
        finally:
            # no bundle may hold it
            del self._groups

    def _scores(self, X: np.ndarray) -> np.ndarray:
        """(n,) float64 anomaly scores of (n, d) float32 rows that need no checks."""
        return _row_sums(self._contributions(X))

    def explain(self, X: np.ndarray) -> np.ndarray:
        """How much each feature adds to the anomaly score of each row.

        Args:
            X: (n, d) finite numbers.

        Returns:
            (n, d) float64, higher = more anomalous. Added from the first feature to the last they give the anomaly
            score, ``-score_samples(X)``.
        """
        check_is_fitted(self)
        return self._contributions(validate_data(self, X, dtype=np.float32, reset=False))

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        """Negative anomaly score: (n,) float64, higher = more normal."""
        check_is_fitted(self)
        return -self._scores(validate_data(self, X, dtype=np.float32, reset=False))

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """``score_samples(X) - offset_``: (n,) float64, negative for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: np.ndarray) -> np.ndarray:
        """(n,) int: 1 for inliers, -1 for outliers."""
        return np.where(self.decision_function(X) < 0, -1, 1)


def _row_sums(terms: np.ndarray) -> np.ndarray:
    # np.sum may pair up the terms differently for another shape or memory layout
    total = np.zeros(len(terms))
    for column in terms.T:
        total += column
    return total
