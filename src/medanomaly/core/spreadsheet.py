"""Tables that a spreadsheet opens without running anything that stands in them."""

import pandas as pd

# a spreadsheet takes text that begins so for a formula; an apostrophe in front makes it text
_FORMULA = r"^(?=['=@\t\r]|[+-](?![\d.,]+(?:[eE][+-]?\d+)?$))"
_QUOTED = r"^'(?=['=@\t\r+-])"


def quoted(table: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before each text that would be run as a formula."""
    return _each_text(table, _FORMULA, "'")


def unquoted(table: pd.DataFrame) -> pd.DataFrame:
    """The table as it was before :func:`quoted`."""
    return _each_text(table, _QUOTED, "")


def _each_text(table: pd.DataFrame, pattern: str, by: str) -> pd.DataFrame:
    out = table.copy()
    for name in out.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in out.dtypes]]:
        text = out[name].map(lambda cell: isinstance(cell, str)).astype(bool)
        if text.any():
            out.loc[text, name] = out.loc[text, name].astype("string").str.replace(pattern, by, regex=True)
    out.columns = pd.Index([str(name) for name in out.columns]).str.replace(pattern, by, regex=True)
    return out
