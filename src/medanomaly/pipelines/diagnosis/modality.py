"""Symptoms as a modality: a case is a patient with a list of symptoms."""

import pandas as pd
from kedro.pipeline import Node, Pipeline

from medanomaly.core.models import ModelInput
from medanomaly.diagnosis.knowledge.source import Knowledge
from medanomaly.diagnosis.patients import PatientSymptoms
from medanomaly.pipelines.diagnosis.patient_view import show_diseases
from medanomaly.pipelines.diagnosis.prepare_nodes import describe_lists, read_symptoms, seal_recipe
from medanomaly.pipelines.diagnosis.ranking_nodes import measure_rankings, write_case_pages
from medanomaly.pipelines.diagnosis.section_nodes import write_sections
from medanomaly.pipelines.environment import Model
from medanomaly.pipelines.modality import Cases, Modality, PatientView, View

JUDGED = {"params": "params:evaluation", "alarm": "params:alarm", "run": "params:run"}


def prepare() -> Pipeline:
    """Raw patients to symptoms, cases, quarantine and what was not read; and the recipe."""
    made = ("patients", "symptoms", "cases", "quarantine", "unread", "summary")
    return Pipeline(
        [
            Node(
                read_symptoms,
                ["diagnosis.raw", "diagnosis.knowledge", "params:split"],
                [f"diagnosis.{name}" for name in made],
                name="diagnosis.read_symptoms",
            ),
            Node(
                seal_recipe,
                ["diagnosis.knowledge", "params:run"],
                "diagnosis.recipe",
                name="diagnosis.seal_recipe",
            ),
        ]
    )


def features() -> Pipeline:
    """Lists of symptoms to how long and how specific they are."""
    read = ["diagnosis.patients", "diagnosis.symptoms", "diagnosis.knowledge"]
    return Pipeline([Node(describe_lists, read, "diagnosis.features", name="diagnosis.describe_lists")])


def patients_with_symptoms(
    cases: pd.DataFrame, patients: pd.DataFrame, symptoms: pd.DataFrame, knowledge: Knowledge
) -> ModelInput:
    """What models read: the patients of the cases with their symptoms, and the knowledge."""
    refused = pd.DataFrame({"case_id": [], "reason": []}, dtype="string")
    unread = refused.assign(given=pd.Series(dtype="string"))
    return ModelInput(cases, PatientSymptoms(patients, symptoms, refused, unread), {"knowledge": knowledge})


def _rankings(models: tuple[Model, ...]) -> dict[str, str]:
    ranked = [model.name for model in models if "rankings" in model.kind.score_leaves]
    return {f"{name}__rankings": f"diagnosis.{name}.rankings" for name in ranked}


def measured(models: tuple[Model, ...]) -> Pipeline:
    """Rankings to their metrics, and to a page per case of the leading model."""
    leading = PATIENTS.leading(models) or models[0].name
    read = {name: f"diagnosis.{name}" for name in ("patients", "cases", "knowledge")}
    pages = {name: f"diagnosis.{name}" for name in ("patients", "symptoms", "unread")}
    of_leading = {name: f"diagnosis.{leading}.{name}" for name in ("bundle", "rankings", "reasons", "scores")}
    return Pipeline(
        [
            Node(
                measure_rankings,
                read | JUDGED | _rankings(models),
                "diagnosis.ranking_metrics",
                name="diagnosis.measure_rankings",
            ),
            Node(
                write_case_pages,
                pages | of_leading | {"run": "params:run"},
                "diagnosis.case_pages",
                name="diagnosis.write_case_pages",
            ),
        ]
    )


def sections(models: tuple[Model, ...]) -> Pipeline:
    """Rankings to their metrics and to pages of cases; all of it, and what was not read, to sections of the report."""
    read = ("patients", "cases", "symptoms", "unread", "knowledge", "ranking_metrics", "case_pages")
    node = Node(
        write_sections,
        {name: f"diagnosis.{name}" for name in read} | _rankings(models),
        "diagnosis.sections",
        name="diagnosis.sections",
    )
    return Pipeline([measured(models), node])


PATIENTS = Cases(
    noun="case",
    recipe="symptom_recipe",
    prepare=prepare,
    features=features,
    views={"symptoms": View(("patients", "symptoms", "knowledge"), patients_with_symptoms, recipe=True)},
    also_measured="ranking_metrics",
    sections=sections,
    patient_view=PatientView(("patients", "symptoms", "unread"), show_diseases),
)

DIAGNOSIS = Modality(name="diagnosis", stage="diagnosis_models", cases={"patients": PATIENTS})
