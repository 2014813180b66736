"""Tables as a modality: a case is a record."""

from dataclasses import replace
from functools import partial, update_wrapper

import pandas as pd
from kedro.pipeline import Node, Pipeline

from medanomaly.core.models import ModelInput
from medanomaly.parameters import RunParams
from medanomaly.pipelines.environment import Model
from medanomaly.pipelines.modality import Cases, Classes, Modality, PatientView, View
from medanomaly.pipelines.tabular.all_cases import judged_alone, listed
from medanomaly.pipelines.tabular.classes import class_models, judged_classes
from medanomaly.pipelines.tabular.event_nodes import make_event_table
from medanomaly.pipelines.tabular.feature_nodes import make_features, seal_recipe
from medanomaly.pipelines.tabular.model_nodes import describe_unusual, find_changes
from medanomaly.pipelines.tabular.patient_view import show_records
from medanomaly.pipelines.tabular.prepare_nodes import (
    DataProcessingParams,
    check_quality,
    clean_records,
    split_cases,
)
from medanomaly.pipelines.tabular.risk import risk_models
from medanomaly.pipelines.tabular.section_nodes import describe_records

SETTINGS = ["params:data_processing", "params:run"]


def prepare(table: str = "tabular.raw") -> Pipeline:
    """Raw table to records, quarantine, quality flags and cases."""
    raw = [table, *SETTINGS]
    return Pipeline(
        [
            Node(
                clean_records,
                raw,
                [
                    "tabular.records",
                    "tabular.unsplit_cases",
                    "tabular.quarantine",
                    "tabular.summary",
                    "tabular.read_as",
                ],
                name="tabular.clean_records",
            ),
            Node(
                check_quality, raw, ["tabular.quality_flags", "tabular.quality"], name="tabular.check_quality"
            ),
            Node(
                split_cases,
                ["tabular.unsplit_cases", "params:split"],
                "tabular.cases",
                name="tabular.split_cases",
            ),
        ]
    )


def prepare_events() -> Pipeline:
    """Events to a table, and that to records."""
    made = ["tabular.event_table", "tabular.event_account", "tabular.event_counts"]
    node = Node(make_event_table, ["tabular.raw", *SETTINGS], made, name="tabular.make_event_table")
    return Pipeline([node]) + prepare("tabular.event_table")


def features() -> Pipeline:
    """Records to features."""
    read = ["tabular.records", "tabular.cases"]
    return Pipeline(
        [
            Node(
                seal_recipe,
                [*read, "tabular.read_as", *SETTINGS],
                "tabular.recipe",
                name="tabular.seal_recipe",
            ),
            Node(
                make_features,
                [*read, "tabular.recipe", *SETTINGS],
                "tabular.features",
                name="tabular.make_features",
            ),
        ]
    )


def features_of_records(
    cases: pd.DataFrame,
    features: pd.DataFrame,
    summary: dict,
    data_processing: DataProcessingParams,
    run: RunParams,
) -> ModelInput:
    """What detectors and risk models read of records: features, their units, what the label says."""
    from medanomaly.tabular.features.record_facts import record_facts
    from medanomaly.tabular.features.record_features import feature_units

    table = data_processing.table(run.table)
    outcome = f"{table.label} other than {', '.join(map(str, table.normal_labels))}"
    about = {"units": feature_units(table, summary["columns"]), "outcome": outcome}
    return ModelInput(cases, features, about, record_facts(cases, features))


def unusual(models: tuple[Model, ...]) -> Pipeline:
    """Which values of an explained case do not fit the others, and its nearest normal records; and every record judged."""
    read = ["tabular.cases", "tabular.features", "tabular.explanations"]
    node = Node(
        describe_unusual,
        # units and usual ranges are the same in every bundle
        [*read, f"tabular.{models[0].name}.bundle", *SETTINGS],
        ["tabular.unexpected_values", "tabular.nearest_normals"],
        name="tabular.describe_unusual",
    )
    return Pipeline([node]) + judged_alone(models, RECORDS.leading(models))


def sections(models: tuple[Model, ...], also: tuple[str, ...] = ()) -> Pipeline:
    """What would make the most unusual records usual, and explanations, evidence and quality to sections of the report."""
    default = RECORDS.leading(models)
    searched = ["tabular.cases", "tabular.features", "tabular.scores", "tabular.metrics"]
    bundles = [f"tabular.{model.name}.bundle" for model in models]
    read = (
        "cases", "scores", "metrics", "explanations", "unexpected_values", "nearest_normals", "changes", "quality",
        "quality_flags", "all_cases",
    )  # fmt: skip
    given = [*(f"tabular.{name}" for name in read), "params:alarm", *also]
    return Pipeline(
        [
            listed(),
            Node(
                update_wrapper(partial(find_changes, default=default), find_changes),
                [*searched, "params:data_processing", "params:alarm", "params:run", *bundles],
                "tabular.changes",
                name="tabular.find_changes",
            ),
            Node(
                update_wrapper(partial(describe_records, default=default), describe_records),
                given,
                "tabular.sections",
                name="tabular.sections",
            ),
        ]
    )


RECORDS = Cases(
    noun="record",
    recipe="table_recipe",
    prepare=prepare,
    features=features,
    views={
        "features": View(
            ("features", "summary"),
            features_of_records,
            {"data_processing": DataProcessingParams, "run": RunParams},
            recipe=True,
        )
    },
    after_models=unusual,
    sections=sections,
    patient_view=PatientView(("features", "quality_flags"), show_records),
)


def sections_of_events(models: tuple[Model, ...]) -> Pipeline:
    """As of records, and what became of the events."""
    return sections(models, ("tabular.event_account", "tabular.event_counts"))


EVENTS = replace(RECORDS, prepare=prepare_events, sections=sections_of_events)

TABULAR = Modality(
    name="tabular",
    stage="tabular_models",
    cases={"records": RECORDS, "events": EVENTS},
    risk=lambda risks, models: risk_models(risks, models, RECORDS.views["features"]),
    classes=Classes(lambda models: class_models(models, RECORDS.views["features"]), judged_classes),
)
