"""Rare classes: another decision, a group to fall back on, and several models together."""

from collections.abc import Sequence

import numpy as np

from medanomaly.tabular.classes.class_model import normalised

STRENGTHS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)


def adjusted_decision(probability: np.ndarray, counts: np.ndarray, strength: float) -> np.ndarray:
    """(n,) position of the class that is decided for, rare classes preferred (logit adjustment, Menon et al. 2021).

    The decision changes and probabilities do not, so they stay calibrated.

    Args:
        probability: (n, k) above 0.
        counts: (k,) training cases of each class; a class without any counts as half a case.
        strength: 0 decides for the most probable class, 1 for the one whose probability rose most over its frequency.
    """
    frequency = np.maximum(counts, 0.5) / np.sum(counts)
    return (np.log(probability) - strength * np.log(frequency)).argmax(axis=1)


def choose_strength(
    probability: np.ndarray, codes: np.ndarray, counts: np.ndarray, strengths: Sequence[float] = STRENGTHS
) -> float:
    """The strength of :func:`adjusted_decision` with the highest macro-F1 on cases that the model has not seen.

    Args:
        probability: (n, k) of these cases.
        codes: (n,) positions of their classes.
        counts: (k,) training cases of each class.
        strengths: tried in this order; the first of equals is taken.
    """
    from sklearn.metrics import f1_score

    def macro(strength: float) -> float:
        decided = adjusted_decision(probability, counts, strength)
        return f1_score(codes, decided, average="macro", labels=np.unique(codes), zero_division=0)

    return max(strengths, key=macro)


def backed_off(
    probability: np.ndarray, counts: np.ndarray, groups: Sequence[str], cases: float = 10.0
) -> np.ndarray:
    """(n, k) probabilities, those of rare classes drawn towards what their group has, shared out by frequency.

    ``w p(c) + (1 - w) p(group) n_c / n_group`` with ``w = n_c / (n_c + cases)``, and rows scaled to 1: of a class with few
    cases only the group is believed (shrinkage as in hierarchical Bayes).

    Args:
        probability: (n, k) of a model.
        counts: (k,) training cases of each class.
        groups: (k,) group of each class.
        cases: of a class at which model and group count the same.
    """
    counts = np.asarray(counts, dtype=np.float64)
    group = np.asarray(groups, dtype=object)
    same = (group[:, None] == group).astype(np.float64)
    share = counts / np.maximum(same @ counts, 1e-12)
    weight = counts / (counts + cases)
    return normalised(weight * probability + (1 - weight) * (probability @ same) * share)


def pooled(probabilities: Sequence[np.ndarray]) -> np.ndarray:
    """(n, k) geometric mean of several (n, k) tables of probabilities, rows scaled to 1.

    The logarithmic opinion pool with equal weights (Genest & Zidek 1986).
    """
    logs = np.mean([np.log(p) for p in probabilities], axis=0)
    return normalised(np.exp(logs - logs.max(axis=1, keepdims=True)))
