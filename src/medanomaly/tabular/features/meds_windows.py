"""Events of the Medical Event Data Standard (MEDS) as a table: one row per subject, or per window of a subject.

MEDS (https://medical-event-data-standard.github.io): one row per event with ``subject_id`` (int), ``time`` (null for
facts that never change), ``code`` (str, parts joined by ``//``) and ``numeric_value`` (null where there is none).
"""

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.tabular.features.event_statistics import STATISTICS_OF_TABLES, aggregate_events

MEDS_COLUMNS = ("subject_id", "time", "code", "numeric_value")
BIRTH = "MEDS_BIRTH"
WINDOW_COLUMNS = ("case_id", "subject_id", "window_start", "window_end")
_YEAR = pd.Timedelta(days=365.25)


def starts_with(codes: pd.Series, prefixes: tuple[str, ...]) -> pd.Series:
    """Whether a code equals a prefix or belongs to it (``LAB`` covers ``LAB//50912//mg/dL``, not ``LABEL``)."""
    unique = pd.Series(codes.unique())
    # with a trailing separator a prefix matches only whole parts of a code
    hit = pd.concat(
        [(unique == prefix) | unique.str.startswith(prefix.removesuffix("//") + "//") for prefix in prefixes],
        axis=1,
    )
    return codes.isin(unique[hit.any(axis=1)])


def check_meds_events(events: pd.DataFrame, source: object = "events") -> pd.DataFrame:
    """The four columns of MEDS, converted to their types.

    Raises:
        InputError: a column is missing, or an event has no subject or no code.
    """
    missing = [name for name in MEDS_COLUMNS if name not in events.columns]
    if missing:
        raise InputError(
            f"columns {missing} are missing", remedy=f"A MEDS event has {MEDS_COLUMNS}.", source=source
        )
    events = events[list(MEDS_COLUMNS)]
    if events[["subject_id", "code"]].isna().any(axis=None):
        raise InputError("an event has no subject_id or no code", remedy="MEDS requires both.", source=source)
    return events.assign(
        time=pd.to_datetime(events["time"]),
        code=events["code"].astype("string"),
        numeric_value=events["numeric_value"].astype("float64"),
    )


def whole_subjects(events: pd.DataFrame) -> pd.DataFrame:
    """One window per subject, from its first event after birth to its last."""
    timed = events[events["time"].notna() & (events["code"] != BIRTH)]
    span = timed.groupby("subject_id")["time"].agg(["min", "max"]).reset_index()
    span.columns = ["subject_id", "window_start", "window_end"]
    return span.assign(case_id=span["subject_id"].astype("string"))[list(WINDOW_COLUMNS)]


def windows_after(events: pd.DataFrame, start: str, hours: float) -> pd.DataFrame:
    """One window per event whose code begins with ``start``, starting at that event; its id is ``<subject>@<time>``."""
    opening = events[events["time"].notna() & starts_with(events["code"], (start,))]
    opening = opening[["subject_id", "time"]].drop_duplicates().sort_values(["subject_id", "time"])
    return _windows(
        opening["subject_id"], opening["time"], opening["time"] + pd.Timedelta(hours=hours), "time"
    )


def windows_before(labels: pd.DataFrame, hours: float) -> pd.DataFrame:
    """One window per row of a MEDS label table, up to and including its ``prediction_time``; ``label`` is its value."""
    missing = {"subject_id", "prediction_time", "boolean_value"} - set(labels.columns)
    if missing:
        raise InputError(
            f"columns {sorted(missing)} are missing",
            remedy="A label table has subject_id, prediction_time, boolean_value.",
            source="MEDS labels",
        )
    key = ["subject_id", "prediction_time"]
    # a repeated row must not open a second window, in which every event would count again
    labels = labels.drop_duplicates([*key, "boolean_value"]).sort_values(key)
    if (twice := labels.duplicated(key)).any():
        subject, time = labels.loc[twice, key].iloc[0]
        raise InputError(
            f"subject {subject} has two different labels at {time}",
            remedy="Keep one row per subject and prediction time.",
            source="MEDS labels",
        )
    at = pd.to_datetime(labels["prediction_time"])
    out = _windows(labels["subject_id"], at - pd.Timedelta(hours=hours), at, "window_end")
    return out.assign(label=labels["boolean_value"].astype("boolean").astype("Int8").to_numpy())


