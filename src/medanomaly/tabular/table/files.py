"""Tables of files, with every cell as it is written, and errors that say what to do."""

import csv
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from io import TextIOWrapper
from itertools import chain, islice
from lzma import LZMAError
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile, is_zipfile
from zlib import error as DeflateError

import numpy as np
import pandas as pd

from medanomaly.core.errors import DataNotFoundError, InputError, did_you_mean
from medanomaly.core.unpacked_size import check_unpacked_size, check_zip_size

# a table of more columns costs more memory for its columns than for its values
MAX_COLUMNS = 50_000
# rows may end with so many empty fields more than the header
MAX_EMPTY_FIELDS = 8
_HEAD = 1 << 24
_BLOCK = 1 << 20
_UNPACKABLE = (
    "Is it cut off, or encrypted? Give a gz, bz2, xz or zip file with one table, or the table itself."
)
_NOT_UNPACKED = (OSError, EOFError, DeflateError, LZMAError, BadZipFile, RuntimeError, IndexError)
# Excel keeps 15 digits of a number
_EXCEL_DIGITS = 1e15
_READABLE = "Check the delimiter, the quotes and the encoding (sep, quotechar, encoding)."
EXCEL_ARGS = {"engine": "openpyxl", "dtype": object, "keep_default_na": False, "na_values": [""]}
# whole numbers stay whole where some are missing, so ids keep their digits
PARQUET_ARGS = {"to_pandas_kwargs": {"integer_object_nulls": True}}
TEXT_ENDINGS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz")
EXCEL_ENDINGS = (".xlsx", ".xlsm")
PARQUET_ENDINGS = (".parquet", ".pq")
TABLE_ENDINGS = (*TEXT_ENDINGS, *PARQUET_ENDINGS, *EXCEL_ENDINGS)


def read_table(path: str | Path, **options: Any) -> pd.DataFrame:
    """A CSV, Parquet or Excel file as a table; what it is its ending says.

    Args:
        path: of the file.
        options: of ``pandas.read_csv``, ``read_excel`` or ``read_parquet``.

    Raises:
        DataNotFoundError: there is no such file.
        InputError: it is no such table, or cannot be read.
    """
    path = Path(path)
    name = path.name.lower()
    if not path.is_file():
        raise DataNotFoundError(
            "there is no such file", source=path, remedy="Give the path of a CSV, Parquet or Excel file."
        )
    if name.endswith(PARQUET_ENDINGS):
        return _readable(lambda: pd.read_parquet(path, **(PARQUET_ARGS | options)), path)
    if name.endswith(EXCEL_ENDINGS):
        with path.open("rb") as file:
            check_workbook(file, path.stat().st_size, path)
        return _readable(lambda: excel_cells(pd.read_excel(path, **(EXCEL_ARGS | options))), path)
    if not name.endswith(TEXT_ENDINGS):
        raise InputError(
            f"a file that ends in '{path.suffix}' is no table",
            source=path,
            remedy=f"{did_you_mean(path.suffix, TABLE_ENDINGS)}Tables end in {', '.join(TABLE_ENDINGS)}.",
        )
    return _delimited(path, options).read()


def _delimited(path: Path, options: Mapping[str, Any]) -> "DelimitedFile":
    # a single record needs no file
    import fsspec
    from fsspec.utils import infer_compression

    if path.name.lower().endswith((".tsv", ".tsv.gz")):
        options = {"sep": "\t"} | options

    def opened():
        return fsspec.open(str(path), "rb", compression="infer")

    packed = None if infer_compression(str(path)) is None else path.stat().st_size
    return DelimitedFile(opened, path, options, packed)


@dataclass(frozen=True)
class TablePart:
    """Some rows of a table that is read in parts.

    Attributes:
        table: n rows.
        numbers: (n,) place of each row in the file, from 1.
        misfits: number of a row of text that does not fit the header -> why; these are not in ``table``.
    """

    table: pd.DataFrame
    numbers: np.ndarray
    misfits: Mapping[int, str] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        """Rows of the file, misfits included."""
        return len(self.table) + len(self.misfits)


