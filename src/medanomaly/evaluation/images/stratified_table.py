"""AUROC of every model among images of similar shape, with intervals over patients."""

import numpy as np
import pandas as pd

from medanomaly.evaluation.images.stratified import STRATA, StratifiedRanking, quantile_strata
from medanomaly.evaluation.resampling.draws import patient_weights
from medanomaly.evaluation.resampling.intervals import percentile_interval

IMAGES_PER_STRATUM = 20


def stratified_table(
    cases: pd.DataFrame, scores: pd.DataFrame, covariate: np.ndarray, *, n_resamples: int, seed: int
) -> pd.DataFrame:
    """Stratified AUROC of every model on the labelled test cases.

    Args:
        cases: case table of n rows.
        scores: score table of some models.
        covariate: (n,) of each case, such as width / height.
        n_resamples, seed: of the bootstrap over patients, the same resamples for every model.

    Returns:
        ``model, value, ci_low, ci_high``; empty if a label is missing.
    """
    judged = ((cases["split"] == "test") & cases["label"].notna()).to_numpy()
    positive = cases["label"][judged].eq(1).to_numpy(dtype=bool)
    if not 0 < positive.sum() < len(positive):
        return pd.DataFrame(columns=["model", "value", "ci_low", "ci_high"])
    # few images in many strata would leave few pairs to compare
    strata = quantile_strata(
        np.asarray(covariate)[judged], int(np.clip(len(positive) // IMAGES_PER_STRATUM, 1, STRATA))
    )
    codes = pd.factorize(cases["patient_id"][judged])[0]
    weights = patient_weights(
        seed, range(n_resamples), np.bincount(codes), np.bincount(codes[positive], minlength=codes.max() + 1)
    )
    rows = []
    for model, table in scores.groupby("model", sort=False):
        score = table.set_index("case_id")["score"].reindex(cases["case_id"][judged]).to_numpy()
        ranking = StratifiedRanking(score, positive, strata)
        draws = np.array([ranking.auroc(weight[codes]) for weight in weights])
        rows.append((str(model), ranking.auroc(), *percentile_interval(draws)))
    return pd.DataFrame(rows, columns=["model", "value", "ci_low", "ci_high"])
