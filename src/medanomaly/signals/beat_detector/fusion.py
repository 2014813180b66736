"""From terms to one score: how rare each is among normal beats of other people, added up with weights.

Fisher (1932) combines independent p-values by such a sum of tails. Terms that say much the same have lower weights. Every
contribution is 0 or more, and their sum is the score, so the score explains itself.
"""

from dataclasses import dataclass

import numpy as np

from medanomaly.core.errors import ConfigurationError
from medanomaly.signals.beat_detector.terms import ABS, CPM, LOCAL_RR, N_TERMS, RESID, RR, SHAPE, SLOW_RR, P

CONTRIBUTIONS = ("cpm", "rr", "shape", "resid", "P", "abs", "ifr")
# what each contribution of the beat detector means to a reader
CONTRIBUTION_MEANINGS = {
    "cpm": "earlier than usual, as other beats of this shape",
    "rr": "shorter RR interval than the patient's slow beats",
    "shape": "unlike the patient's usual shapes",
    "resid": "differs from the nearest usual shape in size",
    "P": "different before the QRS complex (P wave)",
    "abs": "short RR interval",
    "ifr": "RR intervals unlike those of other people",
}
IFR = N_TERMS
TAILED = (CPM, RR, SLOW_RR, SHAPE, RESID, P, ABS, IFR)


@dataclass(frozen=True)
class Variant:
    """Weights of the terms.

    Attributes:
        cpm: prematurity of the beat's shape.
        rr: RR interval.
        shape, resid, P, abs: the other terms that refer to the patient.
        ifr: RR interval compared with other people.
        slow: the slow beats with which the RR interval is compared: ``usual`` (0.75 quantile), ``rare`` (0.90) or
            ``either`` (the larger of both tails).
    """

    cpm: float = 1.0
    rr: float = 1.0
    shape: float = 0.5
    resid: float = 0.5
    P: float = 0.5
    abs: float = 0.5
    ifr: float = 0.0
    slow: str = "either"

    def __post_init__(self):
        if self.slow not in ("usual", "rare", "either"):
            raise ConfigurationError(
                f"slow beats '{self.slow}' are unknown", remedy="Give usual, rare or either."
            )
        if any(getattr(self, name) < 0 for name in CONTRIBUTIONS):
            raise ConfigurationError("a weight is below 0", remedy="Give weights of 0 and more.")


VARIANTS = {
    # follows the patient alone
    "A": Variant(slow="usual"),
    # anchored to other people, for patients whose prevailing rhythm is itself abnormal
    "B": Variant(slow="rare", ifr=1.0),
    # both references of the patient, no anchor: as good as A on ordinary patients, better where ectopic beats
    # prevail
    "either": Variant(),
}


def named_variant(variant: "str | Variant") -> Variant:
    """A variant by its name; a ``Variant`` is returned as it is."""
    if isinstance(variant, Variant):
        return variant
    if variant not in VARIANTS:
        raise ConfigurationError(
            f"there is no variant '{variant}' of the beat detector",
            remedy=f"Give one of {', '.join(VARIANTS)}.",
        )
    return VARIANTS[variant]


def contributions(tails: np.ndarray, variant: Variant) -> np.ndarray:
    """(n, 7) contributions in the order of ``CONTRIBUTIONS`` from the (n, 9) tails of the columns of the terms."""
    rr = {
        "usual": tails[:, RR],
        "rare": tails[:, SLOW_RR],
        "either": np.maximum(tails[:, RR], tails[:, SLOW_RR]),
    }[variant.slow]
    columns = (tails[:, CPM], rr, *(tails[:, c] for c in (SHAPE, RESID, P, ABS, IFR)))
    weights = [getattr(variant, name) for name in CONTRIBUTIONS]
    return np.column_stack(columns) * np.array(weights)


def anchor_features(terms: np.ndarray) -> np.ndarray:
    """(n, 3) log RR, log of the local RR, and their difference: the input of the anchor."""
    rr, local = -terms[:, ABS], terms[:, LOCAL_RR]
    return np.column_stack([rr, local, rr - local])
