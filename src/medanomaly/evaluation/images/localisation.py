"""How well do score maps find lesions? Pixel figures with intervals over patients."""

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.evaluation.resampling.draws import patient_weights
from medanomaly.evaluation.resampling.intervals import percentile_interval
from medanomaly.evaluation.resampling.ranking import rank_sums

QUANTILE_BINS = 2048
HEALTHY_PIXELS = 0.05
LOCALISATION_METRICS = (
    "pixel_ap",
    "pixel_auroc",
    "dice_healthy_threshold",
    "best_dice",
    "healthy_pixels_flagged",
)


def healthy_threshold(maps: np.ndarray, share: float = HEALTHY_PIXELS) -> float:
    """The map value that a given share of all pixels of healthy images exceeds.

    Args:
        maps: (n, H, W) score maps of normal images, other than the evaluated ones.
        share: of pixels above the threshold.
    """
    if not len(maps) or not np.isfinite(maps).all():
        raise InputError("healthy maps are missing or not finite", remedy="Give maps of normal images.")
    return float(np.quantile(maps, 1.0 - share))


def localisation(
    maps: np.ndarray,
    masks: np.ndarray,
    threshold: float,
    patient: np.ndarray,
    *,
    n_resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Metrics of pixels over all images, with percentile intervals of a bootstrap over patients.

    Args:
        maps: (n, H, W) higher = more anomalous.
        masks: (n, H, W) bool.
        threshold: of :func:`healthy_threshold`; a pixel above it is flagged.
        patient: (n,) patient of each map.
        n_resamples, seed, confidence: of the bootstrap.

    Returns:
        One row per metric (value, ci_low, ci_high): ``pixel_ap`` and ``pixel_auroc`` over the pixels of all images,
        ``dice_healthy_threshold`` (mean over images, no choice made on masks), ``best_dice`` (over all pixels, at the best
        of all thresholds: an upper bound, because it is chosen on the masks), ``healthy_pixels_flagged`` (share of the
        pixels outside lesions above the threshold). Values are binned in 2,048 quantiles; pixels of one bin count as ties.
    """
    maps, masks = np.asarray(maps, dtype=np.float64), np.asarray(masks, dtype=bool)
    if maps.shape != masks.shape or maps.ndim != 3 or not len(maps):
        raise InputError(
            f"maps {maps.shape} and masks {masks.shape} do not fit", remedy="Give (n, H, W) of both."
        )
    if not np.isfinite(maps).all():
        raise InputError("a score map holds NaN or infinity")
    n = len(maps)
    edges = np.unique(np.quantile(maps, np.linspace(0, 1, QUANTILE_BINS + 1)[1:-1]))
    level = np.searchsorted(edges, maps.reshape(n, -1), side="left")
    flat = masks.reshape(n, -1)
    hits, misses = np.zeros((n, len(edges) + 1)), np.zeros((n, len(edges) + 1))
    for i in range(n):
        hits[i] = np.bincount(level[i][flat[i]], minlength=len(edges) + 1)[::-1]
        misses[i] = np.bincount(level[i][~flat[i]], minlength=len(edges) + 1)[::-1]
    flagged = maps.reshape(n, -1) > threshold
    overlap = (flagged & flat).sum(axis=1)
    size = flagged.sum(axis=1) + flat.sum(axis=1)
    dice = np.divide(2.0 * overlap, size, out=np.zeros(n), where=size > 0)
    outside = np.array([(flagged & ~flat).sum(axis=1), (~flat).sum(axis=1)], dtype=np.float64)

    def figures(weight: np.ndarray) -> list[float]:
        positive, negative = weight @ hits, weight @ misses
        return [
            *_ranking(positive, negative),
            float(weight @ dice / weight.sum()),
            _best_dice(positive, negative),
            float(weight @ outside[0] / max(weight @ outside[1], 1.0)),
        ]

    value = figures(np.ones(n))
    codes = pd.factorize(np.asarray(patient, dtype=object))[0]
    weights = patient_weights(seed, range(n_resamples), np.bincount(codes))[:, codes].astype(np.float64)
    drawn = np.array([figures(weight) for weight in weights]).reshape(n_resamples, len(LOCALISATION_METRICS))
    low, high = np.array([percentile_interval(values, confidence) for values in drawn.T]).T
    return pd.DataFrame({"metric": LOCALISATION_METRICS, "value": value, "ci_low": low, "ci_high": high})


def _ranking(positive: np.ndarray, negative: np.ndarray) -> tuple[float, float]:
    """Average precision and AUROC from counts by level, highest first."""
    p, n = positive.sum(), negative.sum()
    if p == 0 or n == 0:
        return float("nan"), float("nan")
    # a negative of a level is tied with its positives, and none lies between two levels
    counts = np.concatenate([positive, np.zeros(len(positive) + 1), negative]).astype(np.int64)
    u2, ap = rank_sums(counts, len(positive))
    return float(ap / p), float(u2 / (2 * p * n))


def _best_dice(positive: np.ndarray, negative: np.ndarray) -> float:
    found, wrong = np.cumsum(positive), np.cumsum(negative)
    total = found + wrong + positive.sum()
    return float(
        np.max(np.divide(2.0 * found, total, out=np.zeros_like(found, dtype=float), where=total > 0))
    )
