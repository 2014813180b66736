"""How well models do in a period: measured where labels are known, estimated where they are not.

Without labels the AUROC follows from how likely each score is to be that of an abnormal case, which the calibration cases
tell: each new case counts as abnormal by that probability and as normal by the rest of it (confidence-based performance
estimation). This holds while the same score means the same as at calibration. Whether it does cannot be seen from scores
alone, so an estimate is only given where the validity check does not say that p-values are broken.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit, ndtri

from medanomaly.core.errors import InputError
from medanomaly.evaluation.calibrators import Calibrator, Platt, calibrator_from_dict
from medanomaly.evaluation.resampling.delong import auroc_variance
from medanomaly.evaluation.resampling.ranking import midranks

# calibration cases of each label from which the probabilities of scores are learned
FEWEST_OF_A_LABEL = 10
# corners of the map from scores to ranks that are sealed
_CORNERS = 201
_RESAMPLES = 200


@dataclass(frozen=True)
class ScoreProbabilities:
    """How likely a score of a model is that of an abnormal case, learned from calibration cases with labels.

    Attributes:
        scores: (k,) ascending scores.
        normal_scores: (k,) where a score stands among the calibration cases, as a quantile of the normal distribution.
        calibrator: of these quantiles to probabilities.
        auroc: of the calibration cases.
        standard_error: of that AUROC.
        n_positive, n_negative: abnormal and normal calibration cases.
        offset: log-odds that the AUROC of the calibration cases is above the one that the probabilities expect of them. A
            smooth calibrator fits no score exactly, and what it misses at calibration it misses later.
    """

    scores: np.ndarray
    normal_scores: np.ndarray
    calibrator: Calibrator
    auroc: float
    standard_error: float
    n_positive: int
    n_negative: int
    offset: float = 0.0

    @classmethod
    def fit(
        cls, score: np.ndarray, positive: np.ndarray, patient: np.ndarray | None = None
    ) -> "ScoreProbabilities | None":
        """Of calibration cases; None where a label has fewer than ``FEWEST_OF_A_LABEL`` of them.

        Args:
            score: (n,) finite.
            positive: (n,) bool.
            patient: (n,) whose each case is; None takes every case as independent.
        """
        score, positive = np.asarray(score, dtype=np.float64), np.asarray(positive, dtype=bool)
        if min(positive.sum(), (~positive).sum()) < FEWEST_OF_A_LABEL:
            return None
        ordered = np.sort(score)
        at = np.unique(np.quantile(ordered, np.linspace(0, 1, _CORNERS)))
        below, until = (np.searchsorted(ordered, at, side) for side in ("left", "right"))
        places = ndtri((below + until + 1) / (2 * len(ordered) + 2))
        z = np.interp(score, at, places)
        value, variance = auroc_variance(score, positive, patient)
        calibrator = Platt.fit(z, positive.astype(float))
        expected = expected_auroc(score, calibrator.apply(z))
        return cls(
            at,
            places,
            calibrator,
            float(value),
            float(np.sqrt(variance)),
            int(positive.sum()),
            int((~positive).sum()),
            float(_log_odds(value) - _log_odds(expected)),
        )

    def probabilities(self, score: np.ndarray) -> np.ndarray:
        """(n,) probability that each case is abnormal."""
        return self.calibrator.apply(np.interp(score, self.scores, self.normal_scores))

    def to_dict(self) -> dict[str, Any]:
        """JSON types; :meth:`from_dict` reads them."""
        return {
            "scores": self.scores.tolist(),
            "normal_scores": self.normal_scores.tolist(),
            "calibrator": self.calibrator.to_dict(),
            "auroc": self.auroc,
            "standard_error": self.standard_error if np.isfinite(self.standard_error) else None,
            "n_positive": self.n_positive,
            "n_negative": self.n_negative,
            "offset": self.offset,
        }

    @classmethod
    def from_dict(cls, said: dict[str, Any]) -> "ScoreProbabilities":
        """What :meth:`to_dict` gave."""
        error = said["standard_error"]
        return cls(
            np.asarray(said["scores"]),
            np.asarray(said["normal_scores"]),
            calibrator_from_dict(said["calibrator"]),
            said["auroc"],
            float("nan") if error is None else error,
            said["n_positive"],
            said["n_negative"],
            said["offset"],
        )


def _log_odds(auroc: float) -> float:
    # a perfect ranking of few cases is no proof of one
    return float(logit(np.clip(auroc, 1e-4, 1 - 1e-4)))


def expected_auroc(score: np.ndarray, probability: np.ndarray) -> float:
    """AUROC of cases that are abnormal with these probabilities, over all pairs of two different cases.

    Args:
        score: (n,) finite.
        probability: (n,) in [0, 1].

    Returns:
        The expected share of pairs of an abnormal and a normal case in which the abnormal one scores higher; NaN where
        there are no such pairs.
    """
    score, p = np.asarray(score, dtype=np.float64), np.asarray(probability, dtype=np.float64)
    if score.shape != p.shape:
        raise InputError(f"{p.size} probabilities for {score.size} scores")
    order = np.argsort(score, kind="stable")
    score, p = score[order], p[order]
    q = 1 - p
    below = np.r_[0.0, np.cumsum(q)]
    first, last = (np.searchsorted(score, score, side) for side in ("left", "right"))
    # half of a tie; a case is not compared with itself
    won = np.sum(p * (below[first] + (below[last] - below[first] - q) / 2))
    pairs = p.sum() * q.sum() - np.sum(p * q)
    return float(won / pairs) if pairs > 0 else float("nan")


def estimated_auroc(
    score: np.ndarray, known: ScoreProbabilities, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float, float]:
    """AUROC of a period without labels, with the interval in which the AUROC of its true labels is expected.

    The interval counts that labels of the period are drawn by chance, and that the calibration cases were.

    Args:
        score: (n,) finite scores of the period, one per case.
        known: probabilities of scores.
        confidence: level.
        seed: of the draws.

    Returns:
        ``(estimate, low, high)``; NaN without pairs.
    """
    p = known.probabilities(score)
    value = expected_auroc(score, p)
    if np.isfinite(value):
        value = float(expit(_log_odds(value) + known.offset))
    ranks = midranks(np.asarray(score, dtype=np.float64))
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(_RESAMPLES):
        positive = rng.random(p.size) < p
        k = int(positive.sum())
        if 0 < k < p.size:
            drawn.append((ranks[positive].sum() - k * (k + 1) / 2) / (k * (p.size - k)))
    if len(drawn) < _RESAMPLES / 2 or not np.isfinite(value):
        return value, float("nan"), float("nan")
    z = float(ndtri((1 + confidence) / 2))
    half = z * float(np.hypot(np.std(drawn), np.nan_to_num(known.standard_error)))
    return value, max(0.0, value - half), min(1.0, value + half)
