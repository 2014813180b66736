"""Columns transformed to the normal distribution by their ranks; in this view skewed columns count as much as others."""

import numpy as np
from scipy.special import ndtri
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from medanomaly.detectors.onnx.graph import INT64, Graph, cell_search, node
from medanomaly.detectors.views.standardise import VIEW_LIMIT

MAX_KNOTS = 1024


class RankGauss(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Maps each training value to the normal quantile of its mid-rank, then standardises; straight lines in between.

    A value v that occurs c times among n, with C values up to and including it, becomes ``Phi^-1((C - c/2) / n)`` (van
    der Waerden scores with mid-ranks; see Conover & Iman 1981, "Rank transformations as a bridge"). Unlike
    scikit-learn's ``QuantileTransformer`` the line continues beyond the training extremes, with the mean slope between
    them, so that extreme values stay extreme. Of more than 1024 different values, 1024 are kept, evenly spaced in rank.
    A constant column is only centred, in units of ``max(1, |value|)``. Output is clipped to +-1e6.

    Attributes:
        knots_: d arrays of float32, ascending.
        anchors_: d arrays of float64, one longer: where the line of the cell ``#{knots <= x}`` starts.
        values_: likewise, the value of the line there.
        slopes_: likewise, its slope.
    """

    def fit(self, X: np.ndarray, y: object = None) -> "RankGauss":
        """Learn the curves of the columns of (n, d) finite numbers, n >= 1."""
        return self._fit(validate_data(self, X, dtype=np.float32))

    def transform(self, X: np.ndarray) -> np.ndarray:
        """(n, d) finite numbers to (n, d) float32."""
        check_is_fitted(self)
        return self._view(validate_data(self, X, dtype=np.float32, reset=False))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _fit(self, X: np.ndarray) -> "RankGauss":
        curves = [_curve(column) for column in X.T]
        self.knots_, self.anchors_, self.values_, self.slopes_ = (
            list(parts) for parts in zip(*curves, strict=True)
        )
        return self

    def _view(self, X: np.ndarray) -> np.ndarray:
        out = np.empty(X.shape)
        for j, column in enumerate(np.ascontiguousarray(X.T)):
            cell = np.searchsorted(self.knots_[j], column, side="right")
            out[:, j] = self.values_[j][cell] + (column - self.anchors_[j][cell]) * self.slopes_[j][cell]
        return np.clip(out, -VIEW_LIMIT, VIEW_LIMIT).astype(np.float32)

    def _onnx_graph(self, output: str) -> Graph:
        """Nodes from "x" to ``output``: one tree per column finds the piece of its curve in a table of all pieces."""
        # x <= the number before the knot is x < knot
        edges = [np.nextafter(knots, np.float32(-np.inf)) for knots in self.knots_]
        numbers = np.arange(sum(len(anchors) for anchors in self.anchors_))
        nodes = [
            cell_search("cell_number", edges, numbers, per_column=True),
            node("Cast", ["cell_number"], ["cell"], to=INT64),
            node("Gather", ["anchors", "cell"], ["anchor"]),
            node("Gather", ["values", "cell"], ["value"]),
            node("Gather", ["slopes", "cell"], ["slope"]),
            node("Sub", ["x", "anchor"], ["run"]),
            node("Mul", ["run", "slope"], ["rise"]),
            node("Add", ["value", "rise"], ["unbounded"]),
            node("Clip", ["unbounded", "lowest", "highest"], [output]),
        ]
        limits = {"lowest": np.float64(-VIEW_LIMIT), "highest": np.float64(VIEW_LIMIT)}
        return nodes, limits | {
            "anchors": np.concatenate(self.anchors_),
            "values": np.concatenate(self.values_),
            "slopes": np.concatenate(self.slopes_),
        }


def _curve(column: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Knots, and anchor, value and slope of the cells below, between and above them."""
    knots, counts = np.unique(column, return_counts=True)
    n = len(column)
    at = knots.astype(np.float64)
    if len(knots) == 1:
        slope = 1.0 / max(1.0, abs(at[0]))
        return knots, np.repeat(at, 2), np.zeros(2), np.full(2, slope)
    middle = np.cumsum(counts) - counts / 2.0
    quantile = ndtri(middle / n)
    mean = np.dot(quantile, counts) / n
    quantile = (quantile - mean) / np.sqrt(np.dot((quantile - mean) ** 2, counts) / n)
    if len(knots) > MAX_KNOTS:
        wanted = np.linspace(middle[0], middle[-1], MAX_KNOTS)
        kept = np.unique(np.minimum(np.searchsorted(middle, wanted), len(knots) - 1))
        knots, at, quantile = knots[kept], at[kept], quantile[kept]
    outside = (quantile[-1] - quantile[0]) / (at[-1] - at[0])
    slopes = np.concatenate([[outside], np.diff(quantile) / np.diff(at), [outside]])
    return knots, np.concatenate([at[:1], at]), np.concatenate([quantile[:1], quantile]), slopes
