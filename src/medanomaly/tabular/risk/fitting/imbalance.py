"""Rare labels: shift the log-odds, or weigh or resample cases inside the fold.

Weighting and resampling change the prevalence that the model assumes, and so every probability; ranks hardly change.
``correct`` undoes this shift. A threshold on calibrated probabilities needs neither.
"""

import numpy as np
import pandas as pd
from sklearn.base import clone

from medanomaly.core.errors import ConfigurationError
from medanomaly.tabular.risk.risk_model import Contributions, RiskModel
from medanomaly.tabular.synthesis.balance import with_synthetic
from medanomaly.tabular.synthesis.kinds import GENERATORS


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


class Rebalanced(RiskModel):
    """A model fitted as if both labels were equally frequent.

    Args:
        model: the inner model.
        how: ``class_weight`` weighs the cases of a class by the inverse of its frequency; the name of a generator adds
            synthetic cases of the rarer class. The generator is not kept.
        correct: shift the log-odds back to the prevalence of the cases given. Without this, probabilities are far too high.
        seed: of the generator.
    """

    def __init__(
        self,
        model: RiskModel,
        how: str = "class_weight",
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
        elif self.how in GENERATORS:
            n = len(y)
            features, y = with_synthetic(features, y, self.how, seed=self.seed)
            patient = np.concatenate([patient.astype(str), features["case_id"].to_numpy(dtype=object)[n:]])
            weight = np.concatenate([weight, np.ones(len(y) - n)])
        else:
            raise ConfigurationError(
                f"unknown way to rebalance: '{self.how}'",
                remedy=f"Give class_weight or one of {', '.join(GENERATORS)}.",
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
