"""Do p-values still hold for this batch? Abnormal cases in the batch do not cause a false verdict.

A batch holds normal cases and an unknown share of abnormal ones, so it may differ from the calibration cases without a
shift. But abnormal cases score high: hardly any has a score below the median calibration score (Storey 2002 estimates the
share of true null hypotheses from the same part of the p-values). So the cases below that median must agree with the
calibration cases below it, in their scores and, for images, in how they were taken. They cannot be more than half of the
batch.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError

FEWEST_USUAL = 15
_TESTS = ("test", "statistic", "p")


@dataclass(frozen=True)
class ShiftCheck:
    """Verdict on one scored batch.

    Attributes:
        verdict: ``holds`` (no evidence against the p-values), ``broken`` (they are not valid), or ``unknown`` (too few
            usual-looking cases).
        p: the smallest p-value times the number of tests (Bonferroni), at most 1; NaN if the verdict is unknown.
        reason: one sentence.
        tests: one row per test: name, statistic, p; sorted by p.
        n_usual: number of cases of the batch below the median calibration score.
    """

    verdict: str
    p: float
    reason: str
    tests: pd.DataFrame
    n_usual: int


def check_shift(
    calibration_scores: np.ndarray,
    batch_scores: np.ndarray,
    calibration_features: pd.DataFrame | None = None,
    batch_features: pd.DataFrame | None = None,
    level: float = 0.01,
) -> ShiftCheck:
    """Compare the usual-looking cases of a batch with the usual-looking calibration cases.

    Kolmogorov-Smirnov tests compare the scores and each acquisition feature, all below the median calibration score. The
    exact test of Fisher checks whether more than half of the batch lies there. If p-values hold and no abnormal case lies
    in that part, the verdict is ``broken`` for at most a share ``level`` of the batches (Bonferroni over the tests).

    Args:
        calibration_scores: (m,) of normal images outside the training of the detector.
        batch_scores: (n,) of the batch, one case per patient.
        calibration_features, batch_features: the same columns for both, such as
            :func:`medanomaly.imaging.lbe.acquisition.acquisition_features`; None: only scores are compared.
        level: share of false verdicts.

    Raises:
        InputError: no scores, a NaN, or features with other columns.
    """
    calibration, batch = (np.asarray(s, dtype=np.float64) for s in (calibration_scores, batch_scores))
    if not calibration.size or not batch.size or not np.isfinite([*calibration, *batch]).all():
        raise InputError("scores are empty or not finite", remedy="Give finite scores of both.")
    if len(batch) < FEWEST_USUAL:
        reason = f"only {len(batch)} of at least {FEWEST_USUAL} cases: too few to tell"
        return ShiftCheck("unknown", float("nan"), reason, pd.DataFrame(columns=list(_TESTS)), 0)

    # takes longer to import than all else that opening a model and scoring a record need
    from scipy import stats

    middle = np.median(calibration)
    old, new = calibration <= middle, batch <= middle
    n_usual = int(new.sum())
    share = stats.fisher_exact(
        [[n_usual, int((~new).sum())], [int(old.sum()), int((~old).sum())]], alternative="greater"
    )
    rows = [("more usual cases than p-values allow", n_usual / len(batch), float(share.pvalue))]
    enough = min(n_usual, int(old.sum())) >= FEWEST_USUAL
    if enough:
        rows.append(("score", *_kolmogorov_smirnov(calibration[old], batch[new])))
        if calibration_features is not None and batch_features is not None:
            if list(calibration_features) != list(batch_features) or len(batch_features) != len(batch):
                raise InputError("features of the batch do not fit those of the calibration cases")
            rows += [
                (str(name), *_kolmogorov_smirnov(calibration_features[name][old], batch_features[name][new]))
                for name in calibration_features
            ]
    tests = pd.DataFrame(rows, columns=list(_TESTS)).sort_values("p", ignore_index=True)
    p = min(1.0, float(tests["p"].iloc[0]) * len(tests))
    first = tests.iloc[0]
    if p <= level:
        reason = f"'{first['test']}' differs from the calibration cases (p = {p:.1g}): p-values are not valid"
        return ShiftCheck("broken", p, reason, tests, n_usual)
    # few usual cases: the batch is small, nearly all abnormal, or shifted far; these cannot be distinguished
    if int(old.sum()) < FEWEST_USUAL:
        reason = f"only {len(calibration)} calibration cases: too few to tell"
        return ShiftCheck("unknown", float("nan"), reason, tests, n_usual)
    if not enough:
        reason = f"only {n_usual} of {len(batch)} cases look usual: too few to tell"
        return ShiftCheck("unknown", float("nan"), reason, tests, n_usual)
    return ShiftCheck("holds", p, "usual-looking cases are as they were at calibration", tests, n_usual)


def _kolmogorov_smirnov(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    from scipy import stats

    test = stats.ks_2samp(np.asarray(first), np.asarray(second), method="asymp")
    return float(test.statistic), float(test.pvalue)
