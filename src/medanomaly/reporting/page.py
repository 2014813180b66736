"""Sections to one HTML page that needs no network, no script and no other file."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from medanomaly.reporting.figures.style import GRID, INK, MUTED, SURFACE
from medanomaly.reporting.sections import Card, Cell, Fact, Figure, Section, Table, slug
from medanomaly.reporting.wording import day

_HALF_POINTS = 420
_NARROW_COLUMNS = 6
# a number, a range ("−3.1 to 2.0"), a count ("3 of 6"), a value with its unit; no sentence that begins with a number
_NUMBER = re.compile(r"[<+\-−–.\d][^a-zA-Z]*((to|of)\b[^a-zA-Z]*)?[a-zA-Zµ/]{0,5}$")
_RUN_WORDS = {
    "dataset": "Data set",
    "created": "Made on",
    "command": "Command",
    "seed": "Seed",
    "version": "medanomaly",
    "fingerprint": "Data fingerprint",
}


def render(
    run: Mapping[str, Any],
    sections: Sequence[Section],
    *,
    title: str,
    heading: str,
    subtitle: str = "",
    facts: str = "",
    about: str = "",
) -> str:
    """Render sections as a self-contained HTML page, with how it was made at the end.

    Args:
        run: as of :func:`medanomaly.reporting.report.render_report`.
        sections: in order, with those below them.
        title: what the page is (``report``).
        heading: what is looked for, to be read before "in <data set>" or what the page is about.
        subtitle: below the heading.
        facts: on how many cases it rests, in small type.
        about: what the page is about; the data set where it is empty.

    Returns:
        HTML. The same input gives the same text. Every value is escaped; only the SVG figures are inserted as they are,
        and the page's content-security policy lets no script run.
    """
    environment = _templates()
    source, _, _ = environment.loader.get_source(environment, "report.css")
    made_on = day(run.get("created"))
    return environment.get_template("page.html").render(
        dataset=about or run["dataset"],
        css=Markup(source),
        title=title,
        heading=heading,
        subtitle=subtitle,
        facts=" ".join(part for part in (facts, f"Made on {made_on}." if made_on else "") if part),
        sections=[_section(section) for section in (*sections, _how_it_was_made(run))],
    )


@cache
def _templates() -> Environment:
    """Compiled once: that takes longer than to fill a page."""
    return Environment(
        loader=PackageLoader("medanomaly.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _how_it_was_made(run: Mapping[str, Any]) -> Section:
    facts = [Fact(word, [str(run[key])]) for key, word in _RUN_WORDS.items() if run.get(key) is not None]
    libraries = run.get("libraries") or {}
    if libraries:
        facts.append(
            Fact("Libraries", [", ".join(f"{name} {version}" for name, version in libraries.items())])
        )
    known = {*_RUN_WORDS, "description", "libraries", "parameters"}
    further = {key: value for key, value in run.items() if key not in known}
    parameters = _flat({**further, **(run.get("parameters") or {})})
    table = Table("Parameters", ["Parameter", "Value"], parameters, folded=True)
    return Section("How it was made", facts=facts, tables=[table] if parameters else [], key="made")


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Cell]]:
    rows: list[tuple[str, Cell]] = []
    for key, value in parameters.items():
        if isinstance(value, Mapping) and value:
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", Cell("not set" if value is None else str(value))))
    return rows


def _section(section: Section) -> dict[str, Any]:
    """What the template shows of a section, in plain types."""
    figures = [_figure(figure) for figure in section.figures]
    tables = [_table(table) for table in section.tables]
    one_of_each = len(figures) == 1 and len(tables) == 1 and not section.cards
    return {
        "key": section.key or f"page-{slug(section.title)}",
        "title": section.title,
        "text": section.text,
        "lead": section.lead,
        "cautions": section.cautions,
        "tiles": section.tiles,
        "links": section.links,
        "facts": section.facts,
        "notes": section.notes,
        "tables": tables,
        "cards": [_card(card) for card in section.cards],
        "gallery": _paired(figures),
        # a small drawing and a narrow table share a row
        "side_by_side": one_of_each
        and not (figures[0]["wide"] or figures[0]["folded"])
        and len(section.tables[0].columns) <= _NARROW_COLUMNS,
        "sections": [_section(below) for below in section.sections],
    }


def _card(card: Card) -> dict[str, Any]:
    return {**vars(card), "table": card.table and _table(card.table)}


def _table(table: Table) -> dict[str, Any]:
    rows = [[_cell(value) for value in row] for row in table.rows]
    columns = []
    for position, label in enumerate(table.columns):
        texts = [row[position] for row in rows if row[position]["text"]]
        numbers = sum(cell["number"] for cell in texts)
        columns.append({"label": label, "number": position > 0 and numbers > 0 and 2 * numbers >= len(texts)})
    marks = table.marks or [""] * len(rows)
    return {
        "title": table.title,
        "columns": columns,
        "groups": table.groups,
        "rows": [{"mark": mark, "cells": cells} for mark, cells in zip(marks, rows, strict=True)],
        "note": table.note,
        "layout": table.layout or ("many" if len(columns) > 4 else ""),
        "folded": table.folded,
    }


def _cell(value: str | int | float | Cell) -> dict[str, Any]:
    if not isinstance(value, Cell):
        value = Cell(
            value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else f"{value:.3g}"
        )
    return {**vars(value), "number": not value.badge and bool(_NUMBER.match(value.text))}


def _figure(figure: Figure) -> dict[str, Any]:
    svg = figure.svg
    box = re.search(r'viewBox="0 0 ([0-9.]+)', svg)
    for colour, variable in ((INK, "ink"), (MUTED, "muted"), (GRID, "line"), (SURFACE, "surface")):
        svg = svg.replace(colour, f"var(--{variable})")
    return {
        "title": figure.title,
        "reading": figure.reading,
        "svg": Markup(svg),
        "wide": box is not None and float(box.group(1)) > _HALF_POINTS,
        "folded": figure.folded,
        "alone": False,
    }


def _paired(figures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Half-wide figures first, two per row; one left over gets its caption at its side instead of an empty half."""
    half = [figure for figure in figures if not (figure["wide"] or figure["folded"])]
    if len(half) % 2:
        half[-1] = {**half[-1], "alone": True}
    return [*half, *(figure for figure in figures if figure["wide"] or figure["folded"])]
