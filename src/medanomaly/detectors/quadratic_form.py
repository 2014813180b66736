"""Squared distances ``z' P z`` from the mean, which split into one exact term per feature."""

from abc import abstractmethod

import numpy as np

from medanomaly.detectors.base import BaseDetector
from medanomaly.detectors.onnx.graph import Graph, node
from medanomaly.detectors.views.standardise import Standardise


class QuadraticForm(BaseDetector):
    """Anomaly score ``z' P z`` of the standardised row z; feature j contributes ``z_j (P z)_j``.

    The terms add up to the score exactly. One of them can be negative: the feature then makes the others look more
    usual, as the height of a tall person does for the weight. A subclass defines the precision matrix P.

    Attributes:
        standardise_: the fitted standardisation.
        precision_: (d, d) float64, symmetric, positive definite.
    """

    @abstractmethod
    def _precision(self, z: np.ndarray) -> np.ndarray:
        """(d, d) precision matrix from (n, d) float64 standardised training rows z, n >= 2."""

    def _fit(self, X: np.ndarray) -> None:
        self.standardise_ = Standardise()._fit(X)
        z = self.standardise_._z(X)
        self.precision_ = self._precision(z) if len(X) > 1 else np.eye(X.shape[1])

    def _contributions(self, X: np.ndarray) -> np.ndarray:
        z = self.standardise_._z(X)
        product = np.zeros(z.shape)
        # a matrix product would round differently with the number of rows
        for column, row in zip(z.T, self.precision_, strict=True):
            product += column[:, None] * row
        return z * product

    def _onnx_graph(self) -> Graph:
        nodes, constants = self.standardise_._onnx_graph("z")
        nodes += [
            node("MatMul", ["z", "precision"], ["product"]),
            node("Mul", ["z", "product"], ["terms"]),
            node("MatMul", ["terms", "ones"], ["score"]),
        ]
        return nodes, constants | {"precision": self.precision_, "ones": np.ones(self.n_features_in_)}


def floored_inverse(covariance: np.ndarray, floor: float) -> np.ndarray:
    """Inverse of a symmetric matrix, its eigenvalues raised to ``floor`` where they lie below."""
    values, vectors = np.linalg.eigh(covariance)
    inverse = (vectors / np.maximum(values, floor)) @ vectors.T
    return (inverse + inverse.T) / 2.0