def _windows(subject: pd.Series, start: pd.Series, end: pd.Series, named_by: str) -> pd.DataFrame:
    name = (end if named_by == "window_end" else start).dt.strftime("%Y-%m-%dT%H:%M:%S")
    case_id = subject.astype("string") + "@" + name.astype("string")
    out = pd.DataFrame({"case_id": case_id, "subject_id": subject, "window_start": start, "window_end": end})
    return out.reset_index(drop=True)


def inside_windows(events: pd.DataFrame, windows: pd.DataFrame) -> pd.DataFrame:
    """Events of every window, both ends included: ``case_id``, ``hours`` since its start, ``code``, ``numeric_value``."""
    timed = events[events["time"].notna() & (events["code"] != BIRTH)]
    joined = timed.merge(windows[list(WINDOW_COLUMNS)], on="subject_id")
    joined = joined[(joined["time"] >= joined["window_start"]) & (joined["time"] <= joined["window_end"])]
    hours = (joined["time"] - joined["window_start"]).dt.total_seconds() / 3600
    return joined[["case_id", "code", "numeric_value"]].assign(hours=hours)


def window_table(
    events: pd.DataFrame,
    windows: pd.DataFrame,
    codes: tuple[str, ...],
    statistics: tuple[str, ...] = STATISTICS_OF_TABLES,
) -> pd.DataFrame:
    """Aggregate the events of every window to one row.

    Args:
        events: as :func:`check_meds_events` returns them.
        windows: of :func:`whole_subjects`, :func:`windows_after` or :func:`windows_before`.
        codes: the codes that become columns.
        statistics: see :func:`medanomaly.tabular.features.event_statistics.aggregate_events`; ``count`` also counts events
            without a number.

    Returns:
        The columns of ``windows``; ``age`` (years at the end of the window, NaN without a birth); one column for each first
        part of a code without time (``GENDER//F`` gives ``GENDER`` = ``F``); then ``<code>_<statistic>``.
    """
    inside = inside_windows(events, windows).rename(columns={"code": "variable", "numeric_value": "value"})
    ids = pd.Index(windows["case_id"])
    numeric = tuple(statistic for statistic in statistics if statistic != "count")
    parts = []
    if numeric:
        parts.append(aggregate_events(inside, ids, codes, numeric))
    if "count" in statistics:
        parts.append(aggregate_events(inside.assign(value=1.0), ids, codes, ("count",)))
    births = events[events["code"] == BIRTH].drop_duplicates("subject_id").set_index("subject_id")["time"]
    out = windows.reset_index(drop=True)
    born = births.reindex(out["subject_id"]).set_axis(out.index)
    out["age"] = (out["window_end"] - born) / _YEAR
    out = out.merge(_timeless(events), on="subject_id", how="left")
    wide = pd.concat(parts, axis=1)
    ordered = [name for code in codes for s in statistics if (name := f"{code}_{s}") in wide.columns]
    return pd.concat([out, wide[ordered].set_axis(out.index)], axis=1)


def _timeless(events: pd.DataFrame) -> pd.DataFrame:
    """Facts that never change: the first part of the code names the column, the rest or the number is the value."""
    fixed = events[events["time"].isna()]
    parts = fixed["code"].str.partition("//")
    value = parts[2].where(parts[2] != "", "yes").mask(fixed["numeric_value"].notna(), fixed["numeric_value"])
    table = pd.DataFrame(
        {"subject_id": fixed["subject_id"], "name": parts[0], "value": value.astype("string")}
    )
    table = table.drop_duplicates(["subject_id", "name"])
    wide = table.pivot(index="subject_id", columns="name", values="value")  # noqa: PD010 - no aggregation is wanted
    wide.columns = list(wide.columns)
    return wide.reset_index() if len(wide) else pd.DataFrame({"subject_id": events["subject_id"].unique()})


def codes_of(counts: dict[str, int], n_windows: int, min_share: float) -> tuple[str, ...]:
    """Codes that occur in at least ``min_share`` of the windows, sorted."""
    least = max(1.0, np.ceil(min_share * n_windows))
    return tuple(sorted(code for code, n in counts.items() if n >= least))
