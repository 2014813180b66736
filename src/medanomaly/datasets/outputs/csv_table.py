"""Tables of results as CSV that a spreadsheet opens without running anything that stands in them."""

import pandas as pd
from kedro_datasets import pandas as kedro_pandas

from medanomaly.core.spreadsheet import quoted, unquoted


class CSVTableDataset(kedro_pandas.CSVDataset):
    """A CSV of results in which text that a spreadsheet would run as a formula is quoted, and read back as it was."""

    def save(self, data: pd.DataFrame) -> None:
        """Write the table."""
        super().save(quoted(data))

    def load(self) -> pd.DataFrame:
        """Read the table."""
        return unquoted(super().load())
