"""Read numbers that are written as text: ``<0.5``, ``5,3``, ``> 100``, ``98.6 F``, ``1.234,5``."""

import re

import numpy as np
import pandas as pd

# words that people and programs write for a missing value, in lower case
MISSING_WORDS = frozenset((
    "", "?", "na", "n/a", "n.a.", "nan", "nil", "null", "none", "unknown", "unk", "missing", "-", "--", ".",
    "nd", "n.d.", "not done", "not measured", "#n/a", "#value!", "#div/0!", "#null!", "#ref!", "#num!",
))  # fmt: skip

_NUMBER = re.compile(
    r"(?P<sign><=|>=|[<>≤≥~])?\s*(?P<number>[+-]?(?:\d[\d.,'\s]*\d|\d)[.,]?)\s*(?P<unit>(?:[A-Za-zµμ°%]|10\^|/)[^\s]*)?"
)
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:(?P<group>[.,'\s])\d{3})(?:(?P=group)\d{3})*")


def _plain(text: str) -> float:
    """The number that digits with points, commas and spaces mean; NaN where they can mean two different numbers or none."""
    text = text.rstrip(".,")
    points, commas = text.count("."), text.count(",")
    if points and commas:
        decimal = max(".", ",", key=text.rfind)
        whole, _, part = text.rpartition(decimal)
        if text.count(decimal) > 1 or not _GROUPED.fullmatch(whole):
            return np.nan
        return float(re.sub(r"[.,'\s]", "", whole) + "." + part)
    if commas == 1 and not re.search(r"['\s]", text):
        whole, _, part = text.partition(",")
        # some countries read 1,234 as more than a thousand, others as a little more than one
        ambiguous = len(part) == 3 and _GROUPED.fullmatch(text) and whole.lstrip("+-") != "0"
        return np.nan if ambiguous else float(f"{whole}.{part}")
    if _GROUPED.fullmatch(text) and points != 1:
        return float(re.sub(r"[.,'\s]", "", text))
    try:
        return float(text)
    except ValueError:
        return np.nan


def read_numbers(values: pd.Series) -> pd.DataFrame:
    """Read the numbers of a column, and say which of them were not plain numbers.

    Args:
        values: numbers, text or both; missing values stay missing.

    Returns:
        Frame on the same index: ``value`` float64 (NaN = none could be read), ``plain`` (bool: was a plain number),
        ``censored`` (``<`` below the limit, ``>`` above it, empty where exact), ``unit`` (text after the number),
        ``missing_word`` (bool: text that means missing).
    """
    if pd.api.types.is_numeric_dtype(values):
        number = values.astype("float64")
        return pd.DataFrame(
            {"value": number, "plain": number.notna(), "censored": "", "unit": "", "missing_word": False},
            index=values.index,
        )
    number = pd.to_numeric(values, errors="coerce").astype("float64")
    out = pd.DataFrame(
        {"value": number, "plain": number.notna(), "censored": "", "unit": "", "missing_word": False},
        index=values.index,
    )
    rest = values[number.isna() & values.notna()].astype("string").str.strip()
    read = {}
    for text in rest.unique():
        match = _NUMBER.fullmatch(text)
        sign = ((match["sign"] or "") if match else "")[:1].translate(str.maketrans("≤≥~", "<> ")).strip()
        unit = (match["unit"] or "") if match else ""
        # "120/80" is two numbers, not one with a unit
        value = _plain(match["number"]) if match and not re.match(r"/\d", unit) else np.nan
        read[text] = (value, sign, unit, text.lower() in MISSING_WORDS)
    if read:
        rows = pd.DataFrame(
            [read[text] for text in rest],
            index=rest.index,
            columns=["value", "censored", "unit", "missing_word"],
        )
        out.loc[rest.index, rows.columns] = rows
    return out
