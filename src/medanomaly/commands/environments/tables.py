"""The environment of a table."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from medanomaly.commands.environments.files import Written, global_settings, listed, raw_path, scalar
from medanomaly.core.errors import InputError
from medanomaly.core.plain_text import plain_text
from medanomaly.tabular.table.description import TableSpec
from medanomaly.tabular.table.files import EXCEL_ENDINGS, PARQUET_ENDINGS, TABLE_ENDINGS, read_table
from medanomaly.tabular.table.guess import GuessedTable, guess_table

# as the split of conf/base divides patients, and its share of false alarms
CALIBRATION_SHARE, ALPHA = 0.2, 0.05
SHOWN = 8
_HEAD = 1 << 20
_ENCODINGS = ("utf-8-sig", "cp1252")


def is_table(path: Path) -> bool:
    """Whether the name of a file is that of a table."""
    return path.name.lower().endswith(TABLE_ENDINGS)


def table_environment(name: str, path: Path) -> Written:
    """Catalog, globals and parameters for a CSV, Parquet or Excel file.

    Raises:
        InputError: the file is no readable table, or holds too few records.
    """
    options = _reading(path)
    raw = read_table(path, **options)
    fewest = TableSpec().min_records
    if len(raw) < fewest:
        raise InputError(
            f"the table has {len(raw)} records",
            source=path,
            remedy=f"Training needs {fewest} at least, and some 200 to say anything.",
        )
    table = guess_table(raw)
    files = {
        "catalog.yml": _catalog(path, options),
        "globals.yml": global_settings(name),
        "parameters.yml": "\n".join(_parameters(name, table)) + "\n",
    }
    return Written(files, _said(table, raw))


def _reading(path: Path) -> dict[str, str]:
    """Options that a delimited file needs besides those of its ending."""
    name = path.name.lower()
    if not path.is_file() or name.endswith((*PARQUET_ENDINGS, *EXCEL_ENDINGS)):
        return {}
    import fsspec

    with fsspec.open(str(path), "rb", compression="infer") as stream:
        head = stream.read(_HEAD)
    options = {}
    encoding = next((e for e in _ENCODINGS if _decodes(head, e)), None)
    if encoding == "cp1252":
        options["encoding"] = encoding
    first = head.decode(encoding or "latin-1").lstrip().partition("\n")[0]
    # a header in quotes may hold the other marks in its names
    counts = {sep: len(next(csv.reader([first], delimiter=sep), [])) for sep in ",;\t|"}
    best = max(counts, key=counts.__getitem__)
    if best != ("\t" if name.endswith((".tsv", ".tsv.gz")) else ",") and counts[best] > 1:
        options["sep"] = best
    return options


def _decodes(head: bytes, encoding: str) -> bool:
    try:
        # the last bytes may be half a character
        head[: head.rfind(b"\n") + 1 or None].decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _catalog(path: Path, options: dict[str, str]) -> str:
    name = path.name.lower()
    if name.endswith(PARQUET_ENDINGS):
        reader = "ParquetDataset"
    else:
        reader = "ExcelDataset" if name.endswith(EXCEL_ENDINGS) else "CSVDataset"
        if name.endswith((".tsv", ".tsv.gz")):
            options = {"sep": "\t"} | options
    lines = [
        "# Where the table is, and how it is read. Nothing is copied, and the file is never changed.",
        "tabular.raw:",
        f"  type: medanomaly.datasets.table.{reader}",
        f"  filepath: {raw_path(path)}",
    ]
    if options:
        said = ", ".join(f"{key}: {scalar(value)}" for key, value in options.items())
        lines.append(f"  load_args: {{{said}}} # found in the file")
    elif reader == "ExcelDataset":
        lines.append("  # the first sheet is read; name another one here")
        lines.append("  # load_args: {sheet_name: visits}")
    lines.append(
        "  metadata: {kedro-viz: {layer: raw}} # where the table stands in the graph of `kedro viz run`"
    )
    return "\n".join(lines) + "\n"


def _parameters(name: str, table: GuessedTable) -> Iterator[str]:
    yield "# What the columns mean. All of it was guessed from names and kinds of values: please read it once, and correct"
    yield "# what is wrong. QUESTION marks what only you can know. More: docs/data/your_own_table.md"
    yield "data_processing:"
    yield "  tables:"
    yield f"    {scalar(name, key=True)}:"
    yield from (f"      {line}" for line in _ids(table))
    yield from (f"      {line}" for line in _label(table))
    yield from (f"      {line}" for line in _groups(table))
    yield "      # Kind, unit and range of each column. Kinds: number, category, time, text (notes), ignore (not used)."
    yield "      # possible: [lowest, highest] sends a record with a value outside to quarantine, with its reason."
    yield "      columns:"
    for column, guessed in table.columns.items():
        parts = [f"kind: {guessed.kind}"]
        if guessed.unit:
            parts.append(f"unit: {scalar(guessed.unit)}")
        if guessed.possible is not None:
            parts.append(f"possible: [{guessed.possible[0]:g}, {guessed.possible[1]:g}]")
        yield f"        {scalar(column, key=True)}: {{{', '.join(parts)}}} # {guessed.why}"
    yield from (f"      {line}" for line in _rules(table))
    yield from (f"      {line}" for line in _times(table))
    yield "# Share of normal records that may be flagged. Calibration takes 20 % of them, and needs 1 / alpha - 1."
    yield "alarm:"
    yield f"  alpha: {ALPHA}"


def _ids(table: GuessedTable) -> Iterator[str]:
    if table.case_id is not None:
        yield f"case_id: {scalar(table.case_id)} # one id per row; results name records by it"
    else:
        yield "# case_id: visit # QUESTION: does a column hold one id per row? Without it rows are numbered from 1."
    if table.patient_id is not None:
        yield f"patient_id: {scalar(table.patient_id)} # all records of a patient stay in one part of the split"
    else:
        yield "# patient_id: patient # QUESTION: whose records are these? Without it each counts as a patient of its own,"
        yield "# and figures look better than they are if a patient has several."


def _label(table: GuessedTable) -> Iterator[str]:
    if table.label is None:
        yield "# No column looks like a label. Without one all records count as normal; there are scores all the same."
        yield "# label: outcome"
        yield "# normal_labels: [well] # every other value means anomalous, an empty cell unknown"
        return
    yield f"label: {scalar(table.label)} # QUESTION: does it say what is normal? It is never a feature."
    shown = ", ".join(map(_level, table.levels[:SHOWN]))
    more = f" and {len(table.levels) - SHOWN} more" if len(table.levels) > SHOWN else ""
    yield "# QUESTION: which of its values mean normal? Every other value means anomalous, an empty cell unknown."
    yield f"# Values that at least {TableSpec().min_patients} patients share: {shown}{more}."
    yield f"normal_labels: {listed(table.normal)}"


def _level(level: str) -> str:
    """A level of a label inside a comment, which ends where a line ends."""
    return level if level.isprintable() else ascii(level)


def _groups(table: GuessedTable) -> Iterator[str]:
    if table.age is not None:
        yield f"age: {scalar(table.age)} # results are also shown by age"
    if table.sex is not None:
        yield f"subgroups: {{sex: {scalar(table.sex)}}} # results are also shown for these; add more, such as site: hospital"
    else:
        categories = [n for n, c in table.columns.items() if c.kind == "category"]
        if categories:
            yield f"# subgroups: {{group: {scalar(categories[0])}}} # results are also shown for groups that you name here"


def _rules(table: GuessedTable) -> Iterator[str]:
    ruled = {name: c.quantity for name, c in table.columns.items() if c.quantity and c.kind == "number"}
    yield "# Plausibility: values outside the range of a quantity are flagged with what was probably meant, and kept."
    if ruled:
        yield "rules:"
        yield "  variables:"
        for name, quantity in ruled.items():
            yield f"    {scalar(name, key=True)}: {quantity} # in the unit that columns gives it"
    elif table.durations:
        yield "rules:"
    if table.durations:
        yield "  order: # a time that is before another one is flagged"
        for name, (start, end, _, by_day) in table.durations.items():
            days = ", by_day: true" if by_day else ""
            yield f"    {name}: {{lower: {scalar(start)}, upper: {scalar(end)}{days}}}"
    elif not ruled:
        yield "# rules: {variables: {temp_c: temperature}} # a column, and the quantity that it is"
    if table.unruled:
        yield "# No rule applies to these numbers. Give the unit of a known quantity, or a range that people can have:"
        yield f"#   {', '.join(map(_level, table.unruled[:SHOWN]))}" + (
            f" and {len(table.unruled) - SHOWN} more" if len(table.unruled) > SHOWN else ""
        )
        yield "#   under rules: variables: lactate: {plausible: [0.1, 35]}"


def _times(table: GuessedTable) -> Iterator[str]:
    if table.durations:
        yield "# Models use the time between two times, not the times themselves."
        yield "durations:"
        for name, (start, end, unit, by_day) in table.durations.items():
            days = ", by_day: true" if by_day else ""
            yield f"  {name}: {{start: {scalar(start)}, end: {scalar(end)}, unit: {unit}{days}}} # below 0: wrong order"
    if table.times and table.patient_id is not None:
        yield "# Features from earlier records of the same patient: uncomment it, and name the time of a record."
        yield f"# history: {{time: {scalar(table.times[0])}}}"


def _said(table: GuessedTable, raw: pd.DataFrame) -> Iterator[str]:
    kinds = [column.kind for column in table.columns.values()]
    counted = {"number": "numbers", "category": "categories", "time": "times", "ignore": "left out"}
    yield f"{table.n_records:,} records, {len(table.columns)} columns besides ids and label: " + ", ".join(
        f"{kinds.count(kind)} {said}" for kind, said in counted.items() if kind in kinds
    )
    yield f"case id: {table.case_id or 'none found, rows are numbered'}"
    yield f"patient id: {table.patient_id or 'none found, each record counts as a patient'}"
    if table.label is None:
        yield "label: none found, all records count as normal"
    else:
        yield f"label: {table.label}; is {' or '.join(map(_level, table.normal))} what is normal?"
        normal = int(plain_text(raw[table.label]).isin(table.normal).sum())
        if normal * CALIBRATION_SHARE < 1 / ALPHA - 1:
            kept = normal * CALIBRATION_SHARE
            yield f"only {normal} normal records: about {kept:.0f} calibrate, too few for alpha {ALPHA}"
    if table.unruled:
        yield f"no plausibility rule for {', '.join(map(_level, table.unruled[:SHOWN]))}: give units, or ranges"
