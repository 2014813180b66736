"""Choose features inside the fold, by the association of each single feature with the label."""

import numpy as np
import pandas as pd
from scipy.stats import chi2
from sklearn.base import clone

from medanomaly.core.errors import ConfigurationError
from medanomaly.tabular.risk.risk_model import Contributions, RiskModel

N_BINS = 5


def association(values: pd.Series, y: np.ndarray) -> float:
    """Association of a feature with the label, as -log of the p-value of independence.

    The likelihood-ratio test of independence (Agresti 2013, section 3.2) between the label and the feature in quintiles or
    levels, where a missing value is a separate level. Numbers and categories, with few or many levels, share this scale.

    Args:
        values: (n,) of one feature.
        y: (n,) 0 or 1.

    Returns:
        -log of the p-value, at least 0.
    """
    if pd.api.types.is_numeric_dtype(values):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        known = numbers[~np.isnan(numbers)]
        edges = np.unique(np.quantile(known, np.arange(1, N_BINS) / N_BINS)) if known.size else np.empty(0)
        code = np.where(np.isnan(numbers), len(edges) + 1, np.searchsorted(edges, numbers, side="left"))
        code = np.unique(code, return_inverse=True)[1]
    else:
        code = pd.factorize(values, use_na_sentinel=False)[0]
    n_levels = int(code.max(initial=-1)) + 1
    if n_levels < 2:
        return 0.0
    observed = np.stack([np.bincount(code[y == label], minlength=n_levels) for label in (0, 1)])
    expected = observed.sum(axis=0) * observed.sum(axis=1, keepdims=True) / observed.sum()
    seen = observed > 0
    g = 2 * float((observed[seen] * np.log(observed[seen] / expected[seen])).sum())
    return max(0.0, float(-chi2.logsf(max(g, 0.0), n_levels - 1)))


class SelectedFeatures(RiskModel):
    """A model that uses the ``n_features`` features with the strongest association with the label.

    ``fit`` chooses them, so every fold chooses its own. A choice on all cases would use the labels of test.

    Args:
        model: the inner model.
        n_features: number of features kept.
    """

    def __init__(self, model: RiskModel, n_features: int = 50):
        self.model = model
        self.n_features = n_features

    def _fit(self, features, y, patient, weight) -> None:
        if self.n_features < 1:
            raise ConfigurationError(f"{self.n_features} features", remedy="Keep at least one.")
        names = features.columns.drop("case_id")
        strength = np.array([association(features[name], y) for name in names])
        self.kept_ = [str(names[i]) for i in np.sort(np.argsort(-strength, kind="stable")[: self.n_features])]
        self.model_ = clone(self.model).fit(features[["case_id", *self.kept_]], y, patient, weight)

    def predict_logit(self, features: pd.DataFrame) -> np.ndarray:
        """Log-odds of the inner model."""
        return self.model_.predict_logit(features)

    def logit_interval(self, features: pd.DataFrame, level: float):
        """Interval of the inner model; it ignores the uncertainty of the choice."""
        return self.model_.logit_interval(features, level)

    def contributions(self, features: pd.DataFrame) -> Contributions:
        """Contributions of the inner model."""
        return self.model_.contributions(features)
