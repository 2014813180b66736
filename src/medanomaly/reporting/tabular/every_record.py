"""The most unusual of all records, those of train and calibration too, and what is guaranteed of their p-values."""

import numpy as np
import pandas as pd

from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.sections import Cell, Section, Table
from medanomaly.reporting.unusual_cases import UNUSUAL_CASES, label_cell
from medanomaly.reporting.wording import asked, counted, p_value, percent

TITLE = "Every record"


def every_record_section(table: pd.DataFrame, alpha: float, group_by: str | None = None) -> Section | None:
    """How many of all records are flagged, the most unusual ones, and what is guaranteed; None where none was judged.

    Args:
        table: one row per record, the most unusual first: ``case_id``, ``label``, ``kind``, ``split``, ``status`` (scored or
            refused), ``model``, ``p_value``, ``flagged``, ``reasons``, ``findings``.
        alpha: false-alarm rate that was asked for.
        group_by: subgroup column within which other p-values of the report hold; None where there is none.
    """
    if table.empty:
        return None
    scored = table[table["status"] == "scored"]
    n, n_flagged = len(scored), int(scored["flagged"].fillna(False).sum())
    model = model_label(str(scored["model"].iloc[0]))
    said = [
        f"{model} was fitted anew for parts of the table, so that each record was judged by detectors that never saw its "
        "patient; records of train and calibration are among them.",
        f"At most {asked(2 * alpha)} of all records are flagged, whatever the data are; of usual records it is about "
        f"{asked(alpha)} when measured."
        if 2 * alpha < 1
        else "",
        "Labels were not used." if scored["label"].notna().any() else "",
        f"These p-values hold for all records together, not within groups of {group_by}." if group_by else "",
        "All of them are in all_cases.csv.",
    ]
    doubts = int(scored["findings"].fillna("").ne("").sum())
    notes = (
        [f"Values of {counted(doubts, 'record')} among them look wrong; the list says which."]
        if doubts
        else []
    )
    if n_refused := len(table) - n:
        notes.append(f"{counted(n_refused, 'record')} could not be used; the list ends with the reason.")
    return Section(
        TITLE,
        lead=f"{n_flagged:,} of {counted(n, 'record')} are flagged ({percent(n_flagged / n)}).",
        text=" ".join(sentence for sentence in said if sentence),
        tables=[_most_unusual(scored)],
        notes=notes,
    )


def _most_unusual(scored: pd.DataFrame) -> Table:
    shown = scored.head(UNUSUAL_CASES)
    labelled, found = scored["label"].notna().any(), shown["findings"].fillna("").ne("").any()
    rows = []
    for row in shown.itertuples():
        cells = [
            Cell(str(row.case_id)),
            Cell(str(row.split)),
            Cell(p_value(row.p_value)),
            Cell(str(row.reasons) if pd.notna(row.reasons) else ""),
        ]
        cells += [Cell(str(row.findings) if pd.notna(row.findings) else "")] if found else []
        cells += [label_cell(row.label, row.kind)] if labelled else []
        rows.append(cells)
    columns = [
        "Record",
        "Part",
        "p-value",
        "Reasons",
        *(["Looks wrong"] if found else []),
    ]
    smallest = np.format_float_positional(1 / len(scored), precision=2, fractional=False, trim="-")
    n = counted(len(scored), "record")
    note = f"With {n} no p-value is smaller than {smallest}; equal ones are in order of the score."
    return Table("", columns + (["Label"] if labelled else []), rows, note, layout="stacked unusual")
