"""Which value of a record does not fit the others: an explanation of the record, whatever detector scored it."""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from medanomaly.core.errors import ConfigurationError
from medanomaly.detectors.views.standardise import Standardise


class ConditionalResidualExplainer(BaseEstimator):
    """Ranks the features of a record by the distance of each from the value that the others predict.

    Suppose that one value of a record is wrong. Feature j is the more suspicious, the less likely x_j is given the others,
    and the more likely x_j is as a wrong value: ``-log p(x_j | others) + log p_wrong(x_j)``. With
    standardised values z, a Gaussian for the conditional (its precision matrix Q the inverse of
    ``(1 - shrinkage) Cov + shrinkage I``, so that the conditional residual is ``r_j = (z Q)_j / Q_jj`` with variance
    ``1 / Q_jj``; Lauritzen 1996, section 5.1) and a Cauchy shape for wrong values, this is, up to constants,

        ``c_j = r_j^2 Q_jj / 2 - log(Q_jj) / 2 - log(1 + z_j^2)``.

    The numbers are log odds between features of one record. Only their order and differences have a meaning; their sum is
    not the score of a detector. If two features are related only to each other, either could be wrong: show both names.

    Args:
        shrinkage: share of the identity in the covariance, in (0, 1].

    Attributes:
        standardise_: the fitted standardisation.
        precision_: (d, d) float64, Q.
    """

    def __init__(self, shrinkage: float = 0.02):
        self.shrinkage = shrinkage

    def fit(self, X: np.ndarray, y: object = None) -> "ConditionalResidualExplainer":
        """Learn the relations between the features of normal records.

        Args:
            X: (n, d) finite numbers, n >= 1.
            y: ignored.

        Raises:
            ConfigurationError: ``shrinkage`` is outside (0, 1].
        """
        if not 0 < self.shrinkage <= 1:
            raise ConfigurationError(
                f"shrinkage is {self.shrinkage}", remedy="Give a share above 0 and at most 1."
            )
        X = validate_data(self, X, dtype=np.float32)
        self.standardise_ = Standardise()._fit(X)
        z = self.standardise_._z(X)
        covariance = (1.0 - self.shrinkage) * (z.T @ z / len(z)) + self.shrinkage * np.eye(z.shape[1])
        self.precision_ = np.linalg.inv(covariance)
        return self

    def explain(self, X: np.ndarray) -> np.ndarray:
        """Log odds that each feature is the wrong one.

        Args:
            X: (n, d) finite numbers.

        Returns:
            (n, d) float64; the most suspicious feature of a row has the highest value.
        """
        check_is_fitted(self)
        z = self.standardise_._z(validate_data(self, X, dtype=np.float32, reset=False))
        product = np.zeros(z.shape)
        # a matrix product would round differently with the number of rows
        for column, row in zip(z.T, self.precision_, strict=True):
            product += column[:, None] * row
        diagonal = np.diag(self.precision_)
        return 0.5 * product**2 / diagonal - 0.5 * np.log(diagonal) - np.log1p(z**2)

    def expected(self, X: np.ndarray, unknown: np.ndarray | None = None) -> np.ndarray:
        """The value of each feature that the other known features of its row predict.

        Args:
            X: (n, d) finite numbers.
            unknown: (n, d) bool, values that may not be used to predict others; None uses all.

        Returns:
            (n, d) float64, in the units of X: conditional means of the Gaussian of :meth:`fit`.
        """
        check_is_fitted(self)
        z = self.standardise_._z(validate_data(self, X, dtype=np.float32, reset=False))
        unknown = np.zeros(z.shape, dtype=bool) if unknown is None else np.asarray(unknown, dtype=bool)
        precision, out = self.precision_, np.empty(z.shape)
        for row, hidden, result in zip(z, unknown, out, strict=True):
            known = ~hidden
            # Schur complement: the precision of the known values without the others (Lauritzen 1996, C.3)
            solved = np.linalg.solve(precision[np.ix_(hidden, hidden)], precision[np.ix_(hidden, known)])
            rest = precision[np.ix_(known, known)] - precision[np.ix_(known, hidden)] @ solved
            result[hidden] = -solved @ row[known]
            result[known] = row[known] - rest @ row[known] / np.diag(rest)
        return self.standardise_.mean_ + self.standardise_.scale_ * out
