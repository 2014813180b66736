"""Do the columns of new cases still look as they did at training? One comparison per column, with its size and its p-value.

A column of the reference cases is kept as its sorted values (of many: as evenly spaced ones of them) or as counts of its
levels, each column for itself, so that no row can be put together again. New cases are sorted once per column; all figures
follow from that.

Size and certainty are two things. With a million rows every difference is certain, and with thirty a large one may be
chance. So a column counts as shifted where its population stability index reaches a limit AND its p-value holds after
correction for all tests that were made (Holm 1979).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError

Bins = Literal["quantiles", "equal_width"]
# values of a number that are kept; the distance of Kolmogorov and Smirnov is then off by at most 1 / 20,000
MOST_KEPT = 10_000
# a number with at most this many values is compared value by value
FEW_VALUES = 20
# levels beyond these, the rarest ones, are counted together
MOST_LEVELS = 200
OTHERS = "(others)"
N_BINS = 10
# scipy computes the exact p-value up to this size
EXACT_UP_TO = 10_000
# expected cases per cell from which the chi-square distribution is near enough (Cochran 1954)
FEWEST_EXPECTED = 5
# stands in for an empty cell, whose logarithm does not exist; the rule of evidently
EMPTY = 1e-4
NUMBER, LEVEL = "number", "level"
SHIFT_COLUMNS = (
    "column", "kind", "n", "n_reference", "psi", "distance", "p", "p_adjusted", "missing", "missing_reference", "p_missing",
    "p_missing_adjusted", "outside",
)  # fmt: skip


@dataclass(frozen=True)
class ColumnReference:
    """A column of the reference cases.

    Attributes:
        name: of the column.
        kind: ``number`` or ``level``.
        n: cases with a value.
        n_missing: cases without one.
        kept: (k,) ascending values of a number, k = min(n, MOST_KEPT).
        counts: level -> cases.
    """

    name: str
    kind: str
    n: int
    n_missing: int
    kept: np.ndarray = field(default_factory=lambda: np.empty(0))
    counts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, column: pd.Series | np.ndarray) -> "ColumnReference":
        """Of the values of reference cases; what is missing or infinite counts as missing."""
        column = column if isinstance(column, pd.Series) else pd.Series(column)
        if pd.api.types.is_numeric_dtype(column):
            values = sorted_numbers(column)
            return cls(name, NUMBER, len(values), len(column) - len(values), _spaced(values))
        counts = _counts(column)
        n = sum(counts.values())
        if len(counts) > MOST_LEVELS:
            kept = dict(list(counts.items())[:MOST_LEVELS])
            counts = kept | {OTHERS: kept.get(OTHERS, 0) + n - sum(kept.values())}
        return cls(name, LEVEL, n, len(column) - n, counts=counts)


def references(table: pd.DataFrame) -> list[ColumnReference]:
    """Of every column of a table of reference cases."""
    return [ColumnReference.of(str(name), table[name]) for name in table]


def _spaced(values: np.ndarray) -> np.ndarray:
    """At most ``MOST_KEPT`` of ascending values, the smallest and the largest among them."""
    if len(values) <= MOST_KEPT:
        return values
    inner = ((np.arange(MOST_KEPT) + 0.5) * len(values) / MOST_KEPT).astype(np.int64)
    inner[[0, -1]] = 0, len(values) - 1
    return values[inner]


def sorted_numbers(column: pd.Series) -> np.ndarray:
    """Its finite values as float64, ascending."""
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    # infinities and NaN lie at the ends once it is sorted, so that no mask of its length is needed
    values = np.sort(values)
    return values[np.searchsorted(values, -np.inf, "right") : np.searchsorted(values, np.inf, "left")]


def _counts(column: pd.Series) -> dict[str, int]:
    """Level -> cases, the most frequent first."""
    found = column.value_counts(dropna=True)
    out: dict[str, int] = {}
    for level, n in zip(found.index.tolist(), found.tolist(), strict=True):
        out[str(level)] = out.get(str(level), 0) + int(n)
    return dict(sorted(out.items(), key=lambda item: (-item[1], item[0])))


def shares(cells: np.ndarray) -> np.ndarray:
    """Counts as shares in which no cell is empty: an empty one gets 0.0001, or less where a cell has less than that."""
    share = np.asarray(cells, dtype=np.float64) / np.sum(cells)
    smallest = share[share > 0].min()
    return np.where(share > 0, share, smallest / 1e6 if smallest <= EMPTY else EMPTY)


def stability_index(reference: np.ndarray, new: np.ndarray) -> float:
    """Population stability index of counts of the same cells: the symmetric Kullback-Leibler divergence of their shares."""
    p, q = shares(reference), shares(new)
    return float(np.sum((p - q) * np.log(p / q)))


def jensen_shannon(reference: np.ndarray, new: np.ndarray) -> float:
    """Distance of Jensen and Shannon of counts of the same cells, with the natural logarithm; 0 to 0.83."""
    from scipy.spatial.distance import jensenshannon

    return float(jensenshannon(reference / np.sum(reference), new / np.sum(new)))


def number_cells(
    reference: np.ndarray, new: np.ndarray, bins: Bins = "quantiles"
) -> tuple[np.ndarray, np.ndarray]:
    """Counts of the same cells of two ascending samples.

    Args:
        reference: (m,) ascending.
        new: (n,) ascending.
        bins: ``quantiles`` cuts at the tenths of the reference, so that one far value moves nothing. ``equal_width`` cuts
            the range of both together into equal parts, as evidently does. A reference of few values has one cell per
            value, and one for all others.
    """
    few = reference[np.r_[True, np.diff(reference) > 0]]
    if len(few) <= FEW_VALUES:
        cells = [
            np.searchsorted(part, few, "right") - np.searchsorted(part, few, "left")
            for part in (reference, new)
        ]
        return _with_others(*cells, len(reference), len(new))
    if bins == "quantiles":
        at = np.ceil(len(reference) * np.arange(1, N_BINS) / N_BINS).astype(np.int64) - 1
        edges = np.unique(reference[at])
        inner = [np.searchsorted(part, edges, "right") for part in (reference, new)]
        return tuple(
            np.diff(np.r_[0, cut, len(part)]) for cut, part in zip(inner, (reference, new), strict=True)
        )
    low, high = min(reference[0], new[0]), max(reference[-1], new[-1])
    # the rule of Sturges, of both samples together
    n_bins = int(np.ceil(np.log2(len(reference) + len(new)) + 1))
    edges = np.linspace(low, high, n_bins + 1)
    return tuple(
        np.diff(np.r_[np.searchsorted(part, edges[:-1], "left"), len(part)]) for part in (reference, new)
    )


def level_cells(reference: Mapping[str, int], new: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Counts of the same levels; levels that the reference does not have are one cell."""
    known = [level for level in reference if level != OTHERS]
    cells = [np.array([part.get(level, 0) for level in known], dtype=np.int64) for part in (reference, new)]
    return _with_others(*cells, sum(reference.values()), sum(new.values()))


