"""Measurements over time as one row per case: minimum, maximum, mean, first and last value, count and slope of variables."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from medanomaly.core.errors import ConfigurationError, InputError

# what tables take where nothing is named
STATISTICS_OF_TABLES = ("min", "max", "mean", "last", "count", "slope")
STATISTICS = ("min", "max", "mean", "first", "last", "count", "slope")
# of squared hours around their mean; measurements at one time have no slope
SMALLEST_SPREAD = 1e-9
EVENT_COLUMNS = ("case_id", "hours", "variable", "value")


def _numbered(names: pd.Series) -> tuple[np.ndarray, pd.Index]:
    """(n,) number of each name in their order, and the names that occur."""
    if not isinstance(names.dtype, pd.CategoricalDtype):
        return pd.factorize(names.astype(object), sort=True)
    codes, found = pd.factorize(names.cat.codes.to_numpy())
    own = names.cat.categories[found].astype(object)
    order = np.argsort(own)
    return np.argsort(order)[codes], own[order]


def _slopes(hours: np.ndarray, values: np.ndarray, group: np.ndarray, n_groups: int) -> np.ndarray:
    """Least-squares slope of every group, NaN where all times of a group are equal."""
    count = np.bincount(group, minlength=n_groups)
    # centred first, because sums of squares of times far from zero lose precision
    t = hours - (np.bincount(group, hours, n_groups) / count)[group]
    v = values - (np.bincount(group, values, n_groups) / count)[group]
    spread, shared = np.bincount(group, t * t, n_groups), np.bincount(group, t * v, n_groups)
    return np.divide(shared, spread, out=np.full(n_groups, np.nan), where=spread > SMALLEST_SPREAD)


def statistics_table(
    cases: pd.Index,
    names: Sequence[str],
    where: np.ndarray,
    by_statistic: Mapping[str, np.ndarray],
    wanted: Sequence[str],
    statistics: Sequence[str],
) -> pd.DataFrame:
    """Statistics of single cells as one row per case.

    Args:
        cases: (n,) ids.
        names: (m,) variables.
        where: (k,) the cell of each value: place of the case times m, plus place of the variable.
        by_statistic: statistic -> (k,) values; one that is not there is nowhere known.
        wanted: variables to return.
        statistics: to return.

    Returns:
        Frame indexed by case with columns ``<variable>_<statistic>``, float64. A cell without a value has count 0, and NaN
        elsewhere.
    """
    columns = {}
    for statistic in statistics:
        grid = np.full((len(cases), len(names)), 0.0 if statistic == "count" else np.nan)
        grid.ravel()[where] = by_statistic.get(statistic, np.empty(0))
        columns |= {(name, statistic): grid[:, j] for j, name in enumerate(names)}
    empty = {"count": 0.0}
    return pd.DataFrame(
        {
            f"{name}_{statistic}": columns.get(
                (name, statistic), np.full(len(cases), empty.get(statistic, np.nan))
            )
            for name in wanted
            for statistic in statistics
        },
        index=cases,
    )


def aggregate_events(
    events: pd.DataFrame,
    case_ids: pd.Index | None = None,
    variables: tuple[str, ...] | None = None,
    statistics: tuple[str, ...] = STATISTICS_OF_TABLES,
) -> pd.DataFrame:
    """Statistics of every variable: one row per case, one column per variable and statistic.

    Args:
        events: ``case_id``, ``hours`` (float, since the start of the window), ``variable``, ``value`` (float; rows without
            a value are left out). Rows may have any order; of rows with the same time, the earlier row is ``first`` and the
            later one ``last``. Categories are faster than text.
        case_ids: cases to return, in this order; None takes those that occur, sorted.
        variables: variables to return; None takes those that occur, sorted.
        statistics: of :data:`STATISTICS`; ``slope`` is the least-squares slope, in units per hour.

    Returns:
        Frame indexed by ``case_id`` with columns ``<variable>_<statistic>``, float64. A variable that was never measured
        has count 0 and NaN elsewhere; the slope needs two different times, else it is NaN.
    """
    unknown = set(statistics) - set(STATISTICS)
    if unknown:
        raise ConfigurationError(f"unknown statistics {sorted(unknown)}", remedy=f"There are {STATISTICS}.")
    missing = set(EVENT_COLUMNS) - set(events.columns)
    if missing:
        raise InputError(f"events have no columns {sorted(missing)}", remedy=f"Expected {EVENT_COLUMNS}.")
    events = events[events["value"].notna() & events["hours"].notna()]
    if variables is not None:
        events = events[events["variable"].isin(variables)]
    case_code, cases = pd.factorize(events["case_id"], sort=True)
    variable_code, names = _numbered(events["variable"])
    cases = pd.Index(cases, name="case_id")
    cell = case_code.astype("int64") * max(len(names), 1) + variable_code
    order = np.lexsort((events["hours"].to_numpy(), cell))
    cell = cell[order]
    hours = events["hours"].to_numpy(dtype="float64")[order]
    values = events["value"].to_numpy(dtype="float64")[order]
    starts = np.flatnonzero(np.diff(cell, prepend=-1))
    lengths = np.diff(np.append(starts, len(cell)))
    where = cell[starts]

    by_statistic = {"count": lengths}
    if len(starts):
        by_statistic |= {
            "min": np.minimum.reduceat(values, starts),
            "max": np.maximum.reduceat(values, starts),
            "mean": np.add.reduceat(values, starts) / lengths,
            "first": values[starts],
            "last": values[starts + lengths - 1],
        }
        if "slope" in statistics:
            group = np.repeat(np.arange(len(starts)), lengths)
            by_statistic["slope"] = _slopes(hours, values, group, len(starts))
    out = statistics_table(
        cases, names, where, by_statistic, names if variables is None else variables, statistics
    )
    if case_ids is not None:
        out = out.reindex(pd.Index(case_ids, name="case_id"))
        counts = (
            [column for column in out.columns if column.endswith("_count")] if "count" in statistics else []
        )
        out[counts] = out[counts].fillna(0.0)
    return out


def events_from_grid(grid: pd.DataFrame, case_id: str, time: str) -> pd.DataFrame:
    """Turn a wide table (one row per case and time, one column per variable) into events, without missing cells.

    Args:
        grid: wide table; the column of times holds hours as numbers, or time differences.
        case_id, time: names of these columns.
    """
    hours = grid[time]
    if pd.api.types.is_timedelta64_dtype(hours):
        hours = hours.dt.total_seconds() / 3600
    names = grid.columns.drop([case_id, time])
    values = grid[names].to_numpy(dtype="float64")
    row, column = np.nonzero(~np.isnan(values))
    return pd.DataFrame(
        {
            "case_id": grid[case_id].to_numpy()[row],
            "hours": hours.to_numpy(dtype="float64")[row],
            "variable": np.asarray(names, dtype=object)[column],
            "value": values[row, column],
        }
    )
