"""The score table: all that evaluation and report know of a model, in every modality.

Columns: ``case_id`` (string), ``model`` (string), ``role`` (string: ``model``, or ``baseline`` for scores that serve only
for comparison), ``score`` (float64, finite, higher = more anomalous), ``p_value`` (float64, NA for cases the detector was
fitted on), ``flagged`` (boolean; NA where the p-value is, and until an alarm is applied). A name has one role, so it
identifies a model.

Models are scored without an alarm. :func:`flagged_at` applies one where results are used, so that another alpha needs no new
model and no new score.
"""

import numpy as np
import pandas as pd

from medanomaly.core.cases import reference_cases, subgroup_columns
from medanomaly.core.conformal import (
    checked_alpha,
    group_p_values,
    leave_one_out_p_values,
    p_values,
    score_threshold,
)
from medanomaly.core.errors import ConfigurationError, InputError

SCORE_COLUMNS = ("case_id", "model", "role", "score", "p_value", "flagged")
MODEL, BASELINE = "model", "baseline"


def score_table(
    cases: pd.DataFrame,
    score: np.ndarray,
    model: str,
    alpha: float | None,
    group_by: str | None = None,
    min_group_size: int = 100,
    role: str = MODEL,
) -> pd.DataFrame:
    """Turn raw scores into the score table, with p-values against the calibration normals.

    Cases in ``test``, and anomalous ones in ``calibration``, are compared with all calibration normals. A calibration
    normal is compared with the others. Train cases get no p-value: the detector has seen them.

    Args:
        cases: case table of n rows.
        score: (n,) scores, higher = more anomalous.
        model: the model's name.
        alpha: false-alarm rate at which cases are flagged; None leaves that to :func:`flagged_at`.
        group_by: a subgroup column of ``cases`` for group-conditional p-values.
        min_group_size: smallest calibration group used on its own.
        role: ``model`` or ``baseline``.

    Returns:
        Score table of n rows, in the order of ``cases``.

    Raises:
        InputError: a score is not finite, or there is not one score per case.
        ConfigurationError: there is no calibration normal, no such subgroup, or alpha is no share.
    """
    score = np.asarray(score, dtype=np.float64)
    if score.shape != (len(cases),):
        raise InputError(
            f"model '{model}' gave scores of the shape {score.shape} for {len(cases)} cases",
            remedy="A model gives one score per case.",
        )
    if not np.isfinite(score).all():
        first = cases["case_id"].iloc[int(np.flatnonzero(~np.isfinite(score))[0])]
        raise InputError(
            f"model '{model}' gave a score that is NaN or infinite",
            remedy="Detectors must give finite scores.",
            record=first,
        )
    if group_by is not None and group_by not in subgroup_columns(cases):
        raise ConfigurationError(
            f"p-values are asked for within groups of '{group_by}', which is not a subgroup of this data set",
            remedy=f"alarm.group_by may be null or one of {subgroup_columns(cases)}.",
        )
    reference = reference_cases(cases, "calibration").to_numpy()
    if not reference.any():
        raise ConfigurationError(
            "no normal case is left for calibration, so no p-value can be given",
            remedy="Raise split.calibration, or bring more normal cases.",
        )
    others = (cases["split"] != "train").to_numpy() & ~reference
    p = np.full(len(cases), np.nan)
    if group_by is None:
        p[reference] = leave_one_out_p_values(score[reference])
        p[others] = p_values(score[others], score[reference])
    else:
        groups = cases[group_by].astype("string").to_numpy(dtype=object, na_value=None)
        p[others], _ = group_p_values(
            score[others], groups[others], score[reference], groups[reference], min_group_size
        )
        p[reference] = leave_one_out_p_values(score[reference])
        for group in pd.unique(cases.loc[reference, group_by].dropna()):
            inside = reference & (groups == group)
            if inside.sum() >= min_group_size:
                p[inside] = leave_one_out_p_values(score[inside])
    table = table_without_p_values(cases["case_id"], score, model, role=role).assign(p_value=p)
    return table if alpha is None else flagged_at(table, alpha)


