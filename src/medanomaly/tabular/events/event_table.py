"""Events to one row per case: the patient, the window, age, sex, statistics of each feature, and the outcome."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from medanomaly.core.recipe import REFUSED_COLUMNS, text_rows
from medanomaly.tabular.events.account import NOT_ASKED, QUARANTINED, USED
from medanomaly.tabular.events.description import (
    AGE,
    CASE_ID,
    END,
    NO_OUTCOME,
    OUTCOME,
    PATIENT_ID,
    SEX,
    START,
    EventSpec,
)
from medanomaly.tabular.events.form import Events, no_patient
from medanomaly.tabular.events.measured import measured
from medanomaly.tabular.features.event_statistics import aggregate_events

OUTSIDE = "outside of every window"
OTHER_VISIT = "another kind of visit"
NO_END = "the visit has no end; give hours"
NOTHING_INSIDE = "no value of any feature is inside the window"
NEW_CASES = "outcomes are not asked for where new cases are scored"
NO_OUTCOME_FOUND = "no event of any outcome was found, so that the outcome of every case is unknown"
NOTHING_OF_PATIENT = "the patient has no visit and no value that could be used"
_YEAR = pd.Timedelta(days=365.25)


@dataclass(frozen=True)
class EventTable:
    """What events became.

    Attributes:
        table: one row per case: ``case_id`` (``<patient>@<start>``, or the patient), ``patient_id``, ``window_start``,
            ``window_end``, ``age`` (years at the end of the window), ``sex``, ``outcome`` where outcomes are asked for, then
            ``<feature>_<statistic>``.
        account: see :class:`medanomaly.tabular.events.account.Account`.
        counts: source -> how many events were read, used, not asked for, and put into quarantine.
        refused: ``REFUSED_COLUMNS``: cases and patients that have no row, and why.
        notes: sentences about quarantine and outcomes.
    """

    table: pd.DataFrame
    account: pd.DataFrame
    counts: dict[str, dict[str, int]]
    refused: pd.DataFrame
    notes: tuple[str, ...]


def event_table(found: Events, spec: EventSpec, outcomes: bool = True) -> EventTable:
    """One row per case.

    A value belongs to a window if its time is neither before the start nor after the end; both ends belong to it. A value of
    which only the day is known belongs to it if the day does, and counts as at the start of the day or of the window.
    Values are taken in the order of time, and those of one time in the order of size, whatever the order of the source is.

    Args:
        found: what a reader found.
        spec: the recipe.
        outcomes: whether the outcomes of the recipe are asked for; new cases that are scored have none yet.

    Raises:
        InputError: there is no patient.
    """
    account = found.account
    if not len(found.patients):
        raise no_patient(account)
    values = measured(found, spec, account)
    ended = values[values["is_outcome"]]
    values = _in_order(values[~values["is_outcome"]] if len(ended) else values)
    windows = _of_patients(values, found) if spec.cases == "patient" else _of_visits(found, spec)
    event, window = _inside(values, windows)
    _account_for(values, event, account)
    hours = (values["time"].to_numpy()[event] - windows[START].to_numpy()[window]) / np.timedelta64(1, "h")
    inside = pd.DataFrame(
        {
            "case_id": window,
            # of a value of which only the day is known
            "hours": np.maximum(hours, 0.0),
            "variable": values["name"].array[event],
            "value": values["value"].to_numpy()[event],
        }
    )
    together: dict[tuple[str, ...], list[str]] = {}
    for name in spec.features:
        together.setdefault(spec.statistics_of(name), []).append(name)
    made = [
        aggregate_events(inside, pd.RangeIndex(len(windows)), tuple(names), statistics)
        for statistics, names in together.items()
    ]
    wide = pd.concat(made, axis=1)[list(spec.column_units())]
    table, notes = windows, []
    if not outcomes:
        account.add_each(ended, NOT_ASKED, NEW_CASES)
    elif spec.outcomes:
        table, notes = _with_outcomes(windows, ended, spec, account)
    used = np.bincount(window, minlength=len(windows)) > 0
    table = pd.concat([table.reset_index(drop=True), wide.reset_index(drop=True)], axis=1)
    empty = table.loc[~used, CASE_ID].tolist()
    seen = set(windows[PATIENT_ID])
    lost = [one for one in found.patients["patient_id"] if one not in seen]
    refused = [(case, NOTHING_INSIDE) for case in empty] + [(one, NOTHING_OF_PATIENT) for one in lost]
    return EventTable(
        table[used].reset_index(drop=True),
        account.table,
        account.counts(),
        text_rows(refused, REFUSED_COLUMNS),
        (*account.sentences(), *notes),
    )


def _in_order(values: pd.DataFrame) -> pd.DataFrame:
    """In the order of patient, time and size, so that the order of the source changes nothing."""
    if values.empty:
        return values
    who, time = values["patient_id"].cat.codes.to_numpy(np.int64), values["time"].to_numpy().view(np.int64)
    keys = [time, who]
    least, span = int(time.min()), int(time.max()) - int(time.min()) + 1
    if (int(who.max()) + 1) * span < np.iinfo(np.int64).max:
        # one number is put in order faster than two
        keys = [who * span + (time - least)]
    return values.iloc[np.lexsort((values["value"].to_numpy(), *keys))]


def _windows(who: pd.DataFrame, found: Events) -> pd.DataFrame:
    """``who`` has ``patient_id``, start and end: with age and sex, in the order of patient and start."""
    out = who.merge(found.patients, on="patient_id", how="left", validate="many_to_one")
    out[AGE] = (out[END] - out["birth"]) / _YEAR
    return out[[CASE_ID, PATIENT_ID, START, END, AGE, SEX]].sort_values(
        [PATIENT_ID, START], ignore_index=True
    )


def _of_patients(values: pd.DataFrame, found: Events) -> pd.DataFrame:
    found.account.add("visits", NOT_ASKED, "cases are patients", n=len(found.visits))
    span = values.groupby("patient_id", observed=True)["time"].agg(["min", "max"]).reset_index()
    span.columns = [PATIENT_ID, START, END]
    span[PATIENT_ID] = span[PATIENT_ID].astype(object)
    return _windows(span.assign(case_id=span[PATIENT_ID]), found)


def _of_visits(found: Events, spec: EventSpec) -> pd.DataFrame:
    visits, account = found.visits, found.account
    wanted = visits["kind"].isin(spec.visits) if spec.visits else pd.Series(True, index=visits.index)
    account.add("visits", NOT_ASKED, OTHER_VISIT, n=int((~wanted).sum()))
    visits = visits[wanted]
    end = visits["end"] if spec.hours is None else visits["start"] + pd.Timedelta(hours=spec.hours)
    account.add("visits", QUARANTINED, NO_END, n=int(end.isna().sum()))
    visits = visits.assign(end=end)[end.notna()]
    # two visits that start at one moment are one case, to the later end
    visits = visits.sort_values(["patient_id", "start", "end"])
    again = visits.duplicated(["patient_id", "start"], keep="last")
    account.add(
        "visits", QUARANTINED, "another visit of the patient starts at the same time", n=int(again.sum())
    )
    visits = visits[~again]
    account.add("visits", USED, n=len(visits))
    case_id = visits["patient_id"].astype(object) + "@" + visits["start"].dt.strftime("%Y-%m-%dT%H:%M:%S")
    named = pd.DataFrame(
        {
            CASE_ID: case_id.astype(object),
            PATIENT_ID: visits["patient_id"].astype(object),
            START: visits["start"],
            END: visits["end"],
        }
    )
    return _windows(named, found)


def _inside(values: pd.DataFrame, windows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Positions of values and of windows, one pair per value inside a window; both ends belong to a window.

    Args:
        values: in the order of patient and time.
        windows: ``patient_id``, ``window_start``, ``window_end``; windows of a patient may overlap.
    """
    patients = values["patient_id"].cat.categories
    who = patients.get_indexer(windows[PATIENT_ID]).astype(np.int64)
    time = values["time"].to_numpy("datetime64[us]")
    start, end = (windows[name].to_numpy("datetime64[us]") for name in (START, END))
    day = start.astype("datetime64[D]").astype("datetime64[us]")
    if not len(values) or not len(windows):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    # patient and second in one number, so that one search finds the values of every window
    every = np.concatenate([time, day, end]).astype("datetime64[s]").astype(np.int64)
    least = every.min()
    span = int(every.max() - least) + 2
    key = values["patient_id"].cat.codes.to_numpy(np.int64) * span + (every[: len(time)] - least)
    first = np.searchsorted(key, who * span + (every[len(time) : len(time) + len(day)] - least), "left")
    last = np.searchsorted(key, who * span + (every[len(time) + len(day) :] - least), "right")
    length = np.maximum(last - first, 0)
    window = np.repeat(np.arange(len(windows)), length)
    event = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length) + np.repeat(first, length)
    by_day = values["by_day"].to_numpy(bool)[event] & (time[event] == day[window])
    really = ((time[event] >= start[window]) | by_day) & (time[event] <= end[window])
    return event[really], window[really]


