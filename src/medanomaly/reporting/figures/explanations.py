"""Why one case looks unusual: a bar per feature, with its value and the usual range."""

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.reporting.figures.style import (
    INK,
    LESS_UNUSUAL,
    MORE_UNUSUAL,
    MUTED,
    Drawing,
    canvas,
    model_label,
    svg_figure,
)
from medanomaly.reporting.sections import Cell

_WIDTH = 7.2


def usual_range(low: float, high: float) -> str:
    """``"3.5–5.1"`` with three digits, or an empty string where a range makes no sense."""
    if pd.isna(low) or pd.isna(high):
        return ""
    joint = " to " if low < 0 else "–"
    return f"{_three_digits(low)}{joint}{_three_digits(high)}".replace("-", "−")


def _three_digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def shown_unit(value: object, unit: object) -> str:
    """The unit of a number; a word such as ``missing`` has none."""
    if pd.isna(unit) or pd.isna(pd.to_numeric(value, errors="coerce")):
        return ""
    return str(unit)


def shown_value(value: object) -> str:
    """A value as a reader sees it, with a true minus sign before a number; empty for none."""
    if pd.isna(value):
        return ""
    text = str(value)
    return "−" + text[1:] if text[:1] == "-" and text[1:2].isdigit() else text


def value_cell(row) -> Cell:
    """The value of a row with ``value, unit, usual_low, usual_high``, marked where it lies outside its usual range."""
    number = pd.to_numeric(row.value, errors="coerce")
    mark = ""
    if not (pd.isna(number) or pd.isna(row.usual_low) or pd.isna(row.usual_high)):
        mark = "high" if number > row.usual_high else "low" if number < row.usual_low else ""
    return Cell(shown_value(row.value), shown_unit(row.value, row.unit), mark)


def strongest(explanations: pd.DataFrame, case_id: str, model: str, top: int) -> pd.DataFrame:
    """The ``top`` rows of one case and model by size of contribution, then one row for all others together."""
    rows = explanations[(explanations["case_id"] == case_id) & (explanations["model"] == model)]
    rows = rows.sort_values("contribution", key=np.abs, ascending=False, kind="stable")
    shown, others = rows.iloc[:top], rows.iloc[top:]
    if others.empty:
        return shown.reset_index(drop=True)
    rest = {
        "case_id": case_id,
        "model": model,
        "feature": f"{len(others)} other features",
        "value": "",
        "unit": "",
        "usual_low": np.nan,
        "usual_high": np.nan,
        "contribution": others["contribution"].sum(),
    }
    return pd.concat([shown, pd.DataFrame([rest]).reindex(columns=shown.columns)], ignore_index=True)


@svg_figure
def explanation_bars(
    explanations: pd.DataFrame, case_id: str, model: str, top: int = 8, case_name: str = ""
) -> Drawing:
    """Contributions of one case's features to its score, the strongest first.

    Args:
        explanations: explanations table.
        case_id: the case.
        model: the model whose score is explained.
        top: features with a bar of their own; the others are summed into one.
        case_name: what a reader calls the case; its id where empty.

    Returns:
        SVG string.
    """
    rows = strongest(explanations, case_id, model, top)
    if rows.empty:
        raise InputError(f"model '{model}' has no explanation", source="explanations table", record=case_id)
    contribution = rows["contribution"].to_numpy(dtype=float)
    y = np.arange(len(rows))
    figure, axes = canvas(_WIDTH, 0.7 + 0.4 * len(rows))
    colours = np.where(contribution >= 0, MORE_UNUSUAL, LESS_UNUSUAL)
    axes.barh(y, contribution, height=0.5, color=colours, alpha=0.75)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    for position, size in enumerate(contribution):
        axes.annotate(
            f"{size:+.3g}".replace("-", "−"),
            (size, position),
            (4 if size >= 0 else -4, 0),
            textcoords="offset points",
            ha="left" if size >= 0 else "right",
            va="center",
            fontsize=8,
        )
    axes.set_yticks(y, [_row_label(row) for row in rows.itertuples()], color=INK, fontsize=8.5)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.margins(x=0.14)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("Contribution to the score: less unusual ← 0 → more unusual")
    described = "; ".join(
        f"{name} {size:+.3g}" for name, size in zip(rows["feature"], contribution, strict=True)
    )
    return Drawing(
        figure, f"Why case {case_name or case_id} is unusual for {model_label(model)}: {described}"
    )


def _row_label(row) -> str:
    usual = usual_range(row.usual_low, row.usual_high)
    value = "" if pd.isna(row.value) else f"{row.value} {shown_unit(row.value, row.unit)}".strip()
    below = ", ".join(part for part in (value, f"usually {usual}" if usual else "") if part)
    name = str(row.feature).replace("_", " ")
    return f"{name}\n{below}" if below else name
