"""Do new cases, one after the other, still come from where the calibration cases came from?

A conformal test martingale bets against the p-values of each case (Vovk, Nouretdinov & Gammerman 2003; Vovk 2021, "Testing
randomness online"). While p-values are uniform its capital does not grow on average, so that it reaches 100 in at most 1 %
of all streams of any length (Ville). This holds for p-values that are computed anew with every case. Those of a FIXED
calibration set share its luck: their mean is off by a normal error of ``1 / sqrt(12 m)``, and bets against it win in the
long run. So each factor is divided by what a stream can win by an error of 2.58 of these, which 99 % of calibration sets
stay within.

What is watched has to be a nuisance: facts of acquisition and quality, not the anomaly score, so that abnormal cases do not
raise an alarm.

Where a few cases are taken quite otherwise, means hardly move. So a part of the capital bets on how often cases lie farther
out than every calibration case, or differ in what never varied. That rate is known as well: with 99 % confidence it is below
a bound from the number of normal and one from the number of abnormal calibration cases, and each factor has at most the mean
1 below the larger of them, whatever share is ill.
"""

from dataclasses import dataclass, field

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
# share of the capital that bets on outlying cases, the shares of them that it bets on, and what of it does not bet at first
OUTLYING, OUTLYING_SHARES, OUTLYING_QUIET = 0.3, (0.1, 0.3), 0.4
# a share that is hardly above the bound is not worth a bet
_WORTH = 1.5
ALARM = 100.0
# no capital is counted beyond: it is far above the alarm, and some hundred cases of another unit would overflow
MOST = 1e9
# two-sided 99 % quantile of the normal distribution, and the confidence of bounds of rates
_LUCK, _CONFIDENCE = 2.58, 0.99


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


def _bounded(capital: np.ndarray) -> np.ndarray:
    """Capital of (..., bets) whose sum is at most :data:`MOST`, in the same shares; a smaller one is left as it is."""
    return capital * (MOST / np.maximum(capital.sum(axis=-1, keepdims=True), MOST))


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
            self.capital = np.where(np.isnan(row)[:, None], self.capital, _bounded(mixed * factor))
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
        constant: (k,) bool, facts that are the same in all calibration cases.
        calibration: (m, d) values of the normal cases, which new values are compared with.
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
        return cls(centre, directions, constant, x @ directions)

    def values(self, facts: np.ndarray) -> np.ndarray:
        """(n, d) values of (n, k) facts as numbers."""
        return np.nan_to_num(facts - self.centre) @ self.directions

    def distance(self, facts: np.ndarray) -> np.ndarray:
        """(n,) squared distance from the normal cases in all directions together; infinite where a constant fact differs."""
        away = np.nan_to_num(facts - self.centre)
        differs = np.abs(away) > 1e-9 * (1 + np.abs(np.nan_to_num(self.centre)))
        squared = (self.values(facts) ** 2).sum(axis=1)
        return np.where(differs[:, self.constant].any(axis=1), np.inf, squared)

    def farthest(self) -> float:
        """The largest squared distance of a normal calibration case from the others."""
        squared = (self.calibration**2).sum(axis=1)
        # without the case itself in the covariance that it is measured by (Sherman & Morrison 1950)
        return float((squared / np.maximum(1 - squared / len(squared), 1e-9)).max())

    def p_values(self, facts: CalibrationFacts, new: pd.DataFrame) -> np.ndarray:
        """(n, d) p-values of new cases for :class:`ShiftMartingale`."""
        values = self.values(facts.matrix(new)[1])
        return np.stack(
            [middle_p_values(v, c) for v, c in zip(values.T, self.calibration.T, strict=True)], axis=1
        )


class OutlierMartingale:
    """Bets on how often cases lie beyond every calibration case.

    Args:
        n_normal: number of normal calibration cases.
        n_ill: of abnormal ones; beyond: how many of them lie beyond every normal one.

    Attributes:
        most: bound of the rate of such cases among normal and abnormal ones.
        capital: (bets,) of every bet.
    """

    def __init__(self, n_normal: int, n_ill: int = 0, beyond: int = 0):
        from scipy.stats import beta

        self.most = float(beta.ppf(_CONFIDENCE, 1, n_normal))
        if n_ill:
            known = float(beta.ppf(_CONFIDENCE, beyond + 1, n_ill - beyond)) if beyond < n_ill else 1.0
            self.most = max(self.most, known)
        shares = np.array([share for share in OUTLYING_SHARES if share > _WORTH * self.most])
        # a factor per bet, the first of which is none: of an outlying case, and of another
        self._won = np.append(1.0, shares / self.most)
        self._lost = np.append(1.0, (1 - shares) / (1 - self.most) if len(shares) else shares)
        quiet = OUTLYING_QUIET if len(shares) else 1.0
        self._start = np.append(quiet, np.full(len(shares), (1 - quiet) / max(len(shares), 1)))
        self.capital = self._start.copy()

    def update(self, outlying: np.ndarray) -> np.ndarray:
        """(n,) capital after each of n cases.

        Args:
            outlying: (n,) bool.
        """
        out = np.empty(len(outlying))
        for i, is_out in enumerate(outlying):
            mixed = (1 - JUMP) * self.capital + JUMP * self._start * self.capital.sum()
            self.capital = _bounded(mixed * (self._won if is_out else self._lost))
            out[i] = self.capital.sum()
        return out


@dataclass
class FactsWatch:
    """Watches a stream of cases by their facts.

    Args:
        known: facts of the calibration cases.

    Attributes:
        capital: of all bets.
        n_seen: cases so far.
        alarm_at: number of the case with which the capital first reached :data:`ALARM`; None until then.

    Raises:
        InputError: nothing can be watched.
    """

    known: CalibrationFacts
    capital: float = field(default=1.0, init=False)
    n_seen: int = field(default=0, init=False)
    alarm_at: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._directions = NuisanceDirections.fit(self.known)
        self._farthest = self._directions.farthest()
        beyond = self._outlying(self.known.abnormal)
        self._of_directions = ShiftMartingale(len(self.known.normal), self._directions.calibration.shape[1])
        self._of_outliers = OutlierMartingale(len(self.known.normal), len(beyond), int(beyond.sum()))

    def _outlying(self, facts: pd.DataFrame) -> np.ndarray:
        return self._directions.distance(self.known.matrix(facts)[1]) > self._farthest

    def update(self, facts: pd.DataFrame) -> np.ndarray:
        """(n,) capital after each of n new cases, in their order.

        Args:
            facts: of the cases, with the columns of the calibration cases.
        """
        if not len(facts):
            return np.zeros(0)
        directions = self._of_directions.update(self._directions.p_values(self.known, facts))
        out = (1 - OUTLYING) * directions + OUTLYING * self._of_outliers.update(self._outlying(facts))
        if self.alarm_at is None and (out >= ALARM).any():
            self.alarm_at = self.n_seen + int(np.argmax(out >= ALARM)) + 1
        self.n_seen, self.capital = self.n_seen + len(out), float(out[-1])
        return out
