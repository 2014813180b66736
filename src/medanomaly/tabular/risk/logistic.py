"""Logistic regression, the simplest risk model."""

import numpy as np
import pandas as pd

from medanomaly.tabular.risk.fitting.design_matrices import LinearDesign, by_feature
from medanomaly.tabular.risk.risk_model import Contributions, RiskModel, row_sums


class LogisticRisk(RiskModel):
    """Logistic regression with an L2 penalty on winsorised, median-filled, standardised features with indicators.

    Args:
        C: inverse penalty of scikit-learn's ``LogisticRegression``; smaller shrinks more.
        quantiles: quantiles at which numbers are clipped.
    """

    def __init__(self, C: float = 0.01, quantiles: tuple[float, float] = (0.01, 0.99)):
        self.C = C
        self.quantiles = quantiles

    def _fit(self, features, y, patient, weight) -> None:
        from sklearn.linear_model import LogisticRegression

        self.design_ = LinearDesign.fit(features, self.quantiles)
        fitted = LogisticRegression(C=self.C, max_iter=2000, tol=1e-6)
        fitted.fit(self.design_.transform(features).astype(np.float64), y, sample_weight=weight)
        self.coef_, self.intercept_ = fitted.coef_[0], float(fitted.intercept_[0])

    def predict_logit(self, features: pd.DataFrame) -> np.ndarray:
        """(n,) intercept + x . w."""
        return self.intercept_ + row_sums(self.design_.transform(features).astype(np.float64) * self.coef_)

    def contributions(self, features: pd.DataFrame) -> Contributions:
        """Exact: coefficient times standardised value, so a feature with its training mean contributes 0."""
        terms = self.design_.transform(features).astype(np.float64) * self.coef_
        return Contributions(by_feature(terms, self.design_.owners), self.intercept_)
