"""The ranker as a bundle: fitted, sealed, and opened again to rank and explain."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle, array_bytes
from medanomaly.core.calibrated_bundle import calibrated_bundle
from medanomaly.core.conformal import p_values
from medanomaly.core.manifest import require_kind
from medanomaly.core.models import EXPLANATION_COLUMNS, FitContext, ModelInput
from medanomaly.diagnosis.evaluation import without_publications
from medanomaly.diagnosis.patients import PatientSymptoms
from medanomaly.diagnosis.ranking.ranker import Ranker, best_first
from medanomaly.evaluation.ranked_answers import rank_of

if TYPE_CHECKING:
    from medanomaly.diagnosis.kinds import PhenotypeRankerParams

RANKINGS = ("case_id", "model", "rank", "disease", "disease_name", "probability", "in_set", "score")
REASONS = (
    "case_id", "model", "disease", "term", "name", "excluded", "weight", "log_ratio", "matched_term", "matched_name",
    "frequency", "stated", "reference",
)  # fmt: skip
# so many of the first diseases of a case are explained
EXPLAINED_DISEASES = 5
OBSERVED = "observed"


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
    ranker = Ranker.of(knowledge, params.ranking, train if params.learn_from_cases else None)
    files = {f"{name}.npy": array_bytes(values) for name, values in ranker.arrays().items()}
    score = _look(ranker, patients, params.top, context.name).score
    return calibrated_bundle(
        files,
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
        more={"knowledge": dict(ranker.about), "n_diseases": int(ranker.ranked.sum())},
    )


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


def _look(ranker: Ranker, patients: PatientSymptoms, top: int, model: str) -> Looked:
    true = [ranker.columns.get(disease, -1) for disease in patients.cases["disease"].fillna("")]
    score, parts = np.zeros(len(patients)), []
    for i, case in enumerate(ranker.code(patients)):
        values = ranker.scores(case)
        best, rank, of = best_first(values, top)
        if (own := rank_of(values, true[i])) < np.inf and true[i] not in best:
            best, rank, of = (
                np.append(a, b) for a, b in ((best, true[i]), (rank, int(own)), (of, values[true[i]]))
            )
        total = float(case.weight @ ranker.similarity.information[case.observed])
        shared = float(ranker.components(case)[1][best[0]] * case.weight.sum())
        # without an observed symptom nothing is shared with any disease
        score[i] = 1 - shared / total if total > 0 else 1.0
        parts.append((case.case_id, best, rank, of))
    sizes = [len(best) for _, best, _, _ in parts]
    best, rank, of = (
        np.concatenate([part[k] for part in parts]) if parts else np.zeros(0, dtype=np.int64)
        for k in (1, 2, 3)
    )
    table = pd.DataFrame(
        {
            "case_id": pd.array(
                np.repeat(np.array([p[0] for p in parts], dtype=object), sizes), dtype="string"
            ),
            "model": pd.array([model] * len(best), dtype="string"),
            "rank": rank.astype(np.int32),
            "disease": pd.array(np.array(ranker.profiles.diseases, dtype=object)[best], dtype="string"),
            "disease_name": pd.array(np.array(ranker.profiles.names, dtype=object)[best], dtype="string"),
            "probability": np.nan,
            "in_set": pd.array([pd.NA] * len(best), dtype="boolean"),
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
        from medanomaly.diagnosis.kinds import kinds

        require_kind(bundle.manifest, kinds(), "a model of symptoms")
        self.bundle = bundle
        self.calibration = bundle.array("calibration.npy")
        names = [name.removesuffix(".npy") for name in bundle.files if name.endswith(".npy")]
        self.ranker = Ranker.from_arrays({name: bundle.array(f"{name}.npy") for name in names})

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
        return _look(self.ranker, patients, top or manifest.options["top"], manifest.name)

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

    def contributions(
        self, patients: PatientSymptoms, rankings: pd.DataFrame, ids: list[str]
    ) -> pd.DataFrame:
        """``EXPLANATION_COLUMNS``: what each observed symptom adds to how little a patient looks like any disease."""
        ranker, like = self.ranker, self.ranker.similarity
        first = rankings.drop_duplicates("case_id").set_index("case_id")["disease"]
        place = {case: i for i, case in enumerate(ids)}
        rows = []
        for case in ranker.code(patients):
            column = ranker.columns[first[case.case_id]]
            shared = np.array([like.observed(int(term))[column] for term in case.observed])
            own = like.information[case.observed]
            total = float(case.weight @ own) or 1.0
            for term, value in zip(case.observed, case.weight * (own - shared) / total, strict=True):
                rows.append((place[case.case_id], case.case_id, ranker.names[term], float(value)))
        rows.sort(key=lambda row: (row[0], -row[3]))
        table = pd.DataFrame(rows, columns=["place", "case_id", "feature", "contribution"])
        table = table.assign(model=self.bundle.manifest.name, value=OBSERVED, unit="", exact=True)
        return table.assign(usual_low=np.nan, usual_high=np.nan)[list(EXPLANATION_COLUMNS)]
