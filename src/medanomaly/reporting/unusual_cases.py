"""The most unusual cases of a modality: as a table of the page, and all of them as a file."""

import pandas as pd

from medanomaly.core.cases import reference_cases
from medanomaly.reporting.figures.explanations import shown_unit, shown_value, usual_range
from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.results import ModalityResults
from medanomaly.reporting.sections import Cell, Table
from medanomaly.reporting.wording import counted, label_word, p_value, plural, short_number, smallest_p_value

UNUSUAL_CASES, REASONS = 10, 2


def why_in_one_line(r: ModalityResults, case_id: str) -> str:
    """The features that add most to the leading model's score, with their values; empty for a case not explained."""
    reasons = r.reasons.get(case_id)
    if reasons is None:
        return ""
    raising = reasons[reasons["contribution"] > 0].nlargest(REASONS, "contribution", keep="first")
    return "; ".join(_reason(row) for row in raising.itertuples())


def _reason(row) -> str:
    usual, unit = usual_range(row.usual_low, row.usual_high), shown_unit(row.value, row.unit)
    name = str(row.feature).replace("_", " ").replace(".", " ")
    # a bare number with neither unit nor usual range tells a reader nothing
    bare = not (usual or unit) and not pd.isna(pd.to_numeric(row.value, errors="coerce"))
    value = "" if bare else f"{shown_value(row.value)} {unit}".strip()
    return f"{name} {value}".strip() + (f" (usual {usual})" if usual else "")


def case_table(r: ModalityResults) -> pd.DataFrame:
    """Every test case with the leading model's verdict, the most unusual first.

    Returns:
        ``case_id``, ``case`` (the name that a reader knows), ``patient_id``, ``label``, ``kind``, ``model``, ``score``,
        ``p_value``, ``flagged``, ``why`` (in one line; empty for cases that were not explained).
    """
    table = r.most_unusual
    columns = ["case_id", "case", "patient_id", "label", "kind"]
    columns += ["model", "score", "p_value", "flagged", "why"]
    names = [r.case_name(case_id) for case_id in table["case_id"]]
    why = [why_in_one_line(r, case_id) for case_id in table["case_id"]]
    return table.assign(case=names, why=why)[columns]


def unusual_table(r: ModalityResults, carded: dict[str, str]) -> Table:
    """The most unusual test cases.

    Args:
        r: results.
        carded: address of the card of each case that has one.
    """
    shown = r.most_unusual.head(UNUSUAL_CASES)
    labelled = r.test_cases["label"].notna().any()
    several = len(r.contenders) > 1
    rows = []
    for case in shown.itertuples():
        cells = [
            Cell(r.case_name(case.case_id), link=carded.get(case.case_id, "")),
            Cell(short_number(case.score)),
            Cell(p_value(case.p_value)),
        ]
        if r.reasons:
            cells.append(Cell(why_in_one_line(r, case.case_id) or "not explained"))
        if several:
            cells.append(Cell(f"{int(case.n_flagging)} of {len(r.contenders)}"))
        if labelled:
            cells.append(label_cell(case.label, case.kind))
        rows.append(cells)
    columns = [r.noun.capitalize(), "Score", "p-value"]
    if r.reasons:
        columns.append("What adds most to the score" if r.exact else "Where most of the score comes from")
    columns += ["Flagged by"] if several else []
    columns += ["Label"] if labelled else []
    return Table("", columns, rows, _note(r), layout="stacked unusual")


def label_cell(label: object, kind: object) -> Cell:
    """What the data set says of a case."""
    word = label_word(label)
    return Cell(word, "" if pd.isna(kind) or kind == word else str(kind), badge=word)


def _note(r: ModalityResults) -> str:
    said = [
        f"A p-value of 0.01 says that one in a hundred normal {plural(r.noun)} looks at least as unusual.",
        f"The score is that of {model_label(r.leading)} and has no unit.",
    ]
    n_calibration = int(reference_cases(r.cases, "calibration").sum())
    if n_calibration:
        said.append(
            f"With {counted(n_calibration, f'normal {r.noun}')} for calibration no p-value is smaller than "
            f"{smallest_p_value(n_calibration)}; equal ones are in order of the score."
        )
    return " ".join(said)
