"""Whether answers tell who was in training: the simplest attack on a model that is passed on.

A model that remembers its training cases finds them less unusual than other normal cases. Whoever has it, and a case, can
ask for the score and guess (membership inference; Shokri et al. 2017, here by the score alone as Yeom et al. 2018 do by the
loss). A p-value falls as the score rises, so it tells the same. A model that learned from labels remembers them: it gives
the right label of a training case a higher probability, which is a smaller loss.
"""

import math

import numpy as np
import pandas as pd

from medanomaly.core.cases import reference_cases
from medanomaly.evaluation.resampling.delong import delong_interval

COLUMNS = ["model", "auroc", "ci_low", "ci_high", "n_members", "n_others"]
# an upper limit above it stands on the model card
REMARKABLE = 0.55


def membership(cases: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """AUROC of "a lower score was in training", per model.

    Members are the normal cases of train, the others the normal cases of calibration and test; without labels all count. One
    half means that scores tell nothing. Intervals are DeLong's, patients are independent.

    Args:
        cases: case table with the split.
        scores: score table of these cases.

    Returns:
        ``COLUMNS``; a model without scores of both groups has no row. Limits are missing where the AUROC is exactly 0 or 1.

    Examples:
        >>> ids = ["a", "b", "c", "d"]
        >>> split = ["train", "train", "test", "test"]
        >>> cases = pd.DataFrame({"case_id": ids, "patient_id": ids, "split": split, "label": 0})
        >>> scores = pd.DataFrame({"case_id": ids, "model": "forest", "score": [0.1, 0.3, 0.2, 0.4]})
        >>> membership(cases, scores)["auroc"].tolist()
        [0.75]
    """
    member = reference_cases(cases, "train")
    other = reference_cases(cases, "calibration") | reference_cases(cases, "test")
    return _guessed(cases, member, other, scores[scores["role"].eq("model")] if "role" in scores else scores)


def label_membership(cases: pd.DataFrame, known: pd.Series, probabilities: pd.DataFrame) -> pd.DataFrame:
    """AUROC of "a higher probability of the right label was in training", per model that learned from labels.

    Members are the cases of train and calibration whose label is known, as such models learn from both; the others are those
    of test. Each case is first placed among all cases with its label. A rare label is hard to predict for members and
    others alike, so a label that is more frequent in test would look like a memory. Labels that only one group has are
    left out.

    Args:
        cases: case table with the split.
        known: (n,) label or class of each case, missing where it is unknown.
        probabilities: of these cases: ``case_id, model, probability`` of label 1, or with ``class`` one row per class.

    Returns:
        As :func:`membership`.

    Examples:
        >>> ids = ["a", "b", "c", "d"]
        >>> cases = pd.DataFrame({"case_id": ids, "patient_id": ids, "split": ["train", "train", "test", "test"]})
        >>> said = pd.DataFrame({"case_id": ids, "model": "trees", "probability": [0.9, 0.1, 0.6, 0.4]})
        >>> label_membership(cases, pd.Series([1, 0, 1, 0]), said)["auroc"].tolist()
        [1.0]
    """
    member = known.notna() & cases["split"].ne("test")
    other = known.notna() & cases["split"].eq("test")
    asked = pd.DataFrame({"case_id": cases["case_id"], "known": known, "member": member})[known.notna()]
    right = probabilities.merge(asked, on="case_id", validate="many_to_one")
    if "class" in right:
        right = right[right["class"].eq(right["known"])]
    else:
        p = right["probability"]
        right = right.assign(probability=p.where(right["known"].eq(1), 1 - p))
    same = right.groupby(["model", "known"], observed=True)
    # mid-ranks, so that the mean of each label is one half
    place = (same["probability"].rank(ascending=False) - 0.5) / same["probability"].transform("size")
    return _guessed(
        cases, member, other, right.assign(score=place)[same["member"].transform("nunique").eq(2)]
    )


def _guessed(cases: pd.DataFrame, member: pd.Series, other: pd.Series, scores: pd.DataFrame) -> pd.DataFrame:
    """``COLUMNS`` of "a lower score is a member"; each case is a member, another one, or not asked for."""
    inside, chosen = member.to_numpy(dtype=bool), (member | other).to_numpy(dtype=bool)
    asked = cases.loc[chosen, ["case_id", "patient_id"]].assign(member=inside[chosen])
    rows = []
    for name, of in scores[["case_id", "model", "score"]].groupby("model", sort=False, observed=True):
        joined = asked.merge(of, on="case_id", validate="one_to_one")
        joined = joined[np.isfinite(joined["score"])]
        inside = joined["member"].to_numpy()
        if inside.all() or not inside.any():
            continue
        auroc, low, high = delong_interval(
            -joined["score"].to_numpy(), inside, joined["patient_id"].to_numpy()
        )
        rows.append((name, auroc, low, high, int(inside.sum()), int((~inside).sum())))
    return pd.DataFrame(rows, columns=COLUMNS)


def remarkable(auroc: float, ci_high: float) -> bool:
    """Whether answers may tell more of who was in training than the model card passes over.

    Args:
        auroc: of :func:`membership`.
        ci_high: upper limit of its interval; NaN where there is none.

    Example:
        >>> remarkable(0.51, 0.53), remarkable(0.54, 0.58)
        (False, True)
    """
    return (auroc if math.isnan(ci_high) else ci_high) > REMARKABLE
