"""Tables of files and databases, with every id as it is written, and errors that say what to do."""

import csv
import re
from collections import defaultdict
from collections.abc import Mapping
from io import TextIOWrapper
from itertools import chain, islice
from typing import Any, ClassVar

import pandas as pd
from kedro.io import DatasetError
from kedro_datasets import pandas as kedro_pandas
from kedro_datasets._typing import TablePreview

from medanomaly.core.errors import InputError
from medanomaly.datasets.sources import not_found

# a table of more columns costs more memory for its columns than for its values
MAX_COLUMNS = 50_000
# rows may end with so many empty fields more than the header
MAX_EMPTY_FIELDS = 8
_HEAD = 1 << 24
# Excel keeps 15 digits of a number
_EXCEL_DIGITS = 1e15
_READABLE = "Check the delimiter, the quotes and the encoding (load_args: sep, quotechar, encoding)."


class _HeaderPreview:
    """A preview with the names of columns only: the rows of a raw table are patients."""

    def preview(self, nrows: int = 0) -> TablePreview:
        """Names of columns, without any row."""
        columns = [str(name) for name in self.load().columns]
        return {"index": [], "columns": columns, "data": []}


class CSVDataset(_HeaderPreview, kedro_pandas.CSVDataset):
    """A delimited text file whose cells stay as they are written.

    Every cell is text until the description of the table says what its column is, so ``0012`` stays ``0012``, an id of 18
    digits keeps all of them, and only empty cells are missing. ``load_args`` are those of ``pandas.read_csv``; ``decimal``
    and ``thousands`` are applied to numbers.

    Raises:
        DataNotFoundError: the file does not exist; the error says where to get it.
        InputError: the file is empty, is not text, names a column twice, or a row does not fit its header.
    """

    def load(self) -> pd.DataFrame:
        """Read the table."""
        try:
            return self._read()
        except FileNotFoundError as error:
            raise not_found(self._filepath) from error
        except pd.errors.EmptyDataError as error:
            raise InputError(
                "the file is empty", remedy="Expected a header and data rows.", source=self._filepath
            ) from error
        except (pd.errors.ParserError, UnicodeDecodeError, csv.Error, MemoryError) as error:
            said = str(error).strip()
            if isinstance(error, MemoryError) or "out of memory" in said:
                raise InputError(
                    "the table does not fit into memory",
                    remedy="Name the columns that are needed (load_args: usecols), or divide the file.",
                    source=self._filepath,
                ) from error
            raise InputError(
                f"the file cannot be read as a table: {said}", remedy=_READABLE, source=self._filepath
            ) from error

    def _open(self):
        return self._fs.open(str(self._get_load_path()), "rb", compression="infer")

    def _text(self, options: Mapping[str, Any], stream: Any) -> TextIOWrapper:
        encoding, errors = options.get("encoding") or "utf-8-sig", options.get("encoding_errors", "strict")
        return TextIOWrapper(stream, encoding, errors, newline="")

    def _read(self) -> pd.DataFrame:
        options = {
            "sep": ",",
            "header": 0,
            "names": None,
            "dtype": str,
            "keep_default_na": False,
            "na_values": [""],
        }
        options |= {k: v for k, v in self._load_args.items() if k != "compression"}
        if (delimiter := options.pop("delimiter", None)) is not None:
            options["sep"] = delimiter
        if options["header"] == "infer":
            options["header"] = 0 if options["names"] is None else None
        if isinstance(options["dtype"], Mapping):
            options["dtype"] = defaultdict(lambda: str, options["dtype"])
        marks = (options.pop("decimal", "."), options.pop("thousands", None))
        usecols, index = options.pop("usecols", None), options.pop("index_col", None)
        self._check_width(options)
        with self._open() as stream:
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

    def _check_width(self, options: Mapping[str, Any]) -> None:
        """Refuse a file with so many columns that the table would not fit into memory, before it is read."""
        with self._open() as stream:
            longest = max(stream.read(_HEAD).split(b"\n"), key=len).decode("utf-8", "replace")
        sep = options["sep"]
        pattern = sep and len(sep) > 1
        fields = len(re.findall(sep, longest)) if pattern else max(map(longest.count, sep or ",;\t|"))
        if fields >= MAX_COLUMNS:
            raise InputError(
                f"a line has {fields + 1:,} fields",
                remedy=f"A table may have {MAX_COLUMNS:,} columns; leave out those that are not needed.",
                source=self._filepath,
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
                f"two columns are named '{repeated[0]}'", remedy="Rename one of them.", source=self._filepath
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
        with self._open() as stream:
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
            source=self._filepath,
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


class ExcelDataset(_HeaderPreview, kedro_pandas.ExcelDataset):
    """A sheet whose text cells stay text: ``0012`` is no 12, and words are no missing values."""

    DEFAULT_LOAD_ARGS: ClassVar[dict] = {
        "engine": "openpyxl",
        "dtype": object,
        "keep_default_na": False,
        "na_values": [""],
    }

    def load(self) -> pd.DataFrame:
        """Read the sheet."""
        try:
            table = super().load()
        except DatasetError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise not_found(self._filepath) from error
            raise
        # whole numbers of more digits than Excel keeps are no ids: as floats they are recognised as such
        return table.apply(_excel_numbers).infer_objects()


def _excel_numbers(cells: pd.Series) -> pd.Series:
    return cells.map(lambda x: float(x) if isinstance(x, int) and abs(x) >= _EXCEL_DIGITS else x)


class ParquetDataset(kedro_pandas.ParquetDataset):
    """A Parquet file whose whole numbers stay whole where some are missing, so ids keep their digits."""

    DEFAULT_LOAD_ARGS: ClassVar[dict] = {"to_pandas_kwargs": {"integer_object_nulls": True}}

    def load(self) -> pd.DataFrame:
        """Read the table."""
        try:
            return super().load()
        except DatasetError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise not_found(self._filepath) from error
            raise


# whole numbers beside gaps, and decimals, are no floats
_EXACT_NUMBERS = {"dtype_backend": "numpy_nullable", "coerce_float": False}


class SQLTableDataset(_HeaderPreview, kedro_pandas.SQLTableDataset):
    """A table of a database whose whole numbers and decimals are not turned into floats."""

    DEFAULT_LOAD_ARGS: ClassVar[dict] = {**kedro_pandas.SQLTableDataset.DEFAULT_LOAD_ARGS, **_EXACT_NUMBERS}


class SQLQueryDataset(kedro_pandas.SQLQueryDataset):
    """A query to a database whose whole numbers and decimals are not turned into floats."""

    def __init__(self, *, load_args: dict | None = None, **options: Any):
        super().__init__(load_args={**_EXACT_NUMBERS, **(load_args or {})}, **options)


def read_parquet(path: object) -> pd.DataFrame:
    """A Parquet file; ids that are whole numbers keep all digits where some are missing."""
    return pd.read_parquet(path, **ParquetDataset.DEFAULT_LOAD_ARGS)


def check_matches(ids: pd.Series, named: pd.Series, source: object) -> None:
    """Raise where most of the ids have no row in another table: the two tables probably write ids differently.

    Args:
        ids: of the cases.
        named: ids of the other table, such as one of labels.
        source: the other table.

    Raises:
        InputError: with an id of each table, as an example of what should have matched.
    """
    strange = ids[~ids.isin(named)].tolist()
    if 2 * len(strange) > len(ids):
        there = f"it has {named.tolist()[0]!r}" if len(named) else "it is empty"
        raise InputError(
            f"{len(strange)} of {len(ids)} ids have no row in it: {strange[0]!r} is not there, {there}",
            remedy="Both tables must write ids alike, with the same zeros, and as text or as numbers.",
            source=source,
        )