def flagged_at(scores: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """The score table, with every case flagged that has a p-value of at most ``alpha``.

    A score without a p-value keeps its flag, which its model gave: that of a risk model follows from a probability.

    Raises:
        ConfigurationError: alpha is no share.
    """
    p = scores["p_value"].to_numpy(dtype=np.float64)
    flagged = pd.Series(p <= checked_alpha(alpha) + 1e-12, index=scores.index, dtype="boolean")
    return scores.assign(flagged=flagged.where(~np.isnan(p), scores["flagged"]))


def table_without_p_values(
    case_id: pd.Series, score: np.ndarray, model: str, flagged: pd.Series | None = None, role: str = MODEL
) -> pd.DataFrame:
    """Score table of scores that have no p-value, such as the probabilities of a risk model.

    Args:
        case_id: (n,) identifiers.
        score: (n,) scores, higher = more anomalous.
        model: the model's name.
        flagged: (n,) whether each case is flagged; None if unknown.
        role: ``model`` or ``baseline``.
    """
    n = len(case_id)
    return pd.DataFrame(
        {
            "case_id": case_id.astype("string").to_numpy(),
            "model": pd.array([model] * n, dtype="string"),
            "role": pd.array([role] * n, dtype="string"),
            "score": np.asarray(score, dtype=np.float64),
            "p_value": np.nan,
            "flagged": pd.array([pd.NA] * n if flagged is None else flagged, dtype="boolean"),
        }
    )


def case_thresholds(
    cases: pd.DataFrame,
    score: np.ndarray,
    alpha: float,
    group_by: str | None = None,
    min_group_size: int = 100,
) -> np.ndarray:
    """The score above which each case is flagged, as :func:`score_table` flags cases that are not for calibration.

    Args:
        cases: case table of n rows.
        score: (n,) scores.
        alpha, group_by, min_group_size: as of :func:`score_table`.

    Returns:
        (n,) thresholds; infinite where alpha is below the smallest possible p-value.
    """
    score = np.asarray(score, dtype=np.float64)
    reference = reference_cases(cases, "calibration").to_numpy()
    threshold = np.full(len(cases), score_threshold(score[reference], alpha))
    if group_by is not None:
        groups = cases[group_by].astype("string").to_numpy(dtype=object, na_value=None)
        for group in pd.unique(cases.loc[reference, group_by].dropna()):
            inside = reference & (groups == group)
            if inside.sum() >= min_group_size:
                threshold[groups == group] = score_threshold(score[inside], alpha)
    return threshold


def check_scores(scores: pd.DataFrame, source: object = "score table") -> pd.DataFrame:
    """Return the score table, or raise :class:`InputError` naming what breaks the contract."""
    missing = [column for column in SCORE_COLUMNS if column not in scores.columns]
    if missing:
        raise InputError(f"columns {missing} are missing", remedy=f"Expected {SCORE_COLUMNS}.", source=source)
    if not np.isfinite(scores["score"].to_numpy(dtype=np.float64)).all():
        raise InputError(
            "a score is NaN or infinite",
            remedy="Detectors must give finite scores.",
            source=source,
            column="score",
        )
    p = scores["p_value"].dropna()
    if ((p <= 0) | (p > 1)).any():
        raise InputError(
            "a p-value is outside (0, 1]",
            remedy="Give p-values above 0 and at most 1.",
            source=source,
            column="p_value",
        )
    roles = scores[["model", "role"]].drop_duplicates()
    unknown = roles[~roles["role"].isin([MODEL, BASELINE])]
    if len(unknown):
        raise InputError(f"'{unknown['role'].iloc[0]}' is no role", source=source, column="role")
    twice = roles["model"][roles["model"].duplicated()]
    if len(twice):
        raise InputError(
            f"'{twice.iloc[0]}' is the name of a model and of a baseline",
            remedy="Give the model another name: results are looked up by it.",
            source=source,
        )
    if scores.duplicated(["case_id", "model"]).any():
        raise InputError(
            "a case has two scores of one model", remedy="Keep one row per case and model.", source=source
        )
    return scores[list(SCORE_COLUMNS)]


def most_anomalous(cases: pd.DataFrame, scores: pd.DataFrame, top: int) -> np.ndarray:
    """Positions of the ``top`` test cases with the highest scores, highest first; both tables have the same order."""
    in_test = np.flatnonzero((cases["split"] == "test").to_numpy())
    return in_test[np.argsort(-scores["score"].to_numpy()[in_test], kind="stable")[:top]]
