"""AUROC within strata of a covariate: how well scores rank when the covariate cannot help."""

import numpy as np

from medanomaly.core.errors import InputError

STRATA = 8


def quantile_strata(covariate: np.ndarray, n_strata: int = STRATA) -> np.ndarray:
    """(n,) stratum of each case, from 0; the limits are quantiles of all cases, normal and abnormal."""
    edges = np.quantile(covariate, np.linspace(0, 1, n_strata + 1)[1:-1])
    return np.searchsorted(edges, covariate, side="right")


class StratifiedRanking:
    """Pairs of a positive and a negative case of the same stratum; sorted once, resampled often.

    ``auroc(weight)`` is the share of pairs that are ranked correctly; ties count half. Each stratum counts by its number of
    pairs, so a stratum with one negative case counts little. With one stratum it is the ordinary AUROC.

    Args:
        score: (n,) finite, higher = more anomalous.
        positive: (n,) bool.
        strata: (n,) integers; None puts all cases together.
    """

    def __init__(self, score: np.ndarray, positive: np.ndarray, strata: np.ndarray | None = None):
        score, positive = np.asarray(score, dtype=np.float64), np.asarray(positive, dtype=bool)
        strata = np.zeros(len(score), dtype=int) if strata is None else np.asarray(strata)
        if not np.isfinite(score).all():
            raise InputError("a score is NaN or infinite")
        self._order = np.lexsort((score, strata))
        s, g = score[self._order], strata[self._order]
        self._positive = positive[self._order]
        new_stratum = np.append(True, g[1:] != g[:-1])
        new_level = np.append(True, s[1:] != s[:-1]) | new_stratum
        self._level = np.cumsum(new_level) - 1
        first_level = self._level[new_stratum]
        self._stratum = np.cumsum(new_stratum) - 1
        self._start = first_level[self._stratum[new_level]]
        self._level_stratum = self._stratum[new_level]

    def auroc(self, weight: np.ndarray | None = None) -> float:
        """Stratified AUROC; NaN if there is no pair.

        Args:
            weight: (n,) how often each case counts; None counts each once.
        """
        w = np.ones(len(self._order)) if weight is None else np.asarray(weight, dtype=np.float64)[self._order]
        levels = len(self._start)
        pos = np.bincount(self._level[self._positive], weights=w[self._positive], minlength=levels)
        neg = np.bincount(self._level[~self._positive], weights=w[~self._positive], minlength=levels)
        below = np.concatenate([[0.0], np.cumsum(neg)])
        won = float((pos * (below[:-1] - below[self._start] + neg / 2)).sum())
        strata = self._level_stratum
        pairs = float((np.bincount(strata, weights=pos) * np.bincount(strata, weights=neg)).sum())
        return won / pairs if pairs > 0 else float("nan")


def stratified_auroc(
    score: np.ndarray, positive: np.ndarray, covariate: np.ndarray, n_strata: int = STRATA
) -> float:
    """AUROC over pairs of the same quantile stratum of a covariate, for example the aspect ratio."""
    return StratifiedRanking(score, positive, quantile_strata(covariate, n_strata)).auroc()
