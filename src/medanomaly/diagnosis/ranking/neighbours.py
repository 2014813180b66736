"""Known cases that are like a case: what both have, as a share of what either has (simGIC, Pesquita et al. 2008)."""

from collections.abc import Mapping

import numpy as np
from scipy import sparse

from medanomaly.diagnosis.patients import PatientSymptoms
from medanomaly.diagnosis.ranking.kernels import close_upwards, nearest
from medanomaly.diagnosis.ranking.packing import packed_sparse, unpacked_sparse
from medanomaly.diagnosis.ranking.ranker import CodedCase, Ranker


class Neighbours:
    """Known cases, each with all that its symptoms are a kind of.

    Args:
        information: (terms,) information content.
        ancestors: (terms, terms) bool of the ontology.
        closed: (cases, terms) bool, what each case has; the cases of a disease stand together.
        disease: (cases,) column of the disease of each, ascending.
        n_diseases: how many columns there are.
    """

    def __init__(
        self,
        information: np.ndarray,
        ancestors: sparse.csr_array,
        closed: sparse.csr_array,
        disease: np.ndarray,
        n_diseases: int,
    ):
        self.information, self.ancestors, self.closed, self.disease = information, ancestors, closed, disease
        self.n_diseases = n_diseases
        self.total = closed.astype(np.float32) @ information
        # positions of the cases that have each term
        self.by_term = sparse.csr_array(closed.T)
        self.by_term.sort_indices()

    @classmethod
    def of(cls, ranker: Ranker, patients: PatientSymptoms) -> "Neighbours":
        """The cases of ``patients`` whose disease the ranker knows."""
        columns = np.array([ranker.columns.get(d, -1) for d in patients.cases["disease"]], dtype=np.int64)
        rows = [
            np.flatnonzero(closed_upwards(case, ranker.ancestors)).astype(np.int32)
            for case in ranker.code(patients)
        ]
        order = np.argsort(columns, kind="stable")
        order = order[columns[order] >= 0]
        length = [len(rows[i]) for i in order]
        closed = sparse.csr_array(
            (
                np.ones(sum(length), dtype=bool),
                np.concatenate([rows[i] for i in order] or [np.zeros(0, np.int32)]),
                np.concatenate([[0], np.cumsum(length)]).astype(np.int32),
            ),
            shape=(len(order), len(ranker.ids)),
        )
        return cls(ranker.information, ranker.ancestors, closed, columns[order], len(ranker.columns))

    @classmethod
    def none(cls, ranker: Ranker) -> "Neighbours":
        """No known case at all."""
        empty = sparse.csr_array((0, len(ranker.ids)), dtype=bool)
        return cls(
            ranker.information, ranker.ancestors, empty, np.zeros(0, dtype=np.int64), len(ranker.columns)
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """What is not in the ranker, as arrays; :meth:`from_arrays` reads them."""
        return {**packed_sparse("closed", self.closed), "disease": self.disease}

    @classmethod
    def from_arrays(cls, ranker: Ranker, arrays: Mapping[str, np.ndarray]) -> "Neighbours":
        """The known cases that :meth:`arrays` described."""
        closed = unpacked_sparse("closed", arrays)
        return cls(ranker.information, ranker.ancestors, closed, arrays["disease"], len(ranker.columns))

    def __len__(self) -> int:
        return len(self.disease)

    def similarity(self, case: CodedCase) -> np.ndarray:
        """(2, n) float32: likeness of the most similar known case of each disease, and mean of the three most similar."""
        out = np.zeros((2, self.n_diseases), dtype=np.float32)
        if not len(self) or not len(case.observed):
            return out
        own = closed_upwards(case, self.ancestors) * self.information
        table = self.by_term
        nearest(own, float(own.sum()), table.indices, table.indptr, self.total, self.disease, out)
        return out


def closed_upwards(case: CodedCase, ancestors: sparse.csr_array) -> np.ndarray:
    """(terms,) float32: largest weight of the case's symptoms that are a term or a kind of it, 0 where there is none."""
    closed = np.zeros(ancestors.shape[0], dtype=np.float32)
    close_upwards(case.observed, case.weight, ancestors.indices, ancestors.indptr, closed)
    return closed
