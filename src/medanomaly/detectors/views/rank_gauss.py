"""Columns bent to the normal distribution by their ranks; the view in which skewed columns weigh as much as others."""

import numpy as np
from scipy.special import ndtri
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from medanomaly.detectors.views.standardise import VIEW_LIMIT

MAX_KNOTS = 1024


class RankGauss(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Each training value to the normal quantile of its mid-rank, then standardised; straight lines in between.

    A value v that stands c times among n, with C values up to and including it, goes to ``Phi^-1((C - c/2) / n)`` (van der
    Waerden scores with mid-ranks; see Conover & Iman 1981, "Rank transformations as a bridge"). Unlike
    scikit-learn's ``QuantileTransformer`` the line goes on beyond the training extremes, with the mean slope between
    them: what is far out stays far out. Of more than 1024 different values, 1024 are kept, evenly spaced in rank.
    A constant column is only centred, in units of ``max(1, |value|)``. Output is cut at +-1e6.

    Attributes:
        knots_: d arrays of float32, ascending.
        anchors_: d arrays of float64, one longer: where the line of the cell ``#{knots <= x}`` starts,
        values_: what it is there,
        slopes_: and how it climbs.
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
