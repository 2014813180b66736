"""Splits by publication that no knowledge leaks through, and the ranks of the true diseases."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd

from medanomaly.core.folds import hashed_folds
from medanomaly.diagnosis.knowledge.source import Knowledge
from medanomaly.diagnosis.patients import PatientSymptoms
from medanomaly.diagnosis.ranking.ranker import CodedCase
from medanomaly.evaluation.ranked_answers import rank_of


class Ranks(Protocol):
    """A ranker or a re-ranker."""

    @property
    def columns(self) -> dict[str, int]:
        """Column of each disease."""

    def code(self, patients: PatientSymptoms) -> Iterator[CodedCase]:
        """Each case as rows of the ontology."""

    def scores(self, case: CodedCase) -> np.ndarray:
        """(n,) scores, higher = more likely."""


@dataclass(frozen=True)
class Fold:
    """One part of the publications against the others.

    Attributes:
        number: of the fold.
        knowledge: without any statement that cites a publication of ``test``, whatever disease it is on.
        train: cases of the other publications.
        test: cases of these publications.
    """

    number: int
    knowledge: Knowledge
    train: PatientSymptoms
    test: PatientSymptoms


def usable(patients: PatientSymptoms, databases: tuple[str, ...] = ("OMIM",)) -> PatientSymptoms:
    """Cases that can be judged: with a disease of these databases and at least one observed symptom."""
    observed = patients.symptoms.loc[~patients.symptoms["excluded"], "case_id"].unique()
    cases = patients.cases
    prefixes = tuple(f"{database}:" for database in databases)
    judged = cases["case_id"].isin(observed) & cases["disease"].astype("string").str.startswith(
        prefixes
    ).fillna(False)
    return patients.select(cases.loc[judged, "case_id"])


def publications(patients: PatientSymptoms) -> np.ndarray:
    """(n,) publication of each case; a case without one stands for itself."""
    cases = patients.cases
    return cases["publication"].fillna("case " + cases["case_id"].astype(str)).to_numpy(dtype=object)


def without_publications(knowledge: Knowledge, patients: PatientSymptoms) -> Knowledge:
    """The knowledge without any statement that cites a publication of these cases."""
    return replace(knowledge, annotations=knowledge.annotations.without(publications(patients)))


def publication_folds(
    knowledge: Knowledge, patients: PatientSymptoms, n_folds: int = 5, seed: int = 0
) -> Iterator[Fold]:
    """Folds that never divide a publication, each with the knowledge that remains without its test publications."""
    fold = fold_of(patients, n_folds, seed)
    ids = patients.cases["case_id"].to_numpy()
    for number in range(n_folds):
        test = patients.select(ids[fold == number])
        train = patients.select(ids[fold != number])
        yield Fold(number, without_publications(knowledge, test), train, test)


def fold_of(patients: PatientSymptoms, n_folds: int = 5, seed: int = 0) -> np.ndarray:
    """(n,) fold of each case, the same for all cases of a publication."""
    return hashed_folds(pd.Series(publications(patients)), n_folds, seed)


def true_ranks(ranker: Ranks, patients: PatientSymptoms) -> np.ndarray:
    """(n,) rank of each case's own disease, ties against it, infinite where the ranker does not know it."""
    true = [ranker.columns.get(disease, -1) for disease in patients.cases["disease"]]
    return np.array(
        [rank_of(ranker.scores(case), t) for case, t in zip(ranker.code(patients), true, strict=True)],
        dtype=np.float64,
    )


def matched_rank(scores: np.ndarray, true: int, n_cases: np.ndarray) -> float:
    """Rank among the candidates that have training cases if the true disease has some, else among those that have none.

    Published cases are of few diseases, so "has known cases" alone raises ranks. Among candidates that agree in it, it says
    nothing: what is left is what the symptoms say.
    """
    if true < 0:
        return np.inf
    return rank_of(np.where((n_cases > 0) == (n_cases[true] > 0), scores, -np.inf), true)


def is_cited(knowledge: Knowledge, patients: PatientSymptoms) -> np.ndarray:
    """(n,) bool: the knowledge cites the publication of the case for its own disease, so the case is no new one."""
    cited = knowledge.annotations.cited()
    cases = patients.cases
    return np.array(
        [pair in cited for pair in zip(cases["disease"], cases["publication"], strict=True)], dtype=bool
    )


def training_cases(train: PatientSymptoms, test: PatientSymptoms) -> np.ndarray:
    """(n,) how many training cases the own disease of each test case has."""
    counts = train.cases["disease"].value_counts()
    return test.cases["disease"].map(counts).fillna(0).to_numpy(dtype=np.int64)
