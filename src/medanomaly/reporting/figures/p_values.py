"""Whether p-values mean what they say, and how far they set the two classes apart."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter

from medanomaly.core.cases import reference_cases
from medanomaly.core.errors import InputError
from medanomaly.core.scores import BASELINE
from medanomaly.evaluation.resampling.intervals import false_alarm_interval
from medanomaly.reporting.figures.style import (
    ANOMALOUS,
    FULL_WIDTH,
    HALF_WIDTH,
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
from medanomaly.reporting.scored_cases import scored_test_cases

# two p-values at the floor lie a factor of 2 apart, so bins of 10^(1/3) leave no false gaps there
BINS_PER_DECADE = 3
SMALLEST_ALPHA = 1e-3
BAND_STEP = 3


@svg_figure
def p_value_calibration(
    cases: pd.DataFrame, scores: pd.DataFrame, baselines: Sequence[str] = (), alpha: float | None = None
) -> Drawing:
    """Does "5 %" mean 5 %? Share of test normals with p <= alpha, against alpha, for every alpha.

    Args:
        cases: case table.
        scores: score table.
        baselines: models drawn thin and dashed.
        alpha: the rate in use, marked by a line.

    Returns:
        SVG string; both axes logarithmic. The shaded band is where 95 % of the shares lie while p-values hold, given the
        luck of calibration and test, patients as units
        (:func:`medanomaly.evaluation.resampling.intervals.false_alarm_interval`).
    """
    joined = scored_test_cases(cases, scores)
    known_normal = reference_cases(cases, "test")
    joined = joined[joined["case_id"].isin(cases.loc[known_normal, "case_id"]) & joined["p_value"].notna()]
    if joined.empty:
        raise InputError("no normal test case has a p-value", source="score table", column="p_value")
    models = list(joined["model"].unique())
    styles = model_styles(list(scores["model"].unique()), baselines)
    n_calibration = int(reference_cases(cases, "calibration").sum())
    floor = max(1 / (n_calibration + 1), SMALLEST_ALPHA)
    grid = np.geomspace(floor, 1, 240)
    figure, axes = canvas(HALF_WIDTH, 3.5 + LEGEND_LINE * (len(models) + 1))
    band_at = grid[::BAND_STEP]
    low, high = _expected(cases, joined["case_id"], band_at)
    axes.fill_between(band_at, np.maximum(low, 1e-9), high, color=NORMAL, alpha=0.22, linewidth=0)
    axes.plot([1e-9, 1], [1e-9, 1], color=MUTED, linewidth=0.8)
    lines, labels, described = [], [], []
    for model in models:
        labels.append(model_label(model, model in baselines))
        p = np.sort(joined.loc[joined["model"] == model, "p_value"].to_numpy(dtype=float))
        share = np.searchsorted(p, grid + 1e-12, side="right") / len(p)
        lines.append(draw_line(axes, grid, np.maximum(share, 1e-9), styles[model], zorder=3))
        if alpha is not None:
            described.append(f"{labels[-1]} {100 * np.mean(p <= alpha + 1e-12):.2g} %")
    if alpha is not None:
        axes.axvline(alpha, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)), zorder=2)
    axes.set(xscale="log", yscale="log", xlim=(floor, 1), ylim=(floor / 2, 1.03))
    axes.set_xlabel("False-alarm rate asked for (alpha)")
    normals = "normal test cases" if cases["label"].notna().any() else "test cases"
    axes.set_title(f"Share of {normals} flagged")
    marks = [tick for tick in (0.001, 0.01, 0.05, 0.1, 0.5, 1) if tick >= floor / 2]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(marks))
        axis.set_minor_locator(FixedLocator([]))
        percent_axis(axis)
    band = Patch(facecolor=NORMAL, alpha=0.22)
    legend_below(figure, [*lines, band], [*labels, "where 95 % of true p-values would lie"])
    asked = f" At {100 * alpha:g} % asked for: {'; '.join(described)}." if alpha is not None else ""
    return Drawing(figure, f"Share of {normals} flagged against the rate asked for.{asked}")


@svg_figure
def score_distributions(cases: pd.DataFrame, scores: pd.DataFrame, alpha: float = 0.05) -> Drawing:
    """Where normal and anomalous test cases fall, one panel per model, with the threshold.

    Raw scores differ in unit and are often skewed beyond reading, so the axis is the p-value on a log scale: the same
    for every model, and the threshold is alpha in each. The bins start at alpha, so no bar straddles the threshold.

    Args:
        cases: case table; without labels all cases are drawn as one.
        scores: score table.
        alpha: false-alarm rate asked for.

    Returns:
        SVG string.
    """
    joined = scored_test_cases(cases, scores)
    joined = joined[joined["p_value"].notna()]
    if joined.empty:
        raise InputError("no test case has a p-value", source="score table", column="p_value")
    models = list(joined["model"].unique())
    columns = panel_columns(len(models), (3, 2))
    rows = -(-len(models) // columns)
    edges = _p_value_edges(float(joined["p_value"].min()), alpha)
    width = HALF_WIDTH if len(models) == 1 else FULL_WIDTH
    figure, grid = canvas(width, 0.55 + 2.15 * rows, rows, columns, sharex=True, sharey=True, squeeze=False)
    classes = _classes(joined)
    described = []
    for axes, model in zip(grid.flat, models, strict=False):
        of_model = joined[joined["model"] == model]
        flagged = []
        for name, mask, colour in classes:
            p = of_model.loc[mask.loc[of_model.index], "p_value"].to_numpy(dtype=float)
            if not len(p):
                continue
            # a p-value equal to alpha is flagged, so bins are closed on the right
            share = -np.diff(np.searchsorted(np.sort(p), edges + 1e-12, side="right")) / len(p)
            axes.stairs(share, edges, fill=True, color=colour, alpha=0.30, linewidth=0)
            axes.stairs(share, edges, color=colour, linewidth=1.4)
            flagged.append(f"{100 * np.mean(p <= alpha + 1e-12):.1f} % of {name}")
        axes.axvline(alpha, color=MUTED, linewidth=0.9, linestyle=(0, (2, 2)))
        label = model_label(model, of_model["role"].iloc[0] == BASELINE)
        axes.set_title(label, fontweight="bold", pad=18)
        axes.annotate(
            "flagged: " + ", ".join(flagged),
            (0, 1),
            (0, 6),
            xycoords="axes fraction",
            textcoords="offset points",
            color=MUTED,
            fontsize=8,
        )
        described.append(f"{label} flags {', '.join(flagged)}")
    for axes in grid.flat[len(models) :]:
        axes.set_visible(False)
    first = grid.flat[0]
    first.set(xscale="log", xlim=(1, edges[-1]))
    first.set_ylim(bottom=0)
    percent_axis(first.yaxis)
    ticks = [tick for tick in (1, 0.1, 0.01, 0.001, 0.0001) if tick >= edges[-1]]
    first.xaxis.set_major_locator(FixedLocator(ticks))
    first.xaxis.set_minor_locator(FixedLocator([]))
    first.xaxis.set_major_formatter(FuncFormatter(lambda p, _: f"{p:g}"))
    for position, axes in enumerate(grid.flat[: len(models)]):
        if position + columns >= len(models):
            axes.set_xlabel("p-value: usual ← → unusual")
            axes.xaxis.set_tick_params(labelbottom=True)
    patches = [Patch(facecolor=colour, alpha=0.6) for _, _, colour in classes]
    names = [f"{name} (share of them in each bar)" for name, _, _ in classes]
    threshold = Line2D([], [], color=MUTED, linewidth=0.9, linestyle=(0, (2, 2)))
    figure.legend(
        [*patches, threshold],
        [*names, f"threshold: p = {alpha:g}; flagged to its right"],
        loc="outside lower left",
        ncols=1 if len(models) == 1 else 3,
    )
    return Drawing(figure, f"P-values by class at a threshold of {alpha:g}: " + "; ".join(described))


def _expected(cases: pd.DataFrame, test_ids: pd.Series, alphas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Low and high end of the expected share of flagged normals at each alpha."""
    n_calibration = cases.loc[reference_cases(cases, "calibration"), "patient_id"].nunique()
    n_test = cases.loc[cases["case_id"].isin(test_ids), "patient_id"].nunique()
    ends = np.array([false_alarm_interval(n_calibration, n_test, float(alpha))[:2] for alpha in alphas])
    return ends[:, 0], ends[:, 1]


def _p_value_edges(smallest: float, alpha: float) -> np.ndarray:
    """Bin edges from 1 down past the smallest p-value, alpha among them."""
    step = 10 ** (1 / BINS_PER_DECADE)
    above = int(np.ceil(np.log(1 / alpha) / np.log(step) - 1e-9))
    below = max(1, int(np.floor(np.log(alpha / smallest) / np.log(step) + 1e-9)) + 1)
    edges = alpha * step ** np.arange(above, -below - 1, -1.0)
    edges[0] = 1.0
    return edges


def _classes(joined: pd.DataFrame) -> list[tuple[str, pd.Series, str]]:
    label = joined["label"]
    if label.notna().any():
        found = [
            ("normal", (label == 0).fillna(False).astype(bool), NORMAL),
            ("anomalous", (label == 1).fillna(False).astype(bool), ANOMALOUS),
        ]
        return [entry for entry in found if entry[1].any()]
    return [("all cases", pd.Series(True, index=joined.index), NORMAL)]
