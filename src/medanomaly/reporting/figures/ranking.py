"""How well the scores put anomalous cases before normal ones: ROC and precision-recall curves."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_curve, roc_curve

from medanomaly.evaluation.resampling.ranking import auroc, average_precision
from medanomaly.reporting.figures.style import (
    HALF_WIDTH,
    LEGEND_LINE,
    MUTED,
    SURFACE,
    Drawing,
    canvas,
    draw_line,
    legend_below,
    model_label,
    model_styles,
    percent_axis,
    svg_figure,
)
from medanomaly.reporting.scored_cases import labelled_test_cases, metric_row

# a curve is drawn some 400 points wide, so a 1/1200 of the axis is a third of a point
DRAWN_STEPS = 1200


def thin_curve(x: np.ndarray, y: np.ndarray, steps: int = DRAWN_STEPS) -> tuple[np.ndarray, np.ndarray]:
    """Drop the points of a curve in the unit square that nobody could see.

    Points are rounded to a grid of ``steps`` x ``steps``; repeats, and points inside a straight run, go.

    Args:
        x: (n,) in [0, 1], in drawing order.
        y: (n,) in [0, 1].
        steps: cells of the grid along an axis.

    Returns:
        ``(x, y)`` of at most n points, none further than half a cell along an axis from the curve given.
    """
    points = np.round(np.column_stack([x, y]) * steps).astype(np.int64)
    moved = np.ones(len(points), dtype=bool)
    moved[1:] = (np.diff(points, axis=0) != 0).any(axis=1)
    points = points[moved]
    if len(points) > 2:
        before, after = np.diff(points[:-1], axis=0), np.diff(points[1:], axis=0)
        turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
        back = (before * after).sum(axis=1) < 0
        points = points[np.concatenate([[True], turns | back, [True]])]
    return points[:, 0] / steps, points[:, 1] / steps


@svg_figure
def roc(
    cases: pd.DataFrame,
    scores: pd.DataFrame,
    metrics: pd.DataFrame | None = None,
    baselines: Sequence[str] = (),
    alpha: float | None = None,
) -> Drawing:
    """ROC curves of all models on the test cases.

    Args:
        cases: case table.
        scores: score table.
        metrics: metrics table, for the interval of each AUROC in the legend.
        baselines: models drawn thin and dashed.
        alpha: false-alarm rate asked for; draws a line there, and a dot where each model really works.

    Returns:
        SVG string.
    """
    joined = labelled_test_cases(cases, scores)
    models = list(joined["model"].unique())
    styles = model_styles(models, baselines)
    figure, axes = canvas(HALF_WIDTH, 3.5 + LEGEND_LINE * (len(models) + 2))
    diagonal = axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8)[0]
    entries = []
    for model in models:
        rows = joined[joined["model"] == model]
        label = rows["label"].to_numpy(dtype=int)
        false_alarms, caught, _ = roc_curve(label, rows["score"].to_numpy(), drop_intermediate=False)
        line = draw_line(axes, *thin_curve(false_alarms, caught), styles[model], zorder=3)
        area = auroc(rows["score"].to_numpy(), label)
        entries.append((area, line, model))
        if alpha is not None and model not in baselines and rows["flagged"].notna().all():
            flagged = rows["flagged"].to_numpy(dtype=bool)
            axes.plot(
                flagged[label == 0].mean(),
                flagged[label == 1].mean(),
                "o",
                color=styles[model].colour,
                markeredgecolor=SURFACE,
                markersize=6.5,
                zorder=4,
                clip_on=False,
            )
    if alpha is not None:
        axes.axvline(alpha, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)), zorder=2)
        axes.annotate(
            f"asked for: {100 * alpha:g} %",
            (alpha, 0.03),
            (4, 0),
            textcoords="offset points",
            color=MUTED,
            fontsize=8,
        )
    _unit_square(
        axes, "False alarms: share of normal cases flagged", "Share of anomalies caught (sensitivity)"
    )
    entries.sort(key=lambda entry: -entry[0])
    labels = [
        f"{model_label(model, model in baselines)}: {_with_interval(area, metrics, model, 'auroc')}"
        for area, _, model in entries
    ]
    labels.append("flagging at random: 0.500")
    legend_below(figure, [*(line for _, line, _ in entries), diagonal], labels, "AUROC (95 % interval)")
    return Drawing(figure, "ROC curves. AUROC: " + "; ".join(labels))


@svg_figure
def precision_recall(
    cases: pd.DataFrame,
    scores: pd.DataFrame,
    metrics: pd.DataFrame | None = None,
    baselines: Sequence[str] = (),
) -> Drawing:
    """Precision-recall curves of all models on the test cases, with the prevalence as the line of pure chance.

    Args:
        cases: case table.
        scores: score table.
        metrics: metrics table, for the interval of each average precision.
        baselines: models drawn thin and dashed.

    Returns:
        SVG string.
    """
    joined = labelled_test_cases(cases, scores)
    models = list(joined["model"].unique())
    styles = model_styles(models, baselines)
    prevalence = float((joined.drop_duplicates("case_id")["label"] == 1).mean())
    figure, axes = canvas(HALF_WIDTH, 3.5 + LEGEND_LINE * (len(models) + 2))
    entries = []
    for model in models:
        rows = joined[joined["model"] == model]
        label = rows["label"].to_numpy(dtype=int)
        precision, recall, _ = precision_recall_curve(label, rows["score"].to_numpy())
        # the point (0, 1) that scikit-learn adds belongs to no threshold
        precision, recall = precision[:-1][::-1], recall[:-1][::-1]
        line = draw_line(axes, *thin_curve(recall, precision), styles[model], zorder=3)
        entries.append((average_precision(rows["score"].to_numpy(), label), line, model))
    chance = axes.axhline(prevalence, color=MUTED, linewidth=0.8, zorder=2)
    _unit_square(axes, "Share of anomalies caught (recall)", "Share of alarms that are right (precision)")
    entries.sort(key=lambda entry: -entry[0])
    labels = [
        f"{model_label(model, model in baselines)}: {_with_interval(area, metrics, model, 'auprc')}"
        for area, _, model in entries
    ]
    labels.append(f"flagging at random: {prevalence:.3f}, the share of anomalous cases")
    legend_below(
        figure, [*(line for _, line, _ in entries), chance], labels, "Average precision (95 % interval)"
    )
    return Drawing(figure, f"Precision-recall curves, prevalence {prevalence:.3f}: " + "; ".join(labels))


def _unit_square(axes, x_name: str, y_name: str) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1.005), xlabel=x_name)
    axes.set_title(y_name)
    percent_axis(axes.xaxis)
    percent_axis(axes.yaxis)


def _with_interval(value: float, metrics: pd.DataFrame | None, model: str, metric: str) -> str:
    row = metric_row(metrics, model, metric)
    if row is None:
        return f"{value:.3f}"
    if pd.isna(row["ci_low"]):
        return f"{row['value']:.3f}"
    return f"{row['value']:.3f} ({row['ci_low']:.3f}–{row['ci_high']:.3f})"
