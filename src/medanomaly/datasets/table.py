"""Tables of files and databases as Kedro datasets, with every id as it is written."""

from typing import Any, ClassVar

import pandas as pd
from fsspec.utils import infer_compression
from kedro.io import DatasetError
from kedro_datasets import pandas as kedro_pandas
from kedro_datasets._typing import TablePreview

from medanomaly.core.errors import InputError
from medanomaly.datasets.sources import not_found
from medanomaly.tabular.table.files import (
    EXCEL_ARGS,
    PARQUET_ARGS,
    DelimitedFile,
    check_workbook,
    excel_cells,
)


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
        InputError: the file is empty, is not text, names a column twice, a row does not fit its header, or a compressed
            file becomes far larger than it is.
    """

    def load(self) -> pd.DataFrame:
        """Read the table."""
        try:
            return DelimitedFile(self._opened, self._filepath, self._load_args, self._packed()).read()
        except FileNotFoundError as error:
            raise not_found(self._filepath) from error

    def _packed(self) -> int | None:
        path = str(self._get_load_path())
        return None if infer_compression(path) is None else self._fs.size(path)

    def _opened(self):
        return self._fs.open(str(self._get_load_path()), "rb", compression="infer")


class ExcelDataset(_HeaderPreview, kedro_pandas.ExcelDataset):
    """A sheet whose text cells stay text: ``0012`` is no 12, and words are no missing values."""

    DEFAULT_LOAD_ARGS: ClassVar[dict] = EXCEL_ARGS

    def load(self) -> pd.DataFrame:
        """Read the sheet."""
        try:
            self._check_size()
            table = super().load()
        except (FileNotFoundError, DatasetError) as error:
            if isinstance(error, FileNotFoundError) or isinstance(error.__cause__, FileNotFoundError):
                raise not_found(self._filepath) from error
            raise
        return excel_cells(table)

    def _check_size(self) -> None:
        path = str(self._get_load_path())
        with self._fs.open(path, "rb") as file:
            check_workbook(file, self._fs.size(path), self._filepath)


class ParquetDataset(kedro_pandas.ParquetDataset):
    """A Parquet file whose whole numbers stay whole where some are missing, so ids keep their digits."""

    DEFAULT_LOAD_ARGS: ClassVar[dict] = PARQUET_ARGS

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
    return pd.read_parquet(path, **PARQUET_ARGS)


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
