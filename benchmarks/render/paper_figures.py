"""Figures of the manuscript as SVG. Every position in them is a number of ``benchmarks/results``."""

import re
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas

from benchmarks.render.figures import RESULTS, Figure, read
from benchmarks.render.labels import plain
from medanomaly.reporting.figures.style import ANOMALOUS, GRID, INK, MODEL_COLOURS, MUTED, STYLE

# letters as outlines: the typesetter has other fonts
LOOK = STYLE | {"svg.fonttype": "path", "svg.hashsalt": "paper", "axes.facecolor": "white"}
WIDTH = 6.0  # inches
ASKED = re.compile(r"alpha = (?P<alpha>[\d.]+), (?P<set>.+)")
CORRELATION = re.compile(r"(?P<way>.+?),? realised rate, correlation (?P<correlation>[\d.]+)")
PATTERNS = re.compile(
    r"realised rate, 400 patients per pattern, correlation (?P<correlation>[\d.]+), (?P<end>lowest|highest)"
)


def of(benchmark: str, pattern: re.Pattern, folder: Path) -> list[tuple[Figure, dict[str, str]]]:
    """Figures of a benchmark whose name fits, with the parts of the name.

    Raises:
        ValueError: there is none, so the figure of the manuscript would be empty.
    """
    found = [
        (figure, match.groupdict())
        for figure in read(benchmark, folder)
        if (match := pattern.match(figure.name))
    ]
    if not found:
        raise ValueError(f"{benchmark}.json holds nothing like '{pattern.pattern}'")
    return found


def realised_rates(folder: Path = RESULTS) -> Canvas:
    """Realised false-alarm rate per data set, with the one that was asked for."""
    found = of("conformal_validity", re.compile(".*" + ASKED.pattern), folder)
    canvas = Canvas(figsize=(WIDTH, 0.35 * len(found) + 0.6))
    axes = canvas.add_subplot()
    _intervals(axes, [figure for figure, _ in found], [parts["set"] for _, parts in found], MODEL_COLOURS[0])
    asked = {float(parts["alpha"]) for _, parts in found}
    for alpha in asked:
        axes.axvline(alpha, color=ANOMALOUS, dashes=(4, 2), linewidth=1)
    axes.set(xlabel="realised false-alarm rate (dashed: asked for)", xlim=(0, 2 * max(asked)))
    return canvas


def fused_rates(folder: Path = RESULTS) -> Canvas:
    """Realised rate of fused p-values by the correlation of the modalities: three ways."""
    canvas = Canvas(figsize=(WIDTH, 2.6))
    axes = canvas.add_subplot()
    ends: dict[str, dict[float, float]] = {"lowest": {}, "highest": {}}
    for figure, parts in of("fusion", PATTERNS, folder):
        ends[parts["end"]][float(parts["correlation"])] = figure.value
    places = sorted(ends["lowest"])
    axes.fill_between(
        places,
        [ends["lowest"][place] for place in places],
        [ends["highest"][place] for place in places],
        color=MODEL_COLOURS[2],
        alpha=0.35,
        label="calibrated again: all patterns of modalities",
    )
    ways: dict[str, list[tuple[float, float]]] = {}
    for figure, parts in of("fusion", CORRELATION, folder):
        ways.setdefault(parts["way"], []).append((float(parts["correlation"]), figure.value))
    for (way, points), colour in zip(ways.items(), MODEL_COLOURS, strict=False):
        axes.plot(*zip(*sorted(points), strict=True), marker="o", markersize=4, color=colour, label=way)
    axes.set(xlabel="correlation of the modalities", ylabel="realised rate", ylim=(0, None))
    axes.legend(frameon=False, fontsize=8)
    return canvas


def chest_images(folder: Path = RESULTS) -> Canvas:
    """AUROC of models and baselines of chest images, with intervals."""
    named = re.compile(r"AUROC, (?P<model>(?!.*(?:energies|against normal)).+)")
    found = sorted(of("imaging_networks", named, folder), key=lambda pair: pair[0].value)
    canvas = Canvas(figsize=(WIDTH, 0.24 * len(found) + 0.7))
    axes = canvas.add_subplot()
    _intervals(
        axes, [figure for figure, _ in found], [parts["model"] for _, parts in found], MODEL_COLOURS[0]
    )
    (unit,) = {figure.unit for figure, _ in found}
    axes.axvline(50 if unit == "%" else 0.5, color=MUTED, dashes=(4, 2), linewidth=1)
    axes.set(xlabel=f"AUROC, {unit} (dashed: chance)".replace(",  ", " "))
    return canvas


FIGURES = {"realised_rates": realised_rates, "fused_rates": fused_rates, "chest_images": chest_images}


def draw(target: Path, folder: Path = RESULTS) -> None:
    """Write every figure as ``<name>.svg`` into the folder ``target``."""
    target.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(LOOK):
        for name, make in FIGURES.items():
            make(folder).savefig(target / f"{name}.svg", bbox_inches="tight", metadata={"Date": None})


def _intervals(axes, figures: Sequence[Figure], labels: Sequence[str], colour: str) -> None:
    """A point with its interval per row, the first at the bottom."""
    for row, figure in enumerate(figures):
        if figure.low is not None and figure.high is not None:
            axes.plot([figure.low, figure.high], [row, row], color=colour, linewidth=2, solid_capstyle="butt")
        axes.plot(figure.value, row, "o", color=INK, markersize=4)
    axes.set_yticks(range(len(labels)), [plain(label) for label in labels])
    axes.set_ylim(-0.6, len(labels) - 0.4)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=GRID)
