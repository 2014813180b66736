"""Ids, labels and categories as text: the same spelling for every type of column."""

import pandas as pd


def plain_text(values: pd.Series) -> pd.Series:
    """Values as stripped text, whole numbers without a decimal point.

    A missing value turns a column of integers into floats, but ``95`` must stay ``95``: ids, labels and categories are
    compared as text, and the split hashes them.
    """
    if pd.api.types.is_float_dtype(values):
        whole = values.notna() & (values % 1 == 0) & (values.abs() < 2.0**53)
        text = values.astype("string")
        text[whole] = values[whole].astype("int64").astype("string")
        return text
    return values.astype("string").str.strip()
