"""Rank the diseases of a case by its symptoms: likelihood ratios and similarity, each on the scale of its own spread."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from medanomaly.core.errors import InputError
from medanomaly.diagnosis.knowledge.source import Knowledge
from medanomaly.diagnosis.patients import PatientSymptoms
from medanomaly.diagnosis.ranking.evidence import Evidence
from medanomaly.diagnosis.ranking.features import FEATURES, Comparison, Marked
from medanomaly.diagnosis.ranking.frequencies import Profiles, profiles
from medanomaly.diagnosis.ranking.kernels import add_excluded, add_rows, rows_of_term
from medanomaly.diagnosis.ranking.likelihood import LikelihoodRatios
from medanomaly.diagnosis.ranking.packing import (
    packed_sparse,
    packed_texts,
    unpacked_sparse,
    unpacked_texts,
)
from medanomaly.diagnosis.ranking.params import RankingParams
from medanomaly.diagnosis.ranking.prevalence_prior import prevalence_prior
from medanomaly.diagnosis.ranking.similarity import information_content

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


class Components(NamedTuple):
    """What the symptoms of a case say of all n diseases, (n,) float32.

    Attributes:
        ratio: weighted log likelihood ratio, added up.
        similarity: weighted mean of the information shared with each symptom.
        rows: what each observed symptom says alone, (2, n) per symptom, see :meth:`Ranker.of_symptom`.
    """

    ratio: np.ndarray
    similarity: np.ndarray
    rows: tuple[np.ndarray, ...]


class Look(NamedTuple):
    """A case compared with all n diseases.

    Attributes:
        scores: (n,) float32, higher = more likely; -inf for a disease of which no symptom is known.
        candidates: (k,) columns of the diseases that were looked at more closely, the best first.
        features: (k, ``FEATURES``) float32 of them.
        marked: what the case has; None where none was looked at.
    """

    scores: np.ndarray
    candidates: np.ndarray
    features: np.ndarray
    marked: Marked | None


def standardised(scores: np.ndarray) -> np.ndarray:
    """Scores minus their mean over their spread; 0 where all are equal."""
    # sums are quicker than means
    centred = scores - np.add.reduce(scores) / len(scores)
    spread = np.sqrt(np.add.reduce(np.square(centred)) / len(scores))
    return centred / spread if spread > 0 else np.zeros_like(scores)


class Ranker:
    """The diseases of one release of the knowledge, ready to rank.

    Args:
        ids: (terms,) ids of the ontology, ascending.
        names: (terms,) labels.
        parents: (terms, terms) bool.
        ancestors: (terms, terms) bool.
        of_diseases: frequencies of the diseases.
        evidence: statements behind them.
        about: versions and licence, for every output.
        params: constants.
        prior: (n,) float32, added to the score of each disease; None for none.
    """

    def __init__(
        self,
        ids: tuple[str, ...],
        names: tuple[str, ...],
        parents: sparse.csr_array,
        ancestors: sparse.csr_array,
        of_diseases: Profiles,
        evidence: Evidence,
        about: Mapping[str, str],
        params: RankingParams,
        prior: np.ndarray | None = None,
    ):
        self.prior = prior
        self.ids, self.names, self.parents, self.ancestors = ids, names, parents, ancestors
        self.profiles, self.evidence, self.about, self.params = of_diseases, evidence, about, params
        self.index = {term: row for row, term in enumerate(ids)}
        self.columns = of_diseases.index()
        frequency = of_diseases.frequency
        self.ratios = LikelihoodRatios.of(frequency, params)
        self.information = information_content(frequency)
        self.ranked = np.bincount(frequency.indices, minlength=len(of_diseases.diseases)) > 0
        self._inside = np.flatnonzero(self.ranked)
        self.comparison = Comparison(frequency, parents, ancestors, self.information)
        self.weights = np.array([params.closer_look.get(name, 0.0) for name in FEATURES], dtype=np.float32)
        self.of_symptom = lru_cache(maxsize=KEPT_TERMS)(self._of_symptom)

    @classmethod
    def of(
        cls,
        knowledge: Knowledge,
        params: RankingParams | None = None,
        cases: PatientSymptoms | None = None,
        names: pd.Series | None = None,
    ) -> "Ranker":
        """From knowledge, and cases with a diagnosis to learn from; ``names`` of the candidates, as in ``profiles``."""
        params = params or RankingParams()
        of_diseases = profiles(knowledge, params, cases, names)
        behind = sorted({*of_diseases.diseases, *(d for linked in of_diseases.linked for d in linked)})
        prior, about = prevalence_prior(knowledge, of_diseases.diseases, of_diseases.names, params)
        return cls(
            knowledge.ontology.ids,
            knowledge.ontology.names,
            knowledge.ontology.parents,
            knowledge.ontology.ancestors,
            of_diseases,
            Evidence.of(knowledge.annotations, behind),
            about,
            params,
            prior,
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

    def components(self, case: CodedCase) -> Components:
        """What the symptoms of a case say of all diseases."""
        n = len(self.columns)
        ratio, similarity = np.zeros(n, dtype=np.float32), np.zeros(n, dtype=np.float32)
        rows = tuple(map(self.of_symptom, case.observed.tolist()))
        for of_one, weight in zip(rows, case.weight, strict=True):
            add_rows(of_one, weight, ratio, similarity)
        table = self.profiles.frequency
        add_excluded(
            case.excluded, case.excluded_weight, table.indices, table.indptr, self.ratios.log_absent, ratio
        )
        similarity /= max(float(case.weight.sum()), 1e-6)
        return Components(ratio, similarity, rows)

    def _of_symptom(self, term: int) -> np.ndarray:
        """(2, n) float32 of one observed symptom (a row of the ontology): log ratio, and information shared with it."""
        table, above, params = self.profiles.frequency, self.ancestors, self.params
        rows = np.empty((2, len(self.columns)), dtype=np.float32)
        rows_of_term(
            term, above.indices, above.indptr, table.indices, table.indptr, self.ratios.log_ratio,
            self.ratios.informative, self.information, np.float32(np.log(params.floor)),
            np.float32(np.log(params.detour)), rows,
        )  # fmt: skip
        return rows

    def scores(self, case: CodedCase, of_case: Components | None = None) -> np.ndarray:
        """(n,) float32, higher = more likely; -inf for a disease of which no symptom is known.

        ``of_case`` may give what :meth:`components` said already.
        """
        return self.look(case, of_case or self.components(case)).scores

    def look(self, case: CodedCase, of_case: Components) -> Look:
        """Scores, and how the best diseases compare with the case."""
        plain, marked = self.plain_scores(of_case), None
        candidates, features = np.zeros(0, dtype=np.int64), np.zeros((0, len(FEATURES)), dtype=np.float32)
        if self.params.looked_at and len(case.observed):
            marked = self.comparison.marked(case)
            candidates = best_places(plain, self.params.looked_at)
            features = self.comparison.features(case, candidates, of_case, marked)
            closer = features @ self.weights
            # the others keep their order, below all that were looked at
            plain += closer.min() - plain[candidates].min()
            plain[candidates] = closer
        if self.prior is not None:
            plain += self.prior
        return Look(plain, candidates, features, marked)

    def compared(
        self, case: CodedCase, candidates: np.ndarray, of_case: Components, look: Look
    ) -> np.ndarray:
        """(k, ``FEATURES``) of k candidates, where :meth:`look` compared some of them already."""
        order = np.argsort(look.candidates)
        at = np.searchsorted(look.candidates, candidates, sorter=order)
        inside = np.flatnonzero(at < len(order))
        same = inside[look.candidates[order[at[inside]]] == candidates[inside]]
        out = np.empty((len(candidates), len(FEATURES)), dtype=np.float32)
        out[same] = look.features[order[at[same]]]
        other = np.ones(len(candidates), dtype=bool)
        other[same] = False
        if other.any():
            out[other] = self.comparison.features(case, candidates[other], of_case, look.marked)
        return out

    def plain_scores(self, of_case: Components) -> np.ndarray:
        """(n,) float32: likelihood ratio plus similarity, each on the scale of its own spread."""
        inside = self._inside
        together = np.full(len(self.columns), -np.inf, dtype=np.float32)
        together[inside] = standardised(of_case.ratio.take(inside)) + standardised(
            of_case.similarity.take(inside)
        )
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
                *self._reason(int(term), column, float(weight * self.of_symptom(int(term))[0, column])),
            )
            for term, weight in zip(case.observed, case.weight, strict=True)
        ]
        for term, weight in zip(case.excluded, case.excluded_weight, strict=True):
            at = self._place(int(term), column)
            value = 0.0 if at is None else float(self.ratios.log_absent[at])
            rows.append(
                (
                    *(case.case_id, disease, self.ids[term], True, float(weight)),
                    *self._reason(int(term), column, float(weight * value)),
                )
            )
        table = pd.DataFrame(rows, columns=list(REASON_COLUMNS))
        return table.sort_values("log_ratio", key=np.abs, ascending=False, kind="stable", ignore_index=True)

    def _place(self, term: int, column: int) -> int | None:
        """Where the value of a term and a disease lies in the table of frequencies; None where it is 0."""
        table = self.profiles.frequency
        start, end = table.indptr[term], table.indptr[term + 1]
        at = start + int(np.searchsorted(table.indices[start:end], column))
        return at if at < end and table.indices[at] == column else None

    def _reason(self, term: int, column: int, log_ratio: float) -> tuple:
        at = self._place(term, column)
        share, shared = 0.0, term
        if at is not None:
            share = float(self.profiles.frequency.data[at])
        else:
            # the ancestor that the detour went over
            places = {
                row: self._place(row, column) for row in self.above(term) if self.ratios.informative[row]
            }
            known = {row: place for row, place in places.items() if place is not None}
            if not known:
                return log_ratio, "", 0.0, "not known of this disease", ""
            shared = max(known, key=lambda row: self.ratios.log_ratio[known[row]])
        below = self.below(shared)
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

    def above(self, term: int) -> np.ndarray:
        """Rows of a term and of all that it is a kind of."""
        return self.ancestors.indices[self.ancestors.indptr[term] : self.ancestors.indptr[term + 1]]

    def below(self, term: int) -> np.ndarray:
        """Rows of a term and of its kinds."""
        table = self._descendants
        return table.indices[table.indptr[term] : table.indptr[term + 1]]

    @cached_property
    def _descendants(self) -> sparse.csr_array:
        return sparse.csr_array(self.ancestors.T)

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything as arrays without objects, for ``np.savez``; :meth:`from_arrays` reads them."""
        p = self.profiles
        return {
            "ids": packed_texts(self.ids),
            "names": packed_texts(self.names),
            **packed_sparse("parents", self.parents),
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
            **({} if self.prior is None else {"prior": self.prior}),
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
            unpacked_sparse("parents", arrays),
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
            arrays.get("prior"),
        )


def best_first(scores: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions of the ``top`` finite scores, the highest first, their ranks with ties against each, and the scores."""
    best = best_places(scores, top)
    if not len(best):
        return best, np.zeros(0, dtype=np.int64), scores[:0]
    falling = np.sort(-scores[scores >= scores[best[-1]]])
    return best, np.searchsorted(falling, -scores[best], side="right"), scores[best]


def best_places(scores: np.ndarray, top: int) -> np.ndarray:
    """Positions of the ``top`` finite scores, the highest first."""
    top = min(top, np.count_nonzero(np.isfinite(scores)))
    if top < 1:
        return np.zeros(0, dtype=np.int64)
    # all that are as high as the last one, so that ties are cut by position and not by chance
    cut = np.partition(scores, len(scores) - top)[len(scores) - top]
    candidates = np.flatnonzero(scores >= cut)
    return candidates[np.argsort(-scores[candidates], kind="stable")][:top]
