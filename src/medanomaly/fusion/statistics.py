"""How p-values of one patient are combined: the Cauchy statistic, and Fisher's, which is wrong where modalities go together.

Rows are patients, columns are modalities, NaN is a modality that a patient does not have.
"""

import numpy as np

# a larger p-value counts as this one: near 1 the terms go to minus infinity, and the modality that looks most usual would
# silence one that looks most unusual
LARGEST = 0.9


def cauchy_terms(p: np.ndarray) -> np.ndarray:
    """``tan(pi (1/2 - p))`` of each p-value: large where it is small, and standard Cauchy where it is uniform up to 0.9.

    Args:
        p: (n, k) in (0, 1] or NaN.
    """
    return np.tan(np.pi * (0.5 - np.minimum(p, LARGEST)))


def cauchy_statistic(p: np.ndarray) -> np.ndarray:
    """Mean Cauchy term of the modalities that a patient has.

    Liu & Xie 2020, "Cauchy combination test". Under dependence its tail stays close to that of a Cauchy variable, so a
    table is a fair approximation where it cannot be calibrated.

    Args:
        p: (n, k) in (0, 1] or NaN; every row has at least one.

    Returns:
        (n,), higher = more unusual.
    """
    return np.nanmean(cauchy_terms(p), axis=1)


def cauchy_table(statistic: np.ndarray) -> np.ndarray:
    """P-value of a Cauchy statistic by the table: exact for modalities that have nothing to do with each other."""
    return np.clip(0.5 - np.arctan(statistic) / np.pi, np.finfo(float).tiny, 1.0)


def fisher_table(p: np.ndarray) -> np.ndarray:
    """P-value by Fisher's statistic and its table: twice the asked rate where modalities correlate by one half.

    It is here to be shown as the wrong way. Modalities of one patient go together, and Fisher takes them for independent.

    Args:
        p: (n, k) in (0, 1] or NaN.

    Returns:
        (n,) in [0, 1].
    """
    # a first answer waits for what is imported above, and it needs none of this
    from scipy.special import chdtrc

    statistic = -2 * np.nansum(np.log(p), axis=1)
    return chdtrc(2 * (~np.isnan(p)).sum(axis=1), statistic)
