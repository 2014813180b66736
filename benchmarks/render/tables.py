"""The kinds of table: a grid of rows and columns, a list of figures, targets with their verdicts."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmarks.render.figures import Figure
from benchmarks.render.labels import plain

# units of figures between 0 and 1, which are shown without the unit
SHARES = {"", "auroc", "auprc", "brier", "ece", "share", "share of batches", "difference", "AUROC"}
HIGHER, LOWER = "↑", "↓"


def number(value: float | None, unit: str = "", decimals: int | None = None) -> str:
    """Shares with 4 decimals, percent with 2, anything else with 4 digits; small ones with 3 or 2 digits."""
    if value is None:
        return ""
    size = abs(value)
    if size in (0, 1):
        form = ".0f"
    elif decimals is not None:
        form = f".{decimals}f"
    elif size >= 10_000:
        form = ",.0f"
    elif unit in ("%", "points"):
        form = ".2f" if size >= 0.1 else ".2g"
    elif unit in SHARES and size < 1:
        form = ".4f" if size >= 0.01 else ".3g"
    else:
        form = ".4g"
    return format(value, form)


def interval(figure: Figure, decimals: int | None = None) -> str:
    if figure.low is None or figure.high is None:
        return ""
    low, high = (number(limit, figure.unit, decimals) for limit in (figure.low, figure.high))
    return f"{low} to {high}"


def with_interval(figure: Figure, decimals: int | None = None, bold: bool = False) -> str:
    """``**0.9919** (0.9843 to 0.9975)``, without the brackets where there is no interval."""
    shown = number(figure.value, figure.unit, decimals)
    shown = f"**{shown}**" if bold else shown
    limits = interval(figure, decimals)
    return f"{shown} ({limits})" if limits else shown


def times(ratio: float | None) -> str:
    """How many times as fast or as exact: 3 digits, and no exponent."""
    return "" if ratio is None else (f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}")


def markdown(header: list[str], rows: list[list[str]]) -> list[str]:
    """A table of Markdown; columns in which nothing stands are left out."""
    keep = [i for i in range(len(header)) if any(row[i] for row in rows)]
    lines = ["| " + " | ".join(header[i] for i in keep) + " |", "|" + "---|" * len(keep)]
    lines += ["| " + " | ".join(row[i].replace("|", "\\|") for i in keep) + " |" for row in rows]
    return lines


def data_line(figures: Iterable[Figure]) -> str:
    """What all figures of a table were measured on."""
    said = list(dict.fromkeys(plain(f.part("data")) for f in figures if f.part("data")))
    return f"Data: {'; '.join(said)}." if said else ""


@dataclass(frozen=True)
class Column:
    """Figures of one kind, narrowed by the parts of their labels, or a text from them.

    ``better`` is "↑", "↓" or "≈0.05", and empty where no figure of the column is better than another. ``show`` is "value",
    "baseline", "ratio", or the name of a part. With ``each``, the column becomes one per value of that part.
    """

    header: str
    kind: str
    better: str = ""
    show: str = "value"
    each: str = ""
    where: dict[str, str] = field(default_factory=dict)

    def fits(self, figure: Figure) -> bool:
        return figure.kind == self.kind and all(figure.part(k) == v for k, v in self.where.items())

    def spread(self, figures: list[Figure]) -> "list[Column]":
        if not self.each:
            return [self]
        found = dict.fromkeys(f.part(self.each) for f in figures if self.fits(f))
        return [
            Column(
                self.header.format(plain(value)),
                self.kind,
                self.better,
                self.show,
                where=self.where | {self.each: value},
            )
            for value in found
        ]


def is_best(number_shown: float, others: list[float], better: str) -> bool:
    if better == HIGHER:
        return number_shown == max(others)
    if better == LOWER:
        return number_shown == min(others)
    near = float(better.removeprefix("≈"))
    return abs(number_shown - near) <= min(abs(other - near) for other in others) + 1e-12


@dataclass(frozen=True)
class Grid:
    """Rows are models (or whatever ``rows`` names), columns are metrics, data sets or conditions.

    The best figure of a column is bold; with ``across``, the best of each row among the columns that say what is better.
    With ``baseline_rows``, what the figures were compared with gets rows of its own. ``keep`` narrows all columns.
    """

    title: str
    rows: tuple[tuple[str, str], ...]
    columns: tuple[Column, ...]
    note: str = ""
    folded: bool = False
    across: bool = False
    baseline_rows: bool = False
    decimals: int | None = None
    keep: dict[str, str] = field(default_factory=dict)

    def takes(self, figures: list[Figure]) -> list[Figure]:
        kept = [f for f in figures if all(f.part(k) == v for k, v in self.keep.items())]
        return [f for f in kept if any(column.fits(f) for column in self.columns)]

    def render(self, figures: list[Figure]) -> list[str]:
        taken = self.takes(figures)
        if not taken:
            return []
        columns = [one for column in self.columns for one in column.spread(taken)]
        shown = taken
        if self.baseline_rows:
            shown = taken + [b for f in taken if (b := f.of_baseline()) is not None]
        keys = dict.fromkeys(tuple(f.part(part) for _, part in self.rows) for f in shown)
        cells = [[self._cell(column, key, shown) for column in columns] for key in keys]
        self._mark_best(columns, cells)
        header = [name for name, _ in self.rows]
        header += [f"{c.header} {c.better}".strip() for c in columns]
        body = [
            [*(plain(part) for part in key), *(text for text, _ in row)]
            for key, row in zip(keys, cells, strict=True)
        ]
        data = "" if ("data" in dict(self.rows).values()) else data_line(taken)
        notes = [self.note, data, "Bold: the best of each row." if self.across else ""]
        return [" ".join(n for n in notes if n), *markdown(header, body)]

    def _cell(self, column: Column, key: tuple, figures: list[Figure]) -> tuple[str, float | None]:
        """Text of a cell, and the number to compare with others."""
        for f in figures:
            if column.fits(f) and tuple(f.part(part) for _, part in self.rows) == key:
                if column.show == "value":
                    shown = number(f.value, f.unit, self.decimals)
                    return with_interval(f, self.decimals), float(shown.replace(",", "")) if shown else None
                if column.show == "baseline":
                    shown = number(f.baseline_value, f.unit, self.decimals)
                    return shown, float(shown.replace(",", "")) if shown else None
                if column.show == "ratio":
                    return times(f.ratio), f.ratio
                return "" if f.is_baseline else plain(f.part(column.show)), None
        return "", None

    def _mark_best(self, columns: list[Column], cells: list[list]) -> None:
        compared = [i for i, column in enumerate(columns) if column.better]
        groups = [[(r, c) for r in range(len(cells))] for c in compared]
        if self.across:
            groups = [[(r, c) for c in compared] for r in range(len(cells))]
        for group in groups:
            values = {place: cells[place[0]][place[1]][1] for place in group}
            known = [value for value in values.values() if value is not None]
            if len(known) < 2:
                continue
            for (r, c), value in values.items():
                if value is not None and is_best(value, known, columns[c].better):
                    shown, space, rest = cells[r][c][0].partition(" ")
                    cells[r][c] = (f"**{shown}**{space}{rest}", value)


@dataclass(frozen=True)
class Listing:
    """One row per figure, for figures that are not comparable with each other."""

    title: str
    kinds: tuple[str, ...]
    note: str = ""
    folded: bool = False
    times_header: str = "Times as fast"

    def takes(self, figures: list[Figure]) -> list[Figure]:
        return [f for f in figures if f.kind in self.kinds]

    def render(self, figures: list[Figure]) -> list[str]:
        taken = self.takes(figures)
        if not taken:
            return []
        (common, count), *others = Counter(plain(f.part("data")) for f in taken).most_common()
        if count == 1 or not common:
            common = ""
        said = f"Data: {common}{', unless the row says otherwise' if others else ''}." if common else ""
        rows = [
            [
                capital(plain(f.name)),
                with_interval(f),
                "" if f.unit in SHARES - {"share of batches"} else plain(f.unit),
                plain(f.baseline or ""),
                number(f.baseline_value, f.unit),
                times(f.ratio),
                "" if plain(f.part("data")) == common else plain(f.part("data")),
            ]
            for f in taken
        ]
        header = ["What", "Figure", "Unit", "Baseline", "Figure of the baseline", self.times_header, "Data"]
        return [" ".join(n for n in (self.note, said) if n), *markdown(header, rows)]


def capital(text: str) -> str:
    """Text with a capital first letter; names such as eICU and pMSE keep theirs."""
    return text if text[1:2].isupper() else text[:1].upper() + text[1:]


def targets(figures: list[Figure], repeated: set[str]) -> list[str]:
    """Target, verdict, figure, interval of each figure that had one."""
    rows = []
    for f in figures:
        what = capital(plain(f.name))
        if f.name in repeated:
            what += f" ({plain('; '.join(x for x in (f.data, f.baseline and f'compared with {f.baseline}') if x))})"
        unit = "" if f.unit in SHARES else f" {plain(f.unit)}"
        target = plain(f.target or "")
        verdict = {True: "yes", False: "**no**", None: "not judged"}[f.reached]
        rows.append([what, target, verdict, number(f.value, f.unit) + unit, interval(f)])
    return markdown(["What", "Target", "Reached", "Figure", "Interval"], rows)
