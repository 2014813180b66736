"""The standard tables of a report."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from medanomaly.core.cases import SPLITS, reference_cases
from medanomaly.evaluation.alarm_choices import CONFIDENCE
from medanomaly.evaluation.audit.check import VERDICTS
from medanomaly.evaluation.known_metrics import METRICS, metric_of
from medanomaly.evaluation.resampling.intervals import false_alarm_interval
from medanomaly.reporting.figures.groups import group_names, kind_rows, subgroup_parts
from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.results import ModalityResults
from medanomaly.reporting.sections import Cell, Table
from medanomaly.reporting.wording import (
    DASH,
    asked,
    comparison_words,
    counted,
    interval,
    joined,
    p_value,
    percent,
    plural,
    signed,
    smallest_p_value,
    written,
)

SUBGROUP_METRICS = ("auroc", "sensitivity", "false_alarm_rate")
MANY_COMPARISONS = 12
# so many records have a text that stands in a report as an example
SHARED = 5
SPLIT_USES = {
    "train": "fitting the models",
    "calibration": "p-values and thresholds",
    "test": "every figure in this report",
}


def split_table(r: ModalityResults) -> Table:
    """Cases, patients and labels in each part, then the total."""
    parts = [(split, r.cases[r.cases["split"] == split]) for split in SPLITS]
    rows = [
        (
            split,
            len(part),
            int(part["patient_id"].nunique()),
            int((part["label"] == 0).sum()),
            int((part["label"] == 1).sum()),
            int(part["label"].isna().sum()),
            SPLIT_USES.get(split, ""),
        )
        for split, part in [*parts, ("all", r.cases)]
    ]
    columns = (
        "Part",
        plural(r.noun).capitalize(),
        "Patients",
        "Normal",
        "Anomalous",
        "Unlabelled",
        "Used for",
    )
    return Table("", columns, rows, marks=["", "", "", "total"])


def counts(r: ModalityResults) -> dict[str, int]:
    """Cases read, used and set aside, and recordings that could not be read at all.

    ``unexplained`` is what does not add up (0 when all is well).
    """
    of_cases, whole = _set_aside(r)
    aside = _n_cases(of_cases)
    summary = r.summary or {}
    read = int(summary.get("n_records", len(r.cases) + aside))
    set_aside = int(summary.get("n_quarantined", aside))
    # both the summary and the tables themselves are counted, so that one cannot cover for the other
    unexplained = max(abs(read - len(r.cases) - set_aside), abs(set_aside - aside))
    return {
        "read": read,
        "used": len(r.cases),
        "set_aside": set_aside,
        "refused": _n_cases(whole),
        "unexplained": unexplained,
    }


def _set_aside(r: ModalityResults) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of the quarantine about single cases, and those about whole recordings, whose cases nobody has counted."""
    if r.quarantine is None:
        return pd.DataFrame({"record": []}), pd.DataFrame({"record": []})
    whole = r.quarantine["column"].eq("recording").fillna(False) & ("n_refused" in (r.summary or {}))
    return r.quarantine[~whole], r.quarantine[whole]


def _n_cases(rows: pd.DataFrame) -> int:
    """A record of a table is a row of its file; several beats lie in one recording."""
    return len(rows[[c for c in ("record", "case_id") if c in rows]].drop_duplicates())


def _example(values: pd.Series) -> str:
    """A value as an example: a number, a time, a code, or text that several records have; other text may name a person."""
    text = values.dropna().astype(str)
    shared = text.map(text.value_counts()).ge(SHARED)
    shown = text[shared | ~text.str.contains(r"[^\W\d_]{2}") | text.str.fullmatch(r"\S*\d\S*")]
    if len(shown):
        return shown.iloc[0]
    return "" if text.empty else "text, see the quarantine"


def quarantine_table(r: ModalityResults) -> Table | None:
    """One row per column and reason: how many cases, and one value as an example that names nobody."""
    if r.quarantine is None or r.quarantine.empty:
        return None
    of_cases, whole = (
        [
            (
                "" if pd.isna(column) else str(column),
                reason,
                _n_cases(part),
                Cell(_example(part["value"])),
            )
            for (column, reason), part in table.groupby(["column", "reason"], sort=False, dropna=False)
        ]
        for table in _set_aside(r)
    )
    rows = sorted(of_cases, key=lambda row: -row[2])
    marks = [""] * len(rows)
    if len(rows) > 1:
        set_aside = counts(r)["set_aside"]
        several = (
            "some have several faults and are counted once" if sum(n for *_, n, _ in rows) > set_aside else ""
        )
        rows.append(("all", several, set_aside, ""))
        marks.append("total")
    for column, reason, n, value in sorted(whole, key=lambda row: -row[2]):
        rows.append((column, reason, counted(n, "whole recording"), value))
        marks.append("")
    columns = ("Column", "Reason", plural(r.noun).capitalize(), "For example")
    return Table("Set aside", columns, rows, marks=marks)


