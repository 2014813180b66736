"""Electrocardiograms as they are read on paper, the Poincaré plot, and a recording's episodes at a glance."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Rectangle

from medanomaly.reporting.figures.style import (
    FULL_WIDTH,
    HALF_WIDTH,
    INK,
    MODEL_COLOURS,
    MUTED,
    Drawing,
    canvas,
    svg_figure,
)

MM = 1 / 25.4  # in
MM_PER_S, MM_PER_MV = 25.0, 10.0
# paper keeps its colours on a dark screen, and what is written on it too
PAPER, THIN, THICK, TRACE, WRITING = "#fff8f6", "#f6d9d4", "#e8aaa0", "#161616", "#3d3d3d"
ALARM, FOCUS = "#e69f00", "#c04a00"
CLASS_COLOURS = {"N": "#7f93a8", "S": "#e69f00", "V": "#d55e00", "F": "#009e73", "Q": "#9a9a9a"}
CLASS_NAMES = {"N": "normal", "S": "supraventricular", "V": "ventricular", "F": "fusion", "Q": "unknown"}
EPISODE_COLOURS = {
    "beats": MODEL_COLOURS[1],
    "AF": MODEL_COLOURS[0],
    "bigeminy": MODEL_COLOURS[2],
    "trigeminy": MODEL_COLOURS[3],
    "run": MODEL_COLOURS[4],
    "pause": MODEL_COLOURS[5],
    "asystole": "#161616",
    "lead off": "#8a7f70",
    "noise": "#b8bec6",
}
# these last, so they are drawn thinner and behind the others
LASTING = ("AF", "asystole", "lead off", "noise")
_PULSE_S = 0.4


@svg_figure
def ecg_strip(
    time_s: np.ndarray,
    signal: np.ndarray,
    leads: Sequence[str],
    beats: pd.DataFrame,
    focus_s: float,
    note: str,
) -> Drawing:
    """A strip on paper: 25 mm/s, 10 mm/mV, thin lines every millimetre, thick ones every fifth.

    Args:
        time_s: (n,) of the samples, seconds of the recording.
        signal: (n, n_leads) in mV, NaN where nothing was recorded; a lead under the other.
        leads: their names.
        beats: ``time_s``, ``mark`` (what is written above the R peak), ``flagged``.
        focus_s: R peak of the beat in question.
        note: written above it.

    Returns:
        SVG string.
    """
    start, length = float(time_s[0]), float(time_s[-1] - time_s[0])
    spans = [_span(signal[:, j]) for j in range(signal.shape[1])]
    heights = [high - low for low, high in spans]
    # whole boxes of 0.5 mV, and one above for the writing
    total = np.ceil((sum(heights) + 1.1) * 2) / 2
    width_mm, height_mm = (length + _PULSE_S) * MM_PER_S, total * MM_PER_MV
    left, bottom = 1.0, 6.0
    figure = Figure(figsize=((width_mm + 2 * left) * MM, (height_mm + bottom + 1) * MM))
    whole = np.array([width_mm + 2 * left, height_mm + bottom + 1])
    axes = figure.add_axes((left / whole[0], bottom / whole[1], width_mm / whole[0], height_mm / whole[1]))
    axes.set(xlim=(-_PULSE_S, length), ylim=(0, total), facecolor=PAPER)
    axes.grid(visible=False)
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)
    _paper(axes, length, total)
    top = total - 0.75
    for beat in beats.itertuples():
        at = beat.time_s - start
        if beat.flagged:
            axes.add_patch(Rectangle((at - 0.2, 0), 0.4, total, color=ALARM, alpha=0.17, linewidth=0))
        chosen = abs(beat.time_s - focus_s) < 1e-6
        if chosen:
            box = {"fill": False, "edgecolor": FOCUS, "linewidth": 1.3, "zorder": 5}
            axes.add_patch(Rectangle((at - 0.22, 0.05), 0.44, total - 0.1, **box))
        axes.text(
            at,
            top + 0.06,
            beat.mark,
            color=WRITING,
            ha="center",
            fontsize=8.5,
            weight="bold" if chosen else "normal",
        )
        axes.plot([at, at], [top - 0.1, top], color=WRITING, linewidth=0.7)
    focus = focus_s - start
    near_end = focus > length * 0.75
    at = focus - 0.28 if near_end else focus + 0.28
    axes.text(
        at, top + 0.38, note, color=WRITING, fontsize=8.5, ha="right" if near_end else "left", weight="bold"
    )
    base = total - 0.95
    for j, (low, high) in enumerate(spans):
        offset = base - high
        axes.plot(time_s - start, np.clip(signal[:, j], low, high) + offset, color=TRACE, linewidth=0.8)
        zero = offset + min(max(0.0, low), high - 1.3)
        pulse = np.array([[-0.38, 0], [-0.32, 0], [-0.32, 1], [-0.12, 1], [-0.12, 0], [-0.06, 0]])
        axes.plot(pulse[:, 0], pulse[:, 1] + zero, color=TRACE, linewidth=0.8)
        axes.text(-0.38, zero + 1.07, leads[j], color=WRITING, fontsize=8)
        base = offset + low
    ticks = np.arange(np.ceil(start), start + length, 1.0)
    axes.set_xticks(ticks - start, [_clock(t) for t in ticks], fontsize=8)
    axes.tick_params(length=2)
    return Drawing(
        figure, f"ECG strip of {length:.0f} s at 25 mm/s and 10 mm/mV, leads {', '.join(leads)}; {note}."
    )


def _span(x: np.ndarray) -> tuple[float, float]:
    """What of a lead is drawn, mV: all of it, at least 1.7 and at most 5."""
    x = x[np.isfinite(x)]
    if not len(x):
        return -0.85, 0.85
    low, high, middle = float(x.min()), float(x.max()), float(np.median(x))
    low, high = max(low, middle - 2.5), min(high, middle + 2.5)
    spare = max(0.0, 1.7 - (high - low)) / 2
    return low - spare, high + spare


def _paper(axes, length: float, total: float) -> None:
    for step_s, step_mv, colour, width in ((0.04, 0.1, THIN, 0.35), (0.2, 0.5, THICK, 0.55)):
        across = np.arange(-_PULSE_S, length + 1e-9, step_s)
        up = np.arange(0, total + 1e-9, step_mv)
        lines = np.full((3 * (len(across) + len(up)), 2), np.nan)
        n = len(across)
        lines[: 3 * n : 3] = np.column_stack([across, np.zeros(n)])
        lines[1 : 3 * n : 3] = np.column_stack([across, np.full(n, total)])
        lines[3 * n :: 3] = np.column_stack([np.full(len(up), -_PULSE_S), up])
        lines[3 * n + 1 :: 3] = np.column_stack([np.full(len(up), length), up])
        # one path instead of three hundred keeps the page small
        axes.plot(lines[:, 0], lines[:, 1], color=colour, linewidth=width, zorder=0)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


@svg_figure
def poincare(records: Mapping[str, pd.DataFrame]) -> Drawing:
    """RR interval after each beat against the one before it, a panel per recording.

    SD1 and SD2 are the spreads across and along the identity line of intervals between normal beats (Brennan, Palaniswami
    & Kamen 2001, "Do existing measures of Poincaré plot geometry reflect nonlinear features of heart rate variability?").

    Args:
        records: name -> ``before``, ``after`` (ms), ``aami`` (class of the beat between them, may be NA), ``nn`` (bool,
            both intervals lie between normal beats).

    Returns:
        SVG string.
    """
    together = pd.concat(records.values())
    low, high = np.nanquantile(np.concatenate([together["before"], together["after"]]), [0.002, 0.998])
    low, high = max(150.0, 100 * np.floor(low / 100)), min(2200.0, 100 * np.ceil(high / 100 + 1))
    figure, grid = canvas(FULL_WIDTH, 3.5, 1, max(2, len(records)), squeeze=False, sharex=True, sharey=True)
    handles, described = {}, []
    for axes in grid[0][len(records) :]:
        axes.set_visible(False)
    for axes, (record, rows) in zip(grid[0], records.items(), strict=False):
        axes.plot([low, high], [low, high], color=MUTED, linewidth=0.7, zorder=1)
        for name in [c for c in CLASS_COLOURS if rows["aami"].fillna("N").eq(c).any()]:
            mine = rows[rows["aami"].fillna("N") == name]
            # steps of 6 ms are a third of a point: what falls together is drawn once
            points = np.unique(np.round(mine[["before", "after"]].to_numpy() / 6) * 6, axis=0)
            points = points[(points >= low).all(axis=1) & (points <= high).all(axis=1)]
            size = 1.6 if name == "N" else 2.4
            handles[name] = axes.plot(
                points[:, 0], points[:, 1], "o", ms=size, mew=0, color=CLASS_COLOURS[name],
                zorder=2 if name == "N" else 3, alpha=0.75,
            )[0]  # fmt: skip
        nn = rows[rows["nn"]]
        if len(nn) > 10:
            described.append(f"{record}: {_ellipse(axes, nn['before'].to_numpy(), nn['after'].to_numpy())}")
        axes.set(xlim=(low, high), ylim=(low, high), xlabel="RR before the beat, ms")
        axes.set_box_aspect(1)
        axes.set_title(record)
    grid[0][0].set_ylabel("RR after the beat, ms")
    order = [c for c in CLASS_COLOURS if c in handles]
    figure.legend(
        [handles[c] for c in order],
        [f"{c}: {CLASS_NAMES[c]}" for c in order],
        loc="outside lower left",
        ncols=len(order),
        markerscale=3,
    )
    return Drawing(figure, "Poincaré plots. " + "; ".join(described))


def _ellipse(axes, before: np.ndarray, after: np.ndarray) -> str:
    sd1 = float(np.std((after - before) / np.sqrt(2), ddof=1))
    sd2 = float(np.std((after + before) / np.sqrt(2), ddof=1))
    centre = before.mean(), after.mean()
    axes.add_patch(
        Ellipse(centre, 2 * sd2, 2 * sd1, angle=45, fill=False, edgecolor=INK, linewidth=1.1, zorder=4)
    )
    text = f"SD1 {sd1:.0f} ms, SD2 {sd2:.0f} ms"
    axes.annotate(text, (0.03, 0.96), xycoords="axes fraction", va="top", fontsize=8)
    return text


@svg_figure
def episode_timeline(episodes: pd.DataFrame, lengths: Mapping[str, float]) -> Drawing:
    """Every episode of every recording along its time, in minutes.

    Args:
        episodes: episodes table.
        lengths: record -> its length in seconds, in the order drawn.

    Returns:
        SVG string.
    """
    figure, axes = canvas(FULL_WIDTH, 0.9 + 0.32 * len(lengths))
    kinds = [k for k in EPISODE_COLOURS if (episodes["kind"] == k).any()]
    rows = {record: i for i, record in enumerate(lengths)}
    handles = []
    axes.hlines(
        list(rows.values()), 0, [s / 60 for s in lengths.values()], color=MUTED, linewidth=0.6, zorder=1
    )
    for kind in kinds:
        mine = episodes[(episodes["kind"] == kind) & episodes["record"].isin(list(rows))]
        # a single beat would be thinner than a hair
        width = 7.0 if kind in LASTING else 12.0
        segments = [
            [(e.start_s / 60, rows[e.record]), (max(e.end_s, e.start_s + 2) / 60, rows[e.record])]
            for e in mine.itertuples()
        ]
        lines = LineCollection(
            segments, colors=EPISODE_COLOURS[kind], linewidths=width, label=kind, capstyle="butt"
        )
        lines.set_zorder(2 if kind in LASTING else 3)
        axes.add_collection(lines)
        handles.append(lines)
    axes.set_yticks(list(rows.values()), list(rows))
    axes.set(ylim=(len(rows) - 0.4, -0.6), xlim=(0, max(lengths.values()) / 60), xlabel="minutes")
    axes.grid(axis="y", visible=False)
    if handles:
        figure.legend(handles, kinds, loc="outside lower left", ncols=len(kinds))
    counted = episodes["kind"].value_counts()
    return Drawing(figure, "Episodes: " + ", ".join(f"{counted[k]} {k}" for k in kinds))


@svg_figure
def loss_bars(table: pd.DataFrame, axis: str) -> Drawing:
    """Bars of what is lost without each of several things, the largest on top.

    Args:
        table: ``name``, ``loss``, ``spread``.
        axis: what the loss is of.

    Returns:
        SVG string.
    """
    rows = table.iloc[::-1]
    figure, axes = canvas(HALF_WIDTH, 0.8 + 0.27 * len(rows))
    axes.barh(rows["name"], rows["loss"], xerr=rows["spread"], color=MODEL_COLOURS[0], height=0.6,
              error_kw={"ecolor": MUTED, "linewidth": 1})  # fmt: skip
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set_xlabel(axis)
    axes.grid(axis="y", visible=False)
    shown = "; ".join(f"{r.name} {r.loss:.3f}" for r in table.itertuples(index=False))
    return Drawing(figure, f"{axis}: {shown}")


@svg_figure
def beat_shapes(beats: Sequence[tuple[str, np.ndarray]], normal: np.ndarray) -> Drawing:
    """Single beats against the band of usual ones, a panel per beat.

    Args:
        beats: ``(title, (n_samples,))``.
        normal: (n, n_samples).

    Returns:
        SVG string.
    """
    figure, grid = canvas(FULL_WIDTH, 2.4, 1, len(beats), squeeze=False, sharey=True)
    low, middle, high = np.quantile(normal, [0.05, 0.5, 0.95], axis=0)
    at = np.arange(normal.shape[1])
    for axes, (title, beat) in zip(grid[0], beats, strict=True):
        axes.fill_between(at, low, high, color=CLASS_COLOURS["N"], alpha=0.35, linewidth=0)
        axes.plot(at, middle, color=MUTED, linewidth=1.0)
        axes.plot(at, beat, color=CLASS_COLOURS["V"], linewidth=1.4)
        axes.set_title(title)
        axes.set_xlabel("sample of the beat")
    return Drawing(figure, "Beats against the usual ones: " + "; ".join(title for title, _ in beats))
