"""Sections that one modality adds to the report: headings, figures and tables, as plain data between nodes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from medanomaly.core.errors import InputError


@dataclass(frozen=True)
class Figure:
    """A drawing with what it shows (``title``) and how to read it (``reading``)."""

    title: str
    reading: str
    svg: str

    def __post_init__(self):
        if not self.svg.startswith("<svg"):
            raise InputError(
                f"figure '{self.title}' is not SVG", remedy="Draw it with medanomaly.reporting.figures."
            )


@dataclass(frozen=True)
class Table:
    """Rows of text as a reader shall see them; numbers are set right-aligned.

    Raises:
        InputError: a row is not as long as the header.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | int | float]]
    note: str = ""

    def __post_init__(self):
        for row in self.rows:
            if len(row) != len(self.columns):
                raise InputError(
                    f"table '{self.title}' has {len(self.columns)} columns and a row of {len(row)}",
                    remedy="Give every row one cell a column.",
                )


@dataclass(frozen=True)
class Section:
    """A heading, a paragraph in plain words, figures, tables."""

    title: str
    text: str = ""
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()


def to_json(sections: Sequence[Section]) -> list[dict[str, Any]]:
    """Plain lists and dictionaries, as a JSON dataset stores them."""
    return [asdict(section) for section in sections]


def from_json(stored: Sequence[Mapping[str, Any]]) -> list[Section]:
    """What :func:`to_json` wrote."""
    return [
        Section(
            title=section["title"],
            text=section["text"],
            figures=[Figure(**figure) for figure in section["figures"]],
            tables=[Table(**table) for table in section["tables"]],
        )
        for section in stored
    ]
