"""Bayesian logistic regression: a probability with a credible interval.

Laplace's approximation (MacKay 1992, "The evidence framework applied to classification networks"; Bishop 2006, section
4.4-4.5): the posterior of the weights is taken as a normal distribution around its mode. Its prior precision is chosen by
the evidence of the training cases, so it needs no separate cases.
"""

import numpy as np
import pandas as pd
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.special import expit, log_expit, logit
from scipy.stats import norm

from medanomaly.core.errors import ConfigurationError
from medanomaly.tabular.risk.fitting.design_matrices import LinearDesign, by_feature
from medanomaly.tabular.risk.risk_model import Contributions, RiskModel, row_sums

# nodes of the Gauss-Hermite rule: the integral over a normal distribution is then exact to about 1e-6
NODES = 40
# so wide a prior of the intercept has no influence
INTERCEPT_PRECISION = 1e-4


class BayesianLogisticRisk(RiskModel):
    """Logistic regression with a normal prior on the weights and a normal approximation of their posterior.

    The interval covers the uncertainty of the weights. It does not cover errors of the model, such as a missing interaction
    or patients unlike those of training.

    Args:
        prior_sd: standard deviation of every standardised weight; None maximises the evidence.
        quantiles: quantiles at which numbers are clipped.
        max_iter: maximum number of updates of the prior.
    """

    def __init__(
        self,
        prior_sd: float | None = None,
        quantiles: tuple[float, float] = (0.01, 0.99),
        max_iter: int = 50,
    ):
        self.prior_sd = prior_sd
        self.quantiles = quantiles
        self.max_iter = max_iter

    def _fit(self, features, y, patient, weight) -> None:
        if self.prior_sd is not None and self.prior_sd <= 0:
            raise ConfigurationError(f"prior_sd is {self.prior_sd}", remedy="Give a number above 0, or null.")
        self.design_ = LinearDesign.fit(features, self.quantiles)
        Z = _with_intercept(self.design_.transform(features))
        weight = np.ones(len(y)) if weight is None else weight
        d = Z.shape[1] - 1
        alpha = d if self.prior_sd is None else self.prior_sd**-2
        w = np.zeros(d + 1)
        for _ in range(self.max_iter):
            precision = np.append(np.full(d, alpha), INTERCEPT_PRECISION)
            w, cholesky = _mode(Z, y, weight, precision, w)
            if self.prior_sd is not None:
                break
            # MacKay 1992, eq. 4.10: the number of weights that the data determines, over their squared length
            trace = np.square(solve_triangular(cholesky, np.eye(d + 1), lower=True)[:, :d]).sum()
            determined = d - alpha * trace
            new = float(np.clip(determined / max(w[:d] @ w[:d], 1e-12), 1e-6, 1e6))
            if abs(np.log(new / alpha)) < 1e-3:
                break
            alpha = new
        self.prior_sd_ = float(alpha**-0.5)
        self.weights_, self.cholesky_ = w, cholesky

    def _posterior_logit(self, features: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        Z = _with_intercept(self.design_.transform(features))
        sd = np.sqrt(np.square(solve_triangular(self.cholesky_, Z.T, lower=True)).sum(axis=0))
        return row_sums(Z * self.weights_), sd

    def predict_logit(self, features: pd.DataFrame) -> np.ndarray:
        """(n,) log-odds of the posterior mean probability. The less is known, the nearer it is to 1/2."""
        mean, sd = self._posterior_logit(features)
        nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
        probability = expit(mean[:, None] + sd[:, None] * nodes) @ (weights / weights.sum())
        return logit(np.clip(probability, 1e-12, 1 - 1e-12))

    def logit_interval(self, features: pd.DataFrame, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Central credible interval of the log-odds: ``(low, high)``, each (n,)."""
        mean, sd = self._posterior_logit(features)
        half = norm.ppf((1 + level) / 2) * sd
        return mean - half, mean + half

    def contributions(self, features: pd.DataFrame) -> Contributions:
        """Exact for the log-odds at the posterior mode; the mean probability is a little nearer to 1/2."""
        terms = self.design_.transform(features).astype(np.float64) * self.weights_[:-1]
        return Contributions(by_feature(terms, self.design_.owners), float(self.weights_[-1]))


def _with_intercept(matrix: np.ndarray) -> np.ndarray:
    return np.column_stack([matrix.astype(np.float64), np.ones(len(matrix))])


def _mode(
    Z: np.ndarray, y: np.ndarray, weight: np.ndarray, precision: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mode of the posterior by Newton's method, and the lower Cholesky factor of its negative Hessian there."""

    def loss(w: np.ndarray) -> float:
        margin = Z @ w
        return (
            -float(weight @ np.where(y == 1, log_expit(margin), log_expit(-margin))) + 0.5 * precision @ w**2
        )

    w, value = start, loss(start)
    for _ in range(100):
        p = expit(Z @ w)
        hessian = (Z * (weight * p * (1 - p))[:, None]).T @ Z + np.diag(precision)
        factor = cho_factor(hessian, lower=True)
        step = cho_solve(factor, Z.T @ (weight * (y - p)) - precision * w)
        # the loss is convex, so halving the step always ends with a lower loss
        while (new := loss(w + step)) > value + 1e-10 * (1 + abs(value)):
            step = step / 2
        w, value = w + step, new
        if np.abs(step).max() < 1e-8:
            break
    p = expit(Z @ w)
    hessian = (Z * (weight * p * (1 - p))[:, None]).T @ Z + np.diag(precision)
    return w, np.linalg.cholesky(hessian)
