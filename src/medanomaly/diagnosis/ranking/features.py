"""A closer look at the best candidates: what case and disease share in both directions, best and worst symptoms."""

import numpy as np
from scipy import sparse

from medanomaly.diagnosis.ranking.kernels import close_upwards, compare, mark_leaves, share_downwards

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
        self.parents, self.ancestors, self.information = parents, ancestors, information
        # a term has more ancestors than each of its parents; terms of no disease are never asked for
        order = np.argsort(np.diff(ancestors.indptr), kind="stable")
        self.top_down = order[np.diff(frequency.indptr)[order] > 0].astype(np.int32)
        self.by_disease = sparse.csr_array(frequency.T)
        self.by_disease.sort_indices()
        self.leaf = np.empty(len(self.by_disease.data), dtype=bool)
        mark_leaves(
            self.by_disease.indices, self.by_disease.indptr, parents.indices, parents.indptr, self.leaf
        )
        self.log_size = np.log1p(np.diff(self.by_disease.indptr))

    def features(self, case, candidates: np.ndarray, of_case) -> np.ndarray:
        """(candidates, features) float32.

        Args:
            case: a :class:`CodedCase`.
            candidates: (k,) columns of diseases.
            of_case: the :class:`Components` of the case.
        """
        terms = len(self.information)
        seen, closed, gone = (np.zeros(terms, dtype=np.float32) for _ in range(3))
        seen[case.observed] = case.weight
        gone[case.excluded] = case.excluded_weight
        close_upwards(case.observed, case.weight, self.ancestors.indices, self.ancestors.indptr, closed)
        sums = np.empty((len(candidates), 9))
        most = np.empty(terms, dtype=np.float32)
        share_downwards(
            self.top_down, self.parents.indices, self.parents.indptr, closed, self.information, most
        )
        table = self.by_disease
        compare(
            candidates, table.indices, table.indptr, table.data, self.leaf, most, self.information, closed, seen,
            gone, sums,
        )  # fmt: skip
        shared, squares, total, total_squares, known, often, leaf_shared, leaf_total, absent = sums.T
        own = closed * self.information
        case_total, case_norm = max(float(own.sum()), 1e-6), max(float(np.sqrt((own**2).sum())), 1e-6)
        weight, count = max(float(case.weight.sum()), 1e-6), max(len(case.observed), 1)
        ratio = of_case.ratio[candidates]
        single = np.zeros((1, len(candidates)), dtype=np.float32)
        if of_case.rows:
            single = np.stack([rows[0].take(candidates) for rows in of_case.rows]) * case.weight[:, None]
        return np.column_stack(
            (
                ratio,
                ratio / count,
                ratio / np.sqrt(count),
                of_case.similarity[candidates],
                known / weight,
                known / weight * self.log_size[candidates],
                often / weight,
                single.max(axis=0),
                single.min(axis=0),
                shared / np.maximum(total + case_total - shared, 1e-6),
                squares / np.maximum(np.sqrt(total_squares) * case_norm, 1e-6),
                shared / np.maximum(total, 1e-6),
                shared / case_total,
                leaf_shared / np.maximum(leaf_total, 1e-6),
                absent,
            )
        ).astype(np.float32)