def results_tables(r: ModalityResults) -> list[Table]:
    """Models by metrics with intervals; those that add little to the leading model are in a folded table.

    Folded are models that are not distinguishable from the leading one, and all baselines but the best.
    """
    whole = r.metrics[(r.metrics["split"] == "test") & (r.metrics["subgroup"].fillna("") == "")]
    there = {m for m in whole.loc[whole["value"].notna(), "metric"] if metric_of(m).column}
    names = [name for name in METRICS if name in there] + sorted(there - set(METRICS))
    groups: list[tuple[str, int]] = [("", 1)]
    for name in names:
        group = metric_of(name).group
        if groups[-1][0] == group:
            groups[-1] = (group, groups[-1][1] + 1)
        else:
            groups.append((group, 1))
    columns = ["Model", *(metric_of(name).label for name in names)]

    def table(title: str, models: list[str], note: str = "", folded: bool = False) -> Table:
        rows = [
            (_model_cell(r, model), *(_metric_cell(r, model, name) for name in names)) for model in models
        ]
        marks = [_mark(r, model) for model in models]
        return Table(title, columns, rows, note, groups, marks, "compact many", folded)

    hidden = _hidden_models(r)
    note = f"Small figures: 95 % intervals. {asked(r.alpha)} false alarms were asked for."
    if r.baselines:
        note += " Baselines are trivial rules that a model has to beat to be worth anything."
    spans = [
        f"{r.label(model)} {span}"
        for model in r.models
        if (row := r.metric(model, "auroc_delong")) is not None
        and (span := interval("auroc", row["ci_low"], row["ci_high"]))
    ]
    delong = (
        f"DeLong's interval of the AUROC, from theory instead of resampling: {', '.join(spans)}."
        if spans
        else ""
    )
    shown = [model for model in r.models if model not in hidden]
    if not hidden:
        return [table("", shown, f"{note} {delong}".strip())]
    return [table("", shown, note), table(_hidden_words(r, hidden), hidden, delong, folded=True)]


def _hidden_models(r: ModalityResults) -> list[str]:
    kept = r.best_baseline
    return [
        model
        for model in r.models
        if model in r.tied or (model in r.baselines and model not in (kept, r.leading))
    ]


def _hidden_words(r: ModalityResults, hidden: list[str]) -> str:
    tied = [model for model in hidden if model in r.tied]
    others = len(hidden) - len(tied)
    parts = []
    if tied:
        parts.append(f"{counted(len(tied), 'model')} not distinguishable from {model_label(r.leading)}")
    if others:
        parts.append(counted(others, "further baseline"))
    return joined(parts)


def _mark(r: ModalityResults, model: str) -> str:
    return "baseline" if model in r.baselines else "leading" if model == r.leading else ""


def _model_cell(r: ModalityResults, model: str) -> Cell:
    """A baseline is called one; the name alone would not say so."""
    return Cell(model_label(model), "baseline" if model in r.baselines else "")


def _metric_cell(r: ModalityResults, model: str, metric: str, subgroup: str = "") -> Cell:
    row = r.metric(model, metric, subgroup)
    if row is None:
        return Cell(DASH)
    return Cell(written(metric, row["value"]), interval(metric, row["ci_low"], row["ci_high"]))


def flagged_table(r: ModalityResults) -> Table:
    """How many test cases each model flags; all that can be said without labels."""
    test = r.scores[r.scores["case_id"].isin(r.test_cases["case_id"])]
    rows = []
    for model in r.models:
        flagged = test.loc[test["model"] == model, "flagged"].dropna()
        share = percent(flagged.mean(), 1) if len(flagged) else DASH
        rows.append((_model_cell(r, model), int(flagged.sum()), len(flagged), share))
    note = f"Were every {r.noun} normal, about {asked(r.alpha)} would be flagged."
    return Table("", ("Model", "Flagged", "Of", "Share"), rows, note, marks=[_mark(r, m) for m in r.models])