def _with_others(reference: np.ndarray, new: np.ndarray, m: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The cells, with one for what lies in none of them, where there is any."""
    left = m - reference.sum(), n - new.sum()
    return (np.r_[reference, left[0]], np.r_[new, left[1]]) if any(left) else (reference, new)


def kolmogorov_smirnov(reference: np.ndarray, new: np.ndarray, n_reference: int) -> tuple[float, float]:
    """Largest distance between two distribution functions, and its p-value.

    Args:
        reference: (k,) ascending; k below ``n_reference`` where only evenly spaced values were kept.
        new: (n,) ascending.
        n_reference: cases behind the reference.
    """
    from scipy import stats

    if max(n_reference, len(new)) <= EXACT_UP_TO:
        found = stats.ks_2samp(reference, new)
        return float(found.statistic), float(found.pvalue)
    k = len(reference)
    # the reference is constant between its values and the other function grows, so the ends of these steps are enough
    steps = np.flatnonzero(np.r_[True, np.diff(reference) > 0])
    at, upto = reference[steps], np.r_[steps[1:], k] / k
    above = upto - np.searchsorted(new, at, "right") / len(new)
    below = np.searchsorted(new, at, "left") / len(new) - steps / k
    distance = float(max(above.max(), below.max(), 0.0))
    m, n = float(n_reference), float(len(new))
    return distance, float(np.clip(stats.kstwo.sf(distance, np.round(m * n / (m + n))), 0.0, 1.0))


def chi_square(reference: np.ndarray, new: np.ndarray) -> float:
    """P-value of the chi-square test of two samples of counts; cells of few expected cases are put together."""
    from scipy import stats

    table = np.stack([reference, new])
    expected = table.sum(axis=0) * table.sum(axis=1).min() / table.sum()
    rare = expected < FEWEST_EXPECTED
    if rare.any():
        table = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 1.0
    return float(stats.chi2_contingency(table).pvalue)


def compare_column(
    reference: ColumnReference, new: pd.Series | np.ndarray, bins: Bins = "quantiles"
) -> dict[str, Any]:
    """One row of :func:`compare_columns`, without the corrected p-values.

    Raises:
        InputError: it was a number, and is text now.
    """
    new = new if isinstance(new, pd.Series) else pd.Series(new)
    if reference.kind == NUMBER:
        if not pd.api.types.is_numeric_dtype(new):
            raise InputError(
                "it was a number at training and is text now",
                column=reference.name,
                remedy="Give the column as numbers, as at training.",
            )
        values = sorted_numbers(new)
        n = len(values)
    else:
        counts = _counts(new)
        n = sum(counts.values())
    n_missing = len(new) - n
    row: dict[str, Any] = {
        "column": reference.name, "kind": reference.kind, "n": n, "n_reference": reference.n, "psi": np.nan,
        "distance": np.nan, "p": np.nan, "missing": n_missing / max(len(new), 1),
        "missing_reference": reference.n_missing / max(reference.n + reference.n_missing, 1),
        "p_missing": chi_square(np.array([reference.n, reference.n_missing]), np.array([n, n_missing])),
        "outside": np.nan,
    }  # fmt: skip
    if not n or not reference.n:
        return row
    if reference.kind == NUMBER:
        row["psi"] = stability_index(*number_cells(reference.kept, values, bins))
        row["distance"], row["p"] = kolmogorov_smirnov(reference.kept, values, reference.n)
        inside = np.searchsorted(values, reference.kept[-1], "right") - np.searchsorted(
            values, reference.kept[0], "left"
        )
        row["outside"] = 1 - inside / n
    else:
        known, found = level_cells(reference.counts, counts)
        row["psi"], row["distance"], row["p"] = (
            stability_index(known, found),
            jensen_shannon(known, found),
            chi_square(known, found),
        )
        row["outside"] = sum(k for level, k in counts.items() if level not in reference.counts) / n
    return row


def compare_columns(
    known: Sequence[ColumnReference], new: pd.DataFrame, bins: Bins = "quantiles"
) -> pd.DataFrame:
    """Compare new cases with the reference, column by column.

    Args:
        known: of the reference cases.
        new: n rows with these columns; others are left out.
        bins: as of :func:`number_cells`.

    Returns:
        One row of ``SHIFT_COLUMNS`` per column, in the order of ``known``. ``distance`` is that of Kolmogorov and Smirnov
        for numbers and that of Jensen and Shannon for levels; ``p`` belongs to it, or to the chi-square test. ``outside``
        is the share beyond the smallest and the largest reference value, or of unknown levels. ``p_adjusted`` and
        ``p_missing_adjusted`` are corrected for all tests of the table together.

    Raises:
        InputError: a column is missing, or was a number and is text now.
    """
    if absent := [one.name for one in known if one.name not in new]:
        raise InputError(f"columns {absent} are missing", remedy="Give cases as at training.")
    table = pd.DataFrame([compare_column(one, new[one.name], bins) for one in known])
    table = table.reindex(columns=list(SHIFT_COLUMNS))
    adjusted = holm(np.r_[table["p"], table["p_missing"]].astype(float))
    return table.assign(p_adjusted=adjusted[: len(table)], p_missing_adjusted=adjusted[len(table) :])


def holm(p: np.ndarray) -> np.ndarray:
    """P-values corrected for their number, so that all that are small hold together (Holm 1979); NaN stay NaN."""
    p = np.asarray(p, dtype=np.float64)
    out = np.full(p.shape, np.nan)
    given = np.flatnonzero(~np.isnan(p))
    order = given[np.argsort(p[given], kind="stable")]
    out[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return out


def shifted(table: pd.DataFrame, limit: float, missing_limit: float, level: float) -> pd.DataFrame:
    """Rows of :func:`compare_columns` that are shifted: large and certain, in their values or in how many are missing.

    Args:
        table: comparisons.
        limit: of the stability index.
        missing_limit: of the difference between shares of missing values.
        level: share of tables of unchanged columns in which any column is called shifted.
    """
    values = table["psi"].ge(limit) & table["p_adjusted"].le(level)
    gone = (table["missing"] - table["missing_reference"]).abs().ge(missing_limit)
    gone &= table["p_missing_adjusted"].le(level)
    return table[(values | gone).to_numpy(dtype=bool)]
