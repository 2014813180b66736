"""Ids, labels and categories as text: one spelling, whatever the column's type."""

import pandas as pd


def plain_text(values: pd.Series) -> pd.Series:
    """Values as stripped text, whole numbers without a decimal point.

    A gap turns a column of integers into floats; ``95`` must stay ``95`` all the same, since ids, labels and categories
    are compared as text, and the split hashes them.
    """
    if pd.api.types.is_float_dtype(values):
        whole = values.notna() & (values % 1 == 0) & (values.abs() < 2.0**53)
        text = values.astype("string")
        text[whole] = values[whole].astype("int64").astype("string")
        return text
    return values.astype("string").str.strip()
