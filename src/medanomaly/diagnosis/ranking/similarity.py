"""Similarity of a symptom and a disease: information content of the most informative term they share (Resnik 1995)."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse


@dataclass(frozen=True)
class Resnik:
    """Information content of the best common ancestor.

    Attributes:
        frequency: (terms, n) of :class:`Profiles`; only where it is above 0 matters.
        ancestors: (terms, terms) bool of the ontology.
        information: (terms,) float32, -log of the share of diseases that have the term.
    """

    frequency: sparse.csr_array
    ancestors: sparse.csr_array
    information: np.ndarray

    @classmethod
    def of(cls, frequency: sparse.csr_array, ancestors: sparse.csr_array) -> "Resnik":
        """From the frequencies of the diseases."""
        have = np.diff(frequency.indptr)
        with_any = max(len(np.unique(frequency.indices)), 1)
        return cls(frequency, ancestors, -np.log(np.maximum(have, 1) / with_any).astype(np.float32))

    def observed(self, term: int) -> np.ndarray:
        """(n,) float32: information that each disease shares with an observed symptom."""
        out = np.zeros(self.frequency.shape[1], dtype=np.float32)
        above = self.ancestors.indices[self.ancestors.indptr[term] : self.ancestors.indptr[term + 1]]
        # the least informative first, so that each later one simply replaces it
        for row in above[np.argsort(self.information[above], kind="stable")]:
            out[self.frequency.indices[self.frequency.indptr[row] : self.frequency.indptr[row + 1]]] = (
                self.information[row]
            )
        return out
