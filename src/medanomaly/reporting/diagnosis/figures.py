"""Rankings as drawings: how often the right disease is among the first k."""

from collections.abc import Mapping

import numpy as np

from medanomaly.reporting.figures.style import (
    HALF_WIDTH,
    LEGEND_LINE,
    Drawing,
    canvas,
    draw_line,
    legend_below,
    model_styles,
    percent_axis,
    svg_figure,
)

DEEPEST = 20


@svg_figure
def top_k_curve(ranks: Mapping[str, np.ndarray]) -> Drawing:
    """Share of cases whose diagnosed disease is among the first k, for k from 1 to 20.

    Args:
        ranks: name of a group -> (n,) rank of the diagnosed disease, inf where it was not ranked.

    Returns:
        SVG string.
    """
    k = np.arange(1, DEEPEST + 1)
    styles = model_styles(list(ranks), [])
    figure, axes = canvas(HALF_WIDTH, 3.2 + LEGEND_LINE * len(ranks))
    lines, labels = [], []
    for name, of in ranks.items():
        share = (np.asarray(of)[:, None] <= k).mean(axis=0)
        lines.append(draw_line(axes, k, share, styles[name], marker="o", markersize=3))
        labels.append(
            f"{name} ({len(of):,} cases): first {100 * share[0]:.0f} %, first ten {100 * share[9]:.0f} %"
        )
    axes.set(xlim=(0.5, DEEPEST + 0.5), ylim=(0, 1.005), xlabel="First k diseases of the list")
    axes.set_title("Share of cases whose disease is among them")
    axes.set_xticks([1, 3, 5, 10, 15, 20])
    percent_axis(axes.yaxis)
    legend_below(figure, lines, labels)
    return Drawing(
        figure, "Share of cases whose diagnosed disease is among the first k. " + "; ".join(labels)
    )
