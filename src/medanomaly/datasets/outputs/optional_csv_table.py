"""A table of results that a run writes only where there is something to write."""

import pandas as pd

from medanomaly.datasets.outputs.csv_table import CSVTableDataset


class OptionalCSVTableDataset(CSVTableDataset):
    """A CSV as :class:`CSVTableDataset` writes it; an empty table removes the file, so none of an earlier run remains."""

    def save(self, data: pd.DataFrame) -> None:
        """Write the table, or remove what was there."""
        if data.empty:
            self._fs.rm(self._filepath) if self._exists() else None
        else:
            super().save(data)

    def load(self) -> pd.DataFrame:
        """Read the table; an empty one without columns if there is no file."""
        return super().load() if self._exists() else pd.DataFrame()
