"""How many rows of a table look alike to an outsider: k-anonymity, and coarser values where a group is too small.

Columns that an outsider may know of a person are quasi-identifiers (Sweeney 2002, "k-anonymity"). A table is k-anonymous if
each row shares its quasi-identifiers with at least k - 1 others. It says nothing of what else the rows of a group share.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from medanomaly.core.errors import ConfigurationError, did_you_mean

# share of the rows that may be left out instead of making all others coarser
LEFT_OUT = 0.01
ANY = "any"
_AGE_BANDS, _YEAR_BANDS, _ZIP_DIGITS = (5, 10, 20), (5, 10), (2, 1)
_OTHER = "other"


@dataclass(frozen=True)
class Coarser:
    """A table whose groups are larger.

    Attributes:
        table: of coarser values.
        steps: column -> what its values became.
    """

    table: pd.DataFrame
    steps: dict[str, str]


def group_sizes(table: pd.DataFrame, columns: Collection[str]) -> pd.Series:
    """Per row, how many rows share its values of these columns; a missing value is a value like others.

    Args:
        table: any.
        columns: quasi-identifiers; without any, all rows are one group.

    Raises:
        ConfigurationError: a column does not exist.

    Example:
        >>> visits = pd.DataFrame({"age": [64, 64, 71], "sex": ["F", "F", "M"]})
        >>> group_sizes(visits, ["age", "sex"]).tolist()
        [2, 2, 1]
    """
    columns = list(dict.fromkeys(columns))
    for name in columns:
        if name not in table:
            raise ConfigurationError(f"there is no column '{name}'. {did_you_mean(name, table.columns)}")
    if not columns or table.empty:
        return pd.Series(len(table), index=table.index)
    keys = [table[name].astype("string") for name in columns]
    codes = table.groupby(keys, sort=False, dropna=False).ngroup().to_numpy()
    return pd.Series(np.bincount(codes)[codes], index=table.index)


def anonymity(table: pd.DataFrame, columns: Collection[str]) -> int:
    """The k of k-anonymity: rows of the smallest group; 0 for an empty table.

    Args:
        table, columns: as of :func:`group_sizes`.

    Examples:
        >>> visits = pd.DataFrame({"age": [64, 64, 71], "sex": ["F", "F", "M"]})
        >>> anonymity(visits, ["age", "sex"])
        1
    """
    return int(group_sizes(table, columns).min()) if len(table) else 0


def coarser(table: pd.DataFrame, roles: Mapping[str, str], least: int) -> Coarser:
    """Make values coarser until nearly every row has ``least`` rows in its group.

    As Datafly does (Sweeney 2002, "Achieving k-anonymity privacy protection using generalization and suppression"): the
    column of most different values is made coarser, again and again, until at most ``least`` rows, or 1 %, are in smaller
    groups. Those are to be left out. Ages and years become bands, ZIP codes lose digits, rare categories become ``other``,
    and the last step of each column is ``any``.

    Args:
        table: after the roles of its columns were applied.
        roles: quasi-identifier -> ``age``, ``date``, ``zip`` or another role.
        least: rows of a group.

    Example:
        >>> ages = pd.DataFrame({"age": [61, 62, 63, 64]})
        >>> made = coarser(ages, {"age": "age"}, least=2)
        >>> made.table["age"].tolist(), made.steps
        (['60-64', '60-64', '60-64', '60-64'], {'age': 'ages in bands of 5'})
    """
    result, steps = table.copy(), {}
    waiting = {name: _steps(role, least) for name, role in roles.items()}
    allowed = max(least, LEFT_OUT * len(table))
    while (group_sizes(result, list(roles)) < least).sum() > allowed:
        open_ones = [name for name, left in waiting.items() if left]
        if not open_ones:
            break
        name = max(open_ones, key=lambda column: result[column].nunique(dropna=False))
        said, step = waiting[name].pop(0)
        result[name] = step(table[name].astype("string"))
        steps[name] = said
    return Coarser(result, steps)


def _steps(role: str, least: int) -> list[tuple[str, Callable[[pd.Series], pd.Series]]]:
    bands = {"age": ("ages", _AGE_BANDS), "date": ("years", _YEAR_BANDS)}
    steps: list[tuple[str, Callable[[pd.Series], pd.Series]]]
    if role in bands:
        noun, widths = bands[role]
        steps = [(f"{noun} in bands of {width}", partial(_banded, width=width)) for width in widths]
    elif role == "zip":
        said = {n: f"first {n} digits" if n > 1 else "first digit" for n in _ZIP_DIGITS}
        steps = [(said[n], partial(_first, n=n)) for n in _ZIP_DIGITS]
    else:
        steps = [(f"levels of fewer than {least} rows became {_OTHER}", partial(_common, least=least))]
    return [*steps, (ANY, lambda c: pd.Series(ANY, index=c.index, dtype="string"))]


def _first(column: pd.Series, n: int) -> pd.Series:
    return column.str[:n]


def _banded(column: pd.Series, width: int) -> pd.Series:
    """``64`` to ``60-69``; ``90+`` and ``1936 or earlier`` stay, as their bands are open already."""

    def band(text: str) -> str:
        if not re.fullmatch(r"\d+(\.\d+)?", text):
            return text
        low = int(float(text)) // width * width
        return f"{low}-{low + width - 1}"

    return column.map(band, na_action="ignore").astype("string")


def _common(column: pd.Series, least: int) -> pd.Series:
    counts = column.value_counts()
    return column.where(column.isna() | column.map(counts).ge(least), _OTHER)
