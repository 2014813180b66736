"""Nodes of data processing and features for symptoms."""

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.core.cases import SPLITS, check_cases
from medanomaly.core.errors import ConfigurationError
from medanomaly.core.splits import SplitParams, split_by_patient
from medanomaly.diagnosis.knowledge.ontology import ROOT
from medanomaly.diagnosis.knowledge.source import Knowledge
from medanomaly.diagnosis.sources import SymptomSource
from medanomaly.parameters import RunParams
from medanomaly.pipelines.provenance import bundle_stamp

# a disease of one of these that is not in the knowledge is new; one of another vocabulary cannot be looked up
LOOKED_UP = ("OMIM", "ORPHA", "DECIPHER", "SYNTHETIC")
UNKNOWN = "not in the knowledge"


def read_symptoms(
    raw: SymptomSource, knowledge: Knowledge, split: SplitParams
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame, dict]:
    """Patients, symptoms, cases with their split, quarantine, what was not read, and counts that add up.

    Publications are divided, never their patients. A case is anomalous where the diagnosed disease is not in the knowledge.
    """
    from medanomaly.diagnosis.evaluation import publications
    from medanomaly.diagnosis.recipe import subgroups

    found = raw.read(knowledge)
    patients = found.cases
    about = subgroups(found)
    label, kind = labels(patients["disease"], set(knowledge.annotations.names.index))
    group = pd.Series(publications(found), index=patients.index, dtype="string")
    cases = pd.DataFrame(
        {
            "case_id": about["case_id"],
            "patient_id": about["patient_id"],
            "label": label,
            "kind": kind,
            "split": split_by_patient(group, label, split),
            "sex": about["sex"],
            "age_band": about["age_band"],
        }
    )
    empty = [part for part in SPLITS if not cases["split"].eq(part).any()]
    if empty:
        raise ConfigurationError(
            f"no case falls into {' and '.join(empty)}: {group.nunique()} publications are too few to divide",
            source=raw.name,
            remedy="Bring cases of more publications; a case without a publication stands for its patient.",
        )
    quarantine = pd.DataFrame(
        {
            "record": found.refused["case_id"],
            "column": "symptoms",
            "value": "",
            "reason": found.refused["reason"],
        }
    ).astype("string")
    summary = {
        "n_records": len(cases) + len(quarantine),
        "n_kept": len(cases),
        "n_quarantined": len(quarantine),
        "cases": "patients",
        "noun": "case",
        "knowledge": knowledge.about(),
        "n_publications": int(patients["publication"].nunique()),
        "n_symptoms": len(found.symptoms),
        "notes": [
            f"{patients['publication'].nunique():,} publications; the split never divides one."
            if patients["publication"].notna().any()
            else "No case names a publication, so the split is by patient.",
            f"{len(found.symptoms):,} symptoms were read, {len(found.unread):,} parts were not, or otherwise than written.",
        ],
    }
    unread = found.unread.astype("string")
    return patients, found.symptoms, check_cases(cases), quarantine, unread, summary


def labels(disease: pd.Series, known: set[str]) -> tuple[pd.Series, pd.Series]:
    """Label and kind of each case: 0 where the disease is known, 1 where it is not, missing where nobody can tell."""
    prefix = disease.astype("string").str.partition(":")[0]
    inside = disease.isin(known)
    label = pd.Series(pd.NA, index=disease.index, dtype="Int8")
    label[inside] = 0
    label[~inside & prefix.isin(LOOKED_UP).fillna(False)] = 1
    kind = pd.Series(np.where(label.eq(1).fillna(False), UNKNOWN, ""), index=disease.index, dtype="string")
    return label, kind


def seal_recipe(knowledge: Knowledge, run: RunParams) -> Bundle:
    """The ontology that symptoms are resolved with, for patients who come later."""
    from medanomaly.diagnosis.recipe import symptom_recipe

    return symptom_recipe(knowledge, bundle_stamp(run.dataset))


def describe_lists(patients: pd.DataFrame, symptoms: pd.DataFrame, knowledge: Knowledge) -> pd.DataFrame:
    """How long and how specific each list is, and how many symptoms each organ system has: what a model has to beat."""
    ontology = knowledge.ontology
    above = np.diff(ontology.ancestors.indptr)
    observed = symptoms[~symptoms["excluded"]]
    depth = observed["term"].map(ontology.index).map(lambda row: above[row])
    by_case = symptoms.groupby("case_id", sort=False)

    def of(series: pd.Series) -> np.ndarray:
        return patients["case_id"].map(series).to_numpy(dtype=np.float64)

    table = pd.DataFrame(
        {
            "case_id": patients["case_id"].astype("string"),
            "observed_symptoms": np.nan_to_num(of(observed["case_id"].value_counts())),
            "excluded_symptoms": of(by_case["excluded"].sum()),
            "mean_weight": of(by_case["weight"].mean()),
            "terms_above_a_symptom": of(depth.groupby(observed["case_id"]).mean()),
            "age_years": patients["age_years"].to_numpy(dtype=np.float64),
        }
    )
    systems = np.flatnonzero(ontology.parents[:, [ontology.index[ROOT]]].toarray().ravel())
    rows = observed["term"].map(ontology.index).to_numpy(dtype=np.int64)
    inside = pd.DataFrame(
        ontology.ancestors[rows][:, systems].toarray(), columns=[ontology.names[row] for row in systems]
    )
    counts = inside.groupby(observed["case_id"].to_numpy()).sum().reindex(patients["case_id"]).fillna(0)
    return pd.concat([table, counts.astype(float).reset_index(drop=True)], axis=1)
