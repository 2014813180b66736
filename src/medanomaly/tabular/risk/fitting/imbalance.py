"""Rare labels: shift the log-odds, or weigh or resample cases inside the fold.

Weighting and resampling change the prevalence that the model assumes, and so every probability; ranks hardly change.
``correct`` undoes this shift. A threshold on calibrated probabilities needs neither.
"""

from typing import Literal

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.neighbors import NearestNeighbors

from medanomaly.core.errors import ConfigurationError
from medanomaly.detectors.preprocessing import Preprocessor
from medanomaly.tabular.risk.risk_model import Contributions, RiskModel


def shift_prevalence(logit: np.ndarray, trained: float, target: float) -> np.ndarray:
    """Log-odds for another prevalence, if cases of each class have the same features in both populations.

    Saerens, Latinne & Decaestecker 2002, eq. 2.4; the logit adjustment of Menon et al. 2021 is the same shift.

    Args:
        logit: (n,) log-odds of a model.
        trained: prevalence that the model assumes, in (0, 1).
        target: wanted prevalence, in (0, 1).
    """
    if not (0 < trained < 1 and 0 < target < 1):
        raise ConfigurationError(
            f"prevalences {trained} and {target}", remedy="Give two shares between 0 and 1."
        )
    return np.asarray(logit) + np.log(target / (1 - target)) - np.log(trained / (1 - trained))


def smote(
    features: pd.DataFrame, y: np.ndarray, k: int = 5, seed: int = 0
) -> tuple[pd.DataFrame, np.ndarray]:
    """Add synthetic cases of the rarer class until both classes are equally frequent (Chawla et al. 2002).

    A new case lies between a case and one of its k nearest neighbours of its class. Neighbours are found among standardised,
    median-filled values. A number that is missing in one of the two, and every category, is that of the first case.

    Args:
        features: feature table of n rows.
        y: (n,) 0 or 1.
        k: number of neighbours.
        seed: of the random numbers.

    Returns:
        ``(features, y)``, synthetic cases after the real ones, with ``case_id`` "smote-1", ...
    """
    rare = int(y.mean() < 0.5)
    members = np.flatnonzero(y == rare)
    n_new = len(y) - 2 * len(members)
    if len(members) <= k:
        raise ConfigurationError(
            f"{len(members)} cases of the rarer class for {k} neighbours", remedy="Lower k."
        )
    matrix = Preprocessor.fit(features).transform(features.iloc[members])
    near = NearestNeighbors(n_neighbors=k).fit(matrix).kneighbors(return_distance=False)
    rng = np.random.default_rng(seed)
    first = rng.integers(len(members), size=n_new)
    second = near[first, rng.integers(k, size=n_new)]
    way = rng.random(n_new)
    a, b = features.iloc[members[first]], features.iloc[members[second]]
    made = {}
    for name in features.columns:
        if name == "case_id":
            made[name] = [f"smote-{i + 1}" for i in range(n_new)]
        elif pd.api.types.is_numeric_dtype(features[name]):
            own = a[name].to_numpy(dtype=np.float64, na_value=np.nan)
            other = b[name].to_numpy(dtype=np.float64, na_value=np.nan)
            between = own + way * (other - own)
            made[name] = np.where(np.isnan(between), own, between)
        else:
            made[name] = a[name].to_numpy()
    both = pd.concat([features, pd.DataFrame(made)], ignore_index=True)
    return both, np.concatenate([y, np.full(n_new, rare)])


class Rebalanced(RiskModel):
    """A model fitted as if both labels were equally frequent.

    Args:
        model: the inner model.
        how: ``class_weight`` weighs the cases of a class by the inverse of its frequency, ``smote`` adds synthetic cases.
        correct: shift the log-odds back to the prevalence of the cases given. Without this, probabilities are far too high.
        seed: of ``smote``.
    """

    def __init__(
        self,
        model: RiskModel,
        how: Literal["class_weight", "smote"] = "class_weight",
        correct: bool = True,
        seed: int = 0,
    ):
        self.model = model
        self.how = how
        self.correct = correct
        self.seed = seed

    def _fit(self, features, y, patient, weight) -> None:
        weight = np.ones(len(y)) if weight is None else weight
        prevalence = float(np.average(y, weights=weight))
        if self.how == "class_weight":
            weight = weight * np.where(y == 1, 0.5 / prevalence, 0.5 / (1 - prevalence))
        elif self.how == "smote":
            n = len(y)
            features, y = smote(features, y, seed=self.seed)
            patient = np.concatenate([patient.astype(str), features["case_id"].to_numpy(dtype=object)[n:]])
            weight = np.concatenate([weight, np.ones(len(y) - n)])
        else:
            raise ConfigurationError(
                f"unknown way to rebalance: '{self.how}'", remedy="Give class_weight or smote."
            )
        self.model_ = clone(self.model).fit(features, y, patient, weight)
        self.shift_ = float(shift_prevalence(0.0, 0.5, prevalence)) if self.correct else 0.0

    def predict_logit(self, features: pd.DataFrame) -> np.ndarray:
        """Log-odds of the inner model, shifted back if ``correct``."""
        return self.model_.predict_logit(features) + self.shift_

    def logit_interval(self, features: pd.DataFrame, level: float):
        """Interval of the inner model, with the same shift. Weights and synthetic cases make it too narrow."""
        found = self.model_.logit_interval(features, level)
        return None if found is None else (found[0] + self.shift_, found[1] + self.shift_)

    def contributions(self, features: pd.DataFrame) -> Contributions:
        """Contributions of the inner model; the shift is part of the base."""
        inside = self.model_.contributions(features)
        if inside.unit != "log-odds":
            return inside
        return Contributions(inside.terms, inside.base + self.shift_)
