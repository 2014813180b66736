"""Rare classes: another decision, a group to fall back on, synthetic cases, and several models together."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from medanomaly.core.errors import ConfigurationError
from medanomaly.tabular.classes.class_model import normalised
from medanomaly.tabular.risk.boosting_libraries import optional_package

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


def resampled(
    features: pd.DataFrame,
    y: np.ndarray,
    how: Literal["smote", "smoten"] = "smote",
    up_to: float = 0.1,
    seed: int = 0,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Add synthetic cases of rare classes (SMOTE, Chawla et al. 2002). For training cases inside a fold alone.

    Synthetic cases make probabilities of rare classes far too high (van den Goorbergh et al. 2022), so no model does this
    by itself; :func:`adjusted_decision` moves decisions and leaves probabilities. Missing numbers are filled with the median
    of all cases given, as SMOTE knows no missing value. Classes with one case have no neighbour and stay as they are.

    Args:
        features: feature table of n rows with ``case_id``.
        y: (n,) classes as text.
        how: ``smote`` makes values between two cases (SMOTE-NC where there are categories: they are voted on);
            ``smoten`` takes every value as a level and makes no value between two.
        up_to: every class gets at least this share of the cases of the most frequent class.
        seed: of the draws.

    Returns:
        ``(features, y)``: the real cases, filled, then the synthetic ones with ``case_id`` "synthetic-1", ...

    Raises:
        ConfigurationError: another ``how``, imbalanced-learn is missing, or ``smote`` without any number.
    """
    if how not in ("smote", "smoten"):
        raise ConfigurationError(f"unknown way to resample: '{how}'", remedy="Give smote or smoten.")
    over = optional_package("imblearn.over_sampling", "imbalanced-learn")
    matrix = features.drop(columns="case_id").reset_index(drop=True)
    numbers = [name for name in matrix if pd.api.types.is_numeric_dtype(matrix[name])]
    for name in matrix:
        if name in numbers:
            known = matrix[name].astype(np.float64)
            matrix[name] = known.fillna(known.median() if known.notna().any() else 0.0)
        else:
            matrix[name] = matrix[name].astype("string").fillna("missing").astype(object)
    classes, counts = np.unique(np.asarray(y).astype(str), return_counts=True)
    wanted = int(up_to * counts.max())
    more = {str(c): wanted for c, n in zip(classes, counts, strict=True) if 2 <= n < wanted}
    made, made_y = matrix, np.asarray(y).astype(str)
    if more:
        fewest = min(n for c, n in zip(classes, counts, strict=True) if c in more)
        options = {"sampling_strategy": more, "k_neighbors": int(min(5, fewest - 1)), "random_state": seed}
        categories = [matrix.columns.get_loc(name) for name in matrix if name not in numbers]
        if how == "smoten":
            sampler = over.SMOTEN(**options)
        elif not numbers:
            raise ConfigurationError("SMOTE needs a number", remedy="Give smoten for categories only.")
        elif categories:
            sampler = over.SMOTENC(categorical_features=categories, **options)
        else:
            sampler = over.SMOTE(**options)
        made, made_y = sampler.fit_resample(matrix, made_y)
    made = pd.DataFrame(made, columns=matrix.columns).astype(dict.fromkeys(numbers, np.float64))
    new = [f"synthetic-{i + 1}" for i in range(len(made) - len(matrix))]
    made.insert(0, "case_id", [*features["case_id"].astype(str), *new])
    return made, np.asarray(made_y, dtype=object)
