"""Labels that a model contradicts strongly: a list for review, never an automatic correction.

Confident learning (Northcutt, Jiang & Chuang 2021). Where the label is an outcome (death, no-show) and not a judgement,
a suspicious label mostly means an unexpected course.
"""

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError


def confident_joint(probability: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Estimated counts of given (row) against true (column) labels.

    A case counts as truly j where its probability of j reaches the mean probability of j among the cases labelled j, the
    larger probability deciding where both do (Northcutt et al. 2021, eq. 1-2; calibrated to the given counts, eq. 3).

    Args:
        probability: (n,) out-of-fold probability of label 1.
        y: (n,) given labels, 0 or 1, both present.

    Returns:
        (2, 2) float64, each row sums to the number of cases with that label.
    """
    both = _both(probability, y)
    y = np.asarray(y, dtype=np.int64)
    threshold = np.array([both[y == j, j].mean() for j in (0, 1)])
    reaches = both >= threshold
    likely = np.where(reaches.all(axis=1), both.argmax(axis=1), reaches.argmax(axis=1))
    counted = reaches.any(axis=1)
    joint = np.zeros((2, 2))
    np.add.at(joint, (y[counted], likely[counted]), 1)
    joint[[0, 1], [0, 1]] = np.maximum(joint[[0, 1], [0, 1]], 1)
    return joint / joint.sum(axis=1, keepdims=True) * np.bincount(y, minlength=2)[:, None]


def suspicious_labels(probability: np.ndarray, y: np.ndarray, case_id: pd.Series) -> pd.DataFrame:
    """Cases whose label is probably wrong, the most suspicious first.

    For each label, the confident joint gives the number of wrong labels; the cases with the largest margin are listed
    ("prune by noise rate" in the paper).

    Args:
        probability: (n,) out-of-fold probability of label 1, from models that did not see the case.
        y: (n,) given labels, 0 or 1, both present.
        case_id: (n,) ids.

    Returns:
        ``case_id, label, suggested, probability_of_label, margin``; empty where nothing is suspicious.
    """
    both = _both(probability, y)
    y = np.asarray(y, dtype=np.int64)
    joint = confident_joint(probability, y)
    margin = both[np.arange(len(y)), 1 - y] - both[np.arange(len(y)), y]
    chosen = []
    for label in (0, 1):
        members = np.flatnonzero(y == label)
        n_wrong = round(joint[label, 1 - label])
        chosen.append(members[np.argsort(-margin[members], kind="stable")[:n_wrong]])
    rows = np.concatenate(chosen)
    rows = rows[np.argsort(-margin[rows], kind="stable")]
    return pd.DataFrame(
        {
            "case_id": case_id.astype("string").to_numpy()[rows],
            "label": y[rows],
            "suggested": 1 - y[rows],
            "probability_of_label": both[rows, y[rows]],
            "margin": margin[rows],
        }
    )


def _both(probability: np.ndarray, y: np.ndarray) -> np.ndarray:
    p = np.asarray(probability, dtype=np.float64)
    if p.shape != np.shape(y) or not ((p >= 0) & (p <= 1)).all():
        raise InputError(
            "probabilities and labels do not fit", remedy="Give one probability in [0, 1] per label."
        )
    if set(np.unique(y)) != {0, 1}:
        raise InputError(
            "labels are not both 0 and 1", remedy="Leave out cases of unknown label, and bring cases of both."
        )
    return np.column_stack([1 - p, p])