def realised_rates(r: ModalityResults) -> Table:
    """Share of normal test cases flagged at some alphas, with what to expect while p-values hold."""
    normal = r.cases.loc[reference_cases(r.cases, "test"), ["case_id", "patient_id"]]
    known = r.scores[r.scores["p_value"].notna()].merge(normal, on="case_id")
    n_calibration = r.cases.loc[reference_cases(r.cases, "calibration"), "patient_id"].nunique()
    alphas = sorted({0.01, 0.05, 0.1, r.alpha})
    ends = [false_alarm_interval(n_calibration, known["patient_id"].nunique(), alpha)[:2] for alpha in alphas]
    expected = [f"{percent(low, 1, sign=False)}–{percent(high, 1, sign=False)}" for low, high in ends]
    rows = [
        (r.label(model), *(percent((p <= alpha + 1e-12).mean(), 1) for alpha in alphas))
        for model in r.models
        if len(p := known.loc[known["model"] == model, "p_value"])
    ]
    return Table(
        "Normal cases flagged, by the share that was asked for",
        ("Model", *(asked(alpha) for alpha in alphas)),
        [*rows, ("expected", *expected)],
        marks=[""] * len(rows) + ["total"],
    )


def choice_table(r: ModalityResults) -> Table | None:
    """What each way of choosing flags by the leading model, and how often it is right."""
    if r.alarm_choices is None or r.alarm_choices.empty:
        return None
    rows, of_leading = [], r.alarm_choices[r.alarm_choices["model"] == r.leading]
    bounded = "false_at_most" in of_leading and of_leading["false_at_most"].notna().all()
    for row in of_leading.itertuples():
        cells = [*_choice_words(row, r.noun), f"{row.n_flagged:,}"]
        cells.append(DASH if pd.isna(row.largest_p) else p_value(row.largest_p))
        if bounded:
            cells.append(f"{row.false_at_most:,}" if row.n_flagged else DASH)
        if r.judged:
            # an empty list has no share of wrong alarms, and catches nothing
            none = row.n_flagged == 0 or pd.isna(row.fdp)
            wrong = (
                Cell(DASH) if none else Cell(percent(row.fdp, 1), interval("ppv", row.fdp_low, row.fdp_high))
            )
            spread = interval("sensitivity", row.power_low, row.power_high)
            caught = Cell(DASH) if pd.isna(row.power) else Cell(percent(row.power, 1), spread)
            cells += [wrong, caught]
        rows.append(cells)
    columns = ["Choose by", "Asked for", "Flagged", "p-value up to", *(["False at most"] if bounded else [])]
    n_test, n_calibration = len(r.test_cases), int(reference_cases(r.cases, "calibration").sum())
    note = f"All by {model_label(r.leading)} on {counted(n_test, f'test {r.noun}')}."
    if r.judged:
        columns += ["Alarms wrong", "Anomalies caught"]
        note += " An alarm is wrong where the label says normal."
    if n_calibration:
        note += (
            f" With {counted(n_calibration, f'normal {r.noun}')} for calibration no p-value is smaller than "
            f"{smallest_p_value(n_calibration)}, so a list with few wrong alarms can stay short or empty."
        )
    if bounded:
        note += (
            f" False at most: no more of these alarms are false, with a confidence of {percent(CONFIDENCE)}, however they "
            "were chosen; it needs no label."
        )
    ways = {1: "One way", 2: "Two ways", 3: "Three ways"}[len(rows)]
    return Table(f"{ways} to choose whom to look at", columns, rows, note)


def _choice_words(row: Any, noun: str) -> tuple[str, str]:
    if row.way == "alpha":
        return "A false-alarm rate (alpha)", f"{asked(row.setting)} of normal {plural(noun)}"
    if row.way == "budget":
        per_day = f"{round(row.setting / row.implied_alpha):,}"
        when = (
            f"{per_day} per day, {row.n_days} days" if row.n_days > 1 else f"the {row.n_cases:,} as one day"
        )
        return (
            "As many as one can look at (budget)",
            f"{row.setting:g} per day ({when}); alpha {percent(row.implied_alpha, 1)} if all were normal",
        )
    return (
        "A share of wrong alarms (false discovery rate)",
        f"at most {asked(row.setting)} of alarms wrong, on average",
    )


