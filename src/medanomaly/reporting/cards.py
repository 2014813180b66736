"""A card per explained case: what makes it unusual, value by value."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd

from medanomaly.reporting.figures.explanations import strongest, usual_range, value_cell
from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.results import ModalityResults
from medanomaly.reporting.sections import Card, Cell, Fact, Section, Table
from medanomaly.reporting.unusual_cases import label_cell
from medanomaly.reporting.wording import counted, equals_p_value, plural, short_number, signed

EXPLAINED_CASES, FEATURES_PER_CASE = 6, 8


def explained_cases(r: ModalityResults, known: Collection[str]) -> pd.DataFrame:
    """The most unusual of the ``known`` cases, as rows of ``most_unusual``."""
    return r.most_unusual[r.most_unusual["case_id"].isin(known)].head(EXPLAINED_CASES)


def why_section(r: ModalityResults) -> Section | None:
    """Why the most unusual cases are unusual: the modality's own section, else contributions; None without any."""
    own = next((section for section in r.sections if any(card.case_id for card in section.cards)), None)
    return own or _contributions_section(r)


def why_title(r: ModalityResults) -> str:
    """Heading of the section that explains cases."""
    return f"Why are these {plural(r.noun)} unusual?"


def usual_note(r: ModalityResults) -> str:
    """What a column of usual ranges shows."""
    return f"Usual: 5th to 95th percentile among the normal {plural(r.noun)} it learned from."


def case_card(
    r: ModalityResults, case: Any, table: Table, facts: Sequence[Fact] = (), threshold: str = ""
) -> Card:
    """The card of a case.

    Args:
        r: results.
        case: its row of ``most_unusual``.
        table: what makes it unusual.
        facts: what else is known of it.
        threshold: of the score, in words; empty where it is not said.
    """
    said = [f"p {equals_p_value(case.p_value)}", f"score {short_number(case.score)}"]
    if threshold:
        said.append(f"flagged above {threshold}")
    if len(r.contenders) > 1:
        said.append(f"flagged by {int(case.n_flagging)} of {counted(len(r.contenders), 'model')}")
    badge = None if pd.isna(case.label) else label_cell(case.label, case.kind)
    key = f"{r.slug}-why-{case.Index + 1}"
    return Card(key, r.case_name(case.case_id), ", ".join(said), badge, table, facts, case.case_id)


def _contributions_section(r: ModalityResults) -> Section | None:
    cards = []
    for case in explained_cases(r, r.reasons).itertuples():
        rows = feature_rows(strongest(r.explanations, case.case_id, r.leading, FEATURES_PER_CASE))
        columns = ["Feature", "Value", "Usual", "Contribution"]
        if not any(usual.text for _, _, usual, _ in rows):
            columns, rows = ["Feature", "Value", "Contribution"], [(row[0], row[1], row[3]) for row in rows]
        cards.append(case_card(r, case, Table("", columns, rows, layout="narrow")))
    if not cards:
        return None
    model = model_label(r.leading)
    text = (
        f"Bars show what each value adds to the score of {model}; to the right, more unusual."
        if r.exact
        else f"Bars show how much of the score of {model} is attributed to each value; to the right, more unusual."
    )
    if any("Usual" in card.table.columns for card in cards):
        text += f" {usual_note(r)}"
    text += " An unusual value is not necessarily a wrong or a dangerous one."
    return Section(why_title(r), text, cards=cards)


def feature_rows(rows: pd.DataFrame) -> Sequence[Sequence[Cell]]:
    """Contributions as bars on one scale, which holds zero."""
    contribution = rows["contribution"].astype(float)
    left, right = max(0.0, -contribution.min()), max(0.0, contribution.max())
    width = (left + right) or 1.0
    # as many decimals as give the largest contribution of the case three digits
    decimals = int(np.clip(2 - np.floor(np.log10(max(left, right) or 1.0)), 0, 6))
    return [
        (
            Cell(str(row.feature).replace("_", " ").replace(".", " ")),
            value_cell(row),
            Cell(usual_range(row.usual_low, row.usual_high)),
            Cell(
                signed(row.contribution, decimals),
                mark="more" if row.contribution >= 0 else "less",
                bar=(100 * (left + min(0.0, row.contribution)) / width, 100 * abs(row.contribution) / width),
            ),
        )
        for row in rows.itertuples()
    ]
