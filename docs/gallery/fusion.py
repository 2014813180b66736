"""Three modalities, one p-value

Normal patients whose three modalities correlate by one half. Fusion that is calibrated on patients keeps the rate that is
asked for. Fisher's table takes modalities for independent, and flags too many.
"""

import numpy as np
from scipy.stats import norm

from medanomaly.fusion.patient_fusion import PatientFusion
from medanomaly.fusion.statistics import cauchy_statistic, cauchy_table, fisher_table
from medanomaly.reporting.figures.style import Drawing, canvas, percent_axis, svg_figure

draw = np.random.default_rng(0)
alike = np.full((3, 3), 0.5) + 0.5 * np.eye(3)
p = norm.sf(draw.multivariate_normal(np.zeros(3), alike, size=13000))
calibration, new = p[:3000], p[3000:]
ways = {
    "calibrated on patients": PatientFusion(calibration, ("table", "ECG", "image")).fuse(new).p_value,
    "Cauchy's table": cauchy_table(cauchy_statistic(new)),
    "Fisher's table": fisher_table(new),
}


@svg_figure
def rates():
    """Realised rate against the one that was asked for."""
    figure, axes = canvas(4.6, 4)
    asked = np.linspace(0.005, 0.2, 40)
    for name, values in ways.items():
        axes.plot(asked, [(values <= alpha).mean() for alpha in asked], label=name)
    axes.plot(asked, asked, color="0.6", linestyle="--", linewidth=1)
    axes.set(xlabel="alpha", ylabel="normal patients flagged")
    percent_axis(axes.xaxis)
    percent_axis(axes.yaxis)
    axes.legend(loc="upper left")
    return Drawing(
        figure, "Normal patients flagged against alpha for three ways of fusion; only Fisher's is far above"
    )


svg = rates()
