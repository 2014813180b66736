"""Every record with a p-value, those of train and calibration too: wiring and nodes."""

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd
from kedro.pipeline import Node, Pipeline

from medanomaly.core.errors import ConfigurationError
from medanomaly.core.models import EXPLANATION_COLUMNS
from medanomaly.detectors.kind import RowDetector
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.parameters import AlarmParams, RunParams
from medanomaly.pipelines.environment import Model
from medanomaly.pipelines.modality import typed_node
from medanomaly.pipelines.models import with_tuned
from medanomaly.pipelines.tabular.prepare_nodes import DataProcessingParams

logger = logging.getLogger(__name__)

# so many of the most unusual records are explained
EXPLAINED = 500
SCORE_COLUMNS = ("case_id", "model", "score", "p_value")


def judged_alone(models: tuple[Model, ...], leading: str) -> Pipeline:
    """Records to scores and p-values of every one, by detectors that never saw its patient.

    Args:
        models: of the environment.
        leading: name of the model that leads without labels. Where it is no detector of rows, the first that is one judges.
    """
    detectors = [model for model in models if isinstance(model.kind, RowDetector)]
    judge = next((model for model in detectors if model.name == leading), next(iter(detectors), None))
    read = {name: (f"tabular.{name}", None) for name in ("records", "cases", "read_as", "summary")}
    read |= {"wanted": ("params:evaluation.all_cases", None), "run": ("params:run", RunParams)}
    read |= {"data_processing": ("params:data_processing", DataProcessingParams)}
    if judge is not None:
        name = f"tabular.{judge.name}"
        read |= {"params": (f"params:models.{name}", judge.kind.params)} if judge.described else {}
        read |= {"tuned": (f"{name}.best_parameters", None)}
    made = ["tabular.all_scores", "tabular.all_explanations"]
    return Pipeline([typed_node(partial(judge_all, judge), read, made, "tabular.judge_all")])


def judge_all(
    judge: Model | None,
    records: pd.DataFrame,
    cases: pd.DataFrame,
    read_as: Mapping[str, Any],
    summary: Mapping[str, Any],
    wanted: bool | str,
    data_processing: DataProcessingParams,
    run: RunParams,
    params: Any = None,
    tuned: Mapping[str, Any] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score and p-value of every record, and explanations of the most unusual; both empty where nobody wants them.

    Features are made as :func:`medanomaly.detect` makes them: no record is treated as another because of its part of the
    split. Labels are not used.

    Raises:
        ConfigurationError: the table is asked for by name, and there are too few records or patients or no detector.
    """
    from medanomaly.detectors.cross_conformal import cross_conformal, explain_first
    from medanomaly.tabular.features.record_features import feature_units, fit_features, record_features
    from medanomaly.tabular.table.column_reading import LearnedTable

    nothing = pd.DataFrame(columns=list(SCORE_COLUMNS)), pd.DataFrame(columns=list(EXPLANATION_COLUMNS))
    wanted = EvaluationParams(all_cases=wanted).all_cases
    if not wanted or (wanted == "auto" and cases["label"].eq(1).any()):
        return nothing
    spec, every = data_processing.table(run.table), cases.assign(split="train")
    recipe = fit_features(records, every, spec, run.seed, learned=LearnedTable.model_validate(read_as))
    features = record_features(records, every, spec, recipe)
    try:
        if judge is None:
            raise ConfigurationError("no model is a detector of rows, which could judge every record")
        params = judge.kind.params.model_validate({}) if params is None else params
        params = with_tuned(judge.kind, params, tuned, judge.name) if tuned else params
        found = cross_conformal(features, cases["patient_id"], params, seed=run.seed)
    except ConfigurationError as error:
        if wanted != "auto":
            raise
        logger.warning("Not every record is judged: %s", error)
        return nothing
    scores = {
        "case_id": cases["case_id"],
        "model": judge.name,
        "score": found.score,
        "p_value": found.p_value,
    }
    units = feature_units(spec, summary["columns"])
    return pd.DataFrame(scores), explain_first(found, features, units, judge.name, EXPLAINED)


def listed() -> Pipeline:
    """Scores of every record, with what looks wrong in it, to a list for people."""
    read = ("cases", "all_scores", "all_explanations", "quality_flags", "quarantine")
    node = Node(
        list_all_cases,
        [*(f"tabular.{name}" for name in read), "params:alarm"],
        "tabular.all_cases",
        name="tabular.list_all_cases",
    )
    return Pipeline([node])


def list_all_cases(
    cases: pd.DataFrame,
    scores: pd.DataFrame,
    explanations: pd.DataFrame,
    quality_flags: pd.DataFrame,
    quarantine: pd.DataFrame,
    alarm: AlarmParams,
) -> pd.DataFrame:
    """Every record with its reasons and findings, the most unusual first; those that could not be read come last.

    Returns:
        ``case_id``, ``patient_id``, ``label``, ``kind``, ``split``, ``status`` (scored or refused), ``model``, ``score``,
        ``p_value``, ``flagged``, ``reasons`` (of a refused record: why), ``findings`` (what looks wrong in its values).
        Empty where records were not judged.
    """
    from medanomaly.core.recipe import FINDING_COLUMNS, ReadCases
    from medanomaly.core.scores import flagged_at
    from medanomaly.scoring.answers import Answers
    from medanomaly.tabular.recipe import named_records, refused_records

    if scores.empty:
        return pd.DataFrame()
    ordered = scores.sort_values(["p_value", "score"], ascending=[True, False], kind="stable")
    names = named_records(quarantine["case_id"], quarantine["record"].astype("string"))
    read = ReadCases(
        cases,
        {},
        findings=quality_flags[list(FINDING_COLUMNS)],
        refused=refused_records(quarantine, names),
    )
    flagged = flagged_at(ordered.assign(flagged=pd.NA), alarm.alpha).assign(modality="tabular", bundle="")
    table = Answers("tabular", "record", read, flagged, explanations.assign(modality="tabular")).table
    known = cases.set_index("case_id")[["patient_id", "label", "kind", "split"]]
    # an id that was used before is both that of a record and of one that was refused
    known = known.reindex(table["case_id"].where(table["status"].eq("scored"))).reset_index(drop=True)
    columns = ["status", "model", "score", "p_value", "flagged", "reasons", "findings"]
    return pd.concat([table[["case_id"]], known, table[columns]], axis=1)
