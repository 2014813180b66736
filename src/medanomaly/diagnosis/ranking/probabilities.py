"""Calibrated probabilities of the candidates, sets that hold the disease with a stated probability, and abstention.

Calibrators and set sizes are fitted on cases of other publications than those they are used for: cases of one are
alike, so publications are what is exchangeable. Each publication counts as one in the size of the sets.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logit, logsumexp

from medanomaly.core.errors import InputError
from medanomaly.diagnosis.ranking.closer_look import even_weights
from medanomaly.diagnosis.ranking.ranker import best_first
from medanomaly.evaluation.calibrators import Calibrator, calibrator_from_dict, fit_calibrator

# two numbers per band: publications are few, and steps of many numbers follow those few. Margin, number of symptoms and
# known cases of the first disease were tried beside the softmax, and made probabilities no truer (fold 0 of 0.1.24)
CALIBRATOR = "platt"
# ranks that share a calibrator, from the first of each to the one before the next
BANDS = (0, 1, 3, 10)
KEPT = 20
_SMALLEST = 1e-6


@dataclass(frozen=True)
class JudgedCase:
    """Scores of one case whose disease is known.

    Attributes:
        raw: (``KEPT``,) softmax of the best scores over all diseases, falling; 0 where there are fewer.
        right: which of them is the true disease; -1 for none of them.
        gap: best score minus that of the true disease; infinite where it has none.
    """

    raw: np.ndarray
    right: int
    gap: float


def raw_probabilities(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of the ``KEPT`` best diseases, and the softmax of their scores over all diseases."""
    best = best_first(scores, KEPT)[0]
    finite = scores[np.isfinite(scores)].astype(np.float64)
    return best, np.exp(scores[best] - logsumexp(finite)) if len(best) else np.zeros(0)


def judged(scores: np.ndarray, true: int) -> JudgedCase:
    """What calibration needs of a case; ``true`` is the column of its disease, -1 where it is no candidate."""
    best, p = raw_probabilities(scores)
    raw = np.zeros(KEPT)
    raw[: len(p)] = p
    hit = np.flatnonzero(best == true)
    ranked = true >= 0 and np.isfinite(scores[true])
    return JudgedCase(
        raw, int(hit[0]) if len(hit) else -1, float(scores.max() - scores[true]) if ranked else np.inf
    )


class RankProbabilities:
    """Maps of the softmax of each rank to the share of cases in which that rank was right, and the size of sets.

    Args:
        calibrators: one per band of ranks.
        gap: how far a score may lie below the best one inside the set.
        coverage: probability with which a set holds the disease.
    """

    def __init__(self, calibrators: Sequence[Calibrator], gap: float, coverage: float):
        self.calibrators, self.gap, self.coverage = tuple(calibrators), gap, coverage

    @classmethod
    def fit(
        cls, cases: Sequence[JudgedCase], publication: np.ndarray, coverage: float = 0.9
    ) -> "RankProbabilities":
        """From cases that the ranker did not learn from.

        Raises:
            InputError: there is no case.
        """
        if not len(cases):
            raise InputError("calibration needs cases with a diagnosis that the ranker did not learn from")
        raw = np.stack([case.raw for case in cases])
        right = np.array([case.right for case in cases])
        # a publication with 400 cases, which are alike, counts as 20
        weight = even_weights(publication)
        calibrators = []
        for first, last in zip(BANDS, (*BANDS[1:], KEPT), strict=True):
            hit = right[:, None] == np.arange(first, last)
            y = hit.ravel().astype(int)
            x = _log_odds(raw[:, first:last]).ravel()
            # a band in which nobody, or everybody, is right stays as it is
            name = CALIBRATOR if 0 < y.sum() < len(y) else "none"
            calibrators.append(fit_calibrator(name, x, y, np.repeat(weight, hit.shape[1])))
        return cls(
            calibrators, set_gap(np.array([case.gap for case in cases]), publication, coverage), coverage
        )

    def of(self, raw: np.ndarray) -> np.ndarray:
        """Probabilities of the best diseases of a case, never rising with the rank and never more than 1 together.

        What is left of 1 is the probability that it is none of them.
        """
        p = np.zeros(len(raw))
        for calibrator, first, last in zip(self.calibrators, BANDS, (*BANDS[1:], KEPT), strict=True):
            p[first:last] = calibrator.apply(_log_odds(raw[first:last]))
        # the first is what is calibrated best, so the others give way
        p = np.minimum.accumulate(p)
        rest = p[1:].sum()
        if rest > 1 - p[0]:
            p[1:] *= (1 - p[0]) / rest
        return p

    def in_set(self, scores: np.ndarray) -> np.ndarray:
        """(n,) bool: the diseases of the set."""
        return scores >= scores.max() - self.gap

    def to_dict(self) -> dict:
        """JSON types only; :meth:`from_dict` gives equal maps."""
        gap = self.gap if np.isfinite(self.gap) else None
        return {"calibrators": [c.to_dict() for c in self.calibrators], "gap": gap, "coverage": self.coverage}

    @classmethod
    def from_dict(cls, spec: dict) -> "RankProbabilities":
        """The maps that :meth:`to_dict` described."""
        gap = np.inf if spec["gap"] is None else spec["gap"]
        return cls([calibrator_from_dict(c) for c in spec["calibrators"]], gap, spec["coverage"])


def _log_odds(p: np.ndarray) -> np.ndarray:
    return logit(np.clip(p, _SMALLEST, 1 - _SMALLEST))


def set_gap(gap: np.ndarray, publication: np.ndarray, coverage: float) -> float:
    """Smallest gap under which sets hold the disease of a new publication's case with this probability.

    Each of m publications has the weight 1, and the new one 1 more that lies above all (split conformal prediction, Vovk et
    al. 2005; for groups: Dunn, Wasserman & Ramdas 2023, "Distribution-free prediction sets for two-layer hierarchical
    models"). Infinite where too few publications have their disease ranked.

    Args:
        gap: (n,) of the true disease of each case.
        publication: (n,) of each case.
        coverage: such as .9.
    """
    _, code, count = np.unique(np.asarray(publication).astype(str), return_inverse=True, return_counts=True)
    weight = 1 / count[code]
    order = np.argsort(gap, kind="stable")
    reached = np.cumsum(weight[order])
    at = int(np.searchsorted(reached, coverage * (len(count) + 1) - 1e-9))
    return float(gap[order][at]) if at < len(gap) else np.inf
