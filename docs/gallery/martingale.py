"""When a stream of cases stops fitting

A test martingale bets that new cases are taken differently from the calibration cases. Here another device comes with case
300; the capital passes 100, and an alarm is raised. Without a change it reaches 100 in at most 1 % of streams.
"""

import numpy as np

from medanomaly.monitoring.stream_shift import ALARM, ShiftMartingale, middle_p_values
from medanomaly.reporting.figures.style import Drawing, canvas, svg_figure

draw = np.random.default_rng(0)
calibration = draw.normal(size=300)
streams = {"the same device": draw.normal(size=600), "another device from case 300": draw.normal(size=600)}
streams["another device from case 300"][300:] += 0.8
capital = {
    name: ShiftMartingale(len(calibration)).update(middle_p_values(values, calibration))
    for name, values in streams.items()
}


@svg_figure
def capitals():
    """Capital after each case, one line per stream."""
    figure, axes = canvas(6.4, 3)
    for name, line in capital.items():
        axes.semilogy(np.arange(1, len(line) + 1), line, label=name)
    axes.axhline(ALARM, color="0.4", linestyle="--")
    axes.axvline(300, color="0.7", linewidth=1)
    axes.set(xlabel="case", ylabel="capital", ylim=(1e-3, 1e8))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.legend(loc="upper left")
    return Drawing(
        figure, "Capital of a martingale, which passes 100 soon after another device came at case 300"
    )


svg = capitals()
