"""What a page is made of: sections of text, tables, cards and figures, as plain data between nodes."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from medanomaly.core.errors import InputError


@dataclass(frozen=True)
class Cell:
    """A value of a table that is more than its text.

    Attributes:
        text: the value as a reader shall see it.
        small: an interval or a unit, in smaller type below or after the value.
        mark: ``high`` or ``low`` (outside the usual range), ``strong``, or empty.
        badge: a verdict or a label (``pass``, ``warn``, ``fail``, ``anomalous``, ``normal``, ``baseline``); it colours a
            badge around the text.
        link: where the text leads to, relative to the page; empty for nowhere.
        bar: left end and width of a bar in percent of its track; None for no bar.
    """

    text: str
    small: str = ""
    mark: str = ""
    badge: str = ""
    link: str = ""
    bar: tuple[float, float] | None = None


@dataclass(frozen=True)
class Figure:
    """A drawing with what it shows (``title``) and how to read it (``reading``); ``folded`` hides it until asked for."""

    title: str
    reading: str
    svg: str
    folded: bool = False

    def __post_init__(self):
        if not self.svg.startswith("<svg"):
            raise InputError(
                f"figure '{self.title}' is not SVG", remedy="Draw it with medanomaly.reporting.figures."
            )


@dataclass(frozen=True)
class Table:
    """Rows as a reader shall see them; numbers are set right-aligned.

    Attributes:
        title: heading of the table; of the fold where it is folded.
        columns: headings.
        rows: as long as ``columns``.
        note: below the table.
        groups: headings over several columns, each with how many.
        marks: a kind per row (``leading``, ``baseline``, ``total``); empty for none.
        layout: ``stacked`` lets each row become a block on a narrow screen.
        folded: hidden until asked for.

    Raises:
        InputError: a row is not as long as the header.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | int | float | Cell]]
    note: str = ""
    groups: Sequence[tuple[str, int]] = ()
    marks: Sequence[str] = ()
    layout: str = ""
    folded: bool = False

    def __post_init__(self):
        for row in self.rows:
            if len(row) != len(self.columns):
                raise InputError(
                    f"table '{self.title}' has {len(self.columns)} columns and a row of {len(row)}",
                    remedy="Give every row one cell per column.",
                )


@dataclass(frozen=True)
class Fact:
    """A term and what belongs to it, one text per line; ``mark`` as of :class:`Cell`."""

    term: str
    lines: Sequence[str]
    mark: str = ""


@dataclass(frozen=True)
class Card:
    """One case: its name, what is known of it in a line, a table, facts. Links from ``case_id`` lead to ``key``."""

    key: str
    title: str
    text: str
    badge: Cell | None = None
    table: Table | None = None
    facts: Sequence[Fact] = ()
    case_id: str = ""


@dataclass(frozen=True)
class Section:
    """A heading and what is below it, in the order of these attributes.

    Attributes:
        title: heading.
        text: a paragraph in plain words.
        figures: drawings, after the tables and cards.
        tables: see :class:`Table`.
        lead: the finding in one sentence, in larger type.
        cautions: reasons to trust it less.
        tiles: a few figures to take away: label, value, note.
        links: text and address of further pages and files.
        cards: see :class:`Card`.
        facts: a list of terms.
        notes: a list of remarks, at the end.
        sections: below this one.
        key: where links lead to; empty for one made of the title.
    """

    title: str
    text: str = ""
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    lead: str = ""
    cautions: Sequence[str] = ()
    tiles: Sequence[tuple[str, str, str]] = ()
    links: Sequence[tuple[str, str]] = ()
    cards: Sequence[Card] = ()
    facts: Sequence[Fact] = ()
    notes: Sequence[str] = ()
    sections: Sequence["Section"] = ()
    key: str = ""


def from_above(sections: Sequence[Section], folder: str) -> list[Section]:
    """Sections whose links to files beside them lead there from the folder above.

    Args:
        sections: whose links are relative to ``folder``.
        folder: name of the folder of the files.
    """

    def moved(address: str) -> str:
        return f"{folder}/{address}" if address and not address.startswith("#") else address

    def table(of: Table) -> Table:
        rows = [
            [replace(cell, link=moved(cell.link)) if isinstance(cell, Cell) else cell for cell in row]
            for row in of.rows
        ]
        return replace(of, rows=rows)

    return [
        replace(
            section,
            links=[(text, moved(address)) for text, address in section.links],
            tables=[table(of) for of in section.tables],
            sections=from_above(section.sections, folder),
        )
        for section in sections
    ]


def slug(title: str) -> str:
    """A title as a part of an address."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "part"


def to_json(sections: Sequence[Section]) -> list[dict[str, Any]]:
    """Plain lists and dictionaries, as a JSON dataset stores them."""
    return json.loads(json.dumps([asdict(section) for section in sections]))


def from_json(stored: Sequence[Mapping[str, Any]]) -> list[Section]:
    """What :func:`to_json` wrote."""
    return [
        Section(
            **{
                **section,
                "figures": [Figure(**figure) for figure in section.get("figures", [])],
                "tables": [_table(table) for table in section.get("tables", [])],
                "cards": [_card(card) for card in section.get("cards", [])],
                "facts": [Fact(**fact) for fact in section.get("facts", [])],
                "sections": from_json(section.get("sections", [])),
            }
        )
        for section in stored
    ]


def _table(stored: Mapping[str, Any]) -> Table:
    rows = [
        tuple(Cell(**value) if isinstance(value, dict) else value for value in row) for row in stored["rows"]
    ]
    return Table(**{**stored, "rows": rows})


def _card(stored: Mapping[str, Any]) -> Card:
    badge, table = stored["badge"], stored["table"]
    return Card(
        **{
            **stored,
            "badge": None if badge is None else Cell(**badge),
            "table": None if table is None else _table(table),
            "facts": [Fact(**fact) for fact in stored["facts"]],
        }
    )
