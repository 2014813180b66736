"""The tables of a report as plain rows, ready for the template."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from medanomaly.core.cases import SPLITS, reference_cases
from medanomaly.evaluation.audit.check import VERDICTS
from medanomaly.evaluation.known_metrics import METRICS, metric_of
from medanomaly.evaluation.resampling.intervals import false_alarm_interval
from medanomaly.reporting.figures.groups import group_names, kind_rows, subgroup_parts
from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.results import ModalityResults
from medanomaly.reporting.wording import (
    asked,
    comparison_words,
    interval,
    p_value,
    percent,
    signed,
    written,
)

SUBGROUP_METRICS = ("auroc", "sensitivity", "false_alarm_rate")
MANY_COMPARISONS = 12


def split_rows(r: ModalityResults) -> list[dict[str, Any]]:
    """Cases, patients and labels in each part, then the total."""
    parts = [(split, r.cases[r.cases["split"] == split]) for split in SPLITS]
    return [
        {
            "split": split,
            "cases": len(part),
            "patients": part["patient_id"].nunique(),
            "normal": int((part["label"] == 0).sum()),
            "anomalous": int((part["label"] == 1).sum()),
            "unknown": int(part["label"].isna().sum()),
        }
        for split, part in [*parts, ("all", r.cases)]
    ]


def quarantine_rows(quarantine: pd.DataFrame | None) -> list[dict[str, Any]]:
    """One row a column and reason: how many records, and one value as an example."""
    if quarantine is None or quarantine.empty:
        return []
    rows = [
        {
            "column": column,
            "reason": reason,
            "records": part["record"].nunique(),
            "example": part["value"].iloc[0],
        }
        for (column, reason), part in quarantine.groupby(["column", "reason"], sort=False, dropna=False)
    ]
    return sorted(rows, key=lambda row: -row["records"])


def quality_rows(quality: Mapping | None) -> list[dict[str, Any]]:
    """One row a plausibility rule that was broken: how many records, and the first of them as an example."""
    rows = [
        {
            "column": rule["column"] or "whole record",
            "meaning": rule["meaning"],
            "records": rule["n_records"],
            "example": rule["examples"][0]["message"] if rule["examples"] else "",
        }
        for rule in (quality or {}).get("rules", [])
    ]
    return sorted(rows, key=lambda row: -row["records"])


def counts(r: ModalityResults) -> dict[str, int]:
    """Records read, used and set aside; ``unexplained`` is what does not add up (0 when all is well)."""
    aside = 0 if r.quarantine is None else int(r.quarantine["record"].nunique())
    summary = r.summary or {}
    read = int(summary.get("n_records", len(r.cases) + aside))
    set_aside = int(summary.get("n_quarantined", aside))
    # both the summary and the tables themselves are counted, so that one cannot cover for the other
    unexplained = max(abs(read - len(r.cases) - set_aside), abs(set_aside - aside))
    return {"read": read, "used": len(r.cases), "set_aside": set_aside, "unexplained": unexplained}


def results_table(r: ModalityResults) -> dict[str, Any]:
    """Models by metrics, every value with its interval; columns that no model has are left out."""
    whole = r.metrics[(r.metrics["split"] == "test") & (r.metrics["subgroup"].fillna("") == "")]
    there = {m for m in whole.loc[whole["value"].notna(), "metric"] if metric_of(m).column}
    names = [name for name in METRICS if name in there] + sorted(there - set(METRICS))
    groups: list[list] = []
    for name in names:
        group = metric_of(name).group
        if groups and groups[-1][0] == group:
            groups[-1][1] += 1
        else:
            groups.append([group, 1])
    return {
        "groups": groups,
        "columns": [{"label": metric_of(n).label, "meaning": metric_of(n).meaning} for n in names],
        "rows": [
            {
                "model": model_label(model),
                "leading": model == r.leading,
                "baseline": model in r.baselines,
                "cells": [_cell(r, model, name) for name in names],
            }
            for model in r.models
        ],
        "delong": [
            (r.label(model), interval("auroc", row["ci_low"], row["ci_high"]))
            for model in r.models
            if (row := r.metric(model, "auroc_delong")) is not None and not pd.isna(row["ci_low"])
        ],
    }


def _cell(r: ModalityResults, model: str, metric: str, subgroup: str = "") -> dict[str, str]:
    row = r.metric(model, metric, subgroup)
    if row is None:
        return {"value": "–", "interval": ""}
    return {
        "value": written(metric, row["value"]),
        "interval": interval(metric, row["ci_low"], row["ci_high"]),
    }


def flagged_rows(r: ModalityResults) -> list[dict[str, Any]]:
    """How many test cases each model flags; all that can be said without labels."""
    test = r.scores[r.scores["case_id"].isin(r.test_cases["case_id"])]
    rows = []
    for model in r.models:
        flagged = test.loc[test["model"] == model, "flagged"].dropna()
        rows.append(
            {
                "model": model_label(model),
                "baseline": model in r.baselines,
                "flagged": int(flagged.sum()),
                "cases": len(flagged),
                "share": percent(flagged.mean(), 1) if len(flagged) else "–",
            }
        )
    return rows


def realised_rates(r: ModalityResults) -> dict[str, Any]:
    """Share of normal test cases flagged at some alphas, beside what to expect while p-values hold."""
    normal = r.cases.loc[reference_cases(r.cases, "test"), ["case_id", "patient_id"]]
    joined = r.scores[r.scores["p_value"].notna()].merge(normal, on="case_id")
    n_calibration = r.cases.loc[reference_cases(r.cases, "calibration"), "patient_id"].nunique()
    alphas = sorted({0.01, 0.05, 0.1, r.alpha})
    ends = [
        false_alarm_interval(n_calibration, joined["patient_id"].nunique(), alpha)[:2] for alpha in alphas
    ]
    return {
        "alphas": [asked(alpha) for alpha in alphas],
        "rows": [
            (r.label(model), [percent((p <= alpha + 1e-12).mean(), 1) for alpha in alphas])
            for model in r.models
            if len(p := joined.loc[joined["model"] == model, "p_value"])
        ],
        "expected": [f"{percent(low, 1, sign=False)}–{percent(high, 1, sign=False)}" for low, high in ends],
    }


def choice_rows(r: ModalityResults) -> list[dict[str, str]]:
    """What each way of choosing flags by the leading model, and how often it is right."""
    if r.alarm_choices is None or r.alarm_choices.empty:
        return []
    rows = []
    for row in r.alarm_choices[r.alarm_choices["model"] == r.leading].itertuples():
        name, setting = _choice_words(row, r.noun)
        judged = not pd.isna(row.power)
        none = row.n_flagged == 0
        rows.append(
            {
                "way": name,
                "setting": setting,
                "flagged": f"{row.n_flagged:,}",
                "up_to": "–" if pd.isna(row.largest_p) else p_value(row.largest_p),
                "fdp": {
                    "value": "–" if none or pd.isna(row.fdp) else percent(row.fdp, 1),
                    "interval": "" if none else interval("ppv", row.fdp_low, row.fdp_high),
                },
                "power": {
                    "value": percent(row.power, 1) if judged else "–",
                    "interval": interval("sensitivity", row.power_low, row.power_high) if judged else "",
                },
            }
        )
    return rows


def _choice_words(row: Any, noun: str) -> tuple[str, str]:
    if row.way == "alpha":
        return "A false-alarm rate (alpha)", f"{asked(row.setting)} of normal {noun}s"
    if row.way == "budget":
        a_day = f"{round(row.setting / row.implied_alpha):,}"
        when = f"{a_day} a day, {row.n_days} days" if row.n_days > 1 else f"the {row.n_cases:,} as one day"
        return (
            "As many as one can look at (budget)",
            f"{row.setting:g} a day ({when}); alpha {percent(row.implied_alpha, 1)} were all normal",
        )
    return (
        "A share of wrong alarms (false discovery rate)",
        f"at most {asked(row.setting)} of alarms wrong, on average",
    )


def comparison_rows(r: ModalityResults) -> tuple[list[dict[str, str]], int]:
    """Paired comparisons, those of the leading model first; with many, only those, and how many are left out."""
    if r.comparisons is None or r.comparisons.empty:
        return [], 0
    table = r.comparisons
    turned = table["model_b"] == r.leading
    # the leading model comes first in its pairs, so that a positive difference speaks for it
    table = table.copy()
    ends = ["model_a", "model_b", "difference", "ci_low", "ci_high"]
    table.loc[turned, ends] = table.loc[
        turned, ["model_b", "model_a", "difference", "ci_high", "ci_low"]
    ].to_numpy()
    table.loc[turned, ends[2:]] *= -1
    with_leading = table["model_a"] == r.leading
    ordered = pd.concat([table[with_leading], table[~with_leading]])
    shown = ordered if len(ordered) <= MANY_COMPARISONS else table[with_leading]
    rows = [
        {
            "pair": f"{r.label(row['model_a'])} − {r.label(row['model_b'])}",
            "metric": metric_of(row["metric"]).label,
            "difference": signed(row["difference"]),
            "interval": f"{signed(row['ci_low'])} to {signed(row['ci_high'])}",
            "words": comparison_words(row),
            "distinct": not (row["ci_low"] <= 0 <= row["ci_high"]),
        }
        for _, row in shown.iterrows()
    ]
    return rows, len(ordered) - len(shown)


def subgroup_rows(r: ModalityResults) -> list[dict[str, Any]]:
    """The leading model in every subgroup with a value, its column named once."""
    if r.metrics is None or r.metrics.empty:
        return []
    rows, previous = [], None
    for name in group_names(r.metrics, r.leading):
        cells = [_cell(r, r.leading, metric, name) for metric in SUBGROUP_METRICS]
        if all(cell["value"] == "–" for cell in cells):
            continue
        found = [row for m in SUBGROUP_METRICS if (row := r.metric(r.leading, m, name)) is not None]
        column, group = subgroup_parts(name)
        rows.append(
            {
                "column": column.replace("_", " ") if column != previous else "",
                "group": group,
                "n": max(int(row["n"]) for row in found),
                "n_positive": max(int(row["n_positive"]) for row in found),
                "cells": cells,
            }
        )
        previous = column
    return rows


def suppressed_rows(r: ModalityResults, kinds: bool) -> list[tuple[str, int]]:
    """Groups of patients, or kinds of anomaly, that were too small to measure, with their size."""
    rows = []
    for name, n in zip(r.suppressed["subgroup"], r.suppressed["n"], strict=True):
        column, group = subgroup_parts(name)
        if (column == "kind") == kinds:
            rows.append((group if kinds else f"{column.replace('_', ' ')} {group}", int(n)))
    return rows


def kind_table(r: ModalityResults) -> dict[str, Any]:
    """Sensitivity by kind of anomaly, a column a model that is no baseline."""
    if r.metrics is None or r.metrics.empty:
        return {"models": [], "rows": []}
    kinds = kind_rows(r.metrics, r.leading)
    return {
        "models": [model_label(model) for model in r.contenders],
        "rows": [
            {
                "kind": subgroup_parts(row["subgroup"])[1],
                "n": int(row["n_positive"]),
                "cells": [_cell(r, model, "sensitivity", row["subgroup"]) for model in r.contenders],
            }
            for _, row in kinds.iterrows()
        ],
    }


def audit_rows(r: ModalityResults) -> list[dict[str, str]]:
    """Audit checks, the worst verdict first."""
    checks = (r.audit or {}).get("checks", [])
    rows = [
        {
            "title": check["title"],
            "verdict": check["verdict"],
            "figure": check.get("figure") or "–",
            "what_to_do": check.get("what_to_do") or "",
        }
        for check in checks
    ]
    return sorted(rows, key=lambda row: VERDICTS.index(row["verdict"]))
