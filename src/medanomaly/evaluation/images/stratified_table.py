"""AUROC of every model among images of similar shape, with intervals over patients."""

import numpy as np
import pandas as pd

from medanomaly.evaluation.images.stratified import STRATA, StratifiedRanking, quantile_strata

RESAMPLES = 500
IMAGES_PER_STRATUM = 20


def stratified_table(
    cases: pd.DataFrame, scores: pd.DataFrame, covariate: np.ndarray, seed: int, n_resamples: int = RESAMPLES
) -> pd.DataFrame:
    """Stratified AUROC of every model on the labelled test cases.

    Args:
        cases: case table of n rows.
        scores: score table of some models.
        covariate: (n,) of each case, such as width / height.
        seed, n_resamples: of the bootstrap over patients; every model has the same resamples.

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
    codes, patients = pd.factorize(cases["patient_id"][judged])
    random = np.random.default_rng(seed)
    weights = random.multinomial(len(patients), np.full(len(patients), 1 / len(patients)), n_resamples)[
        :, codes
    ]
    rows = []
    for model, table in scores.groupby("model", sort=False):
        score = table.set_index("case_id")["score"].reindex(cases["case_id"][judged]).to_numpy()
        ranking = StratifiedRanking(score, positive, strata)
        draws = [ranking.auroc(weight) for weight in weights]
        low, high = np.nanquantile(draws, [0.025, 0.975])
        rows.append((str(model), ranking.auroc(), low, high))
    return pd.DataFrame(rows, columns=["model", "value", "ci_low", "ci_high"])
