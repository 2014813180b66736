"""Small tables beside recordings (annotations, patients): every field is text, and a row that does not fit is an error."""

import csv
from io import StringIO
from pathlib import Path

import pandas as pd

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.signals.readers.text import read_text


def read_text_table(path: str | Path, delimiter: str | None = None) -> tuple[pd.DataFrame, str]:
    """Read a table with a header; names and fields are text, without blanks around the names.

    Args:
        path: encoded as :func:`~medanomaly.signals.readers.text.read_text` knows it.
        delimiter: where it is None, or not in the first line, the most frequent there of comma, semicolon and tab counts.

    Returns:
        ``(table, delimiter)``; the index of the table are the lines of the file.

    Raises:
        DataNotFoundError: no file.
        InputError: the file is empty, or a row has more or fewer fields than the header; the error names the line.
    """
    path = Path(path)
    if not path.is_file():
        raise DataNotFoundError("the file does not exist", source=path)
    text = read_text(path)
    first = text.partition("\n")[0]
    delimiter = delimiter if delimiter and delimiter in first else max(",;\t", key=first.count)
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        rows, lines = [], []
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise InputError(
                    f"{len(row)} fields for {len(header)} columns",
                    remedy="Is the file cut off? Give one field per column, and quote fields that hold the delimiter.",
                    source=path,
                    record=f"line {reader.line_num}",
                )
            rows.append(row)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise InputError(f"the file is not a CSV table: {error}", source=path) from error
    if not header:
        raise InputError("the file is empty", remedy="Give a header and one row per entry.", source=path)
    return pd.DataFrame(rows, columns=header, index=lines, dtype="object"), delimiter
