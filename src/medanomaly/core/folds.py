"""Folds by patient: all cases of a patient lie in one, and the order of rows does not matter."""

import numpy as np
import pandas as pd

from medanomaly.core.errors import ConfigurationError
from medanomaly.core.splits import patient_position

# the split uses the seed itself: with the same key, train would fill the lower folds alone
FOLD_KEY = 1_000_003


def hashed_folds(patient_id: pd.Series, n_folds: int, seed: int) -> np.ndarray:
    """Fold of each case by a keyed hash of its patient; a patient more or less moves nobody else.

    Args:
        patient_id: (n,) ids.
        n_folds: folds, about equally large.
        seed: another seed gives other folds.

    Returns:
        (n,) int64 in [0, n_folds).
    """
    return np.floor(patient_position(patient_id, seed + FOLD_KEY) * n_folds).astype(np.int64)


def stratified_folds(patient: np.ndarray, y: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """Fold of each case. All cases of a patient share a fold, and patients with a positive case are spread evenly.

    Patients with and without a positive case are each ordered by a keyed hash of the id, so folds do not depend on the
    order of rows.

    Args:
        patient: (n,) ids.
        y: (n,) 0 or 1.
        n_folds: at least 2.
        seed: another seed gives other folds.

    Returns:
        (n,) int64 in [0, n_folds).

    Raises:
        ConfigurationError: fewer patients with, or without, a positive case than folds.
    """
    code, ids = pd.factorize(np.asarray(patient).astype(str))
    positive = np.bincount(code, weights=np.asarray(y, dtype=np.float64), minlength=len(ids)) > 0
    fewest = int(min(positive.sum(), (~positive).sum()))
    if n_folds < 2 or fewest < n_folds:
        raise ConfigurationError(
            f"{fewest} patients of the rarer class cannot fill {n_folds} folds",
            remedy="Use fewer folds (at least 2), or bring more labelled patients.",
        )
    position = patient_position(pd.Series(ids), seed)
    fold = np.empty(len(ids), dtype=np.int64)
    dealt = 0
    for kind in (positive, ~positive):
        members = np.flatnonzero(kind)
        fold[members[np.argsort(position[members], kind="stable")]] = (
            np.arange(len(members)) + dealt
        ) % n_folds
        # patients without a positive case continue where the others ended, so no fold is two patients larger
        dealt += len(members)
    return fold[code]
