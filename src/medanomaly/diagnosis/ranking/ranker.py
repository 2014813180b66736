"""Rank the diseases of a case by its symptoms: likelihood ratios and similarity, each on the scale of its own spread."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import sparse

from medanomaly.core.errors import InputError
from medanomaly.diagnosis.knowledge.source import Knowledge
from medanomaly.diagnosis.patients import PatientSymptoms
from medanomaly.diagnosis.ranking.evidence import Evidence
from medanomaly.diagnosis.ranking.frequencies import Profiles, profiles
from medanomaly.diagnosis.ranking.likelihood import LikelihoodRatios
from medanomaly.diagnosis.ranking.packing import (
    packed_sparse,
    packed_texts,
    unpacked_sparse,
    unpacked_texts,
)
from medanomaly.diagnosis.ranking.params import RankingParams
from medanomaly.diagnosis.ranking.similarity import Resnik

# terms whose rows are kept: two rows of 8,000 float32 each, so 64 MB
KEPT_TERMS = 1000
RANKING_COLUMNS = ("case_id", "rank", "disease", "disease_name", "score")
REASON_COLUMNS = (
    "case_id",
    "disease",
    "term",
    "excluded",
    "weight",
    "log_ratio",
    "matched_term",
    "frequency",
    "stated",
    "reference",
)


@dataclass(frozen=True)
class CodedCase:
    """Symptoms of one case as rows of the ontology, ascending, so that their order never matters.

    Attributes:
        case_id: whose they are.
        observed: (k,) rows.
        weight: (k,) float32 in [0, 1].
        excluded: (j,) rows.
        excluded_weight: (j,) float32.
    """

    case_id: str
    observed: np.ndarray
    weight: np.ndarray
    excluded: np.ndarray
    excluded_weight: np.ndarray


def standardised(scores: np.ndarray, ranked: np.ndarray) -> np.ndarray:
    """Scores minus their mean over their spread, of the diseases that are ranked; 0 where all are equal."""
    inside = scores[ranked]
    spread = inside.std()
    return (scores - inside.mean()) / spread if spread > 0 else np.zeros_like(scores)


class Ranker:
    """The diseases of one release of the knowledge, ready to rank.

    Args:
        ids: (terms,) ids of the ontology, ascending.
        names: (terms,) labels.
        ancestors: (terms, terms) bool.
        of_diseases: frequencies of the diseases.
        evidence: statements behind them.
        about: versions and licence, for every output.
        params: constants.
    """

    def __init__(
        self,
        ids: tuple[str, ...],
        names: tuple[str, ...],
        ancestors: sparse.csr_array,
        of_diseases: Profiles,
        evidence: Evidence,
        about: Mapping[str, str],
        params: RankingParams,
    ):
        self.ids, self.names, self.ancestors = ids, names, ancestors
        self.profiles, self.evidence, self.about, self.params = of_diseases, evidence, about, params
        self.index = {term: row for row, term in enumerate(ids)}
        self.columns = of_diseases.index()
        self.ratios = LikelihoodRatios.of(of_diseases.frequency, ancestors, params)
        self.similarity = Resnik.of(of_diseases.frequency, ancestors)
        self.ranked = np.bincount(of_diseases.frequency.indices, minlength=len(of_diseases.diseases)) > 0
        self._rows = lru_cache(maxsize=KEPT_TERMS)(
            lambda term: (self.ratios.observed(term), self.similarity.observed(term))
        )

    @classmethod
    def of(
        cls,
        knowledge: Knowledge,
        params: RankingParams | None = None,
        cases: PatientSymptoms | None = None,
    ) -> "Ranker":
        """From knowledge, and cases with a diagnosis to learn from."""
        params = params or RankingParams()
        of_diseases = profiles(knowledge, params, cases)
        behind = sorted({*of_diseases.diseases, *(d for linked in of_diseases.linked for d in linked)})
        return cls(
            knowledge.ontology.ids,
            knowledge.ontology.names,
            knowledge.ontology.ancestors,
            of_diseases,
            Evidence.of(knowledge.annotations, behind),
            knowledge.about(),
            params,
        )

    def code(self, patients: PatientSymptoms) -> Iterator[CodedCase]:
        """Each case of ``patients``, in their order.

        Raises:
            InputError: a symptom was read with another release of the ontology.
        """
        table = patients.symptoms
        row = table["term"].map(self.index)
        if row.isna().any():
            at = int(np.flatnonzero(row.isna())[0])
            raise InputError(
                f"{table['term'].iloc[at]} is not in the ontology of this ranker ({self.about['ontology']})",
                record=table["case_id"].iloc[at],
                remedy="Read the symptoms with the same release.",
            )
        place = {case: number for number, case in enumerate(patients.cases["case_id"])}
        number = table["case_id"].map(place)
        known = number.notna().to_numpy()
        number, row = number.to_numpy()[known].astype(np.int64), row.to_numpy()[known].astype(np.int32)
        excluded = table["excluded"].to_numpy()[known]
        weight = table["weight"].to_numpy()[known].astype(np.float32)
        order = np.lexsort((row, excluded, number))
        number, row, excluded, weight = number[order], row[order], excluded[order], weight[order]
        # observed symptoms of case i begin at 2 i, its excluded ones at 2 i + 1
        edges = np.searchsorted(2 * number + excluded, np.arange(2 * len(place) + 1))
        for i, case_id in enumerate(patients.cases["case_id"]):
            seen, gone = slice(edges[2 * i], edges[2 * i + 1]), slice(edges[2 * i + 1], edges[2 * i + 2])
            yield CodedCase(case_id, row[seen], weight[seen], row[gone], weight[gone])

    def components(self, case: CodedCase) -> tuple[np.ndarray, np.ndarray]:
        """(n,) float32 log likelihood ratio of the case, and (n,) its mean similarity."""
        ratio = np.zeros(len(self.columns), dtype=np.float32)
        similarity = np.zeros_like(ratio)
        for term, weight in zip(case.observed, case.weight, strict=True):
            of_term, like_term = self._rows(int(term))
            ratio += of_term if weight == 1 else weight * of_term
            similarity += like_term if weight == 1 else weight * like_term
        for term, weight in zip(case.excluded, case.excluded_weight, strict=True):
            where, values = self.ratios.excluded(term)
            ratio[where] += weight * values
        return ratio, similarity / max(float(case.weight.sum()), 1e-6)

    def scores(self, case: CodedCase) -> np.ndarray:
        """(n,) float32, higher = more likely; -inf for a disease of which no symptom is known."""
        ratio, similarity = self.components(case)
        together = standardised(ratio, self.ranked) + standardised(similarity, self.ranked)
        together[~self.ranked] = -np.inf
        return together

    def rank(self, patients: PatientSymptoms, top: int = 20) -> pd.DataFrame:
        """The ``top`` diseases of each case, the most likely first: ``RANKING_COLUMNS``.

        ``rank`` counts ties against a disease: two that are equal and first are both second.
        """
        found = [(case.case_id, *best_first(self.scores(case), top)) for case in self.code(patients)]
        sizes = [len(best) for _, best, _, _ in found]
        best, rank, score = (
            np.concatenate([row[k] for row in found]) if found else np.zeros(0, dtype=np.int64)
            for k in (1, 2, 3)
        )
        return pd.DataFrame(
            {
                "case_id": np.repeat(np.array([row[0] for row in found], dtype=object), sizes),
                "rank": rank,
                "disease": np.array(self.profiles.diseases, dtype=object)[best],
                "disease_name": np.array(self.profiles.names, dtype=object)[best],
                "score": score,
            }
        )

    def explain(self, case: CodedCase, disease: str) -> pd.DataFrame:
        """What each symptom says for and against one disease: ``REASON_COLUMNS``, the strongest first.

        ``matched_term`` is the term of the statement (empty where the disease is not known to have the symptom or anything
        like it), ``frequency`` how often the disease has the symptom, ``stated`` what the statement says, ``reference`` who
        says it.

        Raises:
            InputError: the ranker does not know this disease.
        """
        if disease not in self.columns:
            raise InputError(f"the ranker does not know the disease '{disease}'", record=case.case_id)
        column = self.columns[disease]
        rows = [
            (
                *(case.case_id, disease, self.ids[term], False, float(weight)),
                *self._reason(int(term), column, float(weight * self._rows(int(term))[0][column])),
            )
            for term, weight in zip(case.observed, case.weight, strict=True)
        ]
        for term, weight in zip(case.excluded, case.excluded_weight, strict=True):
            where, values = self.ratios.excluded(term)
            at = np.searchsorted(where, column)
            value = values[at] if at < len(where) and where[at] == column else 0.0
            rows.append(
                (
                    *(case.case_id, disease, self.ids[term], True, float(weight)),
                    *self._reason(int(term), column, float(weight * value)),
                )
            )
        table = pd.DataFrame(rows, columns=list(REASON_COLUMNS))
        return table.sort_values("log_ratio", key=np.abs, ascending=False, kind="stable", ignore_index=True)

    def _frequency(self, term: int, column: int) -> float:
        table = self.profiles.frequency
        start, end = table.indptr[term], table.indptr[term + 1]
        at = start + np.searchsorted(table.indices[start:end], column)
        return float(table.data[at]) if at < end and table.indices[at] == column else 0.0

    def _reason(self, term: int, column: int, log_ratio: float) -> tuple:
        share = self._frequency(term, column)
        above = self.ancestors.indices[self.ancestors.indptr[term] : self.ancestors.indptr[term + 1]]
        shared = term
        if not share:
            # the ancestor that the detour went over
            known = [row for row in above if self.ratios.informative[row] and self._frequency(row, column)]
            if not known:
                return log_ratio, "", 0.0, "not known of this disease", ""
            shared = max(known, key=lambda row: self._log_ratio(row, column))
        below = self._below(shared)
        disease = self.profiles.diseases[column]
        for source in (disease, *self.profiles.linked[column]):
            found = self.evidence.best(source, below)
            if found is not None:
                matched, stated, reference = found
                if source != disease:
                    reference = f"{reference} (of {source})" if reference != source else source
                return log_ratio, self.ids[matched], share, stated or "not stated", reference
        if cases := int(self.profiles.n_cases[column]):
            return log_ratio, self.ids[shared], share, f"{cases} known cases", "cases"
        return log_ratio, self.ids[shared], share, "mean of related diseases", "same gene or series"

    def _log_ratio(self, term: int, column: int) -> float:
        table = self.profiles.frequency
        start = table.indptr[term]
        at = start + np.searchsorted(table.indices[start : table.indptr[term + 1]], column)
        return float(self.ratios.log_ratio[at])

    def _below(self, term: int) -> np.ndarray:
        """Rows of a term and of its kinds."""
        if not hasattr(self, "_descendants"):
            self._descendants = sparse.csr_array(self.ancestors.T)
        return self._descendants.indices[self._descendants.indptr[term] : self._descendants.indptr[term + 1]]

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything as arrays without objects, for ``np.savez``; :meth:`from_arrays` reads them."""
        p = self.profiles
        return {
            "ids": packed_texts(self.ids),
            "names": packed_texts(self.names),
            **packed_sparse("ancestors", self.ancestors),
            **packed_sparse("frequency", p.frequency),
            "diseases": packed_texts(p.diseases),
            "disease_names": packed_texts(p.names),
            "annotated": p.annotated,
            "orphanet": p.orphanet,
            "n_cases": p.n_cases,
            "linked": packed_texts(";".join(linked) for linked in p.linked),
            **{f"evidence.{name}": values for name, values in self.evidence.arrays().items()},
            "about": packed_texts(text for pair in self.about.items() for text in pair),
            "params": packed_texts([self.params.model_dump_json()]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Ranker":
        """The ranker that :meth:`arrays` described."""
        about = unpacked_texts(arrays["about"])
        linked = unpacked_texts(arrays["linked"])
        of_diseases = Profiles(
            diseases=unpacked_texts(arrays["diseases"]),
            names=unpacked_texts(arrays["disease_names"]),
            frequency=unpacked_sparse("frequency", arrays),
            annotated=arrays["annotated"],
            orphanet=arrays["orphanet"],
            n_cases=arrays["n_cases"],
            linked=tuple(tuple(text.split(";")) if text else () for text in linked),
        )
        return cls(
            unpacked_texts(arrays["ids"]),
            unpacked_texts(arrays["names"]),
            unpacked_sparse("ancestors", arrays),
            of_diseases,
            Evidence.from_arrays(
                {
                    name.removeprefix("evidence."): v
                    for name, v in arrays.items()
                    if name.startswith("evidence.")
                }
            ),
            dict(zip(about[::2], about[1::2], strict=True)),
            RankingParams.model_validate_json(unpacked_texts(arrays["params"])[0]),
        )


def best_first(scores: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions of the ``top`` finite scores, the highest first, their ranks with ties against each, and the scores."""
    top = min(top, int(np.isfinite(scores).sum()))
    if top < 1:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), scores[:0]
    # all that are as high as the last one, so that ties are cut by position and not by chance
    cut = np.partition(scores, len(scores) - top)[len(scores) - top]
    candidates = np.flatnonzero(scores >= cut)
    falling = np.sort(-scores[candidates])
    best = candidates[np.argsort(-scores[candidates], kind="stable")][:top]
    return best, np.searchsorted(falling, -scores[best], side="right"), scores[best]
