"""Recordings as CSV: one row per sample, a time column or a given rate, units in the names or in a second row."""

import csv
import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.signals.readers.text import read_text
from medanomaly.signals.recordings.leads import (
    is_bookkeeping,
    kind_of_name,
    lead_kinds,
    no_waveform,
    unique_names,
)
from medanomaly.signals.recordings.recording import LONGEST_NAME, MOST_LEADS, Recording
from medanomaly.signals.recordings.time_axis import SECONDS, on_grid, seconds
from medanomaly.signals.recordings.voltage import COUNTS, whole_numbers

MISSING = ("", "-", "?", "NA", "N/A", "NaN", "nan", "NULL", "null", "None")
_TIME_WORDS = frozenset({"time", "t", "timestamp", "datetime", "date", "elapsed", "zeit"})
_LONGEST_HEADER = 65_536
# rates that are given and measured may differ by this share
_SAME_RATE = 0.01
# a decimal comma between commas that separate fields: 0,0146
_CUT_DECIMALS = re.compile(r"(?:^|,)-?(?:0|[1-9]\d*),0\d+(?=,|$)", re.MULTILINE)
# "II [mV]", "PLETH (NU)"
_WITH_UNIT = re.compile(r"^(?P<name>.*?)\s*[\[(](?P<unit>[^\])]*)[\])]$")


def read_csv(
    path: str | Path,
    *,
    fs: float | None = None,
    time: str | None = None,
    units: str | dict[str, str] | None = None,
    channels: list[str] | None = None,
    delimiter: str | None = None,
    decimal: str = ".",
    patient_id: str | None = None,
) -> Recording:
    """Read a recording.

    Args:
        path: the file. Without a header the leads are called ``lead 1``, ``lead 2``, ...
        fs: rate in Hz; None takes it from the time column. Where both exist, they must agree.
        time: name of the time column; None finds one by its name (``time``, ``Time [s]``, ``time_ms``, ``Elapsed time``).
            Values are seconds, another unit that the name gives (``ms``), ``mm:ss.sss``, or dates.
        units: one unit for every lead, or one per lead; they override those in the file.
        channels: leads to read, in this order; None reads all but those that count, time or label samples.
        delimiter: None takes the most frequent of comma, semicolon and tab in the first line; never the decimal mark.
        decimal: the decimal mark.
        patient_id: whose it is; None takes the name of the file.

    Returns:
        The recording in float32; an empty field is a gap, and so is a jump in time.

    Raises:
        DataNotFoundError: no file.
        InputError: there is no rate, the rate is not that of the times, time goes backwards or has no constant step, a row
            has more fields than the header, or a field is not a number; the error names the line and the column.
    """
    path = Path(path)
    if not path.is_file():
        raise DataNotFoundError("the file does not exist", source=path)
    text = read_text(path)
    blank = len(text) - len(text.lstrip("\n"))
    first_lines = text.lstrip("\n").split("\n", 3)[:3]
    if not any(first_lines):
        raise InputError("the file is empty", source=path)
    if len(first_lines[0]) > _LONGEST_HEADER:
        raise InputError(
            f"the first line has {len(first_lines[0]):,} characters",
            remedy=f"Give one row per sample, and a header of at most {_LONGEST_HEADER:,} characters.",
            source=path,
        )
    delimiter = delimiter or max((d for d in ",;\t" if d != decimal), key=first_lines[0].count)
    names, own_units, skip, notes = _header(first_lines, delimiter, decimal, path)
    # nothing follows a header that is alone
    body = (text.lstrip("\n").split("\n", skip) + [""] * skip)[skip]
    line_of = _checked_rows(body, len(names), delimiter, decimal, blank + skip, path)
    table = _table(body, names, delimiter, path)
    if not len(table):
        raise InputError(
            "there are no rows behind the header", remedy="Give one row per sample.", source=path
        )
    time = _time_column(names, time, path)
    leads = [n for n in names if n != time] if channels is None else list(channels)
    if unknown := [n for n in leads if n not in names or n == time]:
        raise InputError(f"there is no column {unknown}", remedy=f"There are {names}.", source=path)
    counter = None
    if channels is None:
        leads, counter, left_out = _leads_among(leads, table)
        notes += left_out
    if time is None and fs is None:
        rising = (
            f"; column '{counter}' only rises: name it with its unit, as in 'time [ms]'" if counter else ""
        )
        raise InputError(
            f"there is no time column in {names}{rising}",
            remedy="Pass fs (Hz), or name the time column.",
            source=path,
        )
    if not leads:
        raise InputError(f"the columns {names} hold no lead", remedy="Add one column per lead.", source=path)
    values = np.stack([_numbers(table[n], decimal, path, line_of) for n in leads], axis=1)
    whole = {n for j, n in enumerate(leads) if whole_numbers(values[:, j])}
    if time is not None:
        at = seconds(table[time], _time_unit(time, own_units), decimal, path, line_of)
        values, fs, more = _at_times(values, at, fs, time, path)
        notes += more
    elif counter is not None and _misses_samples(at := _numbers(table[counter], decimal, path, line_of)):
        values, _, more = on_grid(values, at / fs, path)
        notes += more
    chosen, assumed = _units(leads, own_units, units, whole)
    if counts := [n for n, unit in zip(leads, chosen, strict=True) if n in assumed and unit == COUNTS]:
        notes.append(
            f"no unit is stated for {', '.join(counts)}, and the values are whole numbers: counts of an ADC, whose scale "
            "is unknown"
        )
    if others := [n for n in assumed if n not in counts]:
        notes.append(
            f"no unit is stated for {', '.join(others)}: mV was taken for an ECG, NU (none) for others"
        )
    return Recording(
        record=path.stem,
        patient_id=path.stem if patient_id is None else patient_id,
        signal=values.astype(np.float32),
        fs=float(fs),
        leads=tuple(leads),
        units=chosen,
        notes=tuple(notes),
    )


