"""Figures of a period for Prometheus: a file that its node exporter collects (``--collector.textfile.directory``)."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from medanomaly.core.errors import ConfigurationError
from medanomaly.scoring.period_figures import KINDS

MODALITY, MODEL = ("modality",), ("modality", "model")
# name -> what it is, and its labels, none of which names a patient
METRICS: dict[str, tuple[str, tuple[str, ...]]] = {
    "medanomaly_period_end_seconds": ("End of the last period that was monitored", ()),
    "medanomaly_period_warnings": ("Limits that were crossed, by what crossed them", ("modality", "kind")),
    "medanomaly_period_cases": ("Cases with a prediction", MODALITY),
    "medanomaly_period_refused_share": ("Share of raw cases that could not be read", MODALITY),
    "medanomaly_period_shifted_columns": ("Columns that are shifted", MODALITY),
    "medanomaly_period_flagged_share": ("Share of cases flagged", MODEL),
    "medanomaly_period_score_shift": ("Population stability index of scores", MODEL),
    "medanomaly_period_p_values_hold": ("1 where p-values hold, 0 where they do not", MODEL),
    "medanomaly_period_false_alarm_excess": (
        "False-alarm rate above the highest that is to be expected, of the worst group", MODEL,
    ),
    "medanomaly_period_auroc": ("AUROC measured with labels, or estimated without", (*MODEL, "basis")),
    "medanomaly_period_expected_auroc": ("AUROC of calibration, or of earlier periods", MODEL),
}  # fmt: skip


def metrics_text(period: Mapping[str, Any]) -> str:
    """Figures of a period in the exposition format.

    Raises:
        ConfigurationError: the library of Prometheus is not installed.
    """
    try:
        from prometheus_client import CollectorRegistry, Gauge, generate_latest
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"metrics need '{error.name}', which is not installed",
            remedy='Install it: pip install "medanomaly[serve]".',
        ) from error
    registry = CollectorRegistry()
    gauges = {
        name: Gauge(name, about, labels, registry=registry) for name, (about, labels) in METRICS.items()
    }
    for name, labels, value in _values(period):
        gauge = gauges[f"medanomaly_period_{name}"]
        (gauge.labels(*labels) if labels else gauge).set(value)
    return generate_latest(registry).decode()


def _values(period: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...], float]]:
    yield "end_seconds", (), datetime.fromisoformat(period["until"]).timestamp()
    keys = [one["key"].split(".")[:2] for one in period["warnings"]]
    for of in period["modalities"]:
        modality = (of["modality"],)
        for kind in KINDS:
            yield "warnings", (*modality, kind), keys.count([of["modality"], kind])
        yield "cases", modality, of["n_cases"]
        if of["n_read"] is not None:
            yield "refused_share", modality, of["n_refused"] / max(of["n_read"] + of["n_refused"], 1)
            yield "shifted_columns", modality, sum(row["shifted"] for row in of["columns"])
        for one in of["models"]:
            yield from _of_model(one, (*modality, one["model"]))


def _of_model(
    one: Mapping[str, Any], labels: tuple[str, str]
) -> Iterator[tuple[str, tuple[str, ...], float]]:
    yield "flagged_share", labels, one["n_flagged"] / one["n"]
    if one["scores"] is not None:
        yield "score_shift", labels, one["scores"]["psi"]
    if one["validity"] is not None and one["validity"]["verdict"] != "unknown":
        yield "p_values_hold", labels, float(one["validity"]["verdict"] == "holds")
    excess = [
        row["false_alarms"] - row["expected_high"] for row in one["groups"] if row["false_alarms"] is not None
    ]
    if excess:
        yield "false_alarm_excess", labels, max(excess)
    for row in one["measured"]:
        if row["metric"] == "auroc" and not row["subgroup"] and row["value"] is not None:
            yield "auroc", (*labels, "labels"), row["value"]
    estimate = one["estimated"]
    if estimate is not None and estimate["holds"] and estimate["value"] is not None:
        yield "auroc", (*labels, "scores"), estimate["value"]
    if one["earlier_auroc"] is not None:
        yield "expected_auroc", labels, one["earlier_auroc"]