def _account_for(values: pd.DataFrame, event: np.ndarray, account) -> None:
    hit = np.zeros(len(values), dtype=bool)
    hit[event] = True
    account.add_each(values[hit], USED)
    account.add_each(values[~hit], NOT_ASKED, OUTSIDE)


def _with_outcomes(
    windows: pd.DataFrame, outcomes: pd.DataFrame, spec: EventSpec, account
) -> tuple[pd.DataFrame, list[str]]:
    """Windows with the outcome of each; missing where the source has no outcome of anybody, since then nobody recorded
    it."""
    outcomes = _in_order(outcomes)
    longer = windows.assign(**{END: windows[END] + pd.Timedelta(days=spec.outcome_days)})
    event, window = _inside(outcomes, longer)
    _account_for(outcomes, event, account)
    if outcomes.empty:
        unknown = pd.Series(pd.NA, index=windows.index, dtype="string")
        return windows.assign(**{OUTCOME: unknown}), [NO_OUTCOME_FOUND]
    named = np.full(len(windows), NO_OUTCOME, dtype=object)
    # in the order of the recipe, the first one last, so that it stays
    for name in reversed(list(spec.outcomes)):
        named[window[(outcomes["name"].array[event] == name)]] = name
    out = windows.assign(**{OUTCOME: pd.array(named, dtype="string")})
    return out, []
