"""Nodes that read the rankings: how good they are, and a page per case."""

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.diagnosis.knowledge.source import Knowledge
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.parameters import AlarmParams, RunParams, judged_as_flagged

TRAINING_CASES = {"0": (0, 0), "1-4": (1, 4), "5 and more": (5, np.inf)}


def judged_cases(
    patients: pd.DataFrame, cases: pd.DataFrame, rankings: pd.DataFrame, knowledge: Knowledge
) -> pd.DataFrame:
    """Test cases with a diagnosis that can be looked up, with the rank of that disease and what is known of it.

    Returns:
        ``case_id``, ``disease``, ``publication`` (without one, the patient), ``published`` (whether it has one),
        ``rank`` (inf where it was not ranked), ``in_set``, ``set_size``,
        ``probability`` (of the first disease), ``cited`` (the release cites the publication for this disease),
        ``training_cases`` (of this disease).
    """
    train = patients[cases["split"].eq("train").to_numpy()]
    test = patients[(cases["split"].eq("test") & cases["label"].notna()).to_numpy()]
    own = rankings.merge(test[["case_id", "disease"]], on=["case_id", "disease"]).set_index("case_id")
    first = rankings.drop_duplicates("case_id").set_index("case_id")
    cited = knowledge.annotations.cited()
    return pd.DataFrame(
        {
            "case_id": test["case_id"],
            "disease": test["disease"],
            "publication": test["publication"].fillna(test["patient_id"]),
            "published": test["publication"].notna().to_numpy(dtype=bool),
            "rank": test["case_id"].map(own["rank"]).astype(float).fillna(np.inf),
            "in_set": test["case_id"].map(own["in_set"]).astype("boolean"),
            "set_size": test["case_id"].map(first["set_size"]).astype("Float64"),
            "probability": test["case_id"].map(first["probability"]).astype(float),
            "cited": [pair in cited for pair in zip(test["disease"], test["publication"], strict=True)],
            "training_cases": test["disease"].map(train["disease"].value_counts()).fillna(0).astype(int),
        }
    ).reset_index(drop=True)


def groups(judged: pd.DataFrame) -> dict[str, np.ndarray]:
    """Name of a subgroup, as in the metrics table -> (n,) bool; the empty name is everybody."""
    found = {"": np.ones(len(judged), dtype=bool)}
    for word, value in (("cited", True), ("not cited", False)):
        found[f"publication={word}"] = judged["cited"].eq(value).to_numpy(dtype=bool)
    for word, (low, high) in TRAINING_CASES.items():
        found[f"training cases={word}"] = judged["training_cases"].between(low, high).to_numpy()
    return found


def measure_rankings(
    patients: pd.DataFrame,
    cases: pd.DataFrame,
    knowledge: Knowledge,
    params: EvaluationParams,
    alarm: AlarmParams,
    run: RunParams,
    **rankings: pd.DataFrame,
) -> pd.DataFrame:
    """Metrics table of the rankings of every model: is the diagnosed disease at the top, near it, inside of the set?

    Args:
        rankings: ``<model>__rankings``; the other arguments are datasets and parameters of their names.
    """
    from medanomaly.evaluation.metrics import METRIC_COLUMNS, metric_table
    from medanomaly.evaluation.ranked_answers import ranking_metrics

    settings = judged_as_flagged(params, alarm, run)
    tables = []
    for name, table in rankings.items():
        judged = judged_cases(patients, cases, table, knowledge)
        for group, inside in groups(judged).items():
            part = judged[inside]
            if len(part) < (params.min_subgroup_size if group else 1):
                continue
            given = bool(part["set_size"].notna().any())
            measured = ranking_metrics(
                part["rank"].to_numpy(),
                part["disease"],
                part["publication"],
                settings,
                part["in_set"].fillna(False).to_numpy(dtype=bool) if given else None,
                part["set_size"].fillna(0).to_numpy(dtype=float) if given else None,
            )
            tables.append(measured.assign(model=name.removesuffix("__rankings"), subgroup=group))
    if not tables:
        return pd.DataFrame(columns=list(METRIC_COLUMNS))
    table = pd.concat(tables, ignore_index=True)
    return metric_table(table.assign(modality="diagnosis", role="model", split="test"))


def write_case_pages(
    patients: pd.DataFrame,
    symptoms: pd.DataFrame,
    unread: pd.DataFrame,
    bundle: Bundle,
    rankings: pd.DataFrame,
    reasons: pd.DataFrame,
    scores: pd.DataFrame,
    run: RunParams,
) -> dict[str, str]:
    """A page per shown test case, by the leading model."""
    from medanomaly.diagnosis.patients import PatientSymptoms
    from medanomaly.diagnosis.scorer import SymptomScorer
    from medanomaly.reporting.diagnosis.case_page import case_pages

    shown = PatientSymptoms(patients, symptoms, unread, unread).select(reasons["case_id"])
    asked = SymptomScorer(bundle).questions(shown)
    return case_pages(
        shown.cases,
        shown.symptoms,
        shown.unread,
        rankings,
        reasons,
        asked,
        scores,
        bundle.manifest,
        run.dataset,
    )
