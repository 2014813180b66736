"""How many of these alarms can be false, whichever cases were chosen, and however: "of 20 alarms at most 6, 90 %".

A list that was shortened, lengthened or picked by hand after looking has no false-alarm rate of its own. What holds for
every choice at once is an envelope of how many normal cases can have small p-values: the joint law of conformal p-values of
exchangeable cases is known exactly (a Pólya urn; Gazin, Blanchard, Roquain 2024, "Transductive conformal inference with
adaptive scores"), whatever the scores are and although all share one calibration set. Blanchard, Neuvial & Roquain 2020
("Post hoc confidence bounds on false positives using reference families") turn an envelope into a bound for any choice.
Cases have to be exchangeable: beats of one patient are not.
"""

from functools import lru_cache

import numpy as np
from scipy import stats
from scipy.special import betaln, gammaln

from medanomaly.core.conformal import checked_alpha
from medanomaly.core.errors import InputError

# p-values 1, 2, ... of m + 1 at which the envelope is known; in between the next higher one counts
_FIRST, _GEOMETRIC = 12, 48
# the bound is exact for any number of draws; more only make it vary less with the seed
_DRAWS = 1999


def false_alarms_at_most(
    p: np.ndarray, chosen: np.ndarray, n_calibration: int, confidence: float = 0.9
) -> int:
    """The most false alarms that the chosen cases can hold.

    With this confidence the bound holds for every choice among the n cases at once, so the choice may depend on anything.

    Args:
        p: (n,) conformal p-values of all cases of the batch, of one calibration set.
        chosen: (n,) bool, the alarms.
        n_calibration: normal cases behind the p-values.
        confidence: how surely.

    Returns:
        From 0 to the number of alarms.

    Example:
        >>> p = np.array([0.001] * 20 + [0.5] * 80)  # 20 of 100 cases look like none of 999 calibration cases
        >>> false_alarms_at_most(p, p < 0.01, n_calibration=999)
        1
    """
    p, chosen = np.asarray(p, dtype=np.float64), np.asarray(chosen, dtype=bool)
    if p.shape != chosen.shape or p.ndim != 1 or not ((p > 0) & (p <= 1)).all():
        raise InputError(
            "p-values and alarms do not fit, or a p-value is missing or outside (0, 1]",
            remedy="Give one p-value per case, and for each whether it is an alarm.",
        )
    if not chosen.any():
        return 0
    places, most = envelope(len(p), n_calibration, confidence)
    mine = np.sort(p[chosen]) * (n_calibration + 1)
    beyond = len(mine) - np.searchsorted(mine, places + 1e-6, side="right")
    return int(min(len(mine), (most + beyond).min()))


