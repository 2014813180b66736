"""Choose the threshold of a probability, on cases that the model was not fitted on and never on test."""

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from medanomaly.core.errors import ConfigurationError
from medanomaly.core.params import Params

Rule = Literal["balance", "sensitivity", "ppv", "share", "harm", "fixed"]


class ThresholdParams(Params):
    """How the threshold is chosen.

    Attributes:
        rule: ``balance`` maximises min(sensitivity, PPV), event 1 of the PhysioNet 2012 challenge; ``sensitivity`` is the
            highest threshold that finds at least ``value`` of the positives; ``ppv`` the lowest above which at least
            ``value`` of the flagged are positive; ``share`` flags about ``value`` of all cases; ``harm`` is the optimal
            threshold where a miss costs ``value`` times a false alarm (Elkan 2001: 1 / (1 + value)); ``fixed`` is
            ``value`` itself.
        value: see ``rule``; unused by ``balance``.
    """

    rule: Rule = "balance"
    value: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _value_fits(self):
        if self.rule != "balance" and self.value is None:
            raise ValueError(f"rule '{self.rule}' needs a value")
        if self.rule not in ("balance", "harm") and self.value >= 1:
            raise ValueError(f"rule '{self.rule}' needs a value between 0 and 1, not {self.value:g}")
        return self


def choose_threshold(probability: np.ndarray, y: np.ndarray, params: ThresholdParams) -> float:
    """The threshold t; a case is flagged where its probability is >= t.

    Args:
        probability: (n,) of cases that the model was not fitted on.
        y: (n,) 0 or 1.
        params: the rule.

    Returns:
        t in (0, 1].

    Raises:
        ConfigurationError: no positive case, or no threshold reaches the wanted PPV.
    """
    if params.rule == "fixed":
        return float(params.value)
    if params.rule == "harm":
        return float(1 / (1 + params.value))
    probability, y = np.asarray(probability, dtype=np.float64), np.asarray(y, dtype=bool)
    if not y.any():
        raise ConfigurationError(
            "no positive case to choose a threshold on", remedy="Use the rule harm or fixed."
        )
    order = np.argsort(-probability, kind="stable")
    ranked = probability[order]
    # cases of equal probability are flagged together
    last = np.append(ranked[1:] != ranked[:-1], True)
    hits, flagged = np.cumsum(y[order])[last], (np.flatnonzero(last) + 1)
    level = ranked[last]
    sensitivity, ppv = hits / y.sum(), hits / flagged
    if params.rule == "balance":
        return float(level[np.argmax(np.minimum(sensitivity, ppv))])
    if params.rule == "sensitivity":
        return float(level[np.argmax(sensitivity >= params.value)])
    if params.rule == "share":
        return float(level[np.argmin(np.abs(flagged / len(y) - params.value))])
    enough = np.flatnonzero(ppv >= params.value)
    if not enough.size:
        raise ConfigurationError(
            f"no threshold reaches a PPV of {params.value:g} (the best is {ppv.max():.3f})",
            remedy="Lower the value, or use another rule.",
        )
    return float(level[enough[-1]])


def flag_rates(probability: np.ndarray, y: np.ndarray, threshold: float) -> dict[str, float | None]:
    """``sensitivity``, ``ppv``, ``specificity`` and ``flagged_share`` at a threshold; None where undefined."""
    flagged, y = np.asarray(probability) >= threshold, np.asarray(y, dtype=bool)

    def share(part: np.ndarray, whole: np.ndarray) -> float | None:
        return float(part.sum() / whole.sum()) if whole.any() else None

    return {
        "sensitivity": share(flagged & y, y),
        "ppv": share(flagged & y, flagged),
        "specificity": share(~flagged & ~y, ~y),
        "flagged_share": float(flagged.mean()),
    }
