"""Ids, labels and categories as text: the same spelling for every type of column."""

from math import isnan

import pandas as pd

# from here on a float cannot hold every whole number
_EXACT = 2.0**53
# 1001.0 is how a program writes 1001 once a column has a gap; 0012 and 1.50 are no such numbers
_WHOLE = r"^([+-]?(?:0|[1-9]\d*))\.0+$"
_SCIENTIFIC = r"[+-]?\d(?:[.,]\d+)?[eE]\+?\d{2,}"


def plain_text(values: pd.Series) -> pd.Series:
    """Values as stripped text, whole numbers without a decimal point.

    A missing value turns a column of integers into floats, but ``95`` must stay ``95``: ids, labels and categories are
    compared as text, and the split hashes them. ``1001.0`` in a file is ``1001`` for the same reason; ``0012`` stays as it
    is.
    """
    if values.dtype == "float64":
        # the way of the general case below, in half its time
        text = [
            None if isnan(x) else str(int(x)) if x % 1 == 0 and abs(x) < _EXACT else str(x)
            for x in values.tolist()
        ]
        return pd.Series(text, index=values.index, name=values.name, dtype="string")
    if pd.api.types.is_float_dtype(values):
        whole = values.notna() & (values % 1 == 0) & (values.abs() < _EXACT)
        text = values.astype("string")
        text[whole] = values[whole].astype("int64").astype("string")
        return text
    text = values.astype("string").str.strip()
    if pd.api.types.is_numeric_dtype(values) or not text.str.endswith(".0").any():
        return (
            text.str.replace(_WHOLE, r"\1", regex=True)
            if text.str.contains(".00", regex=False).any()
            else text
        )
    return text.str.replace(_WHOLE, r"\1", regex=True)


def lost_digits(ids: pd.Series) -> pd.Series:
    """(n,) bool: ids whose last digits are gone, because a program read or saved them as numbers (``4.40101E+17``)."""
    if pd.api.types.is_float_dtype(ids):
        return ids.abs().ge(_EXACT).fillna(False).astype(bool)
    large = ids.map(lambda value: isinstance(value, float) and abs(value) >= _EXACT).astype(bool)
    return large | ids.astype("string").str.strip().str.fullmatch(_SCIENTIFIC).fillna(False).astype(bool)
