"""Annotations in and out: WFDB (``.atr``) and CSV; those of EDF+ are read with their recording."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.signals.readers.text_table import read_text_table
from medanomaly.signals.readers.wfdb_package import wfdb_package
from medanomaly.signals.recordings.annotation_order import in_time_order
from medanomaly.signals.recordings.annotation_text import (
    COMMENT,
    QUALITY,
    WFDB_CODES,
    as_codes,
    quality_subtype,
)
from medanomaly.signals.recordings.recording import Annotations

ANNOTATION_COLUMNS = ("sample", "time_s", "symbol", "text")
_LONGEST_NOTE = 254
# two zero bytes end an annotation file; the library does not write a file without marks
_EMPTY_FILE = b"\x00\x00"


def write_atr(annotations: Annotations, path: str | Path, fs: float) -> Path:
    """Write an annotation file of the WFDB format, which states its own rate.

    Args:
        annotations: the marks.
        path: the file, ``folder/record.atr``; its stem is the record, its suffix is the annotator.
        fs: rate in Hz that positions are counted at.

    Raises:
        InputError: a symbol is not a WFDB code, or a text is too long; the error names the mark.
    """
    path = Path(path)
    for sample, symbol, text in zip(annotations.sample, annotations.symbol, annotations.text, strict=True):
        if symbol not in WFDB_CODES:
            raise InputError(
                f"'{symbol}' at sample {sample} is not a WFDB code",
                remedy=f"Write it as a comment, with symbol {COMMENT} and its name as text.",
                source=path,
            )
        if len(str(text).encode()) > _LONGEST_NOTE:
            raise InputError(
                f"the text at sample {sample} has more than {_LONGEST_NOTE} bytes",
                remedy="Shorten it, or write the annotations as CSV.",
                source=path,
            )
    columns = (annotations.symbol, annotations.text)
    if not len(annotations.sample):
        path.write_bytes(_EMPTY_FILE)
        return path
    subtype = [quality_subtype(str(t)) if s == QUALITY else 0 for s, t in zip(*columns, strict=True)]
    wfdb_package().wrann(
        path.stem,
        path.suffix.removeprefix("."),
        np.asarray(annotations.sample, dtype=np.int64),
        symbol=[str(s) for s in annotations.symbol],
        aux_note=[_note(str(s), str(t), u) for s, t, u in zip(*columns, subtype, strict=True)],
        subtype=np.array(subtype),
        fs=fs,
        write_dir=str(path.parent),
    )
    return path


def _note(symbol: str, text: str, subtype: int) -> str:
    if symbol == QUALITY and subtype:
        return ""
    return text


def write_annotations_csv(annotations: Annotations, path: str | Path, fs: float) -> Path:
    """Write ``sample, time_s, symbol, text``, one row per mark.

    Args:
        annotations: the marks.
        path: the file.
        fs: rate in Hz that positions are counted at.
    """
    table = pd.DataFrame(
        {
            "sample": annotations.sample,
            # six decimals: exact to a sample at any rate of a waveform
            "time_s": [f"{s / fs:.6f}" for s in annotations.sample],
            "symbol": annotations.symbol,
            "text": annotations.text,
        }
    )
    # a symbol may be a quotation mark or a comma, so all text is quoted
    table.to_csv(path, index=False, quoting=csv.QUOTE_NONNUMERIC)
    return Path(path)


def read_annotations_csv(path: str | Path, fs: float, **options) -> Annotations:
    """The marks of a CSV file without the notes of :func:`read_marks`, which takes the same options."""
    return read_marks(path, fs, **options)[0]


def read_marks(
    path: str | Path,
    fs: float,
    *,
    rate: float | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
) -> tuple[Annotations, tuple[str, ...]]:
    """Read the marks of a CSV file.

    Args:
        path: a file with ``sample`` or ``time_s``, ``symbol``, and optionally ``text``. Of two positions ``sample`` counts,
            and ``time_s`` says at which rate. Symbols are WFDB codes, letters of AAMI or usual names of beats.
        fs: rate in Hz of the recording; positions are returned at this rate.
        rate: rate in Hz at which ``sample`` was counted, where the file has no ``time_s``; None takes ``fs``.
        delimiter: as for :func:`~medanomaly.signals.readers.text_table.read_text_table`.
        decimal: a further decimal mark besides the point, where commas do not separate columns; None takes the comma.

    Returns:
        ``(annotations, notes)``; notes say what was taken for what. Positions may lie behind the end of the recording.

    Raises:
        DataNotFoundError: no file.
        InputError: a column is missing, a row does not fit the header, a position is not a number, or ``sample`` is no
            whole number; the error names the line.
    """
    path = Path(path)
    table, used = read_text_table(path, delimiter)
    table.columns = [c.lower() for c in table.columns]
    columns = [c for c in ("sample", "time_s") if c in table]
    if not columns or "symbol" not in table:
        raise InputError(
            f"columns are {list(table.columns)}",
            remedy=f"Expected {', '.join(ANNOTATION_COLUMNS)}.",
            source=path,
        )
    decimal = "." if used == "," else decimal or ","
    positions = {column: _positions(table[column], decimal, path) for column in columns}
    own, notes = rate or fs, ()
    if "sample" in positions:
        samples = positions["sample"]
        part = np.flatnonzero(samples != np.rint(samples))
        if len(part):
            raise InputError(
                f"sample {table['sample'].iloc[part[0]]} is no whole number",
                remedy="sample counts samples from 0; call the column time_s if it holds seconds.",
                source=path,
                record=f"line {table.index[part[0]]}",
                column="sample",
            )
        own = (
            _stated_rate(samples, positions["time_s"], own, table.index, path)
            if "time_s" in positions
            else own
        )
        if own != fs:
            notes = (f"marks are counted at {own:g} Hz, and the recording has {fs:g} Hz",)
        samples = samples * (fs / own)
    else:
        samples = positions["time_s"] * fs
    texts = table["text"].tolist() if "text" in table else [""] * len(table)
    symbols, understood = as_codes(table["symbol"].tolist())
    marks, order = in_time_order(np.rint(samples).astype(np.int64), symbols, texts, source=path)
    return marks, (*notes, *understood, *order)


def _positions(column: pd.Series, decimal: str, path: Path) -> np.ndarray:
    text = column.str.strip().str.replace(decimal, ".", regex=False)
    numbers = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64)
    # positions are stored in 64 bits
    wrong = np.flatnonzero(~(np.abs(numbers) < 2**53))
    if len(wrong):
        raise InputError(
            f"'{column.iloc[wrong[0]]}' is not a number",
            source=path,
            record=f"line {column.index[wrong[0]]}",
            column=column.name,
        )
    return numbers


def _stated_rate(
    samples: np.ndarray, time_s: np.ndarray, expected: float, lines: pd.Index, path: Path
) -> float:
    """Rate at which ``samples`` were counted, by the times beside them."""
    # times may be written with three decimals
    if np.all(np.abs(samples - time_s * expected) <= 1.0 + 0.001 * expected):
        return expected
    last = int(np.argmax(samples))
    rate = samples[last] / time_s[last] if time_s[last] > 0 else 0.0
    rate = float(round(rate)) if abs(rate - round(rate)) < 0.01 * rate else rate
    wrong = np.flatnonzero(np.abs(samples - time_s * rate) > 1.0 + 0.001 * rate)
    if rate <= 0 or len(wrong):
        row = wrong[0] if len(wrong) else 0
        raise InputError(
            f"sample {samples[row]:g} and time_s {time_s[row]:g} do not go together at one rate",
            remedy="Keep the column that is right.",
            source=path,
            record=f"line {lines[row]}",
        )
    return rate
