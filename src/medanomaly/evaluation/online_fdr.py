"""Alarms in a stream: levels that keep the expected share of false alarms among all alarms so far below a limit.

Each case is decided when it comes, without knowing the later ones. Levels shrink while nothing is found and grow with each
alarm. Both rules are those of the papers with their usual sequences; p-values have to be independent for the guarantee, and
conformal p-values of one calibration set are nearly so. A level below the smallest possible p-value, 1 / (calibration cases
+ 1), can raise no alarm: with few calibration cases a long quiet stream goes blind, so look at the levels too.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from medanomaly.core.conformal import checked_alpha
from medanomaly.core.errors import ConfigurationError, InputError

# these make the sequences add up to 1
_LORD_TOTAL, _SAFFRON_TOTAL, _SAFFRON_EXPONENT = 0.07720838, 0.4374901658, 1.6


@dataclass(frozen=True)
class OnlineAlarms:
    """What was decided about n cases, in their order.

    Attributes:
        levels: (n,) level of each case, known before the case came.
        flagged: (n,) bool, p-value <= level.
    """

    levels: np.ndarray
    flagged: np.ndarray


def lord(p: np.ndarray, fdr: float, wealth: float | None = None) -> OnlineAlarms:
    """LORD++ (Ramdas, Yang, Wainwright, Jordan 2017, "Online control of the false discovery rate with decaying memory").

    Args:
        p: (n,) p-values in the order of the stream.
        fdr: expected share of false alarms among the alarms.
        wealth: what is spent until the first alarm, below fdr; None takes half of it.

    Example:
        >>> lord([0.0001, 0.5, 0.002, 0.9], fdr=0.2).flagged.tolist()
        [True, False, True, False]
    """
    p, fdr, wealth = _checked(p, fdr, wealth)
    age = np.arange(1, len(p) + 1)
    gamma = _LORD_TOTAL * np.log(np.maximum(age, 2)) / (age * np.exp(np.sqrt(np.log(age))))

    def after(alarm: int, reward: float) -> np.ndarray:
        return reward * gamma[: len(p) - alarm - 1]

    return _decided(p, wealth * gamma, after, fdr, wealth, 1.0)


def saffron(p: np.ndarray, fdr: float, wealth: float | None = None, candidate: float = 0.5) -> OnlineAlarms:
    """SAFFRON (Ramdas, Zrnic, Wainwright, Jordan 2018): cases that are surely usual cost nothing.

    It finds more than LORD++ where many cases are anomalous.

    Args:
        p: (n,) p-values in the order of the stream.
        fdr: expected share of false alarms among the alarms.
        wealth: what is spent until the first alarm, below fdr; None takes half of it.
        candidate: only p-values up to this one cost; no level is higher.

    Example:
        >>> alarms = saffron([0.0001, 0.5, 0.002, 0.9], fdr=0.2)
        >>> alarms.flagged.tolist(), bool((alarms.levels > 0).all())
        ([True, False, True, False], True)
    """
    p, fdr, wealth = _checked(p, fdr, wealth)
    if not 0 < candidate < 1:
        raise ConfigurationError(f"candidate is {candidate}", remedy="Give a p-value between 0 and 1.")
    # the age of a case counts only those before it that were no candidates
    passed = np.concatenate([[0], np.cumsum(p > candidate)])
    share = 1 - candidate

    def gamma(age: np.ndarray) -> np.ndarray:
        return share * _SAFFRON_TOTAL / np.maximum(age, 1) ** _SAFFRON_EXPONENT

    def after(alarm: int, reward: float) -> np.ndarray:
        return reward * gamma(1 + passed[alarm + 1 : -1] - passed[alarm + 1])

    return _decided(p, wealth * gamma(1 + passed[:-1]), after, fdr, wealth, candidate)


def _checked(p: np.ndarray, fdr: float, wealth: float | None) -> tuple[np.ndarray, float, float]:
    p, fdr = np.asarray(p, dtype=np.float64), checked_alpha(fdr)
    if p.ndim != 1 or not ((p > 0) & (p <= 1)).all():
        raise InputError(
            "a p-value of the stream is missing or outside (0, 1]", remedy="Give one p-value per case."
        )
    wealth = fdr / 2 if wealth is None else wealth
    if not 0 < wealth < fdr:
        raise ConfigurationError(
            f"the wealth is {wealth:g}", remedy=f"Give a number between 0 and the rate, which is {fdr:g}."
        )
    return p, fdr, wealth


def _decided(
    p: np.ndarray,
    levels: np.ndarray,
    after: Callable[[int, float], np.ndarray],
    fdr: float,
    wealth: float,
    highest: float,
) -> OnlineAlarms:
    """Decide case by case; between two alarms all levels are known, so only alarms take a step."""
    flagged, start, reward = np.zeros(len(p), dtype=bool), 0, fdr - wealth
    while start < len(p):
        ahead = p[start:] <= np.minimum(levels[start:], highest)
        if not ahead.any():
            break
        alarm = start + int(ahead.argmax())
        flagged[alarm] = True
        levels[alarm + 1 :] += after(alarm, reward)
        start, reward = alarm + 1, fdr
    return OnlineAlarms(np.minimum(levels, highest), flagged)
