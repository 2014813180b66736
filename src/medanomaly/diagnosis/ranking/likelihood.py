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
    """Logarithms of likelihood ratios of one term for all n diseases.

    Attributes:
        frequency: (terms, n) of :class:`Profiles`.
        log_ratio: the same places, log of frequency over background.
        ancestors: (terms, terms) bool of the ontology.
        informative: (terms,) bool, ancestors over which a detour may go.
        params: constants.
    """

    frequency: sparse.csr_array
    log_ratio: np.ndarray
    ancestors: sparse.csr_array
    informative: np.ndarray
    params: RankingParams

    @classmethod
    def of(
        cls, frequency: sparse.csr_array, ancestors: sparse.csr_array, params: RankingParams
    ) -> "LikelihoodRatios":
        """From the frequencies of the diseases; the background of a term is its mean frequency plus 1 / n."""
        n = frequency.shape[1]
        background = frequency.sum(axis=1) / n + 1 / n
        per_value = np.repeat(np.log(background), np.diff(frequency.indptr))
        log_ratio = (np.log(frequency.data) - per_value).astype(np.float32)
        return cls(frequency, log_ratio, ancestors, background < params.common, params)

    def observed(self, term: int) -> np.ndarray:
        """(n,) float32: log ratio of an observed symptom.

        The best of the disease's own frequency, a share of the ratio of an ancestor, and the floor.
        """
        out = np.full(self.frequency.shape[1], np.log(self.params.floor), dtype=np.float32)
        detour = np.float32(np.log(self.params.detour))
        for above in self._above(term):
            if above != term and not self.informative[above]:
                continue
            where, values = self._row(above)
            if above != term:
                values = values + detour
            out[where] = np.maximum(out[where], values)
        return out

    def excluded(self, term: int) -> tuple[np.ndarray, np.ndarray]:
        """Diseases that have a symptom at all, and the log ratio of its absence for each of them."""
        where = slice(self.frequency.indptr[term], self.frequency.indptr[term + 1])
        share = np.minimum(self.frequency.data[where], LARGEST_FREQUENCY)
        return self.frequency.indices[where], np.float32(self.params.excluded) * np.log1p(-share)

    def _above(self, term: int) -> np.ndarray:
        return self.ancestors.indices[self.ancestors.indptr[term] : self.ancestors.indptr[term + 1]]

    def _row(self, term: int) -> tuple[np.ndarray, np.ndarray]:
        where = slice(self.frequency.indptr[term], self.frequency.indptr[term + 1])
        return self.frequency.indices[where], self.log_ratio[where]
