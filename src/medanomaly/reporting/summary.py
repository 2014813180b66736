"""The short version of the results, for a terminal."""

import pandas as pd

from medanomaly.core.scores import BASELINE
from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.scored_cases import TEST
from medanomaly.reporting.wording import asked, interval, written

_FLAGGED = {"auroc": "AUROC", "false_alarm_rate": "false alarms", "sensitivity": "anomalies caught"}
_PROBABILITIES = {"auroc": "AUROC", "auprc": "average precision", "ece": "calibration error"}
_UNLABELLED = {"flagged_share": "flagged"}


def summary_rows(metrics: pd.DataFrame | None, alpha: float | None = None) -> list[dict[str, str]]:
    """One row a modality and model, the highest AUROC of a modality first.

    Args:
        metrics: metrics table; None or an empty one gives no row.
        alpha: false-alarm rate asked for, said in the column's heading where given.

    Returns:
        Rows with ``modality``, ``model`` and, each with its 95 % interval or ``–`` where there is none: ``AUROC``,
        ``false alarms`` (with alpha) and ``anomalies caught``; ``AUROC``, ``average precision`` and ``calibration error``
        where models give probabilities; ``flagged`` where no case has a label.
    """
    if metrics is None or metrics.empty:
        return []
    whole = metrics[(metrics["split"] == TEST) & (metrics["subgroup"].fillna("") == "")]
    known = set(whole.loc[whole["value"].notna(), "metric"])
    columns = _PROBABILITIES if "ece" in known else _FLAGGED if "auroc" in known else _UNLABELLED
    ranked = []
    for (modality, model), part in whole.groupby(["modality", "model"], sort=False):
        values = part.drop_duplicates("metric").set_index("metric")
        row = {"modality": str(modality), "model": model_label(model, part["role"].iloc[0] == BASELINE)}
        for metric, heading in columns.items():
            said = metric == "false_alarm_rate" and alpha is not None
            row[f"{heading} ({asked(alpha)} asked)" if said else heading] = _shown(values, metric)
        area = values["value"].get("auroc", float("nan"))
        ranked.append((str(modality), -area if not pd.isna(area) else 1.0, row))
    order = {
        modality: position for position, modality in enumerate(dict.fromkeys(entry[0] for entry in ranked))
    }
    return [row for _, _, row in sorted(ranked, key=lambda entry: (order[entry[0]], entry[1]))]


def _shown(values: pd.DataFrame, metric: str) -> str:
    if metric not in values.index or pd.isna(values.loc[metric, "value"]):
        return "–"
    row = values.loc[metric]
    span = interval(metric, row["ci_low"], row["ci_high"])
    return written(metric, row["value"]) + (f" ({span})" if span else "")
