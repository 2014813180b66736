"""Read times, and tell dates that stand for "open end" or "unknown" from dates that happened."""

import pandas as pd

# dates that databases and forms write where there is none
_PLACEHOLDERS = frozenset(("1900-01-01", "1899-12-30", "1899-12-31", "1753-01-01", "1582-10-15"))
# a first of January or a last of December so far from every other time of its column is no date that happened
_FAR_YEARS = 20
_FIRST_YEAR, _LAST_YEAR = 1850, 2899


def read_times(values: pd.Series) -> pd.DataFrame:
    """Times of a column, in UTC, so that times of different zones can be compared and subtracted.

    ``9999-12-31`` (open end), ``1900-01-01`` (unknown) and their like are no times: a stay until then would last millions of
    days.

    Args:
        values: ISO 8601 text or times; missing values stay missing.

    Returns:
        Frame on the same index: ``time`` (datetime without a zone, NaT = none), ``placeholder`` (bool), ``reason``
        (text: why no time was read, empty where one was, it is a placeholder, or nothing is written).
    """
    times = pd.to_datetime(values, errors="coerce", format="ISO8601", utc=True).dt.tz_localize(None)
    day, year = times.dt.strftime("%Y-%m-%d"), times.dt.year
    edge = day.str.endswith(("-01-01", "-12-31", "-12-30")).fillna(False).astype(bool)
    placeholder = day.isin(_PLACEHOLDERS) | (edge & ((year > _LAST_YEAR) | (year < _FIRST_YEAR)))
    others = year[~edge & times.notna()]
    if len(others):
        far = (year < others.min() - _FAR_YEARS) | (year > others.max() + _FAR_YEARS)
        placeholder |= edge & far & day.duplicated(keep=False)
    impossible = times.notna() & ~placeholder & ~year.between(_FIRST_YEAR, _LAST_YEAR)
    reason = pd.Series("", index=values.index, dtype=object)
    reason[values.notna() & times.isna()] = "not a time (expected ISO 8601)"
    reason[impossible] = f"not a possible time (expected a year from {_FIRST_YEAR} to {_LAST_YEAR})"
    return pd.DataFrame(
        {"time": times.mask(placeholder | impossible), "placeholder": placeholder, "reason": reason},
        index=values.index,
    )
