"""P-values at a new site from unlabelled images of that site.

Scores of the new site are a mixture of normal images, whose scores have moved and spread, and an unknown share of abnormal
images with higher scores. On a scale where calibration scores are symmetric, a mixture of two normal distributions is fitted
to the batch (EM). Its lower component stands for the normal images. Scores are moved and stretched until this component has
the mean and the spread of the calibration scores; then they are compared with them as usual. A site's own
median would count many abnormal images as normal. This method avoids that as long as the two components are distinct.

Its limits: abnormal images may score like normal ones, or a batch may hold hardly any normal image. Then the lower
component does not stand for the normal images, and nothing in unlabelled data shows it.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats
from sklearn.mixture import GaussianMixture

from medanomaly.core.conformal import finite_scores, p_values, score_threshold
from medanomaly.core.errors import InputError
from medanomaly.evaluation.reweighting import SMALLEST_BATCH

# two components must be better than one by this difference (Kass & Raftery 1995: "very strong" evidence)
BIC_GAIN = 10.0
TRIM_LIMIT = 2.5
_STARTS = 4


@dataclass(frozen=True)
class SymmetricScale:
    """``log(1 + (s - start) / width)`` above ``start``, a straight line of the same slope below.

    Attributes:
        start: a low quantile of the calibration scores.
        width: for which the calibration scores are least skewed on this scale.
    """

    start: float
    width: float

    @classmethod
    def fit(cls, calibration: np.ndarray) -> "SymmetricScale":
        """The scale on which (m,) calibration scores have the least skewness."""
        start, spread = float(np.quantile(calibration, 0.005)), float(np.std(calibration))
        if np.ptp(calibration) == 0:
            raise InputError("all calibration scores are equal")
        widths = spread * np.geomspace(0.1, 100, 61)
        skew = [abs(stats.skew(cls(start, w)(calibration))) for w in widths]
        return cls(start, float(widths[int(np.argmin(skew))]))

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """(n,) scores on the scale; strictly increasing."""
        x = (np.asarray(scores, dtype=np.float64) - self.start) / self.width
        return np.where(x > 0, np.log1p(np.maximum(x, 0)), x)

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """Scores of (n,) values."""
        v = np.asarray(values, dtype=np.float64)
        return self.start + self.width * np.where(v > 0, np.expm1(np.maximum(v, 0)), v)


@dataclass(frozen=True)
class SiteCalibration:
    """How scores of a site map onto the calibration scores.

    Attributes:
        calibration: (m,) calibration scores.
        scale: on which the mapping is linear.
        location, spread: of the normal images of the site on that scale.
        abnormal_share: estimated share of the batch in the upper component; 0 if one component is enough.
        separation: distance of the components in standard deviations of the lower one; NaN if there is only one.
        n: number of images for the estimate.
    """

    calibration: np.ndarray
    scale: SymmetricScale
    location: float
    spread: float
    abnormal_share: float
    separation: float
    n: int

    def transform(self, scores: np.ndarray) -> np.ndarray:
        """(n,) scores of the site as scores of the calibration site; keeps their order."""
        own = self.scale(self.calibration)
        moved = (self.scale(scores) - self.location) / self.spread * own.std() + own.mean()
        return self.scale.inverse(moved)

    def p_values(self, scores: np.ndarray) -> np.ndarray:
        """(n,) p-values of scores of the site; approximate, because the mapping is estimated."""
        return p_values(self.transform(scores), self.calibration)

    def threshold(self, alpha: float) -> float:
        """The score of the site above which ``p <= alpha``."""
        limit = score_threshold(self.calibration, alpha)
        if not np.isfinite(limit):
            return limit
        own = self.scale(self.calibration)
        z = (float(self.scale(np.array(limit))) - own.mean()) / own.std()
        return float(self.scale.inverse(np.array(self.location + self.spread * z)))


def recalibrate(calibration: np.ndarray, batch: np.ndarray, seed: int = 0) -> SiteCalibration:
    """Estimate from an unlabelled batch of a new site how its normal images score.

    Args:
        calibration: (m,) scores of normal images of the old site, outside the training.
        batch: (n,) scores of the new site, normal and abnormal; n >= 50, better some hundreds.
        seed: of the starts of EM.

    Raises:
        InputError: too few scores, a NaN, or scores without spread.
    """
    calibration, batch = (np.asarray(s, dtype=np.float64).ravel() for s in (calibration, batch))
    if min(len(calibration), len(batch)) < SMALLEST_BATCH:
        raise InputError(
            f"{len(calibration)} calibration images and {len(batch)} images of the site are too few",
            remedy=f"Give {SMALLEST_BATCH} of each, better some hundreds.",
        )
    if not np.isfinite(calibration).all() or not np.isfinite(batch).all():
        raise InputError("a score is NaN or infinite", remedy="Detectors must give finite scores.")
    scale = SymmetricScale.fit(calibration)
    x = scale(batch)[:, None]
    if np.ptp(x) == 0:
        raise InputError("all scores of the site are equal")
    one = GaussianMixture(1).fit(x)
    two = GaussianMixture(2, n_init=_STARTS, random_state=seed).fit(x)
    if two.bic(x) > one.bic(x) - BIC_GAIN:
        return SiteCalibration(calibration, scale, float(x.mean()), float(x.std()), 0.0, float("nan"), len(x))
    means, spreads = two.means_.ravel(), np.sqrt(two.covariances_.ravel())
    low, high = np.argsort(means)
    return SiteCalibration(
        calibration,
        scale,
        float(means[low]),
        float(spreads[low]),
        float(two.weights_[high]),
        float((means[high] - means[low]) / spreads[low]),
        len(x),
    )


def without_hidden_anomalies(calibration: np.ndarray) -> np.ndarray:
    """Calibration scores without those that look like anomalies that nobody labelled.

    On a scale where the middle of the scores is symmetric, of the scores beyond :data:`TRIM_LIMIT` standard deviations only
    as many are kept as a normal distribution has there, the lowest first. Centre and spread come from the lower half, where
    hardly any anomaly is. Of clean calibration scores next to none is lost. It is approximate: p-values that are compared
    with trimmed scores have no guarantee.

    Args:
        calibration: (m,) finite scores, m >= 50.

    Returns:
        (at most m,) sorted scores.
    """
    ordered = np.sort(finite_scores(calibration))
    if len(ordered) < SMALLEST_BATCH:
        raise InputError(f"{len(ordered)} calibration scores are too few", remedy=f"Give {SMALLEST_BATCH}.")
    middle = np.quantile(ordered, [0.2, 0.5, 0.8])
    if np.ptp(middle) == 0:
        raise InputError("most calibration scores are equal")
    low, spread = float(np.quantile(ordered, 0.005)), float(np.ptp(np.quantile(ordered, [0.16, 0.84]))) / 2
    scales = [SymmetricScale(low, float(w)) for w in spread * np.geomspace(0.1, 100, 61)]
    bent = [scale(middle) for scale in scales]
    skew = [abs(b[2] + b[0] - 2 * b[1]) / (b[2] - b[0]) for b in bent]
    x = scales[int(np.argmin(skew))](ordered)
    centre, below = np.quantile(x, [0.5, stats.norm.cdf(-1)])
    inside = int((x <= centre + TRIM_LIMIT * (centre - below)).sum())
    tail = int(np.ceil(inside * stats.norm.sf(TRIM_LIMIT) / stats.norm.cdf(TRIM_LIMIT)))
    return ordered[: inside + tail]
