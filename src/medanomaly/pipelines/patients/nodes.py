"""Nodes that fuse the modalities of a patient, and write what people read about patients."""

import logging
from collections.abc import Mapping
from typing import Any

import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.core.errors import ConfigurationError
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.fusion.params import FusionParams
from medanomaly.parameters import AlarmParams, RunParams
from medanomaly.pipelines.provenance import bundle_stamp, run_facts

logger = logging.getLogger(__name__)


def fuse_patients(
    fusion: FusionParams, alarm: AlarmParams, run: RunParams, **parts: Any
) -> tuple[pd.DataFrame, Bundle]:
    """One p-value per test patient, and all that a new patient is compared with.

    Args:
        fusion: when a pattern of modalities is calibrated on its own.
        alarm: when a patient is flagged.
        run: what was run.
        parts: ``<modality>__cases``, ``<modality>__scores`` and ``<modality>__bundle`` of the model that is fused.
    """
    from medanomaly.fusion.patient_fusion import fused_table
    from medanomaly.fusion.patient_p_values import case_p_values, patients_by_part, smallest_p_values
    from medanomaly.fusion.sealed import open_fusion, seal_fusion

    grouped = by_modality(parts)
    tables = {
        modality: case_p_values(of["cases"], of["scores"], modality, of["bundle"].manifest.name)
        for modality, of in grouped.items()
    }
    tables = {modality: table for modality, table in tables.items() if table["p_value"].notna().any()}
    if not tables:
        raise ConfigurationError(
            f"no model of {', '.join(grouped)} gives p-values, so patients cannot be compared",
            remedy="Name anomaly models under models.<modality>.",
        )
    bundle = seal_fusion(
        tables,
        {modality: grouped[modality]["bundle"] for modality in tables},
        alarm.alpha,
        fusion.min_joint,
        bundle_stamp(run.dataset),
    )
    for modality, why in bundle.manifest["left_out"].items():
        logger.warning("%s is left out of the answers about patients: %s", modality, why)
    opened = open_fusion(bundle)
    together = pd.concat([tables[modality] for modality in opened.modalities], ignore_index=True)
    test = together["patient_id"].map(patients_by_part(tables)).eq("test")
    smallest = smallest_p_values(together[test], opened.modalities)
    fused = opened.fusion.fuse(smallest.to_numpy())
    table = fused_table(smallest.index.to_series(), fused, alarm.alpha)
    labels = pd.concat([of["cases"][["patient_id", "label"]] for of in grouped.values()])
    # one anomalous case makes a patient anomalous, one case of unknown label makes a patient unknown
    label = labels.groupby("patient_id")["label"].agg(
        lambda of: 1 if of.eq(1).any() else of.max(skipna=False)
    )
    table.insert(1, "label", table["patient_id"].map(label).astype("Int8"))
    return table.sort_values(["p_value", "patient_id"], kind="stable", ignore_index=True), bundle


def false_patients_at_most(fused: pd.DataFrame) -> tuple[int, int] | None:
    """Alarms about patients whose p-values are exact, and how many can be false; None without any.

    Each pattern of modalities has calibration patients of its own, so the error is divided among the patterns.
    """
    from medanomaly.evaluation.alarm_choices import CONFIDENCE
    from medanomaly.evaluation.false_alarm_bounds import false_alarms_at_most
    from medanomaly.fusion.patient_fusion import SAME

    exact = fused[fused["basis"] == SAME]
    patterns = exact.groupby("pattern")
    if not exact["flagged"].astype(bool).any():
        return None
    confidence = 1 - (1 - CONFIDENCE) / patterns.ngroups
    bounds = [
        false_alarms_at_most(
            of["p_value"].to_numpy(),
            of["flagged"].to_numpy(dtype=bool),
            int(of["n_joint"].iloc[0]),
            confidence,
        )
        for _, of in patterns
    ]
    return int(exact["flagged"].astype(bool).sum()), sum(bounds)


def by_modality(parts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """``<modality>__<what>`` -> modality -> what -> part."""
    grouped: dict[str, dict[str, Any]] = {}
    for name, part in parts.items():
        modality, _, what = name.partition("__")
        grouped.setdefault(modality, {})[what] = part
    return grouped


def strangest_cases(
    fused: pd.DataFrame, cases: pd.DataFrame, scores: pd.DataFrame, model: str
) -> pd.DataFrame:
    """Of each patient whom the page shows the case with the highest score: case row and score row."""
    from medanomaly.reporting.patients import shown_patients

    of_model = cases.merge(scores[scores["model"] == model], on="case_id", validate="one_to_one")
    mine = of_model[of_model["patient_id"].isin(shown_patients(fused)["patient_id"])]
    ordered = mine.sort_values(["score", "case_id"], ascending=[False, True], kind="stable")
    return ordered.drop_duplicates("patient_id").reset_index(drop=True)


def write_patients(
    params: EvaluationParams,
    alarm: AlarmParams,
    run: RunParams,
    fused: pd.DataFrame,
    bundle: Bundle,
    **parts: Any,
) -> tuple[list[dict], str]:
    """What the report of the run says of patients, and the page about them.

    Args:
        params: settings of the evaluation.
        alarm: when a patient was flagged.
        run: what was run.
        fused: one row per test patient.
        bundle: the fusion.
        parts: ``<modality>__cases``, and ``<modality>__view`` of the modalities that show something.
    """
    from medanomaly.reporting.patients import PatientResults, patient_page, patient_section
    from medanomaly.reporting.sections import from_json, to_json

    # a CSV knows no empty text
    fused = fused.fillna({"speaks": "", "approximation": ""})
    grouped = by_modality(parts)
    views = {
        modality: {patient: from_json(sections) for patient, sections in of["view"].items()}
        for modality, of in grouped.items()
        if "view" in of
    }
    results = PatientResults(fused, bundle.manifest, alarm.alpha, views, false_patients_at_most(fused))
    facts = run_facts(params, alarm, run, [of["cases"] for of in grouped.values()])
    return to_json([patient_section(results)]), patient_page(facts, results)
