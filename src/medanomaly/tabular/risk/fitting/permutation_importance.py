"""Permutation importance by patient: the loss when the values of a feature are those of another patient."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.evaluation.resampling.ranking import auroc


def shuffled_by_patient(patient: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n,) source row of each row: a patient gets the rows of one other patient in turn.

    Shuffling single rows would give a patient several sexes and birth years, which never occurs in data.
    """
    code, ids = pd.factorize(np.asarray(patient))
    order = np.argsort(code, kind="stable")
    count = np.bincount(code, minlength=len(ids))
    start = np.cumsum(count) - count
    donor = rng.permutation(len(ids))[code[order]]
    place = np.arange(len(code)) - start[code[order]]
    out = np.empty(len(code), dtype=np.int64)
    out[order] = order[start[donor] + place % count[donor]]
    return out


def permutation_importance(
    predict: Callable[[pd.DataFrame], np.ndarray],
    features: pd.DataFrame,
    y: np.ndarray,
    patient: np.ndarray,
    groups: dict[str, list[str]] | None = None,
    n_repeats: int = 5,
    seed: int = 0,
) -> pd.DataFrame:
    """Loss of AUROC and of log-likelihood when features are shuffled among patients (Breiman 2001; Fisher et al. 2019).

    Features with the same information hide each other if shuffled one at a time: shuffle them together as a group.

    Args:
        predict: features to (n,) probabilities; a fitted model's ``predict_proba``.
        features: feature table of cases that the model was not fitted on.
        y: (n,) 0 or 1, both present.
        patient: (n,) ids.
        groups: name to the features that are shuffled together; None shuffles every feature alone.
        n_repeats: number of shuffles.
        seed: of the shuffles.

    Returns:
        ``feature, auroc_loss, auroc_loss_sd, log_loss_rise, log_loss_rise_sd``, the largest loss of AUROC first; sd is over
        the shuffles.
    """
    y = np.asarray(y)
    if set(np.unique(y)) != {0, 1}:
        raise InputError("labels are not both 0 and 1", remedy="Leave out cases whose label is unknown.")
    groups = groups or {name: [name] for name in features.columns.drop("case_id")}
    rng = np.random.default_rng(seed)
    rows = [shuffled_by_patient(patient, rng) for _ in range(n_repeats)]

    def measures(table: pd.DataFrame) -> np.ndarray:
        p = np.clip(predict(table), 1e-12, 1 - 1e-12)
        return np.array([auroc(p, y), -np.log(np.where(y == 1, p, 1 - p)).mean()])

    whole = measures(features)
    out = []
    for name, columns in groups.items():
        lost = []
        for taken in rows:
            shuffled = features.copy()
            for column in columns:
                shuffled[column] = features[column].to_numpy()[taken]
            lost.append((measures(shuffled) - whole) * (-1, 1))
        mean, sd = np.mean(lost, axis=0), np.std(lost, axis=0)
        out.append((name, mean[0], sd[0], mean[1], sd[1]))
    table = pd.DataFrame(
        out, columns=["feature", "auroc_loss", "auroc_loss_sd", "log_loss_rise", "log_loss_rise_sd"]
    )
    return table.sort_values("auroc_loss", ascending=False, kind="stable", ignore_index=True)
