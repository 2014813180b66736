"""From probabilities of classes to answers: their temperature, and sets that hold the right class as often as asked."""

import numpy as np
from scipy.optimize import minimize_scalar

from medanomaly.tabular.classes.class_model import normalised

# classes with fewer cases are rare: reported apart, and their sets have a threshold together
RARE = 30


def tempered(probability: np.ndarray, temperature: float) -> np.ndarray:
    """(n, k) probabilities whose logarithms are divided by the temperature, rows scaled to 1; above 1 they are milder."""
    logs = np.log(probability) / temperature
    return normalised(np.exp(logs - logs.max(axis=1, keepdims=True)))


def fit_temperature(probability: np.ndarray, codes: np.ndarray, known: np.ndarray) -> float:
    """The temperature of highest likelihood (Guo et al. 2017).

    Args:
        probability: (n, k) of cases that the model was not fitted on.
        codes: (n,) positions of their classes.
        known: (n,) bool, whether the model that gave these probabilities had a case of that class. One that it never saw
            has no probability to calibrate.
    """
    logs, own = np.log(probability[known]), codes[known]
    if not len(own):
        return 1.0

    def loss(log_temperature: float) -> float:
        scaled = logs / np.exp(log_temperature)
        top = scaled.max(axis=1)
        return float(
            (
                top + np.log(np.exp(scaled - top[:, None]).sum(axis=1)) - scaled[np.arange(len(own)), own]
            ).mean()
        )

    found = minimize_scalar(
        loss, bounds=(np.log(0.2), np.log(10.0)), method="bounded", options={"xatol": 1e-6}
    )
    return float(np.exp(found.x))


def set_thresholds(
    probability: np.ndarray, codes: np.ndarray, counts: np.ndarray, coverage: float
) -> np.ndarray:
    """(k,) probability that a class needs to be in the set of a case (conformal sets, Sadinle, Lei & Wasserman 2019).

    Each class with :data:`RARE` cases or more has its own threshold, so that its own cases are covered. Rarer ones have one
    together, as of few cases none can be told (clusters of classes, Ding et al. 2023). A group of so few cases that no
    threshold can promise the coverage gets 0: its classes are in every set.

    Args:
        probability: (n, k) of cases that the model was not fitted on.
        codes: (n,) positions of their classes.
        counts: (k,) cases of each class.
        coverage: share of the cases of a class whose set shall hold it.
    """
    own = probability[np.arange(len(codes)), codes]
    out = np.zeros(len(counts))
    rare = np.asarray(counts) < RARE
    groups = [*([c] for c in np.flatnonzero(~rare)), *([np.flatnonzero(rare)] if rare.any() else [])]
    for group in groups:
        sorted_own = np.sort(own[np.isin(codes, group)])
        place = int(np.floor((1 - coverage) * (len(sorted_own) + 1) + 1e-9))
        out[group] = sorted_own[place - 1] if place >= 1 else 0.0
    return out


def in_sets(probability: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """(n, k) bool: the classes of each case's set; the most probable one is always in it."""
    inside = probability >= thresholds
    inside[np.arange(len(probability)), probability.argmax(axis=1)] = True
    return inside
