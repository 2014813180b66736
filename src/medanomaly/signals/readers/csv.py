"""Recordings as CSV: one row per sample, a time column or a given rate, units in the names or in a second row."""

import re
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.signals.recordings.leads import lead_kind
from medanomaly.signals.recordings.recording import Recording
from medanomaly.signals.recordings.time_axis import on_grid, seconds

MISSING = ("", "-", "?", "NA", "N/A", "NaN", "nan", "NULL", "null", "None")
TIME_NAMES = frozenset(
    {"time", "t", "timestamp", "elapsed time", "elapsed", "seconds", "datetime", "time_s", "date"}
)
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
        fs: rate in Hz; None takes it from the time column. Where both exist, the time column is not used.
        time: name of the time column; None finds one by its name (``time``, ``Time [s]``, ``Elapsed time``, ...). Values
            are seconds, another unit that the name gives in brackets (``ms``), ``mm:ss.sss``, or dates.
        units: one unit for every lead, or one per lead; they override those in the file.
        channels: leads to read, in this order; None reads all.
        delimiter: None takes the most frequent of comma, semicolon and tab in the first line.
        decimal: the decimal mark.
        patient_id: whose it is; None takes the name of the file.

    Returns:
        The recording in float32; an empty field is a gap, and so is a jump in time.

    Raises:
        DataNotFoundError: no file.
        InputError: there is no rate, time goes backwards or has no constant step, or a field is not a number; the error
            names the line and the column.
    """
    path = Path(path)
    if not path.is_file():
        raise DataNotFoundError("the file does not exist", source=path)
    text = _text(path)
    first_lines = text[:65536].splitlines()[:3]
    if not first_lines:
        raise InputError("the file is empty", source=path)
    delimiter = delimiter or max(",;\t", key=first_lines[0].count)
    names, own_units, skip, notes = _header(first_lines, delimiter, decimal)
    table = _table(text, names, skip, delimiter, path)
    time, fs_stated = _time_column(names, time, path), fs
    leads = [n for n in names if n != time] if channels is None else list(channels)
    if unknown := [n for n in leads if n not in names or n == time]:
        raise InputError(f"there is no column {unknown}", remedy=f"There are {names}.", source=path)
    if not leads:
        raise InputError(f"the columns {names} hold no lead", remedy="Add one column per lead.", source=path)
    values = np.stack([_numbers(table[n], decimal, path, skip) for n in leads], axis=1)
    if fs_stated is None:
        if time is None:
            raise InputError(
                f"there is no time column in {names}",
                remedy="Pass fs (Hz), or name the time column.",
                source=path,
            )
        unit = own_units.get(time, "") or "s"
        at = seconds(table[time], unit, decimal, path, skip)
        values, fs, more = on_grid(values, at, path)
        notes += more
    elif time is not None:
        notes.append(f"column '{time}' was not used: the rate was given")
    chosen, assumed = _units(leads, own_units, units)
    if assumed:
        notes.append(
            f"no unit is stated for {', '.join(assumed)}: mV was taken for an ECG, NU (none) for others"
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


def _text(path: Path) -> str:
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        # µ in a file from Windows in Western Europe
        return raw.decode("latin-1")


def _fields(line: str, delimiter: str) -> list[str]:
    return [field.strip().strip("'\"").strip() for field in line.split(delimiter)]


def _is_number(field: str, decimal: str) -> bool:
    try:
        float(field.replace(decimal, "."))
    except ValueError:
        return field in MISSING
    return True


def _header(
    lines: list[str], delimiter: str, decimal: str
) -> tuple[list[str], dict[str, str], int, list[str]]:
    first = _fields(lines[0], delimiter)
    if all(_is_number(field, decimal) for field in first):
        names = [f"lead {j + 1}" for j in range(len(first))]
        return names, {}, 0, ["the file has no header: leads are numbered"]
    parts = [_WITH_UNIT.match(field) for field in first]
    names = [p["name"] if p else field for p, field in zip(parts, first, strict=True)]
    names = [name or f"column {j + 1}" for j, name in enumerate(names)]
    repeats = {n for n in names if names.count(n) > 1}
    names = [f"{n} ({j + 1})" if n in repeats else n for j, n in enumerate(names)]
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
        return names, units, 2, []
    return names, units, 1, []


def _table(text: str, names: list[str], skip: int, delimiter: str, path: Path) -> pd.DataFrame:
    options = {
        "sep": delimiter,
        "header": None,
        "names": names,
        "skiprows": skip,
        "na_values": list(MISSING),
        "keep_default_na": False,
        "skipinitialspace": True,
        "index_col": False,
        "quotechar": "'" if "'" in text[:4096] else '"',
    }
    try:
        return pd.read_csv(StringIO(text), low_memory=False, **options)
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(
            f"the file is not a table: {error}", remedy=f"Give {len(names)} fields per line.", source=path
        ) from error


def _numbers(column: pd.Series, decimal: str, path: Path, skip: int) -> np.ndarray:
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
            record=f"line {wrong[0] + skip + 1}",
            column=column.name,
        )
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)


def _time_column(names: list[str], wanted: str | None, path: Path) -> str | None:
    if wanted is None:
        return next((n for n in names if n.lower() in TIME_NAMES), None)
    if wanted not in names:
        raise InputError(f"there is no column '{wanted}'", remedy=f"There are {names}.", source=path)
    return wanted


def _units(leads, own, stated) -> tuple[tuple[str, ...], list[str]]:
    if isinstance(stated, str):
        return (stated,) * len(leads), []
    merged = own | dict(stated or {})
    # an unknown name is taken for an ECG, the usual content of such files
    guesses = {n: "mV" if lead_kind(n, "mV") == "ecg" else "NU" for n in leads}
    return tuple(merged.get(n, guesses[n]) for n in leads), [n for n in leads if n not in merged]
