"""A page of results: what came out, tables, targets, what did not work, commands."""

import textwrap
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.render.figures import RESULTS, Figure, read
from benchmarks.render.labels import plain
from benchmarks.render.tables import (
    SHARES,
    Grid,
    Listing,
    capital,
    interval,
    markdown,
    number,
    targets,
)

LEGEND = (
    "Brackets hold a 95 % interval, unless the line above the table says otherwise; a figure without brackets has "
    "none. ↑ marks a column in which more is better, ↓ one in which less is better, ≈ one in which the named value is "
    "best. The best figure of such a column is bold; other columns have no best figure."
)
SHORT = 8  # a table of targets with more rows is folded
# kinds of figures that are paired differences
PAIRED = ("difference", "prototypes", "private")


@dataclass(frozen=True)
class Section:
    """The tables of one benchmark, and what it compares on what. ``about`` claims nothing that a figure could refute.

    ``image`` is the name of a picture in ``docs/images`` that the benchmark draws.
    """

    title: str
    benchmark: str
    about: str
    tables: tuple[Grid | Listing, ...] = ()
    image: str = ""


@dataclass(frozen=True)
class Page:
    """``summary`` makes the first sentences from the figures of all benchmarks of the page."""

    name: str
    title: str
    summary: Callable[[dict[str, list[Figure]]], list[str]]
    sections: tuple[Section, ...]
    did_not_work: Callable[[dict[str, list[Figure]]], list[str]] | None = None


def paragraph(text: str, indent: str = "") -> str:
    return textwrap.fill(
        " ".join(text.split()),
        120,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def shown_as_table(title: str, lines: list[str], folded: bool) -> list[str]:
    note, *table = lines
    body = [*([paragraph(note), ""] if note else []), *table, ""]
    if folded:
        return ["<details>", f"<summary>{title}</summary>", "", *body, "</details>", ""]
    return [f"### {title}", "", *body]


def unplaced(section: Section, figures: list[Figure]) -> list[Figure]:
    """Figures that no table of the section shows; the time that a benchmark took stands with its command."""
    placed = {id(f) for table in section.tables for f in table.takes(figures)}
    return [f for f in figures if id(f) not in placed and f.kind != "took"]


def section_lines(section: Section, figures: list[Figure]) -> list[str]:
    lines = [f"## {section.title}", "", paragraph(section.about), ""]
    if not figures:
        return [*lines, f"Not measured yet: `make bench NAME={section.benchmark}` measures it.", ""]
    if section.image:
        lines += [f"![{section.title}](../images/{section.image})", ""]
    for table in section.tables:
        rendered = table.render(figures)
        if rendered:
            lines += shown_as_table(table.title, rendered, table.folded)
    rest = unplaced(section, figures)
    if rest:
        others = Listing("Other figures", tuple(dict.fromkeys(f.kind for f in rest))).render(rest)
        lines += shown_as_table("Other figures", others, folded=False)
    return lines


def target_lines(sections: tuple[Section, ...], figures: dict[str, list[Figure]]) -> list[str]:
    lines = ["## Targets", ""]
    for section in sections:
        judged = [f for f in figures[section.benchmark] if f.target]
        if judged:
            names = Counter(f.name for f in judged)
            repeated = {name for name, count in names.items() if count > 1}
            reached = sum(f.reached is True for f in judged)
            title = f"{section.title}: {reached} of {len(judged)} reached"
            lines += shown_as_table(title, ["", *targets(judged, repeated)], len(judged) > SHORT)
    return lines


def failures(sections: tuple[Section, ...], figures: dict[str, list[Figure]]) -> list[str]:
    """A line for every target that was missed, and for every paired difference that lies below 0 with its interval."""
    lines = []
    for section in sections:
        for f in figures[section.benchmark]:
            figure = f"{capital(plain(f.name))}: {cited(f)}"
            if f.reached is False:
                lines.append(f"- {figure}. The target was: {plain(f.target or '')}.")
            elif f.kind in PAIRED and f.high is not None and f.high < 0:
                lines.append(f"- {figure}. The whole interval is below 0.")
    return list(dict.fromkeys(lines))


def command_lines(sections: tuple[Section, ...], figures: dict[str, list[Figure]]) -> list[str]:
    rows = []
    for section in sections:
        found = figures[section.benchmark]
        took = next((f for f in found if f.kind == "took" and f.part("set") == ""), None)
        seconds = number(took.value, took.unit) if took else ""
        command = found[0].command if found else f"make bench NAME={section.benchmark}"
        when = [found[0].date, found[0].machine] if found else ["not measured yet", ""]
        rows.append([section.title, f"`{command}`", *when, seconds])
    return [
        "## Commands",
        "",
        "Each command measures the figures of one section again. `make results` renders this page without measuring.",
        "",
        *markdown(["Tables of", "Command", "Measured", "Machine", "Took, s"], rows),
    ]


def render(page: Page, folder: Path = RESULTS) -> str:
    """The text of a page from the results in ``folder``."""
    figures = {section.benchmark: read(section.benchmark, folder) for section in page.sections}
    lines = [f"# {page.title}", "", paragraph(" ".join(page.summary(figures))), "", paragraph(LEGEND), ""]
    for section in page.sections:
        lines += section_lines(section, figures[section.benchmark])
    if any(f.target for found in figures.values() for f in found):
        lines += target_lines(page.sections, figures)
    lines += ["## What did not work", ""]
    failed = failures(page.sections, figures)
    failed += [f"- {said}" for said in page.did_not_work(figures)] if page.did_not_work else []
    lines += [paragraph(said, "  ") for said in failed] or [
        "Every target was reached, and no paired difference is below 0 with its whole interval."
    ]
    lines += ["", *command_lines(page.sections, figures)]
    return "\n".join(lines).rstrip() + "\n"


def verdict(figures: dict[str, list[Figure]]) -> str:
    """How many targets of a page were reached, as a sentence."""
    judged = [f for found in figures.values() for f in found if f.target]
    return (
        f"Of the {len(judged)} targets of this page, {sum(f.reached is True for f in judged)} were reached."
    )


def cited(figure: Figure) -> str:
    """A figure inside a sentence: 90.76 %, or 0.9919 (0.9843 to 0.9975)."""
    unit = "" if figure.unit in SHARES else f" {plain(figure.unit)}"
    limits = f" ({interval(figure)})" if interval(figure) else ""
    return f"{number(figure.value, figure.unit)}{unit}{limits}"
