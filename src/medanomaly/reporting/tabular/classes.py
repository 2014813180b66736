"""The sections of the report about models of classes: how well classes are told apart, each of them, and why."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from medanomaly.evaluation.class_metrics import OF_A_CLASS, confusion
from medanomaly.reporting.figures.explanations import shown_unit
from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.sections import Cell, Section, Table
from medanomaly.reporting.wording import DASH, asked, counted, number, p_value, percent, signed
from medanomaly.tabular.classes.decisions import RARE

LARGEST, SHOWN_CASES, REASONS = 8, 12, 3
# logarithm; a value that says less is not shown
LEAST_FACTOR = np.log(1.05)
TITLE = "Which class?"
METRICS = {
    "macro_f1": "Macro-F1",
    "accuracy": "Accuracy",
    "class_ece": "ECE",
    "coverage": "Right class in the set",
    "set_size": "Classes in a set",
    "abstained": "No class named",
}
SHARES = ("accuracy", "coverage", "abstained")
HEADINGS = {"sensitivity": "Sensitivity", "precision": "Precision", "f1": "F1"}


def class_sections(
    judged: pd.DataFrame,
    probabilities: pd.DataFrame,
    explanations: pd.DataFrame,
    metrics: pd.DataFrame,
    comparisons: pd.DataFrame,
    by_class: pd.DataFrame,
    manifest: Mapping[str, Any],
) -> list[Section]:
    """Everything that the report says of classes.

    Args:
        judged: one row per test case and model, of :func:`medanomaly.evaluation.class_metrics.judged_answers`.
        probabilities: one row per test case, model and class.
        explanations: what speaks for the named class of some test cases.
        metrics, comparisons: of :func:`medanomaly.evaluation.class_metrics.class_metrics`.
        by_class: of :func:`medanomaly.evaluation.class_metrics.by_class`.
        manifest: of the model that is shown, which is the first one.
    """
    first = manifest["name"]
    own = judged[judged["model"] == first]
    return [
        _told_apart(own, metrics, comparisons, manifest),
        _each_class(by_class[by_class["model"] == first], first),
        _confused(own, first),
        _named(
            own,
            probabilities[probabilities["model"] == first],
            explanations[explanations["model"] == first],
            manifest,
        ),
    ]


def _told_apart(
    own: pd.DataFrame, metrics: pd.DataFrame, comparisons: pd.DataFrame, manifest: Mapping[str, Any]
) -> Section:
    first = manifest["name"]
    value = metrics.set_index(["model", "subgroup", "metric"])
    groups = [name for name in pd.unique(metrics["subgroup"]) if name]
    columns = [
        "Model",
        "Macro-F1",
        *(f"Macro-F1, {name.partition('=')[2]}" for name in groups),
        *list(METRICS.values())[1:],
    ]
    rows, marks = [], []
    for model in pd.unique(metrics["model"]):
        shown = [
            ("", "macro_f1"),
            *((name, "macro_f1") for name in groups),
            *(("", name) for name in list(METRICS)[1:]),
        ]
        rows.append((model_label(model), *(_cell(value, model, *of) for of in shown)))
        role = metrics.loc[metrics["model"] == model, "role"].iloc[0]
        marks.append("leading" if model == first else "baseline" if role == "baseline" else "")
    macro = value.loc[(first, "", "macro_f1")]
    n_classes = own["class"].nunique()
    lead = (
        f"{model_label(first).capitalize()} tells {n_classes} classes apart with a macro-F1 of {number(macro['value'])} "
        f"({_span(macro)}) on {counted(len(own), 'test record')}."
    )
    notes = [
        "Macro-F1 is the mean of F1 over the classes with a test record, so that a class of two counts as much as one of "
        "two thousand. ECE is the mean gap between the probability of the most likely class and how often it is right. In "
        "small type: 95 % intervals that resample patients; equal records count as one patient.",
        _decision_words(manifest),
        f"A set of classes is made to hold the right one in {asked(manifest['coverage'])} of the records of each class with "
        f"{RARE} records or more, and of rarer ones together. The most likely class is always in it, so sets of a model "
        "that is rarely wrong hold the right class more often than asked.",
        f"No class is named where at most {percent(manifest['unlike_at'])} of the known records look at least as unusual. "
        "That finds records that look like none of the classes together; a new disease that differs in a few values alone "
        "gets the name of a known one.",
    ]
    unseen = sorted(set(own["class"]) - {of["name"] for of in manifest["classes"]})
    if unseen:
        notes.append(f"Never learned, as training has no record of it: {', '.join(unseen)}. Its F1 is 0.")
    return Section(
        TITLE,
        lead=lead,
        text=" ".join(
            _difference_words(row) for row in comparisons[comparisons["subgroup"] == ""].itertuples()
        ),
        tables=[Table("Models", columns, rows, marks=marks)],
        notes=notes,
    )


def _decision_words(manifest: Mapping[str, Any]) -> str:
    strength = manifest["decision"]["strength"]
    if strength == 0:
        return "The class that is named is the most likely one."
    return (
        f"The class that is named is not always the most likely one: rare classes are preferred (strength {strength:g} of "
        "1, chosen by macro-F1 on predictions of records that were not learned from). Probabilities are not changed by it."
    )


def _difference_words(row: Any) -> str:
    clear = row.ci_low > 0 or row.ci_high < 0
    said = "" if clear else ", which chance may explain"
    return (
        f"Against {model_label(row.model_b)}: {signed(row.difference)} macro-F1 ({signed(row.ci_low)} to "
        f"{signed(row.ci_high)}){said}."
    )


def _cell(value: pd.DataFrame, model: str, subgroup: str, metric: str) -> Cell:
    if (model, subgroup, metric) not in value.index:
        return Cell(DASH)
    row = value.loc[(model, subgroup, metric)]
    return Cell(_written(metric, row["value"]), small=_span(row, metric))


def _written(metric: str, figure: float) -> str:
    return percent(figure, 1) if metric in SHARES else number(figure)


def _span(row: Mapping[str, Any], metric: str = "macro_f1") -> str:
    if pd.isna(row["ci_low"]) or pd.isna(row["ci_high"]):
        return ""
    return f"{_written(metric, row['ci_low'])}–{_written(metric, row['ci_high'])}"


def _each_class(table: pd.DataFrame, model: str) -> Section:
    rare = table["n_learned"] < RARE
    parts = [
        (f"Classes with {RARE} records or more to learn from", table[~rare]),
        (f"Rare classes, with fewer than {RARE}", table[rare]),
    ]
    tables = []
    for title, part in parts:
        rows = [
            (
                row["class"],
                row["n_learned"],
                row["n_test"],
                *(_share_cell(row, metric) for metric in OF_A_CLASS),
            )
            for row in part.to_dict("records")
        ]
        columns = ("Class", "Learned from", "Test", *(HEADINGS[metric] for metric in OF_A_CLASS))
        if rows:
            tables.append(Table(title, columns, rows))
    text = (
        f"Of {model_label(model)}. Sensitivity: share of the class that is named so. Precision: share of what is named so "
        "that is right."
    )
    if rare.any():
        text += " Of rare classes one record more or less moves these figures by much: look at the intervals."
    return Section("Each class", text, tables=tables)


def _share_cell(row: Mapping[str, Any], metric: str) -> Cell:
    if pd.isna(row[metric]):
        return Cell(DASH)
    return Cell(number(row[metric]), small=f"{number(row[f'{metric}_low'])}–{number(row[f'{metric}_high'])}")


def _confused(own: pd.DataFrame, model: str) -> Section:
    # a data set of few classes shows them all
    largest = own["class"].value_counts().index[:LARGEST].tolist()
    counts = confusion(own, largest)
    if not counts.iloc[-1].any() and not counts.iloc[:, -1].any():
        counts = counts.iloc[:-1, :-1]
    rows = [
        (name, *(Cell(f"{n:,}", mark="strong" if said == name else "") for said, n in row.items()))
        for name, row in counts.iterrows()
    ]
    return Section(
        "What is taken for what",
        f"The largest classes of the test records, by {model_label(model)}: a row per class, a column per class that "
        "is named.",
        tables=[Table("", ("Class", *map(str, counts.columns)), rows)],
    )


def _named(
    own: pd.DataFrame, probabilities: pd.DataFrame, explanations: pd.DataFrame, manifest: Mapping[str, Any]
) -> Section:
    shown = own.set_index("case_id")
    ids = [case for case in pd.unique(explanations["case_id"]) if case in shown.index][:SHOWN_CASES]
    of = probabilities[probabilities["case_id"].isin(ids)]
    sets = of[of["in_set"]].groupby("case_id")["class"].agg(list)
    rows = []
    for case in ids:
        row = shown.loc[case]
        likely = of.loc[(of["case_id"] == case) & (of["class"] == row["named"]), "probability"].iloc[0]
        right = "right" if row["named"] == row["class"] else "wrong"
        rows.append(
            (
                str(case),
                row["class"],
                "none: looks like no known record"
                if row["abstains"]
                else Cell(str(row["named"]), small=right),
                percent(likely),
                _listed(sets.get(case, [])),
                p_value(row["p_value"]),
                reason_words(explanations[explanations["case_id"] == case]),
            )
        )
    return Section(
        "Single records",
        "Test records of as many classes as there are. What speaks for the named class: the factor by which the value "
        "raises its odds, compared with usual values. Values that say the same hide each other.",
        tables=[
            Table(
                "",
                ("Record", "Class", "Named", "Probability of it", "Set", "p-value", "What speaks for it"),
                rows,
                "The p-value is the share of known records that look at least as unusual.",
                layout="stacked",
            )
        ]
        if rows
        else [],
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:REASONS]) + (f" and {len(names) - REASONS} more" if len(names) > REASONS else "")


def reason_words(terms: pd.DataFrame) -> str:
    """The values that speak most for a class, with the factor by which they raise its odds."""
    parts = []
    for row in (
        terms[terms["contribution"] > LEAST_FACTOR]
        .sort_values("contribution", ascending=False, kind="stable")
        .head(REASONS)
        .itertuples()
    ):
        value = f"{row.value} {shown_unit(row.value, row.unit)}".strip()
        parts.append(f"{str(row.feature).replace('_', ' ')} {value} ({np.exp(row.contribution):,.3g} times)")
    return "; ".join(parts) or "no single value"