def table_parts(path: str | Path, rows: int, **options: Any) -> Iterator[TablePart]:
    """A table that may not fit into memory, so many rows at a time, with the cells of :func:`read_table`.

    Args:
        path: of a CSV, Parquet or Excel file; a file of Excel is read at once.
        rows: of a part.
        options: of ``pandas.read_csv`` and ``read_excel``.

    Raises:
        DataNotFoundError: there is no such file.
        InputError: it is no such table, or cannot be read. A row of text that does not fit the header costs only itself.
    """
    path = Path(path)
    name = path.name.lower()
    if path.is_file() and name.endswith(TEXT_ENDINGS):
        yield from _delimited(path, options).parts(rows)
        return
    tables = (
        _parquet_parts(path, rows)
        if path.is_file() and name.endswith(PARQUET_ENDINGS)
        else _slices(read_table(path, **options), rows)
    )
    first = 1
    for table in tables:
        yield TablePart(table, np.arange(first, first + len(table)))
        first += len(table)


def _slices(table: pd.DataFrame, rows: int) -> Iterator[pd.DataFrame]:
    for start in range(0, len(table), rows):
        yield table.iloc[start : start + rows].reset_index(drop=True)


def _parquet_parts(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    import pyarrow.parquet as pq

    file = _readable(lambda: pq.ParquetFile(path), path)
    with file:
        batches = file.iter_batches(batch_size=rows)
        while (batch := _readable(lambda: next(batches, None), path)) is not None:
            yield batch.to_pandas(**PARQUET_ARGS["to_pandas_kwargs"])


def _readable(read: Callable[[], pd.DataFrame], path: Path) -> pd.DataFrame:
    try:
        return read()
    except InputError:
        raise
    # the libraries of both formats raise what they like
    except Exception as error:
        raise InputError(
            f"the file cannot be read as a table: {error}", source=path, remedy="Save it again."
        ) from error


def check_workbook(file: IO[bytes], packed: int, source: object) -> None:
    """Refuse a workbook that becomes too large; all but the old xls are ZIP archives."""
    if is_zipfile(file):
        check_zip_size(file, packed, source)


def excel_cells(sheet: pd.DataFrame) -> pd.DataFrame:
    """A sheet as read with ``EXCEL_ARGS``; whole numbers of more digits than Excel keeps become floats, which are no ids."""
    return sheet.apply(_excel_numbers).infer_objects()


def _excel_numbers(cells: pd.Series) -> pd.Series:
    return cells.map(lambda x: float(x) if isinstance(x, int) and abs(x) >= _EXCEL_DIGITS else x)


@dataclass(frozen=True)
class DelimitedFile:
    """A delimited text file whose cells stay as they are written.

    Every cell is text until the description of the table says what its column is, so ``0012`` stays ``0012``, an id of 18
    digits keeps all of them, and only empty cells are missing.

    Attributes:
        open: opens its bytes, unpacked.
        source: its name in messages.
        options: of ``pandas.read_csv``; ``decimal`` and ``thousands`` are applied to numbers.
        packed: size in bytes of a compressed file; None where it is not compressed.
    """

    open: Callable[[], AbstractContextManager]
    source: object
    options: Mapping[str, Any] = field(default_factory=dict)
    packed: int | None = None

    def read(self) -> pd.DataFrame:
        """The table.

        Raises:
            InputError: the file is empty, is not text, names a column twice, or a row does not fit its header.
        """
        try:
            return self._read()
        except pd.errors.EmptyDataError as error:
            raise InputError(
                "the file is empty", remedy="Expected a header and data rows.", source=self.source
            ) from error
        except (pd.errors.ParserError, UnicodeDecodeError, csv.Error, MemoryError) as error:
            said = str(error).strip()
            if isinstance(error, MemoryError) or "out of memory" in said:
                raise InputError(
                    "the table does not fit into memory",
                    remedy="Name the columns that are needed (usecols), or divide the file.",
                    source=self.source,
                ) from error
            raise InputError(
                f"the file cannot be read as a table: {said}", remedy=_READABLE, source=self.source
            ) from error

    def parts(self, rows: int) -> Iterator[TablePart]:
        """The table, so many rows at a time.

        Raises:
            InputError: the file is empty, is not text, or names a column twice.
        """
        try:
            yield from self._parts(rows)
        except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError, csv.Error) as error:
            said = str(error).strip() or "it is empty"
            raise InputError(
                f"the file cannot be read as a table: {said}", remedy=_READABLE, source=self.source
            ) from error

    def _parts(self, rows: int) -> Iterator[TablePart]:
        options, marks = self._options()
        self._check_width(options)
        with self.open() as stream:
            text = self._text(options, stream)
            names = self._header(options, text)
            if names is None or len(options["sep"]) > 1 or options.get("comment"):
                raise InputError(
                    "a file of this form cannot be read in parts",
                    remedy="Give a delimiter of one character, one row of names and no comments.",
                    source=self.source,
                )
            written = (row for row in csv.reader(iter(text.readline, ""), **_style(options)) if row)
            first = 1
            while some := list(islice(written, rows)):
                fits = [len(row) >= len(names) and not any(map(str.strip, row[len(names) :])) for row in some]
                misfits = {
                    first + i: f"the row has {len(some[i])} fields, the header has {len(names)}"
                    for i, fit in enumerate(fits)
                    if not fit
                }
                kept = [row[: len(names)] for row, fit in zip(some, fits, strict=True) if fit]
                table = pd.DataFrame(kept, columns=names, dtype="str")
                table = _with_points(table.mask(table.eq("")), *marks)
                yield TablePart(table, first + np.flatnonzero(fits), misfits)
                first += len(some)

    def _text(self, options: Mapping[str, Any], stream: Any) -> TextIOWrapper:
        encoding, errors = options.get("encoding") or "utf-8-sig", options.get("encoding_errors", "strict")
        return TextIOWrapper(stream, encoding, errors, newline="")

    def _options(self) -> tuple[dict[str, Any], tuple[str, str | None]]:
        """Options of the reader with their defaults, and the marks of decimals and thousands."""
        options = {
            "sep": ",",
            "header": 0,
            "names": None,
            "dtype": str,
            "keep_default_na": False,
            "na_values": [""],
        }
        options |= {k: v for k, v in self.options.items() if k != "compression"}
        if (delimiter := options.pop("delimiter", None)) is not None:
            options["sep"] = delimiter
        if options["header"] == "infer":
            options["header"] = 0 if options["names"] is None else None
        if isinstance(options["dtype"], Mapping):
            options["dtype"] = defaultdict(lambda: str, options["dtype"])
        return options, (options.pop("decimal", "."), options.pop("thousands", None))

    def _read(self) -> pd.DataFrame:
        options, marks = self._options()
        usecols, index = options.pop("usecols", None), options.pop("index_col", None)
        self._check_size()
        self._check_width(options)
        with self.open() as stream:
            text = self._text(options, stream)
            names = self._header(options, text)
            # room for empty fields behind the last column: vendors end rows with a delimiter more than the header
            more = [f"\x00{i}" for i in range(MAX_EMPTY_FIELDS)] if names is not None else []
            of_pandas = {k: v for k, v in options.items() if k not in ("encoding", "encoding_errors")}
            if names is not None:
                of_pandas |= {"header": None, "names": [*names, *more], "skiprows": None, "index_col": False}
            table = pd.read_csv(text, **of_pandas)
        behind, table = table[more], table.drop(columns=more)
        full = behind.apply(lambda cells: cells.astype("string").str.strip().fillna("") != "").to_numpy(
            dtype=bool
        )
        if names is not None and (full.any() or table.iloc[:, -1].isna().any()):
            self._check_rows(options, len(names))
        if full.any():
            raise self._misfit(f"row {int(full.any(axis=1).argmax()) + 1}", None, len(names))
        if usecols is not None:
            wanted = usecols if callable(usecols) else set(usecols).__contains__
            by_place = not callable(usecols)
            table = table[[name for i, name in enumerate(table) if wanted(name) or (by_place and wanted(i))]]
        if index is not None and index is not False:
            table = table.set_index(table.columns[index] if isinstance(index, int) else index)
        return _with_points(table, *marks)

    def _check_size(self) -> None:
        """Refuse a compressed file that becomes too large; it is unpacked block by block, and nothing of it is kept."""
        if self.packed is None:
            return
        try:
            with self.open() as stream:
                sizes = map(len, iter(lambda: stream.read(_BLOCK), b""))
                check_unpacked_size(sizes, self.packed, self.source)
        except FileNotFoundError:
            raise
        except _NOT_UNPACKED as error:
            raise InputError(
                f"the file cannot be unpacked: {error}", remedy=_UNPACKABLE, source=self.source
            ) from error

    def _check_width(self, options: Mapping[str, Any]) -> None:
        """Refuse a file with so many columns that the table would not fit into memory, before it is read."""
        with self.open() as stream:
            longest = max(stream.read(_HEAD).split(b"\n"), key=len).decode("utf-8", "replace")
        sep = options["sep"]
        pattern = sep and len(sep) > 1
        fields = len(re.findall(sep, longest)) if pattern else max(map(longest.count, sep or ",;\t|"))
        if fields >= MAX_COLUMNS:
            raise InputError(
                f"a line has {fields + 1:,} fields",
                remedy=f"A table may have {MAX_COLUMNS:,} columns; leave out those that are not needed.",
                source=self.source,
            )

    def _header(self, options: dict, text: TextIOWrapper) -> list | None:
        """Read the text up to its first row; names of columns as they are written, None where only pandas can tell."""
        header, skipped = options["header"], options.get("skiprows") or 0
        if not isinstance(skipped, int) or not (header is None or isinstance(header, int)):
            return None
        if header is None and options["names"] is None:
            return None
        for _ in range(skipped):
            text.readline()
        written: list[str] = []
        for _ in range(0 if header is None else header + 1):
            written = self._header_row(options, text)
        if options["names"] is not None:
            return list(options["names"])
        names = [name.strip() for name in written]
        repeated = [name for name in dict.fromkeys(names) if name and names.count(name) > 1]
        if repeated:
            raise InputError(
                f"two columns are named '{repeated[0]}'", remedy="Rename one of them.", source=self.source
            )
        return [name or f"Unnamed: {i}" for i, name in enumerate(names)]

    def _header_row(self, options: dict, text: TextIOWrapper) -> list[str]:
        line = text.readline()
        while line and (not line.strip() or (options.get("comment") and line.startswith(options["comment"]))):
            line = text.readline()
        if not line:
            raise pd.errors.EmptyDataError
        if options["sep"] is None:
            options["sep"] = csv.Sniffer().sniff(line).delimiter
        if len(options["sep"]) > 1:
            return re.split(options["sep"], line.rstrip("\r\n"))
        return next(csv.reader(chain([line], iter(text.readline, "")), **_style(options)))

    def _check_rows(self, options: dict, width: int) -> None:
        """Raise for the first row with more or fewer fields than the header; a pattern as delimiter decides for itself."""
        if len(options["sep"]) > 1 or options.get("comment") or options.get("skipfooter"):
            return
        with self.open() as stream:
            text = self._text(options, stream)
            self._header(options | {"names": None} if options["header"] is not None else options, text)
            before = (options.get("skiprows") or 0) + (
                0 if options["header"] is None else options["header"] + 1
            )
            rows = csv.reader(iter(text.readline, ""), **_style(options))
            for row in islice(rows, options.get("nrows")):
                if row and (len(row) < width or any(cell.strip() for cell in row[width:])):
                    raise self._misfit(f"line {before + rows.line_num}", len(row), width)

    def _misfit(self, place: str, fields: int | None, width: int) -> InputError:
        found = f"has {fields} field{'s' * (fields != 1)}" if fields is not None else "has more fields"
        return InputError(
            f"the file cannot be read as a table: {place} {found}, the header has {width}",
            remedy="Quote cells that contain the delimiter, such as 5,3 in a file with commas; give every column a name; "
            "complete a row that was cut off.",
            source=self.source,
        )


