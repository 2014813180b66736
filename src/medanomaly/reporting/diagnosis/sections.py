"""Sections of the report about rankings: where the right disease stands, are probabilities true, what was not read."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from medanomaly.reporting.diagnosis.case_page import page_name
from medanomaly.reporting.diagnosis.figures import top_k_curve
from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.sections import Cell, Figure, Section, Table
from medanomaly.reporting.wording import DASH, counted, number, percent

SHOWN_REASONS, SHOWN_CASES = 12, 40
# only where cases name publications
LEFT_OUT = " What these publications say was left out of the knowledge before, unless hold_out is false."
EASIER = " A case from a publication that the knowledge was written from is easier than a new one."
# of fewer publications an AUROC says next to nothing
FEW_PUBLICATIONS = 10
GROUPS = {
    "": "All",
    "publication=cited": "Publication cited by the release for this disease",
    "publication=not cited": "Publication not cited",
    "training cases=0": "Disease with no train case",
    "training cases=1-4": "1 to 4 train cases",
    "training cases=5 and more": "5 and more train cases",
}
METRICS = {
    "top_1": "First",
    "top_3": "In the first 3",
    "top_10": "In the first 10",
    "macro_top_1": "First, mean over diseases",
    "mrr": "Mean of 1 / rank",
    "coverage": "In the set",
}


def diagnosis_sections(
    patients: pd.DataFrame,
    symptoms: pd.DataFrame,
    unread: pd.DataFrame,
    metrics: pd.DataFrame,
    rankings: Mapping[str, pd.DataFrame],
    judged: Mapping[str, pd.DataFrame],
    pages: set[str],
    knowledge: Mapping[str, str],
    outside: pd.DataFrame | None = None,
) -> list[Section]:
    """Everything that the report says of rankings.

    Args:
        patients, symptoms: tables of :class:`medanomaly.diagnosis.patients.PatientSymptoms`.
        unread: ``case_id``, ``given``, ``reason``.
        metrics: metrics table of the rankings.
        rankings: model -> its rankings.
        judged: model -> test cases with the rank of their disease, as
            :func:`medanomaly.pipelines.diagnosis.ranking_nodes.judged_cases` makes them.
        pages: names of the pages that were written.
        knowledge: versions and licence.
        outside: rows of ``patients`` whose disease the knowledge does not have, of the test cases.
    """
    found = [where_it_stands(metrics, judged)]
    found += [
        section for name in judged if (section := probabilities(name, metrics, judged[name])) is not None
    ]
    if outside is not None and len(outside):
        found.append(not_known(outside))
    found.append(not_read(patients, symptoms, unread))
    leading = next(iter(rankings))
    found.append(shown_cases(patients, judged[leading], rankings[leading], pages))
    about = [f"{word.capitalize()}: {text}" for word, text in knowledge.items()]
    return [
        *found,
        Section("Knowledge", "What diseases are known to look like comes from these sources.", notes=about),
    ]


def where_it_stands(metrics: pd.DataFrame, judged: Mapping[str, pd.DataFrame]) -> Section:
    """Share of cases whose disease is first, or among the first, by group."""
    title = "Is the right disease at the top?"
    if metrics.empty:
        return Section(title, "No test case has a diagnosis that can be looked up, so nothing can be said.")
    value = metrics.set_index(["model", "subgroup", "metric"])
    tables, leads = [], []
    published = any(of["published"].any() for of in judged.values())
    for model, of in judged.items():
        shown = [metric for metric in METRICS if (model, "", metric) in value.index]
        rows = [
            (
                label,
                int(value.loc[(model, group, "top_1"), "n"]),
                *(_cell(value, model, group, metric) for metric in shown),
            )
            for group, label in GROUPS.items()
            if (model, group, "top_1") in value.index
        ]
        first = value.loc[(model, "", "top_1")]
        leads.append(
            f"{model_label(model).capitalize()}: the diagnosed disease stands first in {percent(first['value'])} of "
            f"{counted(len(of), 'test case')} (95 % interval {_span(first)})."
        )
        tables.append(
            Table(
                model_label(model),
                ("Test cases", "n", *(METRICS[metric] for metric in shown)),
                rows,
                f"In small type: 95 % intervals from resampled {'publications' if published else 'patients'}. Ties count "
                "against the right disease. One that is not ranked at all counts as missed. Only the same id counts as "
                "right." + (LEFT_OUT if published else ""),
            )
        )
    name, of = next(iter(judged.items()))
    curves = {"All": of["rank"].to_numpy()}
    for word, cited in (("Publication cited", True), ("Publication not cited", False)):
        if (inside := of["cited"].eq(cited).to_numpy()).any() and not inside.all():
            curves[word] = of["rank"].to_numpy()[inside]
    figure = Figure(
        "How far down the list is it?",
        f"By {model_label(name)}." + (EASIER if published else ""),
        top_k_curve(curves),
    )
    return Section(title, lead=" ".join(leads), tables=tables, figures=[figure])


def probabilities(model: str, metrics: pd.DataFrame, judged: pd.DataFrame) -> Section | None:
    """Whether probabilities of the first disease come true and sets hold the right one; None without probabilities."""
    known = judged[judged["probability"].notna()]
    if known.empty:
        return None
    from medanomaly.evaluation.probability_calibration import expected_calibration_error, reliability_table
    from medanomaly.reporting.figures.decisions import reliability_diagram

    right = known["rank"].eq(1).to_numpy()
    probability = known["probability"].to_numpy()
    curve = reliability_table(probability, right).assign(model=model)
    gap = expected_calibration_error(probability, right)
    value = metrics[(metrics["model"] == model) & (metrics["subgroup"].fillna("") == "")].set_index("metric")
    said = f"The mean gap between probability and what came true is {number(gap)}."
    if "coverage" in value.index:
        size = value.loc["set_size", "value"]
        said += (
            f" The set of diseases holds the diagnosed one in {percent(value.loc['coverage', 'value'])} of the cases "
            f"(95 % interval {_span(value.loc['coverage'])}) and has {size:.3g} diseases on average; half of the sets have "
            f"{known['set_size'].median():.3g} or fewer."
        )
        if known["published"].any():
            each = value.loc["publication_coverage"]
            said += (
                f" With every publication counted once it is {percent(each['value'])} ({_span(each)}). That is what sets "
                "are made for. Cases of one publication are alike, so a hard one with many cases lowers the first figure."
            )
    figure = Figure(
        "Is the first disease as likely as it says?",
        "On the diagonal, of the cases whose first disease was given 30 % some 30 % had it. Lines: 95 % intervals.",
        reliability_diagram(curve, title="Share in which the first disease was right"),
    )
    return Section(f"Do the probabilities of {model_label(model)} come true?", said, figures=[figure])


def not_known(outside: pd.DataFrame) -> Section:
    """How many test cases have a disease that the knowledge does not have: all that "anomalous" means here."""
    n = outside["publication"].fillna(outside["patient_id"]).nunique()
    said = (
        f"{counted(len(outside), 'test case')} of {counted(outside['disease'].nunique(), 'disease')} from "
        f"{counted(n, 'publication')} have a disease that the knowledge does not have. These are the anomalous cases of "
        "this report."
    )
    if n < FEW_PUBLICATIONS:
        said += (
            " They are too few to tell whether such a case is noticed: AUROC and sensitivity may be anything."
        )
    return Section("Diseases that are not in the knowledge", said)


def not_read(patients: pd.DataFrame, symptoms: pd.DataFrame, unread: pd.DataFrame) -> Section:
    """What of the lists was not used, by reason, with an example."""
    title = "What was not read"
    text = (
        f"{len(symptoms):,} symptoms of {counted(len(patients), 'patient')} were read, "
        f"{int(symptoms['excluded'].sum()):,} of them excluded."
    )
    if unread.empty:
        return Section(title, f"{text} Everything that was written could be used.")
    reason = unread["reason"].astype(str)
    counts = reason.value_counts()
    example = unread.groupby(reason.to_numpy(), sort=False)["given"].first()
    rows = [(name, int(n), str(example[name])) for name, n in counts.head(SHOWN_REASONS).items()]
    note = f"And {len(counts) - SHOWN_REASONS:,} more reasons." if len(counts) > SHOWN_REASONS else ""
    return Section(
        title,
        f"{text} {len(unread):,} parts were not used, or otherwise than written.",
        tables=[Table("", ("Reason", "n", "For example"), rows, note)],
        links=[("All parts that were not read", "unread.csv")],
    )


def shown_cases(
    patients: pd.DataFrame, judged: pd.DataFrame, rankings: pd.DataFrame, pages: set[str]
) -> Section:
    """Cases with a page of their own: what was diagnosed, where it stands, and what stands first."""
    first = rankings.drop_duplicates("case_id").set_index("case_id")
    named = patients.set_index("case_id")[["disease", "disease_name"]]
    rank = judged.set_index("case_id")["rank"]
    rows = []
    for case in first.index:
        if page_name(case) not in pages:
            continue
        diagnosed = named.loc[case]
        place = rank.get(case, np.nan)
        rows.append(
            (
                Cell(str(case), link=f"cases/{page_name(case)}.html"),
                Cell(_name(diagnosed["disease_name"]), small=_name(diagnosed["disease"])),
                Cell(DASH if pd.isna(place) else "not ranked" if np.isinf(place) else f"{int(place)}"),
                Cell(_name(first.loc[case, "disease_name"]), small=_name(first.loc[case, "disease"])),
            )
        )
    return Section(
        "Cases with a page of their own",
        "Each page has the list of diseases with what every symptom says for and against them, and who says so.",
        tables=[Table("", ("Patient", "Diagnosed", "Rank", "First in the list"), rows[:SHOWN_CASES])],
    )


def _name(value: object) -> str:
    return DASH if pd.isna(value) or not str(value) else str(value)


def _span(row: pd.Series) -> str:
    if pd.isna(row["ci_low"]):
        return "unknown"
    return f"{percent(row['ci_low'], 0, sign=False)} to {percent(row['ci_high'], 0)}"


def _cell(value: pd.DataFrame, model: str, group: str, metric: str) -> Cell:
    if (model, group, metric) not in value.index:
        return Cell(DASH)
    row = value.loc[(model, group, metric)]
    if metric == "mrr":
        return Cell(
            number(row["value"]),
            small="" if pd.isna(row["ci_low"]) else f"{number(row['ci_low'])}–{number(row['ci_high'])}",
        )
    small = (
        ""
        if pd.isna(row["ci_low"])
        else f"{percent(row['ci_low'], 0, sign=False)}–{percent(row['ci_high'], 0, sign=False)}"
    )
    return Cell(percent(row["value"]), small=small)
