"""Nodes of the models of classes: how good they are, and what the report says of them."""

import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.core.cases import class_of
from medanomaly.core.errors import ConfigurationError
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.parameters import AlarmParams, RunParams, judged_as_flagged


def judged_cases(cases: pd.DataFrame) -> pd.DataFrame:
    """``case_id, patient_id, class`` of the test cases whose class is known.

    Raises:
        ConfigurationError: there is none.
    """
    of = cases.assign(**{"class": class_of(cases)})
    known = of.loc[of["split"].eq("test") & of["class"].notna(), ["case_id", "patient_id", "class"]]
    if known.empty:
        raise ConfigurationError(
            "the class of no test case is known",
            remedy="Name the column of classes: label with normal_labels, or kind, in data_processing.tables.",
        )
    return known


def learned_counts(bundle: Bundle) -> dict[str, int]:
    """Class -> cases that a model learned from."""
    return {of["name"]: of["n_cases"] for of in bundle.manifest["classes"]}


def measure_classes(
    cases: pd.DataFrame,
    probabilities: pd.DataFrame,
    bundle: Bundle,
    params: EvaluationParams,
    alarm: AlarmParams,
    run: RunParams,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Metrics table, differences between models, and what is right about each class."""
    from medanomaly.evaluation.class_metrics import by_class, class_metrics, judged_answers
    from medanomaly.tabular.classes.decisions import RARE

    settings = judged_as_flagged(params, alarm, run)
    judged, counts = judged_answers(judged_cases(cases), probabilities), learned_counts(bundle)
    metrics, comparisons = class_metrics(judged, counts, bundle.manifest.modality, settings, RARE)
    return metrics, comparisons, by_class(judged, counts, settings)


def describe_classes(
    cases: pd.DataFrame,
    probabilities: pd.DataFrame,
    explanations: pd.DataFrame,
    metrics: pd.DataFrame,
    comparisons: pd.DataFrame,
    by_class: pd.DataFrame,
    bundle: Bundle,
) -> list[dict]:
    """Which class a record has: sections of the report."""
    from medanomaly.evaluation.class_metrics import judged_answers
    from medanomaly.reporting.sections import to_json
    from medanomaly.reporting.tabular.classes import class_sections

    judged = judged_answers(judged_cases(cases), probabilities)
    return to_json(
        class_sections(judged, probabilities, explanations, metrics, comparisons, by_class, bundle.manifest)
    )
