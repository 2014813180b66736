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


def stratified_folds(
    patient: np.ndarray, y: np.ndarray, n_folds: int, seed: int, *, rare_classes: bool = False
) -> np.ndarray:
    """Fold of each case. All cases of a patient share a fold, and patients of each class are spread evenly.

    A patient counts for the highest class of the own cases: with labels 0 and 1, for 1 if any case is positive. Patients of
    a class are ordered by a keyed hash of the id, so folds do not depend on the order of rows.

    Args:
        patient: (n,) ids.
        y: (n,) integers from 0: labels 0 and 1, or classes, of which a rarer one should have a higher number.
        n_folds: at least 2.
        seed: another seed gives other folds.
        rare_classes: whether a class may have fewer patients than there are folds; some folds then lack it.

    Returns:
        (n,) int64 in [0, n_folds).

    Raises:
        ConfigurationError: fewer patients of a class than folds, or fewer patients than folds.
    """
    code, ids = pd.factorize(np.asarray(patient).astype(str))
    highest = np.zeros(len(ids), dtype=np.int64)
    np.maximum.at(highest, code, np.asarray(y, dtype=np.int64))
    counts = np.bincount(highest, minlength=2)
    fewest = len(ids) if rare_classes else int(counts.min())
    if n_folds < 2 or fewest < n_folds:
        of = "" if rare_classes else " of the rarer class"
        raise ConfigurationError(
            f"{fewest} patients{of} cannot fill {n_folds} folds",
            remedy="Use fewer folds (at least 2), or bring more labelled patients.",
        )
    position = patient_position(pd.Series(ids), seed)
    fold = np.empty(len(ids), dtype=np.int64)
    dealt = 0
    for stratum in range(len(counts) - 1, -1, -1):
        members = np.flatnonzero(highest == stratum)
        fold[members[np.argsort(position[members], kind="stable")]] = (
            np.arange(len(members)) + dealt
        ) % n_folds
        # patients of the next class continue where these ended, so no fold is much larger
        dealt += len(members)
    return fold[code]
