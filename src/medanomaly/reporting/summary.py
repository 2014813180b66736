"""The short version of the results, for a terminal."""

from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd

from medanomaly.core.scores import BASELINE
from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.scored_cases import TEST
from medanomaly.reporting.wording import asked, interval, written

_FLAGGED = {"auroc": "AUROC", "false_alarm_rate": "false alarms", "sensitivity": "anomalies caught"}
_PROBABILITIES = {"auroc": "AUROC", "auprc": "average precision", "ece": "calibration error"}
_UNLABELLED = {"flagged_share": "flagged"}
_BOXES = {
    "ap50": "average precision at .5",
    "sensitivity_at_0.5": "found at half a false box per image",
    "false_boxes_per_normal_image": "false boxes per normal image",
}
_CLASSES = {"macro_f1": "macro-F1", "accuracy": "accuracy", "class_ece": "calibration error"}


def summary_rows(
    metrics: pd.DataFrame | None,
    alpha: float | None = None,
    defaults: Mapping[str, str] = MappingProxyType({}),
) -> list[dict[str, str]]:
    """Two rows per modality: the model with the highest AUROC, and the best of its baselines.

    Args:
        metrics: metrics table; None or an empty one gives no row.
        alpha: false-alarm rate asked for, said in the column's heading where given.
        defaults: modality -> the model that is shown where no label says which is best; else it is the first.

    Returns:
        Rows with ``modality``, ``model`` and, each with its 95 % interval or ``–`` where there is none: ``AUROC``,
        ``false alarms`` (with alpha) and ``anomalies caught``; ``AUROC``, ``average precision`` and ``calibration error``
        where models give probabilities; ``macro-F1``, ``accuracy`` and ``calibration error`` where the table holds models
        of classes alone; average precision, lesions found and false boxes where models draw boxes; ``flagged`` where no case
        has a label.
    """
    if metrics is None or metrics.empty:
        return []
    whole = metrics[(metrics["split"] == TEST) & (metrics["subgroup"].fillna("") == "")]
    of_classes = whole["modality"].isin(whole.loc[whole["metric"] == "macro_f1", "modality"])
    # a table of their own, unless there is nothing else
    whole = whole if of_classes.all() else whole[~of_classes]
    known = set(whole.loc[whole["value"].notna(), "metric"])
    columns = (
        _CLASSES
        if "macro_f1" in known
        else _BOXES
        if "ap50" in known
        else _PROBABILITIES
        if "ece" in known
        else _FLAGGED
        if "auroc" in known
        else _UNLABELLED
    )
    rows = []
    for modality, part in whole.groupby("modality", sort=False):
        # models before baselines
        for _, of_role in sorted(part.groupby("role", sort=False), key=lambda group: group[0] == BASELINE):
            auroc = of_role[(of_role["metric"] == "auroc") & of_role["value"].notna()]
            best = auroc.sort_values("value", ascending=False, kind="stable") if len(auroc) else of_role
            by_default = of_role[of_role["model"] == defaults.get(modality)]
            best = best if len(auroc) or by_default.empty else by_default
            model = best["model"].iloc[0]
            rows.append(_row(str(modality), of_role[of_role["model"] == model], columns, alpha))
    return rows


def audit_lines(audit: Mapping | None) -> list[str]:
    """What the audit warns of, or fails at, in words; one line where it does neither.

    Args:
        audit: ``{"checks": [...]}``, each with ``title``, ``verdict``, ``figure`` and, among several modalities,
            ``modality``.
    """
    checks = (audit or {}).get("checks", [])
    if not checks:
        return []
    lines = []
    for verdict, word in (("fail", "failed"), ("warn", "warns")):
        for check in (check for check in checks if check["verdict"] == verdict):
            of = f" of {check['modality']}" if "modality" in check else ""
            lines.append(f"The audit{of} {word} at “{check['title']}”: {check['figure']}.")
    return lines or ["The audit found nothing to warn of."]


def _row(
    modality: str, of_model: pd.DataFrame, columns: Mapping[str, str], alpha: float | None
) -> dict[str, str]:
    values = of_model.drop_duplicates("metric").set_index("metric")
    baseline = of_model["role"].iloc[0] == BASELINE
    row = {"modality": modality, "model": model_label(of_model["model"].iloc[0], baseline)}
    for metric, heading in columns.items():
        said = metric == "false_alarm_rate" and alpha is not None
        row[f"{heading} ({asked(alpha)} asked)" if said else heading] = _shown(values, metric)
    return row


def _shown(values: pd.DataFrame, metric: str) -> str:
    if metric not in values.index or pd.isna(values.loc[metric, "value"]):
        return "–"
    row = values.loc[metric]
    span = interval(metric, row["ci_low"], row["ci_high"])
    return written(metric, row["value"]) + (f" ({span})" if span else "")