def _fields(line: str, delimiter: str) -> list[str]:
    return [field.strip().strip("'\"").strip() for field in line.split(delimiter)]


def _is_number(field: str, decimal: str) -> bool:
    try:
        float(field.replace(decimal, "."))
    except ValueError:
        return field in MISSING
    return True


def _header(
    lines: list[str], delimiter: str, decimal: str, path: Path
) -> tuple[list[str], dict[str, str], int, list[str]]:
    first = _fields(lines[0], delimiter)
    if len(first) > MOST_LEADS or max(map(len, first)) > LONGEST_NAME:
        raise InputError(
            f"the header has {len(first):,} columns, and names of up to {max(map(len, first)):,} characters",
            remedy=f"Give at most {MOST_LEADS:,} columns with names of at most {LONGEST_NAME}.",
            source=path,
        )
    if all(_is_number(field, decimal) for field in first):
        names = [f"lead {j + 1}" for j in range(len(first))]
        return names, {}, 0, ["the file has no header: leads are numbered"]
    parts = [_WITH_UNIT.match(field) for field in first]
    names = [p["name"] if p else field for p, field in zip(parts, first, strict=True)]
    names = [name or f"column {j + 1}" for j, name in enumerate(names)]
    names, notes = (list(part) for part in unique_names(names))
    units = {n: p["unit"].strip() for n, p in zip(names, parts, strict=True) if p}
    # a second row of units, as rdsamp of the WFDB software writes it
    second = _fields(lines[1], delimiter) if len(lines) > 1 else []
    if (
        len(second) == len(names)
        and any(second)
        and not any(
            _is_number(field, decimal) or any(c.isdigit() for c in field) for field in second if field
        )
    ):
        units |= {n: u for n, u in zip(names, second, strict=True) if u}
        return names, units, 2, notes
    return names, units, 1, notes


def _checked_rows(
    body: str, n: int, delimiter: str, decimal: str, before: int, path: Path
) -> Callable[[int], int]:
    """Refuse rows with more fields than the header.

    Returns:
        Row of the table -> its line in the file, counted from 1; blank lines are no rows.
    """
    raw = np.frombuffer(body.encode(), dtype=np.uint8)
    ends = np.flatnonzero(raw == ord("\n"))
    if len(raw) and raw[-1] != ord("\n"):
        ends = np.append(ends, len(raw))
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    row_lines = np.flatnonzero(ends > starts)

    def line_of(row: int) -> int:
        return int(row_lines[row]) + before + 1

    def refuse(line: int, problem: str):
        raise InputError(
            problem,
            remedy="Set decimal: ',' where commas are decimal marks, or delimiter where another one separates fields.",
            source=path,
            record=f"line {before + line + 1}",
        )

    marks = np.searchsorted(np.flatnonzero(raw == ord(delimiter)), np.stack([starts, ends]))
    for line in np.flatnonzero(marks[1] - marks[0] >= n):
        row = raw[starts[line] : ends[line]].tobytes().decode()
        fields = next(csv.reader([row], delimiter=delimiter, quotechar=_quote(body)))
        # delimiters behind the last field are no fields
        if any(field.strip() for field in fields[n:]):
            refuse(line, f"{len(fields)} fields for {n} column(s)")
    if delimiter == "," and decimal == "." and "." not in body and (cut := _CUT_DECIMALS.search(body)):
        refuse(
            body.count("\n", 0, cut.start() + 1), f"'{cut[0].lstrip(',')}' is a number with a decimal comma"
        )
    return line_of


def _quote(body: str) -> str:
    return "'" if "'" in body[:4096] else '"'


def _table(body: str, names: list[str], delimiter: str, path: Path) -> pd.DataFrame:
    options = {
        "sep": delimiter,
        "header": None,
        "names": names,
        "usecols": range(len(names)),
        "na_values": list(MISSING),
        "keep_default_na": False,
        "skipinitialspace": True,
        "index_col": False,
        "quotechar": _quote(body),
    }
    try:
        return pd.read_csv(StringIO(body), low_memory=False, **options)
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(
            f"the file is not a table: {error}", remedy=f"Give {len(names)} fields per line.", source=path
        ) from error