def comparison_table(r: ModalityResults) -> Table | None:
    """Paired comparisons, those of the leading model first; where there are many, only those."""
    if r.comparisons is None or r.comparisons.empty:
        return None
    turned = r.comparisons["model_b"] == r.leading
    # the leading model comes first in its pairs, so that a positive difference speaks for it
    table = r.comparisons.copy()
    ends = ["model_a", "model_b", "difference", "ci_low", "ci_high"]
    table.loc[turned, ends] = table.loc[
        turned, ["model_b", "model_a", "difference", "ci_high", "ci_low"]
    ].to_numpy()
    table.loc[turned, ends[2:]] *= -1
    with_leading = table["model_a"] == r.leading
    few = len(table) <= MANY_COMPARISONS
    shown = pd.concat([table[with_leading], table[~with_leading & few]])
    rows = [
        (
            f"{r.label(row['model_a'])} − {r.label(row['model_b'])}",
            metric_of(row["metric"]).label,
            signed(row["difference"]),
            f"{signed(row['ci_low'])} to {signed(row['ci_high'])}",
            Cell(comparison_words(row), mark="" if row["ci_low"] <= 0 <= row["ci_high"] else "strong"),
        )
        for _, row in shown.iterrows()
    ]
    left_out = len(table) - len(shown)
    note = f"{counted(left_out, 'comparison')} without {model_label(r.leading)} left out." if left_out else ""
    columns = ("Models", "Metric", "Difference", "95 % interval", "In words")
    return Table(f"Compared on the same {plural(r.noun)}", columns, rows, note, folded=True)


def subgroup_table(r: ModalityResults) -> Table | None:
    """The leading model in every subgroup with a value; each column of the data is named once."""
    if r.metrics is None or r.metrics.empty:
        return None
    rows, previous = [], None
    for name in group_names(r.metrics, r.leading):
        found = [row for m in SUBGROUP_METRICS if (row := r.metric(r.leading, m, name)) is not None]
        if not found:
            continue
        column, group = subgroup_parts(name)
        rows.append(
            (
                column.replace("_", " ") if column != previous else "",
                Cell(group),
                max(int(row["n"]) for row in found),
                max(int(row["n_positive"]) for row in found),
                *(_metric_cell(r, r.leading, metric, name) for metric in SUBGROUP_METRICS),
            )
        )
        previous = column
    columns = ("By", "Group", plural(r.noun).capitalize(), "Anomalous", "AUROC", "Caught", "False alarms")
    few = any(cell == Cell(DASH) for row in rows for cell in row[4:])
    note = (
        f"A dash stands where a group has fewer anomalous or normal {plural(r.noun)} than evaluation.min_class_size."
        if few
        else ""
    )
    return Table("", columns, rows, note) if rows else None


def suppressed_groups(r: ModalityResults, kinds: bool) -> list[tuple[str, int]]:
    """Groups of patients, or kinds of anomaly, that were too small to measure, with their size."""
    rows = []
    for name, n in zip(r.suppressed["subgroup"], r.suppressed["n"], strict=True):
        column, group = subgroup_parts(name)
        if (column == "kind") == kinds:
            rows.append((group if kinds else f"{column.replace('_', ' ')} {group}", int(n)))
    return rows


def kind_table(r: ModalityResults) -> Table | None:
    """Sensitivity by kind of anomaly, a column per model that is no baseline."""
    if r.metrics is None or r.metrics.empty:
        return None
    rows = [
        (
            subgroup_parts(row["subgroup"])[1],
            int(row["n_positive"]),
            *(_metric_cell(r, model, "sensitivity", row["subgroup"]) for model in r.contenders),
        )
        for _, row in kind_rows(r.metrics, r.leading).iterrows()
    ]
    columns = ("Kind", plural(r.noun).capitalize(), *(model_label(model) for model in r.contenders))
    return Table("", columns, rows) if rows else None


def audit_tables(audit: Mapping | None) -> list[Table]:
    """Checks of the audit that fail or warn, then, folded, those that pass or do not apply."""
    checks = sorted((audit or {}).get("checks", []), key=lambda check: VERDICTS.index(check["verdict"]))
    columns = ("Check", "Verdict", "Found", "What to do")
    tables = []
    raised = [check for check in checks if check["verdict"] in ("fail", "warn")]
    if raised:
        tables.append(Table("", columns, [_audit_row(check) for check in raised], layout="stacked"))
    quiet = [check for check in checks if check not in raised]
    if quiet:
        passed = sum(check["verdict"] == "pass" for check in quiet)
        parts = [counted(passed, "check") + " passed"] if passed else []
        if len(quiet) > passed:
            parts.append(f"{len(quiet) - passed:,} not applicable")
        rows = [_audit_row(check)[:3] for check in quiet]
        tables.append(Table(joined(parts), columns[:3], rows, layout="stacked", folded=True))
    return tables


def _audit_row(check: Mapping) -> tuple[Cell | str, ...]:
    verdict = check["verdict"]
    badge = Cell("not applicable" if verdict == "not_applicable" else verdict, badge=verdict)
    return (
        check["title"],
        badge,
        Cell((check.get("figure") or DASH).replace(" %", "\u00a0%")),
        Cell(check.get("what_to_do") or DASH),
    )
