"""What the threshold decided, and whether a probability came true: confusion matrices and reliability diagrams."""

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle

from medanomaly.core.errors import InputError
from medanomaly.core.scores import BASELINE
from medanomaly.reporting.figures.style import (
    ANOMALOUS,
    FULL_WIDTH,
    GRID,
    HALF_WIDTH,
    INK,
    LEGEND_LINE,
    MUTED,
    NORMAL,
    Drawing,
    canvas,
    draw_line,
    legend_below,
    model_label,
    model_styles,
    panel_columns,
    percent_axis,
    svg_figure,
)
from medanomaly.reporting.scored_cases import labelled_test_cases

RELIABILITY_COLUMNS = ("model", "mean_probability", "observed", "n")


@svg_figure
def confusion_matrices(cases: pd.DataFrame, scores: pd.DataFrame) -> Drawing:
    """Counts of test cases by label and decision, one matrix per model; the tint is the share of the row.

    Args:
        cases: case table.
        scores: score table; rows without a decision are left out.

    Returns:
        SVG string.
    """
    joined = labelled_test_cases(cases, scores)
    joined = joined[joined["flagged"].notna()]
    if joined.empty:
        raise InputError("no labelled test case has a decision", source="score table", column="flagged")
    models = list(joined["model"].unique())
    columns = panel_columns(len(models), (4, 3))
    rows = -(-len(models) // columns)
    width = HALF_WIDTH if columns <= 2 else FULL_WIDTH
    figure, grid = canvas(width, 1.95 * rows, rows, columns, squeeze=False)
    described = []
    for axes, model in zip(grid.flat, models, strict=False):
        of_model = joined[joined["model"] == model]
        label, flagged = of_model["label"].to_numpy(dtype=int), of_model["flagged"].to_numpy(dtype=bool)
        counts = np.array(
            [[np.sum((label == truth) & (flagged == say)) for say in (0, 1)] for truth in (0, 1)]
        )
        _draw_matrix(axes, counts)
        name = model_label(model, of_model["role"].iloc[0] == BASELINE)
        axes.set_title(textwrap.fill(name, 24), fontweight="bold")
        described.append(
            f"{name}: {counts[1, 1]} anomalies flagged, {counts[1, 0]} missed, "
            f"{counts[0, 1]} false alarms, {counts[0, 0]} normals passed"
        )
    for axes in grid.flat[len(models) :]:
        axes.set_visible(False)
    return Drawing(figure, "Confusion matrices. " + "; ".join(described))


def _draw_matrix(axes, counts: np.ndarray) -> None:
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for truth in (0, 1):
        for say in (0, 1):
            right = truth == say
            colour = NORMAL if right else ANOMALOUS
            axes.add_patch(
                Rectangle(
                    (say, truth), 0.98, 0.96, color=colour, alpha=0.08 + 0.5 * share[truth, say], linewidth=0
                )
            )
            axes.text(
                say + 0.49, truth + 0.40, f"{counts[truth, say]:,}", ha="center", va="center", color=INK
            )
            axes.text(
                say + 0.49,
                truth + 0.70,
                f"{100 * share[truth, say]:.1f} %",
                ha="center",
                va="center",
                color=INK,
                fontsize=8,
            )
    axes.set(xlim=(0, 2), ylim=(2, 0))
    axes.set_xticks([0.49, 1.49], ["not flagged", "flagged"])
    axes.set_yticks([0.48, 1.48], ["normal", "anomalous"])
    axes.tick_params(length=0)
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)


@svg_figure
def reliability_diagram(
    reliability: pd.DataFrame, baselines: Sequence[str] = (), title: str = "Share that was really anomalous"
) -> Drawing:
    """Predicted probability against how often it came true, a dot per bin; on the diagonal it means what it says.

    Args:
        reliability: one row per model and bin, with ``model``, ``mean_probability`` and ``observed`` in [0, 1], ``n`` (cases
            in the bin) and, where known, ``ci_low`` and ``ci_high`` of ``observed``.
        baselines: models drawn thin and dashed.
        title: what ``observed`` is a share of.

    Returns:
        SVG string.
    """
    missing = [column for column in RELIABILITY_COLUMNS if column not in reliability.columns]
    if missing:
        raise InputError(
            f"columns {missing} are missing",
            remedy=f"Expected {RELIABILITY_COLUMNS}.",
            source="reliability table",
        )
    filled = reliability[(reliability["n"] > 0) & reliability["observed"].notna()]
    models = list(filled["model"].unique())
    styles = model_styles(models, baselines)
    figure, axes = canvas(HALF_WIDTH, 3.5 + LEGEND_LINE * (len(models) + 1))
    axes.plot([0, 1], [0, 1], color=GRID, linewidth=1)
    lines, labels = [], []
    for model in models:
        rows = filled[filled["model"] == model].sort_values("mean_probability")
        x, y = rows["mean_probability"].to_numpy(dtype=float), rows["observed"].to_numpy(dtype=float)
        if "ci_low" in rows:
            axes.vlines(
                x, rows["ci_low"], rows["ci_high"], color=styles[model].colour, linewidth=1, alpha=0.6
            )
        lines.append(draw_line(axes, x, y, styles[model], marker="o", markersize=4, zorder=3))
        labels.append(f"{model_label(model, model in baselines)} ({int(rows['n'].sum()):,} cases)")
    axes.set(xlim=(0, 1), ylim=(0, 1.005), xlabel="Probability the model gave")
    axes.set_title(title)
    percent_axis(axes.xaxis)
    percent_axis(axes.yaxis)
    axes.annotate(
        "too sure below the line,\ntoo cautious above it", (0.97, 0.06), ha="right", color=MUTED, fontsize=8
    )
    legend_below(figure, lines, labels, "Models that give probabilities")
    return Drawing(figure, "Reliability diagram of " + ", ".join(labels))
