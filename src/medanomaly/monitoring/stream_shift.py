"""Do new cases, one after the other, still come from where the calibration cases came from?

A conformal test martingale bets against the p-values of each case (Vovk, Nouretdinov & Gammerman 2003; Vovk 2021, "Testing
randomness online"). While p-values are uniform its capital does not grow on average, so that it reaches 100 in at most 1 %
of all streams of any length (Ville). This holds for p-values that are computed anew with every case. Those of a FIXED
calibration set share its luck: their mean is off by a normal error of ``1 / sqrt(12 m)``, and bets against it win in the
long run. So each factor is divided by what a stream can win by an error of 2.58 of these, which 99 % of calibration sets
stay within.

What is watched has to be a nuisance: facts of acquisition and quality, not the anomaly score, so that abnormal cases do not
raise an alarm.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from medanomaly.core.conformal import finite_scores
from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.monitoring.facts import CalibrationFacts

BETS = np.array([-1.8, -0.9, 0.0, 0.9, 1.8])
# share of the capital that is spread over all bets anew before each case
JUMP = 0.003
# share of the capital that does not bet at first: what it keeps in a long quiet time is there when a shift comes
QUIET = 0.6
ALARM = 100.0
# two-sided 99 % quantile of the normal distribution
_LUCK = 2.58


def middle_p_values(values: np.ndarray, calibration: np.ndarray) -> np.ndarray:
    """Conformal p-values with half of the ties and of the case itself: their mean is 1/2, without random numbers.

    Args:
        values: (n,) finite; calibration: (m,) finite.

    Returns:
        (n,) in (0, 1).
    """
    ordered = np.sort(finite_scores(calibration))
    if not ordered.size:
        raise InputError("there is no calibration value")
    below, until = (np.searchsorted(ordered, finite_scores(values), side=side) for side in ("left", "right"))
    return (ordered.size - until + 0.5 * (until - below + 1)) / (ordered.size + 1)


@dataclass
class ShiftMartingale:
    """Simple jumper over p-values of a fixed calibration set.

    Args:
        n_calibration: number of calibration cases behind the p-values.
        n_facts: number of facts that are watched side by side; their mean capital counts.
        corrected: whether factors are divided by what the luck of the calibration set can win; False is the textbook.

    Attributes:
        capital: (n_facts, bets) of every bet; the mean over facts of their sums is compared with ``ALARM``.
        n_seen: cases so far.
        alarm_at: number of the case with which the capital first reached ``ALARM``; None until then.
    """

    n_calibration: int
    n_facts: int = 1
    corrected: bool = True

    def __post_init__(self) -> None:
        if self.n_calibration < 1 or self.n_facts < 1:
            raise ConfigurationError("a stream needs a calibration case and a fact")
        betting = (1 - QUIET) / (len(BETS) - 1)
        self.capital = np.tile(np.where(BETS == 0, QUIET, betting), (self.n_facts, 1))
        self.n_seen, self.alarm_at = 0, None
        luck = _LUCK / np.sqrt(12 * self.n_calibration) if self.corrected else 0.0
        self._fair = 1 + np.abs(BETS) * luck

    def update(self, p: np.ndarray) -> np.ndarray:
        """Bet against the p-values of new cases, in their order.

        Args:
            p: (n,) or (n, n_facts), from :func:`middle_p_values`; NaN: the fact is missing, and nothing is bet.

        Returns:
            (n,) capital after each case.
        """
        p = np.asarray(p, dtype=np.float64).reshape(-1, self.n_facts)
        if (np.nan_to_num(p, nan=0.5) < 0).any() or (np.nan_to_num(p, nan=0.5) > 1).any():
            raise InputError("a p-value is not between 0 and 1")
        out = np.empty(len(p))
        for i, row in enumerate(p):
            total = self.capital.sum(axis=1, keepdims=True)
            mixed = (1 - JUMP) * self.capital + JUMP / len(BETS) * total
            factor = (1 + BETS * (row[:, None] - 0.5)) / self._fair
            self.capital = np.where(np.isnan(row)[:, None], self.capital, mixed * factor)
            self.n_seen += 1
            out[i] = self.capital.sum(axis=1).mean()
            if self.alarm_at is None and out[i] >= ALARM:
                self.alarm_at = self.n_seen
        return out


@dataclass(frozen=True)
class NuisanceDirections:
    """Directions of facts in which abnormal calibration cases have the same mean as normal ones.

    Attributes:
        centre: (k,) mean of the normal cases.
        directions: (k, d) of unit variance among the normal cases.
        constant: (k,) bool, facts that are the same in all calibration cases; that one of them differs is watched as well.
        calibration: (m, d), or (m, d + 1) with constant facts: values of the normal cases, which new values are compared
            with.
    """

    centre: np.ndarray
    directions: np.ndarray
    constant: np.ndarray
    calibration: np.ndarray

    @classmethod
    def fit(cls, facts: CalibrationFacts) -> "NuisanceDirections":
        """From facts of calibration cases; without abnormal ones every direction is watched.

        Raises:
            InputError: no fact is a number that varies.
        """
        normal, ill = (facts.matrix(table)[1] for table in (facts.normal, facts.abnormal))
        if not len(normal):
            raise InputError("there are no facts of normal calibration cases")
        count = np.isfinite(normal).sum(axis=0)
        # a fact that no case has says nothing; the one beside it tells whether it is missing
        centre = np.where(count > 0, np.nansum(normal, axis=0) / np.maximum(count, 1), np.nan)
        x = np.nan_to_num(normal - centre)
        spread = x.std(axis=0)
        varies = spread > 1e-9 * (1 + np.abs(np.nan_to_num(centre)))
        unit = np.where(varies, 1 / np.where(varies, spread, 1.0), 0.0)
        values, vectors = np.linalg.eigh((x * unit).T @ (x * unit) / len(x))
        kept = values > 1e-6
        if not kept.any():
            raise InputError("no fact varies among the calibration cases")
        directions = unit[:, None] * vectors[:, kept] / np.sqrt(values[kept])
        if len(ill) > 1:
            away = np.nan_to_num(ill - centre).mean(axis=0) @ directions
            noise = np.sqrt(1 / len(normal) + 1 / len(ill))
            if np.linalg.norm(away) > 2 * noise:
                # a basis of what is orthogonal to the way from normal to abnormal
                rest = np.linalg.svd(away[None], full_matrices=True)[2][1:]
                directions = directions @ rest.T
        if not directions.shape[1]:
            raise InputError("the only fact that varies is changed by illness")
        ill_differs = (np.abs(np.nan_to_num(ill - centre)) > 1e-9 * (1 + np.abs(centre))).any(axis=0)
        constant = (count > 0) & ~varies & ~ill_differs
        found = cls(centre, directions, constant, np.zeros((0, 0)))
        return replace(found, calibration=found.values(normal))

    def values(self, facts: np.ndarray) -> np.ndarray:
        """(n, d) or (n, d + 1) values of (n, k) facts as numbers; the last one counts the constant facts that differ."""
        away = np.nan_to_num(facts - self.centre)
        values = away @ self.directions
        if not self.constant.any():
            return values
        differs = np.abs(away) > 1e-9 * (1 + np.abs(np.nan_to_num(self.centre)))
        return np.column_stack([values, differs[:, self.constant].sum(axis=1)])

    def p_values(self, facts: CalibrationFacts, new: pd.DataFrame) -> np.ndarray:
        """(n, d) p-values of new cases for :class:`ShiftMartingale`."""
        values = self.values(facts.matrix(new)[1])
        return np.stack(
            [middle_p_values(v, c) for v, c in zip(values.T, self.calibration.T, strict=True)], axis=1
        )
