"""The ranker as a bundle: fitted, sealed, and opened again to rank and explain."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle, array_bytes
from medanomaly.core.calibrated_bundle import MIN_REFERENCE, calibrated_bundle
from medanomaly.core.conformal import p_values
from medanomaly.core.manifest import require_kind
from medanomaly.core.models import EXPLANATION_COLUMNS, FitContext, ModelInput
from medanomaly.diagnosis.evaluation import publications, without_publications
from medanomaly.diagnosis.patients import PatientSymptoms
from medanomaly.diagnosis.ranking.probabilities import RankProbabilities, judged, raw_probabilities
from medanomaly.diagnosis.ranking.ranker import Ranker, best_first
from medanomaly.diagnosis.ranking.rerank import Reranker
from medanomaly.evaluation.ranked_answers import rank_of

if TYPE_CHECKING:
    from medanomaly.diagnosis.kinds import PhenotypeRankerParams

RANKINGS = (
    "case_id",
    "model",
    "rank",
    "disease",
    "disease_name",
    "probability",
    "in_set",
    "set_size",
    "score",
)
REASONS = (
    "case_id", "model", "disease", "term", "name", "excluded", "weight", "log_ratio", "matched_term", "matched_name",
    "frequency", "stated", "reference",
)  # fmt: skip
# so many of the first diseases of a case are explained
EXPLAINED_DISEASES = 5
OBSERVED = "observed"
# stands where a case has nothing that a disease could explain
NONE_OBSERVED = "no observed symptom"
# so many symptoms to look for next
ASKED = 5


def ranker_of(model: Ranker | Reranker) -> Ranker:
    """What explains and knows the diseases: the ranker itself, or the one whose candidates are ordered again."""
    return model.ranker if isinstance(model, Reranker) else model


def fitted_ranker(data: ModelInput, params: "PhenotypeRankerParams", context: FitContext) -> Bundle:
    """Knowledge and train cases to a ranker, calibrated on the calibration publications, sealed.

    Args:
        data: cases with their split, :class:`PatientSymptoms`, and ``knowledge`` under ``about``.
        params: of the ranker.
        context: name, seed, stamp.
    """
    patients, knowledge = data.inputs, data.about["knowledge"]
    in_train = data.cases["split"].eq("train").to_numpy()
    ids = data.cases["case_id"]
    if params.hold_out:
        knowledge = without_publications(knowledge, patients.select(ids[~in_train]))
    train = patients.select(ids[in_train])
    rerank = getattr(params, "rerank", None)
    if rerank is None:
        model = Ranker.of(knowledge, params.ranking, train if params.learn_from_cases else None)
    else:
        model = Reranker.fit(knowledge, train, params.ranking, rerank)
    ranker = ranker_of(model)
    chances = fitted_probabilities(model, patients, data.cases, params.coverage)
    score = _look(model, chances, patients, params.top, context.name).score
    return calibrated_bundle(
        {f"{name}.npy": array_bytes(values) for name, values in model.arrays().items()},
        data.cases,
        score,
        name=context.name,
        modality=context.modality,
        kind=params.kind,
        options=params.model_dump(mode="json", exclude={"kind"}),
        seed=context.seed,
        population="all",
        input_contract={
            "symptoms": f"terms of {ranker.about['ontology']}, observed or excluded, each with a weight from 0 to 1"
        },
        stamp=dict(context.stamp),
        fingerprint_of=train.symptoms[["case_id", "term", "excluded", "weight"]],
        more={
            "knowledge": dict(ranker.about),
            "n_diseases": int(ranker.ranked.sum()),
            "probabilities": None if chances is None else chances.to_dict(),
        }
        | ({} if model is ranker else {"rows_kept": model.candidates.neighbours.closed.shape[0]}),
    )


def fitted_probabilities(
    model: Ranker | Reranker, patients: PatientSymptoms, cases: pd.DataFrame, coverage: float
) -> RankProbabilities | None:
    """Probabilities and sets, calibrated on the diagnosed calibration cases; None where there are too few of them."""
    chosen = cases.loc[cases["split"].eq("calibration") & cases["label"].notna(), "case_id"]
    held = patients.select(chosen)
    if len(held) < MIN_REFERENCE:
        return None
    ranker = ranker_of(model)
    true = [ranker.columns.get(disease, -1) for disease in held.cases["disease"]]
    found = [judged(model.scores(case), t) for case, t in zip(ranker.code(held), true, strict=True)]
    return RankProbabilities.fit(found, publications(held), coverage)


@dataclass(frozen=True)
class Looked:
    """What a ranker says of n cases.

    Attributes:
        score: (n,) how little each looks like any disease: the share of the information of its observed symptoms that the
            first disease does not have, 0 to 1.
        rankings: ``RANKINGS``: the first diseases of each case, and the diagnosed one where the case has one that is known.
    """

    score: np.ndarray
    rankings: pd.DataFrame


def _look(
    model: Ranker | Reranker,
    chances: RankProbabilities | None,
    patients: PatientSymptoms,
    top: int,
    name: str,
) -> Looked:
    ranker = ranker_of(model)
    true = [ranker.columns.get(disease, -1) for disease in patients.cases["disease"].fillna("")]
    # of too few publications follows a set of all diseases, which says nothing
    promised = chances is not None and bool(np.isfinite(chances.gap))
    score, parts = np.zeros(len(patients)), []
    for i, case in enumerate(ranker.code(patients)):
        of_case = ranker.components(case)
        values = ranker.scores(case, of_case) if model is ranker else model.scores(case)
        best, rank, of = best_first(values, top)
        if (own := rank_of(values, true[i])) < np.inf and true[i] not in best:
            more = (true[i], int(own), values[true[i]])
            best, rank, of = (np.append(a, b) for a, b in zip((best, rank, of), more, strict=True))
        total = float(case.weight @ ranker.information[case.observed])
        shared = float(of_case.similarity[best[0]] * case.weight.sum())
        # without an observed symptom nothing is shared with any disease
        score[i] = 1 - shared / total if total > 0 else 1.0
        probability, inside = np.full(len(best), np.nan), np.zeros(len(values), dtype=bool)
        if chances is not None:
            p = chances.of(raw_probabilities(values)[1])
            first = min(len(p), top, len(best))
            probability[:first] = p[:first]
        if promised:
            inside = chances.in_set(values)
        parts.append(
            (case.case_id, best, rank, of, probability, inside[best], [int(inside.sum())] * len(best))
        )
    sizes = [len(part[1]) for part in parts]
    best, rank, of, probability, in_set, set_size = (
        np.concatenate([part[k] for part in parts]) if parts else np.zeros(0, dtype=np.int64)
        for k in range(1, 7)
    )
    table = pd.DataFrame(
        {
            "case_id": pd.array(
                np.repeat(np.array([p[0] for p in parts], dtype=object), sizes), dtype="string"
            ),
            "model": pd.array([name] * len(best), dtype="string"),
            "rank": rank.astype(np.int32),
            "disease": pd.array(np.array(ranker.profiles.diseases, dtype=object)[best], dtype="string"),
            "disease_name": pd.array(np.array(ranker.profiles.names, dtype=object)[best], dtype="string"),
            "probability": probability.astype(np.float64),
            "in_set": pd.array(in_set.astype(bool) if promised else [pd.NA] * len(best), dtype="boolean"),
            "set_size": pd.array(set_size if promised else [pd.NA] * len(best), dtype="Int32"),
            "score": of.astype(np.float64),
        }
    )
    return Looked(score, table)


class SymptomScorer:
    """A bundle of a ranker, ready to rank.

    Args:
        bundle: of a kind of :mod:`medanomaly.diagnosis.kinds`.

    Raises:
        BundleError: a bundle of another kind.
    """

    def __init__(self, bundle: Bundle):
        from medanomaly.diagnosis.kinds import RERANKER, kinds

        require_kind(bundle.manifest, kinds(), "a model of symptoms")
        self.bundle = bundle
        self.calibration = bundle.array("calibration.npy")
        names = [name.removesuffix(".npy") for name in bundle.files if name.endswith(".npy")]
        arrays = {name: bundle.array(f"{name}.npy") for name in names}
        again = bundle.manifest.kind == RERANKER
        self.model = Reranker.from_arrays(arrays) if again else Ranker.from_arrays(arrays)
        self.ranker = ranker_of(self.model)
        spec = bundle.manifest.get("probabilities")
        self.chances = None if spec is None else RankProbabilities.from_dict(spec)

    @property
    def about(self) -> Mapping[str, str]:
        """Versions and licence of the knowledge."""
        return self.ranker.about

    def score(self, patients: PatientSymptoms) -> np.ndarray:
        """(n,) how little each patient looks like any disease."""
        return self.look(patients).score

    def p_values(self, patients: PatientSymptoms) -> np.ndarray:
        """(n,) conformal p-values: the share of calibration cases of known diseases that look as little like one."""
        return p_values(self.score(patients), self.calibration)

    def look(self, patients: PatientSymptoms, top: int | None = None) -> Looked:
        """Scores and rankings; ``top`` diseases of each case, as many as in training where it is None."""
        manifest = self.bundle.manifest
        return _look(self.model, self.chances, patients, top or manifest.options["top"], manifest.name)

    def reasons(
        self, patients: PatientSymptoms, rankings: pd.DataFrame, diseases: int = EXPLAINED_DISEASES
    ) -> pd.DataFrame:
        """``REASONS`` of the first diseases of each case: what each symptom says for and against them."""
        first = rankings.groupby("case_id", sort=False).head(diseases)
        wanted = dict(list(first.groupby("case_id", sort=False)["disease"]))
        parts = [
            self.ranker.explain(case, disease)
            for case in self.ranker.code(patients)
            for disease in wanted.get(case.case_id, ())
        ]
        if not parts:
            return pd.DataFrame(columns=list(REASONS))
        names = dict(zip(self.ranker.ids, self.ranker.names, strict=True))
        table = pd.concat(parts, ignore_index=True)
        return table.assign(
            model=self.bundle.manifest.name,
            name=table["term"].map(names),
            matched_name=table["matched_term"].map(names).fillna(""),
        )[list(REASONS)]

    def questions(self, patients: PatientSymptoms, top: int = ASKED) -> pd.DataFrame:
        """Which symptoms to look for next, those of largest expected gain first.

        Columns as of :func:`medanomaly.diagnosis.ranking.next_question.next_questions`, and the names of both diseases.
        """
        from medanomaly.diagnosis.ranking.next_question import QUESTION_COLUMNS, next_questions

        found = [
            next_questions(self.ranker, case, top, scores=self.model.scores(case))
            for case in self.ranker.code(patients)
        ]
        table = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=list(QUESTION_COLUMNS))
        names = dict(zip(self.ranker.profiles.diseases, self.ranker.profiles.names, strict=True))
        return table.assign(
            for_name=table["for_disease"].map(names), against_name=table["against_disease"].map(names)
        )

    def contributions(
        self, patients: PatientSymptoms, rankings: pd.DataFrame, ids: list[str]
    ) -> pd.DataFrame:
        """``EXPLANATION_COLUMNS``: what each observed symptom adds to how little a patient looks like any disease."""
        ranker = self.ranker
        first = rankings.drop_duplicates("case_id").set_index("case_id")["disease"]
        place = {case: i for i, case in enumerate(ids)}
        rows = []
        for case in ranker.code(patients):
            column = ranker.columns[first[case.case_id]]
            shared = np.array([ranker.of_symptom(int(term))[1][column] for term in case.observed])
            own = ranker.information[case.observed]
            total = float(case.weight @ own) or 1.0
            for term, value in zip(case.observed, case.weight * (own - shared) / total, strict=True):
                rows.append((place[case.case_id], case.case_id, ranker.names[term], float(value), OBSERVED))
            if not len(case.observed):
                rows.append((place[case.case_id], case.case_id, NONE_OBSERVED, 1.0, ""))
        rows.sort(key=lambda row: (row[0], -row[3]))
        table = pd.DataFrame(rows, columns=["place", "case_id", "feature", "contribution", "value"])
        table = table.assign(model=self.bundle.manifest.name, unit="", exact=True)
        return table.assign(usual_low=np.nan, usual_high=np.nan)[list(EXPLANATION_COLUMNS)]
