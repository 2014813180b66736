"""Annotations in and out: WFDB (``.atr``) and CSV; those of EDF+ are read with their recording."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import wfdb

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.signals.recordings.annotation_order import in_time_order
from medanomaly.signals.recordings.annotation_text import COMMENT, QUALITY, WFDB_CODES, quality_subtype
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
    wfdb.wrann(
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


def read_annotations_csv(path: str | Path, fs: float) -> Annotations:
    """Read the marks of a CSV file.

    Args:
        path: a file with ``sample`` or ``time_s``, ``symbol``, and optionally ``text``. With both positions ``sample``
            counts.
        fs: rate in Hz of the recording.

    Raises:
        DataNotFoundError: no file.
        InputError: a column is missing or a position is not a number; the error names the line.
    """
    path = Path(path)
    if not path.is_file():
        raise DataNotFoundError("the file does not exist", source=path)
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(f"the file is not a CSV table: {error}", source=path) from error
    table.columns = [str(c).strip().lower() for c in table.columns]
    column = next((c for c in ("sample", "time_s") if c in table), None)
    if column is None or "symbol" not in table:
        raise InputError(
            f"columns are {list(table.columns)}",
            remedy=f"Expected {', '.join(ANNOTATION_COLUMNS)}.",
            source=path,
        )
    position = pd.to_numeric(table[column], errors="coerce")
    wrong = np.flatnonzero(~np.isfinite(position.to_numpy(dtype=np.float64)))
    if len(wrong):
        raise InputError(
            f"'{table[column].iloc[wrong[0]]}' is not a number",
            source=path,
            record=f"line {wrong[0] + 2}",
            column=column,
        )
    samples = np.rint(position * (fs if column == "time_s" else 1.0)).astype(np.int64)
    texts = table["text"] if "text" in table else [""] * len(table)
    return in_time_order(samples, table["symbol"], texts, source=path)[0]
