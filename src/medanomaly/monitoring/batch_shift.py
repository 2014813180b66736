"""Do p-values still hold for this batch? A test that abnormal images in the batch do not set off.

A batch holds normal images and an unknown share of abnormal ones, so it may differ from the calibration images without any
shift. Abnormal images score high, though: among images that look more usual than the median calibration image hardly one is
abnormal (Storey 2002 estimates the share of true null hypotheses from the same part of the p-values). There the
batch and the calibration images must be alike: in their scores, in how they were taken, and the batch cannot hold
more of them than half.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from medanomaly.core.errors import InputError

FEWEST_USUAL_IMAGES = 15


@dataclass(frozen=True)
class ShiftCheck:
    """Verdict on one scored batch.

    Attributes:
        verdict: ``holds`` (nothing speaks against the p-values), ``broken`` (they are not valid), or ``unknown`` (too few
            usual-looking images to tell).
        p: the smallest p-value times the number of tests (Bonferroni), at most 1; NaN where unknown.
        reason: one sentence.
        tests: one row a test: name, statistic, p, sorted by p.
        n_usual: images of the batch below the median calibration score.
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
    """Compare the usual-looking images of a batch with the usual-looking calibration images.

    Two-sample Kolmogorov-Smirnov tests of the scores and of each acquisition feature, all within the part below the median
    calibration score, and Fisher's exact test of whether more than half of the batch lies there. Bonferroni over the tests:
    while p-values hold and no abnormal image lies in that part, ``broken`` is said of at most a share ``level`` of
    the batches.

    Args:
        calibration_scores: (m,) of normal images that the detector was not fitted on.
        batch_scores: (n,) of the batch, one image a patient.
        calibration_features, batch_features: the same columns for both, such as
            :func:`medanomaly.imaging.lbe.acquisition.acquisition_features`; None looks at scores alone.
        level: share of false verdicts.

    Raises:
        InputError: no scores, a NaN, or features that do not fit.
    """
    calibration, batch = (np.asarray(s, dtype=np.float64) for s in (calibration_scores, batch_scores))
    if not calibration.size or not batch.size or not np.isfinite([*calibration, *batch]).all():
        raise InputError("scores are empty or not finite", remedy="Give finite scores of both.")
    middle = np.median(calibration)
    old, new = calibration <= middle, batch <= middle
    n_usual = int(new.sum())
    share = stats.fisher_exact(
        [[n_usual, int((~new).sum())], [int(old.sum()), int((~old).sum())]], alternative="greater"
    )
    rows = [("more usual images than p-values allow", n_usual / len(batch), float(share.pvalue))]
    enough = min(n_usual, int(old.sum())) >= FEWEST_USUAL_IMAGES
    if enough:
        rows.append(("score", *_kolmogorov_smirnov(calibration[old], batch[new])))
        if calibration_features is not None and batch_features is not None:
            if list(calibration_features) != list(batch_features) or len(batch_features) != len(batch):
                raise InputError("features of the batch do not fit those of the calibration images")
            rows += [
                (str(name), *_kolmogorov_smirnov(calibration_features[name][old], batch_features[name][new]))
                for name in calibration_features
            ]
    tests = pd.DataFrame(rows, columns=["test", "statistic", "p"]).sort_values("p", ignore_index=True)
    p = min(1.0, float(tests["p"].iloc[0]) * len(tests))
    first = tests.iloc[0]
    if p <= level:
        reason = (
            f"'{first['test']}' differs from the calibration images (p = {p:.1g}): p-values are not valid"
        )
        return ShiftCheck("broken", p, reason, tests, n_usual)
    # with few usual images the batch is small, nearly all abnormal, or far away: none of the three can be told apart
    if not enough:
        reason = f"only {n_usual} of {len(batch)} images look usual: too few to tell"
        return ShiftCheck("unknown", float("nan"), reason, tests, n_usual)
    return ShiftCheck("holds", p, "usual-looking images are as they were at calibration", tests, n_usual)


def _kolmogorov_smirnov(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    test = stats.ks_2samp(np.asarray(first), np.asarray(second), method="asymp")
    return float(test.statistic), float(test.pvalue)
