"""Which cases a training holds out for early stopping."""

import numpy as np

from medanomaly.core.errors import InputError


def hold_out(
    n: int, groups: np.ndarray | None, share: float, random: np.random.Generator | np.random.RandomState
) -> np.ndarray:
    """Choose cases at random, patients kept together.

    Args:
        n: cases.
        groups: (n,) patient of each case; None takes each case by itself.
        share: of the patients; at least one is held out.
        random: one permutation is drawn from it.

    Returns:
        (n,) bool, true for what is held out.

    Raises:
        InputError: groups do not fit, or there is only one.
    """
    groups = np.arange(n) if groups is None else np.asarray(groups)
    if len(groups) != n:
        raise InputError(f"{len(groups)} groups for {n} cases", remedy="Give one group per case.")
    names, group = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        raise InputError(
            f"{n} cases of {len(names)} group",
            remedy="Give two groups or more: one is held out for early stopping.",
        )
    order = random.permutation(len(names))
    return np.isin(group, order[: max(1, round(share * len(names)))])
