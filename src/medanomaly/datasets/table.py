"""Delimited text files, with errors that say what to do."""

import pandas as pd
from kedro.io import DatasetError
from kedro_datasets import pandas as kedro_pandas

from medanomaly.core.errors import InputError
from medanomaly.datasets.sources import not_found


class CSVDataset(kedro_pandas.CSVDataset):
    """``pandas.CSVDataset`` of kedro-datasets whose errors name the file and say what is wrong with it.

    Raises:
        DataNotFoundError: the file does not exist; the error says where to get it.
        InputError: the file is empty, is not text, or its rows do not fit its header.
    """

    def load(self) -> pd.DataFrame:
        """Read the table."""
        try:
            return super().load()
        except DatasetError as error:
            # Kedro wraps the original error in a DatasetError
            raise _explained(error.__cause__, self._filepath) or error from error


def _explained(reason: BaseException | None, path: object) -> Exception | None:
    if isinstance(reason, FileNotFoundError):
        return not_found(path)
    if isinstance(reason, pd.errors.EmptyDataError):
        return InputError("the file is empty", remedy="Expected a header and data rows.", source=path)
    if isinstance(reason, (pd.errors.ParserError, UnicodeDecodeError)):
        return InputError(
            f"the file cannot be read as a table: {str(reason).strip()}",
            remedy="Check the delimiter, the quotes and the encoding (load_args: sep, quotechar, encoding).",
            source=path,
        )
    return None