@lru_cache(maxsize=32)
def envelope(n: int, n_calibration: int, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """How many of n normal cases can have a p-value of at most j / (m + 1), for all j together.

    Args:
        n: cases.
        n_calibration: m.
        confidence: that no count is above the envelope.

    Returns:
        (k,) j and (k,) counts.

    Example:
        >>> places, most = envelope(n=100, n_calibration=999, confidence=0.9)
        >>> int(most[places == 1][0]), int(most[-1])
        (1, 100)
    """
    if n < 1 or n_calibration < 1:
        raise InputError(
            f"{n} cases and {n_calibration} calibration cases", remedy="Give at least one of each."
        )
    places = _places(n_calibration)
    shares = _shares(n_calibration, places)
    counts = np.random.default_rng(0).multinomial(n, shares).cumsum(axis=1)
    rows = [_tail(n, n_calibration, j) for j in places]
    smallest = np.min([tail[of] for tail, of in zip(rows, counts.T, strict=True)], axis=0)
    limit = _lower_quantile(smallest, confidence)
    # the largest count whose tail is not below the limit
    return places, np.array([(tail >= limit).sum() - 1 for tail in rows])


@lru_cache(maxsize=32)
def rates_at_most(n_calibration: int, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """How high the true false-alarm rate of this one calibration set can be at the level j / (m + 1), for all j together.

    Args:
        n_calibration: m.
        confidence: that no rate is higher.

    Returns:
        (k,) j and (k,) rates.

    Example:
        >>> places, rates = rates_at_most(n_calibration=999, confidence=0.9)
        >>> bool(rates[places == 10][0] > 0.01)
        True
    """
    places = _places(n_calibration)
    a, b = places, n_calibration + 1 - places
    inside = b > 0
    rates = _shares(n_calibration, places).cumsum(axis=1)[:, inside]
    limit = _lower_quantile(stats.beta.sf(rates, a[inside], b[inside]).min(axis=1), confidence)
    highest = np.ones(len(places))
    highest[inside] = stats.beta.isf(limit, a[inside], b[inside])
    return places, highest


def false_alarms_of_stream(levels: np.ndarray, n_calibration: int, confidence: float = 0.9) -> np.ndarray:
    """The most false alarms up to each case of a stream, for all times together.

    Katsevich & Ramdas 2020 ("Simultaneous high-probability bounds on the false discovery proportion", theorem 2) bound them
    by the sum of the levels. That sum is taken at the highest rates that the one calibration set of all cases can have;
    half of the error goes to each step.

    Args:
        levels: (n,) level of each case, known before the case: a fixed alpha, or those of ``online_fdr``.
        n_calibration: normal cases behind the p-values.
        confidence: how surely.

    Returns:
        (n,) int.

    Example:
        >>> false_alarms_of_stream(np.full(100, 0.05), n_calibration=999)[[0, 99]].tolist()
        [2, 18]
    """
    levels = np.asarray(levels, dtype=np.float64)
    half = (1 + checked_alpha(confidence)) / 2
    places, highest = rates_at_most(n_calibration, half)
    place = np.floor(levels * (n_calibration + 1) + 1e-9)
    rate = np.where(place < 1, 0.0, highest[np.minimum(np.searchsorted(places, place), len(places) - 1)])
    log = -np.log(1 - half)
    return np.floor(log / np.log1p(log) * (1 + np.cumsum(rate))).astype(np.int64)


def _places(m: int) -> np.ndarray:
    """j at which an envelope is known: all small ones, then in equal ratios up to m + 1."""
    geometric = np.geomspace(_FIRST, m + 1, _GEOMETRIC) if m + 1 > _FIRST else np.empty(0)
    return np.unique(np.concatenate([np.arange(1, min(_FIRST, m + 1) + 1), geometric]).astype(np.int64))


def _shares(m: int, places: np.ndarray) -> np.ndarray:
    """(draws, k) shares of normal cases between one place and the next, as the luck of the calibration set makes them."""
    gaps = np.random.default_rng(1).standard_gamma(np.diff(places, prepend=0), (_DRAWS, len(places)))
    return gaps / gaps.sum(axis=1, keepdims=True)


def _tail(n: int, m: int, j: int) -> np.ndarray:
    """(n + 1,) probability that at least 0 ... n of n normal cases have a p-value of at most j / (m + 1)."""
    if j > m:
        return np.ones(n + 1)
    count = np.arange(n + 1)
    ways = gammaln(n + 1) - gammaln(count + 1) - gammaln(n - count + 1)
    density = np.exp(ways + betaln(count + j, n - count + m + 1 - j) - betaln(j, m + 1 - j))
    return np.minimum(density[::-1].cumsum()[::-1], 1.0)


def _lower_quantile(smallest: np.ndarray, confidence: float) -> float:
    """The value below which a further draw falls with at most the error that is allowed."""
    place = int(np.floor((1 - confidence) * (len(smallest) + 1) + 1e-9))
    if place < 1:
        raise InputError(
            f"a confidence of {confidence:g} is asked for", remedy="Give a confidence of at most 0.999."
        )
    return float(np.partition(smallest, place - 1)[place - 1])
