"""Columns in units of their own standard deviation; the view of the data in which distances are measured."""

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from medanomaly.detectors.onnx.graph import Graph, node

# far outside any population, but its square and sums of squares stay finite in float32
VIEW_LIMIT = 1e6


class Standardise(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """``(x - mean) / sd`` with the training mean and standard deviation, clipped to +-1e6.

    A column that is constant in training has no standard deviation; it is kept, in units of ``max(1, |mean|)``, because
    another value of it is unusual. Rows are cast to float32 before and after, arithmetic is float64.

    Attributes:
        mean_: (d,) float64.
        scale_: (d,) float64, above 0.
        constant_: (d,) bool.
    """

    def fit(self, X: np.ndarray, y: object = None) -> "Standardise":
        """Learn mean and standard deviation of the columns of (n, d) finite numbers, n >= 1."""
        return self._fit(validate_data(self, X, dtype=np.float32))

    def transform(self, X: np.ndarray) -> np.ndarray:
        """(n, d) finite numbers to (n, d) float32."""
        check_is_fitted(self)
        return self._view(validate_data(self, X, dtype=np.float32, reset=False))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _fit(self, X: np.ndarray) -> "Standardise":
        X = X.astype(np.float64)
        self.mean_, sd = X.mean(axis=0), X.std(axis=0)
        self.constant_ = sd <= 1e-9 * (1.0 + np.abs(self.mean_))
        self.scale_ = np.where(self.constant_, np.maximum(1.0, np.abs(self.mean_)), sd)
        return self

    def _z(self, X: np.ndarray) -> np.ndarray:
        return np.clip((X.astype(np.float64) - self.mean_) / self.scale_, -VIEW_LIMIT, VIEW_LIMIT)

    def _view(self, X: np.ndarray) -> np.ndarray:
        return self._z(X).astype(np.float32)

    def _onnx_graph(self, output: str) -> Graph:
        """Nodes from "x" to ``output``."""
        nodes = [
            node("Sub", ["x", "mean"], ["centred"]),
            node("Div", ["centred", "scale"], ["unbounded"]),
            node("Clip", ["unbounded", "lowest", "highest"], [output]),
        ]
        limits = {"lowest": np.float64(-VIEW_LIMIT), "highest": np.float64(VIEW_LIMIT)}
        return nodes, limits | {"mean": self.mean_, "scale": self.scale_}
