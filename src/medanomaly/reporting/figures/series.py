"""A stretch of a long series around its anomaly and around the place that a detector names."""

import numpy as np

from medanomaly.reporting.figures.style import (
    ANOMALOUS,
    HALF_WIDTH,
    INK,
    MODEL_COLOURS,
    Drawing,
    canvas,
    svg_figure,
)

DRAWN = 900


@svg_figure
def found_place(series: np.ndarray, start: int, end: int, peak: int, located: bool) -> Drawing:
    """The series around its anomaly, and where another place was named, around that one too.

    Args:
        series: (n,).
        start: first sample of the anomaly.
        end: the one after its last.
        peak: place named.
        located: whether that counts.

    Returns:
        SVG string.
    """
    margin = max(300, 2 * (end - start))
    spans = (
        [(min(start, peak) - margin, max(end, peak) + margin)]
        if located
        else [(start - margin, end + margin), (peak - margin, peak + margin)]
    )
    figure, grid = canvas(HALF_WIDTH, 1.5 + 1.3 * len(spans), len(spans), 1, squeeze=False)
    for axes, (first, last) in zip(grid[:, 0], spans, strict=True):
        low, high = max(0, first), min(len(series), last)
        step = max(1, (high - low) // DRAWN)
        at = np.arange(low, high, step)
        axes.plot(at, series[at], color=INK, linewidth=0.9)
        axes.axvspan(start, end, color=ANOMALOUS, alpha=0.25, linewidth=0)
        axes.axvline(peak, color=MODEL_COLOURS[0], linewidth=1.4)
        axes.set_xlim(low, high)
        axes.set_yticks([])
        axes.ticklabel_format(axis="x", style="plain", useOffset=False)
    grid[-1, 0].set_xlabel("sample")
    words = "the place named is the anomaly" if located else f"the place named, sample {peak}, is not"
    return Drawing(figure, f"Anomaly from sample {start} to {end}; {words}.")
