"""The manuscript as PDF: ``make paper``. Every figure in it comes from ``benchmarks/results``; none is typed by hand."""

import json
import re
import sys
from pathlib import Path

from benchmarks.render.figures import RESULTS, Figure, read
from benchmarks.render.headlines import HEADLINES
from benchmarks.render.labels import plain
from benchmarks.render.paper_figures import draw
from benchmarks.render.tables import interval, number

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "docs" / "paper" / "paper.typ"
TARGET = ROOT / "docs" / "_build" / "paper.pdf"
# what the paper reads: written beside the PDF, from the results
FIGURES = TARGET.parent / "paper_figures.json"


def figures(folder: Path = RESULTS) -> dict:
    """Headlines by kind of data, targets missed, counts, and every figure by benchmark and name."""
    every: dict[str, dict[str, dict]] = {}
    reached = missed = 0
    lost = []
    for path in sorted(folder.glob("*.json")):
        for figure in read(path.stem, folder):
            every.setdefault(path.stem, {}).setdefault(figure.name, _shown(figure))
            if figure.reached is True:
                reached += 1
            elif figure.reached is False:
                missed += 1
                lost.append(_shown(figure) | {"name": plain(figure.name), "benchmark": path.stem})
    headlines = [
        _shown(every_figure) | {"data": modality, "said": said, "benchmark": benchmark}
        for modality, rows in HEADLINES.items()
        for benchmark, name, said in rows
        for every_figure in [f for f in read(benchmark, folder) if f.name == name][:1]
    ]
    counts = {
        "benchmarks": len(every),
        "figures": sum(map(len, every.values())),
        "reached": reached,
        "missed": missed,
    }
    return {"headlines": headlines, "missed": lost, "counts": counts, "all": every}


def build(target: Path = TARGET, folder: Path = RESULTS) -> Path:
    """Write the PDF."""
    import typst

    target.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps(figures(folder), ensure_ascii=False), "utf-8")
    draw(FIGURES.parent, folder)
    typst.compile(SOURCE, output=target, root=ROOT)
    return target


def typed_numbers(text: str) -> list[str]:
    """Numbers that stand in the prose of the source, apart from those of names (``#n[...]``), mathematics and citations."""
    text = re.sub(r"//[^\n]*", "", text.partition("// prose begins")[2] or text)
    for pattern in (
        r"#n\[[^\]]*\]",
        r"\$[^$]*\$",
        r"@[\w-]+",
        r'"[^"]*"',
        r"#\w+\([^()]*\)",
        r"<[\w-]+>",
        r"columns: \([^)]*\)",
        r"width: \d+%",
    ):
        text = re.sub(pattern, " ", text)
    return re.findall(r"[^\n]{0,20}\d[^\n]{0,20}", text)


def _shown(figure: Figure) -> dict:
    unit = figure.unit if figure.unit in ("%", "points", "s", "ms", "1/h", "MB") else ""
    return {
        "value": number(figure.value, figure.unit),
        "unit": unit,
        "interval": interval(figure),
        "baseline": f"{plain(figure.baseline)}: {number(figure.baseline_value, figure.unit)}"
        if figure.baseline
        else "",
        "target": figure.target or "",
        "command": figure.command,
    }


if __name__ == "__main__":
    sys.stdout.write(f"{build()}\n")
