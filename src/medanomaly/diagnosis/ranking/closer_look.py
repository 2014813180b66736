"""Weights of the comparison of the best candidates: a conditional logit (McFadden 1974), fitted on diagnosed cases."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize

from medanomaly.core.errors import InputError
from medanomaly.diagnosis.patients import PatientSymptoms
from medanomaly.diagnosis.ranking.features import FEATURES
from medanomaly.diagnosis.ranking.ranker import Ranker, best_first


def compared_candidates(ranker: Ranker, patients: PatientSymptoms, top: int) -> tuple[np.ndarray, ...]:
    """Features of the best candidates of each case, before they are looked at more closely.

    Returns:
        ``(features, candidates, true)``: (n, top, features) float32, (n, top) columns of diseases, and (n,) which of them
        is the case's own disease, -1 where none is.
    """
    features, candidates, true = [], [], []
    for case, disease in zip(ranker.code(patients), patients.cases["disease"], strict=True):
        of_case = ranker.components(case)
        best = best_first(ranker.plain_scores(of_case), top)[0]
        features.append(ranker.comparison.features(case, best, of_case))
        candidates.append(best)
        hit = np.flatnonzero(best == ranker.columns.get(disease, -1))
        true.append(int(hit[0]) if len(hit) else -1)
    return np.stack(features), np.stack(candidates), np.array(true)


def fit_weights(
    features: np.ndarray, true: np.ndarray, names: Sequence[str], weight: np.ndarray, ridge: float = 3e-3
) -> dict[str, float]:
    """Weights under which the own disease is most likely among its candidates, softmax over candidates.

    Args:
        features: (n, k, ``FEATURES``).
        true: (n,) which candidate is right; cases with -1 are left out.
        names: features that get a weight.
        weight: (n,) of each case.
        ridge: penalty of the squared weights of standardised features.

    Raises:
        InputError: no case has its disease among the candidates.
    """
    inside = true >= 0
    if not inside.any():
        raise InputError("no case has its own disease among the candidates")
    columns = [FEATURES.index(name) for name in names]
    x = features[inside][:, :, columns].astype(np.float64)
    spread = np.maximum(x.std(axis=(0, 1)), 1e-9)
    x = (x - x.mean(axis=(0, 1))) / spread
    own, share = true[inside], weight[inside] / weight[inside].sum()
    case = np.arange(len(own))

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        s = x @ w
        s -= s.max(axis=1, keepdims=True)
        p = np.exp(s)
        p /= p.sum(axis=1, keepdims=True)
        value = -(share * np.log(np.maximum(p[case, own], 1e-300))).sum() + ridge * (w @ w)
        p[case, own] -= 1
        return float(value), np.einsum("nk,nkf->f", p * share[:, None], x) + 2 * ridge * w

    found = minimize(loss, np.zeros(len(columns)), jac=True, method="L-BFGS-B")
    return {name: float(w) for name, w in zip(names, found.x / spread, strict=True)}


def even_weights(group: np.ndarray) -> np.ndarray:
    """(n,) weight of each case, n^-1/2 of a disease or publication with n cases: one with 400 counts as 20, not as 400."""
    _, code, count = np.unique(np.asarray(group).astype(str), return_inverse=True, return_counts=True)
    return count[code] ** -0.5
