"""Tables of results as CSV that a spreadsheet opens without running anything that stands in them."""

from typing import ClassVar

import pandas as pd
from kedro_datasets import pandas as kedro_pandas

# a spreadsheet takes text that begins so for a formula; an apostrophe in front makes it text
_FORMULA = r"^(?=['=@\t\r]|[+-](?![\d.,]+(?:[eE][+-]?\d+)?$))"
_QUOTED = r"^'(?=['=@\t\r+-])"


class CSVTableDataset(kedro_pandas.CSVDataset):
    """A CSV of results in which text that a spreadsheet would run as a formula is quoted, and read back as it was."""

    # what a locale calls its encoding may lack a letter or a dash
    DEFAULT_FS_ARGS: ClassVar[dict] = {"open_args_save": {"mode": "w", "encoding": "utf-8"}}

    def save(self, data: pd.DataFrame) -> None:
        """Write the table."""
        super().save(_each_text(data, _FORMULA, "'"))

    def load(self) -> pd.DataFrame:
        """Read the table."""
        return _each_text(super().load(), _QUOTED, "")


def _each_text(table: pd.DataFrame, pattern: str, by: str) -> pd.DataFrame:
    out = table.copy()
    for name in out.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in out.dtypes]]:
        text = out[name].map(lambda cell: isinstance(cell, str)).astype(bool)
        if text.any():
            out.loc[text, name] = out.loc[text, name].astype("string").str.replace(pattern, by, regex=True)
    out.columns = pd.Index([str(name) for name in out.columns]).str.replace(pattern, by, regex=True)
    return out
