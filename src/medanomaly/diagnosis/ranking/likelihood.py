"""Likelihood ratios: how much more often a disease has a symptom than diseases have it on average.

Source: the phenotype part of LIRICAL (Robinson et al. 2020, "Interpretable clinical genomics with a likelihood ratio
paradigm"), with a floor and a detour over ancestors.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from medanomaly.diagnosis.ranking.params import RankingParams

LARGEST_FREQUENCY = 0.95


@dataclass(frozen=True)
class LikelihoodRatios:
    """Logarithms of likelihood ratios.

    The log ratio of an observed symptom is the best of three: the disease's own frequency over the background; a share
    (``detour``) of the ratio of an ancestor that is not too common; and the floor.

    Attributes:
        log_ratio: (values of ``Profiles.frequency``,) float32, log of frequency over background.
        log_absent: the same places, weighted log of the frequency of its absence.
        informative: (terms,) bool, ancestors over which a detour may go.
    """

    log_ratio: np.ndarray
    log_absent: np.ndarray
    informative: np.ndarray

    @classmethod
    def of(cls, frequency: sparse.csr_array, params: RankingParams) -> "LikelihoodRatios":
        """From the (terms, n) frequencies of n diseases; the background of a term is its mean frequency plus 1 / n."""
        n = frequency.shape[1]
        background = frequency.sum(axis=1) / n + 1 / n
        per_value = np.repeat(np.log(background), np.diff(frequency.indptr))
        absent = np.log1p(-np.minimum(frequency.data, LARGEST_FREQUENCY))
        return cls(
            (np.log(frequency.data) - per_value).astype(np.float32),
            (params.excluded * absent).astype(np.float32),
            background < params.common,
        )
