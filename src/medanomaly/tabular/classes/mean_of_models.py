"""Several models of classes as one: the mean of their log-probabilities, tempered, with decision and sets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from medanomaly.tabular.classes.class_model import LEAST, ClassModel, normalised
from medanomaly.tabular.classes.decisions import (
    fit_temperature,
    in_sets,
    set_thresholds,
    tempered,
)
from medanomaly.tabular.classes.params import ClassParams
from medanomaly.tabular.classes.rare_classes import adjusted_decision, choose_strength, pooled
from medanomaly.tabular.synthesis.balance import with_synthetic


def in_order_of(model: ClassModel, features: pd.DataFrame, classes: np.ndarray) -> np.ndarray:
    """(n, k) probabilities in the order of all classes, also of those that the model's cases lack."""
    out = np.full((len(features), len(classes)), LEAST)
    out[:, np.searchsorted(classes, model.classes_)] = model.predict_proba(features)
    return normalised(out)


def fitted_members(params: ClassParams, features: pd.DataFrame, y: np.ndarray, seed: int) -> list[ClassModel]:
    """The members, fitted on these cases, and on synthetic ones where the parameters ask for some."""
    if params.imbalance != "none":
        features, y = with_synthetic(features, y, params.imbalance, params.up_to, seed)
    return [member.unfitted(seed).fit(features, y) for member in params.members]


def mean_of(members: Sequence[ClassModel], features: pd.DataFrame, classes: np.ndarray) -> np.ndarray:
    """(n, k) probabilities of the members together, before they are tempered."""
    return pooled([in_order_of(member, features, classes) for member in members])


@dataclass(frozen=True)
class FittedClasses:
    """Members with all that is decided from their probabilities.

    Attributes:
        members: fitted on the same cases.
        classes: (k,) sorted.
        counts: (k,) cases of each that were learned from.
        temperature: see :func:`medanomaly.tabular.classes.decisions.tempered`.
        strength: see :func:`medanomaly.tabular.classes.rare_classes.adjusted_decision`.
        thresholds: (k,) see :func:`medanomaly.tabular.classes.decisions.set_thresholds`.
    """

    members: Sequence[ClassModel]
    classes: np.ndarray
    counts: np.ndarray
    temperature: float
    strength: float
    thresholds: np.ndarray

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        """(n, k) calibrated probabilities; rows add up to 1."""
        return tempered(mean_of(self.members, features, self.classes), self.temperature)

    def decide(self, probability: np.ndarray) -> np.ndarray:
        """(n,) position of the class that is decided for."""
        return adjusted_decision(probability, self.counts, self.strength)

    def sets(self, probability: np.ndarray) -> np.ndarray:
        """(n, k) bool: the classes of each case's set."""
        return in_sets(probability, self.thresholds)


def fit_classes(
    params: ClassParams, features: pd.DataFrame, y: np.ndarray, fold: np.ndarray, seed: int
) -> tuple[FittedClasses, np.ndarray]:
    """Fit on all cases; temperature, decision and sets come from cases that the model of their fold has not seen.

    Args:
        params: members and what is decided.
        features: feature table of n rows.
        y: (n,) classes as text.
        fold: (n,) fold of each case, patients whole.
        seed: of members that draw random numbers.

    Returns:
        The fitted model, and the (n, k) calibrated probabilities out of fold.
    """
    classes, codes, counts = np.unique(np.asarray(y).astype(str), return_inverse=True, return_counts=True)
    held_out, known = np.empty((len(y), len(classes))), np.zeros(len(y), dtype=bool)
    for k in np.unique(fold):
        rest, held = fold != k, fold == k
        members = fitted_members(params, features[rest].reset_index(drop=True), y[rest], seed)
        held_out[held] = mean_of(members, features[held], classes)
        known[held] = np.isin(codes[held], codes[rest])
    temperature = fit_temperature(held_out, codes, known) if params.calibration == "temperature" else 1.0
    held_out = tempered(held_out, temperature)
    strength = choose_strength(held_out, codes, counts) if params.decision == "adjusted" else 0.0
    fitted = FittedClasses(
        fitted_members(params, features, y, seed),
        classes,
        counts,
        temperature,
        strength,
        set_thresholds(held_out, codes, counts, params.coverage),
    )
    return fitted, held_out
