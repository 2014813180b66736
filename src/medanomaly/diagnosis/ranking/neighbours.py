"""Known cases that are like a case: what both have, as a share of what either has (simGIC, Pesquita et al. 2008)."""

from collections.abc import Mapping

import numpy as np
from scipy import sparse

from medanomaly.diagnosis.patients import PatientSymptoms
from medanomaly.diagnosis.ranking.kernels import nearest
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

    @classmethod
    def of(cls, ranker: Ranker, patients: PatientSymptoms) -> "Neighbours":
        """The cases of ``patients`` whose disease the ranker knows."""
        columns = np.array([ranker.columns.get(d, -1) for d in patients.cases["disease"]], dtype=np.int64)
        rows = [closure(case, ranker.ancestors) for case in ranker.code(patients)]
        order = np.argsort(columns, kind="stable")
        order = order[columns[order] >= 0]
        length = [len(rows[i][0]) for i in order]
        closed = sparse.csr_array(
            (
                np.ones(sum(length), dtype=bool),
                np.concatenate([rows[i][0] for i in order] or [np.zeros(0, np.int32)]),
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
        terms, weights = closure(case, self.ancestors)
        own = np.zeros(len(self.information), dtype=np.float32)
        own[terms] = weights * self.information[terms]
        nearest(own, float(own.sum()), self.closed.indices, self.closed.indptr, self.total, self.disease, out)
        return out


def closure(case: CodedCase, ancestors: sparse.csr_array) -> tuple[np.ndarray, np.ndarray]:
    """Rows of all that a case has or that this is a kind of, ascending, and the largest weight of each (float32)."""
    parts = [ancestors.indices[ancestors.indptr[row] : ancestors.indptr[row + 1]] for row in case.observed]
    if not parts:
        return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32)
    terms = np.unique(np.concatenate(parts))
    weights = np.zeros(len(terms), dtype=np.float32)
    for part, weight in zip(parts, case.weight, strict=True):
        at = np.searchsorted(terms, part)
        weights[at] = np.maximum(weights[at], weight)
    return terms, weights