def _leads_among(names: list[str], table: pd.DataFrame) -> tuple[list[str], str | None, list[str]]:
    """Columns that can be leads, the first one that counts samples or time, and notes on those left out.

    A column is none where its name says that it counts, times or labels samples, or where its name says nothing and its
    values are no waveform.
    """
    leads, counter, notes = [], None, []
    for name in names:
        column = table[name]
        numbers = column.to_numpy(dtype=np.float64) if column.dtype.kind in "fiu" else None
        rises = numbers is not None and len(numbers) > 1 and bool(np.all(np.diff(numbers) > 0))
        named = is_bookkeeping(name)
        why = "its name" if named else ""
        if not named and numbers is not None and kind_of_name(name) is None:
            why = no_waveform(numbers)
        if not why:
            leads.append(name)
            continue
        notes.append(f"column '{name}' is no lead: {why}")
        if rises and counter is None:
            counter = name
    return leads, counter, notes


def _misses_samples(count: np.ndarray) -> bool:
    """Whether a column counts samples one by one, and leaves some out."""
    steps = np.diff(count)
    return bool(steps.min() == 1 and steps.max() > 1 and np.all(steps == np.rint(steps)))


def _at_times(
    values: np.ndarray, at: np.ndarray, fs: float | None, time: str, path: Path
) -> tuple[np.ndarray, float, list[str]]:
    """Samples on the grid of their times; a rate that is given must be that of the times."""
    if fs is None:
        return on_grid(values, at, path)
    try:
        placed, own, notes = on_grid(values, at, path)
    except InputError as error:
        # times that are too coarse for the rate can still tell that it is too low
        span = at[-1] - at[0] + np.diff(at).max() if len(at) > 1 else 0.0
        if (
            len(at) > 1
            and span > 0
            and np.all(np.diff(at) >= 0)
            and len(at) - 1 > (1 + _SAME_RATE) * fs * span
        ):
            placed, own, notes = values, (len(at) - 1) / span, []
        else:
            return values, fs, [f"column '{time}' was not used, the rate was given: {error.problem}"]
    if abs(own / fs - 1.0) > _SAME_RATE:
        raise InputError(
            f"fs is {fs:g} Hz, but the times say {own:g} Hz",
            remedy="Leave fs out, or correct it, or correct the unit of the times.",
            source=path,
            column=time,
        )
    return placed, fs, notes


def _numbers(column: pd.Series, decimal: str, path: Path, line_of: Callable[[int], int]) -> np.ndarray:
    if column.dtype.kind in "fiu":
        return column.to_numpy(dtype=np.float64)
    text = column.astype("string").str.strip()
    if decimal != ".":
        text = text.str.replace(decimal, ".", regex=False)
    numbers = pd.to_numeric(text.mask(text.isin(MISSING)), errors="coerce")
    wrong = np.flatnonzero((numbers.isna() & text.notna() & ~text.isin(MISSING)).to_numpy())
    if len(wrong):
        raise InputError(
            f"'{text.iloc[wrong[0]]}' is not a number",
            remedy="Set decimal or delimiter if the file uses another one.",
            source=path,
            record=f"line {line_of(wrong[0])}",
            column=column.name,
        )
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)


def _time_column(names: list[str], wanted: str | None, path: Path) -> str | None:
    if wanted is None:
        return next((n for n in names if _is_time(n)), None)
    if wanted not in names:
        raise InputError(f"there is no column '{wanted}'", remedy=f"There are {names}.", source=path)
    return wanted


def _words(name: str) -> list[str]:
    return re.split(r"[\s_\-.:/]+", name.strip().lower())


def _is_time(name: str) -> bool:
    words = _words(name)
    if len(words) == 1:
        # "s" alone may be a lead
        return words[0] in _TIME_WORDS or (words[0] in SECONDS and len(words[0]) > 1)
    return words[0] in _TIME_WORDS and not {"index", "idx", "sample", "samples", "number"} & set(words)


def _time_unit(name: str, own: dict[str, str]) -> str:
    """Unit of a time column: in brackets, in a second row, or as the last word of its name; empty where none is stated."""
    if own.get(name):
        return own[name]
    last = _words(name)[-1]
    return last if last in SECONDS else ""


def _units(leads, own, stated, whole) -> tuple[tuple[str, ...], list[str]]:
    if isinstance(stated, str):
        return (stated,) * len(leads), []
    merged = own | dict(stated or {})
    # an unknown name is taken for an ECG, the usual content of such files
    volts = {n: COUNTS if n in whole else "mV" for n in leads}
    kinds = lead_kinds(leads, ["mV"] * len(leads))
    guesses = {n: volts[n] if kind == "ecg" else "NU" for n, kind in zip(leads, kinds, strict=True)}
    return tuple(merged.get(n, guesses[n]) for n in leads), [n for n in leads if n not in merged]
