"""Delimited text with errors that a reader can act on."""

import pandas as pd
from kedro_datasets import pandas as kedro_pandas

from medanomaly.core.errors import InputError
from medanomaly.datasets.sources import not_found


class CSVDataset(kedro_pandas.CSVDataset):
    """``pandas.CSVDataset`` of kedro-datasets that says what is wrong with a file, and names the file.

    Raises:
        DataNotFoundError: the file is not there; says where to get it.
        InputError: the file is empty, is not text, or its rows do not fit its header.
    """

    def load(self) -> pd.DataFrame:
        """Read the table."""
        try:
            return super().load()
        except FileNotFoundError:
            raise not_found(self._filepath) from None
        except pd.errors.EmptyDataError:
            raise InputError(
                "the file is empty", remedy="Expected a header and data rows.", source=self._filepath
            ) from None
        except (pd.errors.ParserError, UnicodeDecodeError) as error:
            raise InputError(
                f"the file cannot be read as a table: {str(error).strip()}",
                remedy="Check the delimiter, the quotes and the encoding (load_args: sep, quotechar, encoding).",
                source=self._filepath,
            ) from error
