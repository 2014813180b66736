"""One look for every figure, and the way out: SVG text to inline.

Data colours are Okabe & Ito's colour-blind-safe set (2008, "Color universal design") without its yellow, which is too
faint on white; line patterns repeat the distinction for print in grey. Text stays text, so that it can be searched and
read aloud; it is measured in DejaVu Sans, among the widest faces, so a reader's own font fits in the same room.
"""

import functools
import hashlib
import io
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

# neutral colours: the report swaps these four for its own, so that figures follow a dark screen
INK, MUTED, GRID, SURFACE = "#1f2933", "#5f6c7b", "#dde3ea", "#fefefe"

MODEL_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
NORMAL, ANOMALOUS = "#7f93a8", "#d55e00"
MORE_UNUSUAL, LESS_UNUSUAL = "#d55e00", "#0072b2"
_BASELINE_GREYS = ("#7a7a7a", "#9a9a9a", "#8a7f70", "#708a8a")
_DASHES = ((4, 2), (1, 1.5), (6, 2, 1, 2), (3, 1, 1, 1, 1, 1))

HALF_WIDTH, FULL_WIDTH = 5.2, 10.6
LEGEND_LINE = 0.175

STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Segoe UI", "Helvetica Neue", "Arial"],
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.labelsize": 9,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "xtick.minor.visible": False,
    "ytick.minor.visible": False,
    "figure.facecolor": "none",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "legend.handlelength": 2.2,
    "lines.linewidth": 1.7,
    "svg.fonttype": "none",
    "svg.hashsalt": "medanomaly",
}


class Drawing(NamedTuple):
    """A figure, and what it shows in words for somebody who cannot see it."""

    figure: Figure
    description: str


class LineStyle(NamedTuple):
    """How one model's line looks in every figure."""

    colour: str
    dashes: tuple
    width: float


def svg_figure(draw: Callable[..., Drawing]) -> Callable[..., str]:
    """Turn a function that draws into one that returns an SVG string; the same input gives the same bytes."""

    @functools.wraps(draw)
    def as_svg(*args, **kwargs) -> str:
        with mpl.rc_context(STYLE):
            return _svg(draw(*args, **kwargs))

    return as_svg


def canvas(width: float, height: float, rows: int = 1, columns: int = 1, **kwargs):
    """A figure of ``width`` x ``height`` inches and its axes, laid out so that no label leaves it."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **kwargs)


def model_styles(models: Sequence[str], baselines: Sequence[str]) -> dict[str, LineStyle]:
    """A colour and pattern per model, the same in every figure; baselines are thin, grey and dashed."""
    styles, main, trivial = {}, 0, 0
    for model in models:
        if model in baselines:
            dashes = _DASHES[trivial % len(_DASHES)]
            styles[model] = LineStyle(_BASELINE_GREYS[trivial % len(_BASELINE_GREYS)], dashes, 1.1)
            trivial += 1
        else:
            # a second round through the colours is recognised by its pattern
            round_trip = main // len(MODEL_COLOURS)
            dashes = () if round_trip == 0 else _DASHES[(round_trip - 1) % len(_DASHES)]
            styles[model] = LineStyle(MODEL_COLOURS[main % len(MODEL_COLOURS)], dashes, 1.8)
            main += 1
    return styles


def model_label(model: str, baseline: bool = False) -> str:
    """A model's name as a reader sees it; a baseline is called one where nothing else says so."""
    name = "LBE" if model == "lbe" else str(model).replace("_", " ").strip()
    return f"{name} (baseline)" if baseline else name


def panel_columns(n_panels: int, choices: Sequence[int]) -> int:
    """The number of columns, of those given, that leaves the fewest places empty; the first of equals."""
    if n_panels <= choices[0]:
        return n_panels
    return min(choices, key=lambda columns: -n_panels % columns)


def draw_line(axes: Axes, x, y, style: LineStyle, **kwargs):
    """One model's line."""
    pattern = (0, style.dashes) if style.dashes else "-"
    return axes.plot(x, y, color=style.colour, linewidth=style.width, linestyle=pattern, **kwargs)[0]


def legend_below(figure: Figure, handles, labels: Sequence[str], title: str | None = None) -> None:
    """Legend under the axes, one entry per line, where it can never cover a curve."""
    legend = figure.legend(
        handles, labels, loc="outside lower left", title=title, alignment="left", labelspacing=0.35
    )
    legend.get_title().set_color(MUTED)


def percent_axis(axis) -> None:
    """Show a share in [0, 1] as percent."""
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g} %"))


def _svg(drawing: Drawing) -> str:
    buffer = io.StringIO()
    FigureCanvasSVG(drawing.figure)
    # to save a figure whose layout is still to be found draws it twice
    if (layout := drawing.figure.get_layout_engine()) is not None:
        layout.execute(drawing.figure)
        drawing.figure.set_layout_engine("none")
    drawing.figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    # a style element inside an inlined SVG would apply to the whole page around it
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", text, flags=re.DOTALL)
    # ids of several figures share one page: a prefix of their own keeps a clip path from reaching into another
    prefix = "f" + hashlib.blake2b(text.encode(), digest_size=5).hexdigest() + "-"
    text = re.sub(r'(\bid="|href="#|url\(#)', lambda found: found.group(1) + prefix, text)
    opening = (
        f'<svg role="img" aria-label={quoteattr(drawing.description)} '
        'stroke-linejoin="round" stroke-linecap="butt"'
    )
    text = text.replace("<svg", opening, 1)
    root_ends = text.index(">", len(opening)) + 1
    return f"{text[:root_ends]}\n<title>{escape(drawing.description)}</title>{text[root_ends:]}".strip()
