"""Whether scores tell who was in training: the simplest attack on a model that is passed on.

A model that remembers its training cases finds them less unusual than other normal cases. Whoever has it, and a case, can
ask for the score and guess (membership inference; Shokri et al. 2017, here by the score alone as Yeom et al. 2018 do by the
loss). A p-value falls as the score rises, so it tells the same.
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
    member = reference_cases(cases, "train").to_numpy()
    other = (reference_cases(cases, "calibration") | reference_cases(cases, "test")).to_numpy()
    asked = cases.loc[member | other, ["case_id", "patient_id"]].assign(member=member[member | other])
    rows = []
    models = scores[scores["role"].eq("model")] if "role" in scores else scores
    for name, of in models[["case_id", "model", "score"]].groupby("model", sort=False, observed=True):
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
    """Whether scores may tell more of who was in training than the model card passes over.

    Args:
        auroc: of :func:`membership`.
        ci_high: upper limit of its interval; NaN where there is none.

    Example:
        >>> remarkable(0.51, 0.53), remarkable(0.54, 0.58)
        (False, True)
    """
    return (auroc if math.isnan(ci_high) else ci_high) > REMARKABLE
