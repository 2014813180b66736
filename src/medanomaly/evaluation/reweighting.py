"""P-values of a batch of other kinds of cases, without labels: calibration cases that are like these count more.

This mends a shift of covariates: what kinds of cases come, and how they were taken. It does not mend another relation of
score and covariates.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from medanomaly.core.conformal import finite_scores
from medanomaly.core.errors import InputError
from medanomaly.core.splits import patient_position

SMALLEST_BATCH = 50
# weighted p-values are withheld below these
SMALLEST_EFFECTIVE_SIZE = 50
SMALLEST_OVERLAP = 0.8
# largest density ratio
CAP = 20.0
N_FOLDS = 5
# key of the hash that deals patients to folds, which is not that of a split or of a sample
_FOLD_KEY = 1


def weighted_p_values(
    scores: np.ndarray,
    weights: np.ndarray,
    calibration: np.ndarray,
    calibration_weights: np.ndarray,
) -> np.ndarray:
    """Conformal p-values under covariate shift (Tibshirani, Barber, Candès & Ramdas 2019, eq. 8).

    Args:
        scores: (n,) of the new site; weights: (n,) density ratio, new / old, of their covariates.
        calibration: (m,) scores; calibration_weights: (m,) density ratio of their covariates.

    Returns:
        (n,) in (0, 1]; valid if the ratio is correct and covers the new site.
    """
    scores, calibration = finite_scores(scores), finite_scores(calibration)
    order = np.argsort(calibration, kind="stable")
    ordered, w = np.asarray(calibration)[order], np.asarray(calibration_weights, dtype=np.float64)[order]
    at_least = np.append(np.cumsum(w[::-1])[::-1], 0.0)[np.searchsorted(ordered, scores, side="left")]
    return (at_least + weights) / (w.sum() + weights)


@dataclass(frozen=True)
class DensityRatio:
    """Density ratio, new / old, of covariates by logistic classifiers (Bickel, Brückner & Scheffer 2009), at most ``cap``.

    The ratio of a case comes from the classifier that was fitted without its fold. A classifier reads values and their
    squares. It sees all cases of the batch, also abnormal ones, so covariates that an illness changes are reweighted as if
    the device had changed them.

    Attributes:
        centre, spread: (k,) of the covariates.
        classifiers: one per fold.
        prior: calibration cases per case of the batch.
        cap: largest ratio.
    """

    centre: np.ndarray
    spread: np.ndarray
    classifiers: tuple[Any, ...]
    prior: float
    cap: float

    @classmethod
    def fit(
        cls, calibration: np.ndarray, batch: np.ndarray, old: np.ndarray, new: np.ndarray, cap: float = CAP
    ) -> "DensityRatio":
        """From covariates and the folds of the cases.

        Args:
            calibration: (m, k) covariates; batch: (n, k). NaN counts as the mean.
            old: (m,) folds of the calibration cases, from 0; new: (n,) of the batch. Outside of each fold both have cases.
            cap: largest ratio.
        """
        from sklearn.linear_model import LogisticRegression

        both = np.concatenate([calibration, batch]).astype(np.float64)
        centre, spread = np.nanmean(both, axis=0), np.nanstd(both, axis=0) + 1e-12
        x = _terms(both, centre, spread)
        is_new, fold = np.repeat([0, 1], [len(calibration), len(batch)]), np.concatenate([old, new])
        fitted = tuple(
            LogisticRegression(C=1.0, max_iter=500).fit(x[fold != k], is_new[fold != k])
            for k in range(int(old.max()) + 1)
        )
        return cls(centre, spread, fitted, len(calibration) / len(batch), cap)

    def of(self, covariates: np.ndarray, fold: np.ndarray) -> np.ndarray:
        """(n,) ratios of (n, k) covariates of cases in these folds."""
        x, odds = _terms(covariates, self.centre, self.spread), np.empty(len(covariates))
        for k, classifier in enumerate(self.classifiers):
            of = fold == k
            if of.any():
                # row by row, so that a case has the same ratio in every part
                odds[of] = np.exp(
                    np.minimum((x[of] * classifier.coef_).sum(axis=1) + classifier.intercept_, 50.0)
                )
        return np.minimum(odds * self.prior, self.cap)


def _terms(covariates: np.ndarray, centre: np.ndarray, spread: np.ndarray) -> np.ndarray:
    x = np.nan_to_num((np.asarray(covariates, dtype=np.float64) - centre) / spread)
    return np.hstack([x, x**2])


def density_ratio(
    calibration: np.ndarray, batch: np.ndarray, cap: float = CAP, n_folds: int = N_FOLDS, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """:class:`DensityRatio` of cases that are patients of their own.

    Args:
        calibration: (m, k) covariates; batch: (n, k). NaN counts as the mean.
        cap: largest ratio.
        n_folds: of the cross-fitting.
        seed: of the folds.

    Returns:
        (m,) and (n,) ratios.
    """
    rng = np.random.default_rng(seed)
    old, new = (_dealt(len(part), n_folds, rng) for part in (calibration, batch))
    ratio = DensityRatio.fit(calibration, batch, old, new, cap)
    return ratio.of(calibration, old), ratio.of(batch, new)


def _dealt(n: int, n_folds: int, rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(np.arange(n) % n_folds)


def patient_folds(patient_id: pd.Series) -> np.ndarray:
    """(n,) folds of cases, from 0: all cases of a patient are in one, wherever they come."""
    return (patient_position(patient_id, _FOLD_KEY) * N_FOLDS).astype(int)


def effective_size(weights: np.ndarray) -> float:
    """How many equally weighted cases say as much as these (Kish 1965)."""
    weights = np.asarray(weights, dtype=np.float64)
    return float(weights.sum() ** 2 / (weights**2).sum())


@dataclass(frozen=True)
class Weighting:
    """Calibration cases, weighted so that they are taken as the cases of a batch are, or the reason why there is none.

    Attributes:
        effective_size: how many equally weighted calibration cases say as much.
        overlap: share of the batch whose density ratio is below the cap, so that calibration cases are like it.
        reason: why p-values are withheld; empty where they are given.
        calibration: (m,) scores; weights: (m,) their density ratios.
        ratio: of new cases; None where p-values are withheld for want of cases.
    """

    effective_size: float = 0.0
    overlap: float = 0.0
    reason: str = ""
    calibration: np.ndarray = field(default_factory=lambda: np.zeros(0))
    weights: np.ndarray = field(default_factory=lambda: np.zeros(0))
    ratio: DensityRatio | None = None

    @classmethod
    def fit(
        cls,
        covariates: np.ndarray,
        fold: np.ndarray,
        calibration: np.ndarray,
        calibration_covariates: np.ndarray,
        cap: float = CAP,
        seed: int = 0,
    ) -> "Weighting":
        """From the covariates of a batch, or of many of its cases.

        Args:
            covariates: (n, k) such as facts of acquisition; fold: (n,) of each case, see :func:`patient_folds`.
            calibration: (m,) scores; calibration_covariates: (m, k).
            cap: largest ratio.
            seed: of the folds of calibration cases, each of which is a patient of its own.
        """
        if min(len(covariates), len(calibration)) < SMALLEST_BATCH:
            return cls(
                reason=f"{len(calibration)} calibration cases and {len(covariates)} cases are too few; {SMALLEST_BATCH} "
                "of each are needed"
            )
        if len(np.unique(fold)) < 2:
            return cls(reason="the cases are of too few patients to tell how others are taken")
        old = _dealt(len(calibration), N_FOLDS, np.random.default_rng(seed))
        ratio = DensityRatio.fit(calibration_covariates, covariates, old, fold, cap)
        weights = ratio.of(calibration_covariates, old)
        size, overlap = effective_size(weights), float((ratio.of(covariates, fold) < cap).mean())
        reason = ""
        if size < SMALLEST_EFFECTIVE_SIZE:
            reason = f"the weighted calibration says as much as {size:.0f} of at least {SMALLEST_EFFECTIVE_SIZE} cases"
        elif overlap < SMALLEST_OVERLAP:
            reason = f"calibration cases are like {overlap:.0%} of the batch only"
        return cls(size, overlap, reason, np.asarray(calibration), weights, ratio)

    def p_values(self, scores: np.ndarray, covariates: np.ndarray, fold: np.ndarray) -> np.ndarray:
        """(n,) p-values of cases of the batch; NaN where they are withheld."""
        if self.reason:
            return np.full(len(scores), np.nan)
        return weighted_p_values(scores, self.ratio.of(covariates, fold), self.calibration, self.weights)

    @property
    def in_words(self) -> str:
        """What was done to the p-values, after "p-values"."""
        if self.reason:
            return f"are withheld: {self.reason}"
        return (
            f"are weighted: the calibration says as much as {self.effective_size:.0f} cases, and calibration cases are like "
            f"{self.overlap:.0%} of the new ones"
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "effective_size": round(self.effective_size, 1),
            "overlap": round(self.overlap, 4),
            "withheld": self.reason,
        }


def reweighted_p_values(
    scores: np.ndarray,
    covariates: np.ndarray,
    calibration: np.ndarray,
    calibration_covariates: np.ndarray,
    cap: float = CAP,
    seed: int = 0,
) -> tuple[np.ndarray, Weighting]:
    """Weighted conformal p-values of cases that are patients of their own, with a cross-fitted density ratio.

    Args:
        scores: (n,) of the batch; covariates: (n, k) of it, such as facts of acquisition.
        calibration: (m,) scores; calibration_covariates: (m, k).
        cap: largest ratio.
        seed: of the folds.

    Returns:
        (n,) p-values, NaN where they are withheld, and the weighting with the reason.

    Raises:
        InputError: lengths do not fit.
    """
    covariates, known = np.asarray(covariates), np.asarray(calibration_covariates)
    if covariates.shape[:1] != np.shape(scores) or known.shape[:1] != np.shape(calibration):
        raise InputError(
            f"{len(covariates)} and {len(known)} rows of covariates for {np.size(scores)} scores and "
            f"{np.size(calibration)} of calibration"
        )
    rng = np.random.default_rng(seed)
    _, fold = (_dealt(len(part), N_FOLDS, rng) for part in (known, covariates))
    weighting = Weighting.fit(covariates, fold, calibration, known, cap, seed)
    return weighting.p_values(scores, covariates, fold), weighting
