"""A closer look at the best candidates: what case and disease share in both directions, best and worst symptoms."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from medanomaly.diagnosis.ranking.kernels import compare, mark_case, mark_leaves, sum_up

FEATURES = (
    "ratio",
    "ratio_per_symptom",
    "ratio_per_root",
    "similarity",
    "known_symptoms",
    "known_of_many",
    "mean_frequency",
    "best_ratio",
    "worst_ratio",
    "shared_information",
    "cosine",
    "disease_covered",
    "case_covered",
    "disease_to_case",
    "excluded_ratio",
)


class Marked(NamedTuple):
    """What a case has and has not.

    Attributes:
        marks: (4, terms) float32 of :func:`medanomaly.diagnosis.ranking.kernels.mark_case`.
        spoken: (terms,) uint8 of the same.
        about: weight and number of its symptoms, sum of its information, and root of the sum of its squares.
    """

    marks: np.ndarray
    spoken: np.ndarray
    about: tuple[float, float, float, float]


class Comparison:
    """Compares cases with diseases.

    Args:
        frequency: (terms, n) of the profiles.
        parents: (terms, terms) bool of the ontology.
        ancestors: (terms, terms) bool of the same.
        information: (terms,) information content.
    """

    def __init__(
        self,
        frequency: sparse.csr_array,
        parents: sparse.csr_array,
        ancestors: sparse.csr_array,
        information: np.ndarray,
    ):
        self.ancestors, self.information = ancestors, information
        self.by_disease = table = sparse.csr_array(frequency.T)
        table.sort_indices()
        leaf = np.empty(len(table.data), dtype=bool)
        mark_leaves(table.indices, table.indptr, parents.indices, parents.indptr, leaf)
        self.leaves, self.leaf_frequency = table.indices[leaf], table.data[leaf]
        self.leaf_from = np.append(0, np.cumsum(leaf))[table.indptr].astype(np.int32)
        self.sums = np.empty((table.shape[0], 4))
        sum_up(table.indices, table.indptr, table.data, leaf, information, self.sums)
        # of each term the kinds that are the last that some disease has
        asked = np.zeros(len(information), dtype=bool)
        asked[self.leaves] = True
        kind, above = ancestors.nonzero()
        kept = asked[kind]
        self.below = sparse.csr_array(
            (np.ones(int(kept.sum()), dtype=bool), (above[kept], kind[kept])), shape=ancestors.shape
        )

    def marked(self, case) -> Marked:
        """What a :class:`CodedCase` has and has not, for :meth:`features`."""
        marks = np.zeros((4, len(self.information)), dtype=np.float32)
        spoken = np.zeros(len(self.information), dtype=np.uint8)
        above, below = self.ancestors, self.below
        mark_case(
            case.observed, case.weight, case.excluded, case.excluded_weight, above.indices, above.indptr,
            below.indices, below.indptr, self.information, marks, spoken,
        )  # fmt: skip
        own = marks[0] * self.information
        about = (
            max(float(case.weight.sum()), 1e-6),
            float(max(len(case.observed), 1)),
            max(float(own.sum()), 1e-6),
            max(float(np.sqrt(np.square(own).sum())), 1e-6),
        )
        return Marked(marks, spoken, about)

    def features(self, case, candidates: np.ndarray, of_case, marked: Marked | None = None) -> np.ndarray:
        """(candidates, features) float32.

        Args:
            case: a :class:`CodedCase`.
            candidates: (k,) columns of diseases.
            of_case: the :class:`Components` of the case.
            marked: of the case, where it is known already.
        """
        marks, spoken, about = marked or self.marked(case)
        table = self.by_disease
        single = np.zeros((1, len(candidates)), dtype=np.float32)
        if of_case.rows:
            single = np.stack([rows[0].take(candidates) for rows in of_case.rows]) * case.weight[:, None]
        out = np.empty((len(candidates), len(FEATURES)), dtype=np.float32)
        compare(
            candidates, table.indices, table.indptr, table.data, self.leaves, self.leaf_from, self.leaf_frequency,
            self.sums, self.information, marks, spoken, about, of_case.ratio, of_case.similarity, single.max(axis=0),
            single.min(axis=0), out,
        )  # fmt: skip
        return out