def _style(options: Mapping[str, Any]) -> dict:
    names = ("quotechar", "escapechar", "doublequote", "quoting", "skipinitialspace")
    return {"delimiter": options["sep"]} | {name: options[name] for name in names if name in options}


def _with_points(table: pd.DataFrame, decimal: str, thousands: str | None) -> pd.DataFrame:
    """Numbers with the marks that the catalog names, written with a decimal point; other text stays as it is."""
    if decimal == "." and thousands is None:
        return table
    group, point = re.escape(thousands or ""), re.escape(decimal)
    grouped = rf"\d{{1,3}}(?:{group}\d{{3}})+|\d+" if thousands else r"\d+"
    number = rf"(\s*(?:[<>≤≥~]=?)?\s*[+\-−]?)((?:{grouped}))?(?:{point}(\d+))?(\D.*)?"
    pattern = re.compile(number)

    def rewritten(cell: object) -> object:
        if not isinstance(cell, str) or not (decimal in cell or (thousands and thousands in cell)):
            return cell
        match = pattern.fullmatch(cell)
        if (
            not match
            or not (match[2] or match[3])
            or any(mark in (match[4] or "") for mark in (decimal, thousands) if mark)
        ):
            return cell
        whole = (match[2] or "0").replace(thousands, "") if thousands else (match[2] or "0")
        return f"{match[1]}{whole}{'.' + match[3] if match[3] else ''}{match[4] or ''}"

    return table.apply(
        lambda cells: cells.map(rewritten) if not pd.api.types.is_numeric_dtype(cells) else cells
    )
