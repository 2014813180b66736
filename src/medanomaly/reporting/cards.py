"""A card per explained case: what makes it unusual, value by value."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from medanomaly.reporting.figures.explanations import strongest, usual_range, value_cell
from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.results import ModalityResults
from medanomaly.reporting.sections import Card, Cell, Section, Table
from medanomaly.reporting.tabular.why_unusual import EVIDENCE_NOTE, evidence
from medanomaly.reporting.unusual_cases import label_cell
from medanomaly.reporting.wording import counted, equals_p_value, plural, short_number, signed

EXPLAINED_CASES, FEATURES_PER_CASE = 6, 8


def explained_cases(r: ModalityResults) -> pd.DataFrame:
    """The most unusual cases that have explanations, as rows of ``most_unusual``; with evidence where any has it."""
    known = r.most_unusual[r.most_unusual["case_id"].isin(r.reasons)]
    if r.unexpected_values is not None:
        whole = known[known["case_id"].isin(r.unexpected_values["case_id"])]
        known = known if whole.empty else whole
    return known.head(EXPLAINED_CASES)


def card_keys(r: ModalityResults) -> dict[str, str]:
    """case_id to the key of its card."""
    return {case.case_id: f"{r.slug}-why-{case.Index + 1}" for case in explained_cases(r).itertuples()}


def cards_section(r: ModalityResults) -> Section | None:
    """Why the most unusual cases are unusual; None where no case was explained."""
    chosen, keys = explained_cases(r), card_keys(r)
    cards = [_card(r, case, keys[case.case_id]) for case in chosen.itertuples()]
    if not cards:
        return None
    title = f"Why are these {plural(r.noun)} unusual?"
    key = f"{r.slug}-why"
    model = model_label(r.leading)
    usual = ""
    if any("Usual" in card.table.columns for card in cards):
        usual = f"Usual: 5th to 95th percentile among the normal {plural(r.noun)} it learned from. "
    if cards[0].facts:
        adds = (
            f"Adds: what the value adds to the score of {model}."
            if r.exact
            else f"The score of {model} is not a sum over values, so no value is said to add to it."
        )
        return Section(title, f"{usual}{EVIDENCE_NOTE.format(noun=r.noun)} {adds}", cards=cards, key=key)
    bars = (
        f"Bars show what each value adds to the score of {model}; to the right, more unusual."
        if r.exact
        else f"Bars show how much of the score of {model} is attributed to each value; to the right, more unusual."
    )
    text = f"{bars} {usual}An unusual value is not necessarily a wrong or a dangerous one."
    return Section(title, text, cards=cards, key=key)


_EVIDENCE_COLUMNS = ("Value", "Found", "Usual", "Expected", "Out of place")


def _card(r: ModalityResults, case, key: str) -> Card:
    found = evidence(r, case.case_id)
    said = [f"p {equals_p_value(case.p_value)}", f"score {short_number(case.score)}"]
    if found and found.threshold:
        said.append(f"flagged above {found.threshold}")
    if len(r.contenders) > 1:
        said.append(f"flagged by {int(case.n_flagging)} of {counted(len(r.contenders), 'model')}")
    badge = None if pd.isna(case.label) else label_cell(case.label, case.kind)
    name, text = r.case_name(case.case_id), ", ".join(said)
    if found is None:
        rows = feature_rows(strongest(r.explanations, case.case_id, r.leading, FEATURES_PER_CASE))
        columns = ["Feature", "Value", "Usual", "Contribution"]
        if not any(usual.text for _, _, usual, _ in rows):
            columns, rows = ["Feature", "Value", "Contribution"], [(row[0], row[1], row[3]) for row in rows]
        return Card(key, name, text, badge, Table("", columns, rows, layout="narrow"))
    columns = [*_EVIDENCE_COLUMNS, *(["Adds"] if found.exact else [])]
    return Card(key, name, text, badge, Table("", columns, found.rows, layout="narrow"), found.facts)


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
