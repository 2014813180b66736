"""How well it works for whom and for what: sensitivity by kind of anomaly, and a forest plot of subgroups."""

import textwrap

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.reporting.figures.style import (
    FULL_WIDTH,
    HALF_WIDTH,
    INK,
    MODEL_COLOURS,
    MUTED,
    Drawing,
    canvas,
    model_label,
    percent_axis,
    svg_figure,
)
from medanomaly.reporting.scored_cases import TEST, metric_row

_KIND = "kind="
_FOREST_METRICS = {"auroc": "AUROC", "false_alarm_rate": "False-alarm rate"}


def subgroup_parts(subgroup: str) -> tuple[str, str]:
    """``"age_band=40-64"`` to ``("age_band", "40-64")``."""
    column, _, group = str(subgroup).partition("=")
    return column, group


def kind_rows(metrics: pd.DataFrame, model: str) -> pd.DataFrame:
    """The finite sensitivities by kind of one model, highest first."""
    rows = metrics[
        (metrics["model"] == model)
        & (metrics["metric"] == "sensitivity")
        & (metrics["split"] == TEST)
        & metrics["subgroup"].fillna("").str.startswith(_KIND)
        & metrics["value"].notna()
    ]
    return rows.sort_values(["value", "subgroup"], ascending=[False, True], kind="stable")


def group_names(metrics: pd.DataFrame, model: str) -> list[str]:
    """Subgroups of patients (kinds of anomaly aside) that one model has test rows for, in order of appearance."""
    rows = metrics[(metrics["model"] == model) & (metrics["split"] == TEST)]
    names = rows["subgroup"].fillna("")
    return [name for name in names.unique() if name and not name.startswith(_KIND)]


@svg_figure
def sensitivity_by_kind(metrics: pd.DataFrame, model: str) -> Drawing:
    """Share of anomalies caught, a bar per kind, with its interval and count.

    Args:
        metrics: metrics table with ``kind=...`` subgroups of ``sensitivity``.
        model: the model shown.

    Returns:
        SVG string.
    """
    rows = kind_rows(metrics, model)
    if rows.empty:
        raise InputError(f"model '{model}' has no sensitivity by kind", source="metrics table")
    names = ["\n".join(textwrap.wrap(subgroup_parts(name)[1], 30)) for name in rows["subgroup"]]
    value, low, high = (rows[column].to_numpy(dtype=float) for column in ("value", "ci_low", "ci_high"))
    positives = rows["n_positive"].to_numpy(dtype=int)
    height = 0.75 + sum(0.36 + 0.14 * (1 + name.count("\n")) for name in names)
    figure, axes = canvas(HALF_WIDTH, height)
    y = np.arange(len(rows))
    axes.barh(y, value, height=0.45, color=MODEL_COLOURS[0], alpha=0.35)
    axes.hlines(y, low, high, color=MODEL_COLOURS[0], linewidth=1.6)
    axes.plot(value, y, "o", color=MODEL_COLOURS[0], markersize=4)
    for position, (share, count) in enumerate(zip(value, positives, strict=True)):
        axes.annotate(
            f"{100 * share:.0f} % of {count:,}",
            (1, position),
            (6, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axes.set_yticks(y, names, color=INK)
    axes.set(xlim=(0, 1), ylim=(len(rows) - 0.4, -0.6))
    axes.set_xlabel("Share of anomalies caught")
    axes.grid(axis="y", visible=False)
    percent_axis(axes.xaxis)
    described = "; ".join(
        f"{subgroup_parts(name)[1]} {100 * share:.0f} %"
        for name, share in zip(rows["subgroup"], value, strict=True)
    )
    return Drawing(figure, f"Sensitivity of {model_label(model)} by kind of anomaly: {described}")


@svg_figure
def subgroup_forest(metrics: pd.DataFrame, model: str, alpha: float | None = None) -> Drawing:
    """AUROC and false-alarm rate of one model in every subgroup, with intervals, under the whole.

    Args:
        metrics: metrics table; a subgroup without a finite value is drawn without a mark.
        model: the model shown.
        alpha: false-alarm rate asked for, drawn as a line.

    Returns:
        SVG string.
    """
    names = group_names(metrics, model)
    shown = [m for m in _FOREST_METRICS if any(metric_row(metrics, model, m, n) is not None for n in names)]
    if not shown:
        raise InputError(f"model '{model}' has no subgroup with a value", source="metrics table")
    lines = _forest_lines(names)
    width = FULL_WIDTH if len(shown) > 1 else HALF_WIDTH
    figure, grid = canvas(width, 0.8 + 0.21 * len(lines), 1, len(shown), sharey=True, squeeze=False)
    described = []
    for axes, metric in zip(grid.flat, shown, strict=True):
        limits = []
        for y, (_, subgroup) in enumerate(lines):
            row = metric_row(metrics, model, metric, subgroup) if subgroup is not None else None
            if row is None:
                if subgroup is not None and axes is grid.flat[0]:
                    _say_unmeasured(axes, y)
                continue
            whole = subgroup == ""
            colour = INK if whole else MODEL_COLOURS[0]
            axes.hlines(y, row["ci_low"], row["ci_high"], color=colour, linewidth=1.5)
            axes.plot(row["value"], y, "D" if whole else "o", color=colour, markersize=5)
            limits += [v for v in (row["value"], row["ci_low"], row["ci_high"]) if not pd.isna(v)]
            if not whole:
                described.append(f"{_FOREST_METRICS[metric]} {subgroup} {row['value']:.3f}")
        whole = metric_row(metrics, model, metric)
        if whole is not None:
            axes.axvline(whole["value"], color=MUTED, linewidth=0.8, zorder=1)
        if metric == "auroc":
            axes.set_xlim(max(0, min(limits) - 0.03), min(1.005, max(limits) + 0.03))
            axes.set_xlabel("AUROC (95 % interval)")
        else:
            axes.set_xlim(0, min(1, max([*limits, alpha or 0]) * 1.08))
            percent_axis(axes.xaxis)
            asked = f"; dashed: {100 * alpha:g} % asked for" if alpha is not None else ""
            axes.set_xlabel(f"False-alarm rate (95 % interval{asked})")
            if alpha is not None:
                axes.axvline(alpha, color=MUTED, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
        axes.grid(axis="y", visible=False)
    first = grid.flat[0]
    first.set_yticks(range(len(lines)), [label for label, _ in lines])
    for tick, (_, subgroup) in zip(first.get_yticklabels(), lines, strict=True):
        tick.set_color(INK)
        if subgroup is None or subgroup == "":
            tick.set_fontweight("bold")
    first.set_ylim(len(lines) - 0.4, -0.7)
    return Drawing(figure, f"{model_label(model)} by subgroup: " + "; ".join(described))


def _say_unmeasured(axes, y: int) -> None:
    axes.annotate(
        "cannot be measured",
        (0, y),
        (6, 0),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        va="center",
        color=MUTED,
        fontsize=8,
    )


def _forest_lines(names: list[str]) -> list[tuple[str, str | None]]:
    """Rows of the plot as (text, subgroup): the whole first, then a heading per column and its groups."""
    lines: list[tuple[str, str | None]] = [("all test cases", "")]
    for column in dict.fromkeys(subgroup_parts(name)[0] for name in names):
        lines.append((column.replace("_", " "), None))
        lines += [(subgroup_parts(n)[1], n) for n in names if subgroup_parts(n)[0] == column]
    return lines
