"""The one form of events that every hospital format is read to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.tabular.events.account import QUARANTINED, Account

EVENT_COLUMNS = ("patient_id", "time", "by_day", "code", "value", "unit", "problem", "source")
PATIENT_COLUMNS = ("patient_id", "sex", "birth")
VISIT_COLUMNS = ("patient_id", "start", "end", "kind")

NO_TIME = "no time"
COARSE_TIME = "the time is known only to the month or the year"
UNREADABLE_TIME = "the time cannot be read"
UNKNOWN_PATIENT = "the patient is not among those given"
NO_VALUE = "no value"
TEXT_VALUE = "the value is text"
ENDS_EARLY = "the visit ends before it starts"
BOUND = "the value is only a bound"
NO_CODE = "no code"


@dataclass(frozen=True)
class Events:
    """Events of patients.

    Attributes:
        events: ``EVENT_COLUMNS``, one row per event that the recipe asks for. ``time`` has no zone (a written zone was
            converted to UTC); ``by_day`` says that the time of day is not known, and ``time`` is then the start of the day;
            ``value`` is NaN where there is no number; ``unit`` is as written; ``problem`` is why the value cannot be used,
            else empty. ``patient_id``, ``code``, ``unit``, ``problem`` and ``source`` (table or kind of resource) are
            categories.
        patients: ``PATIENT_COLUMNS``; ``sex`` is F, M or missing.
        visits: ``VISIT_COLUMNS``; ``kind`` is one of :data:`medanomaly.tabular.events.description.VISITS`.
        account: what became of all other events.
    """

    events: pd.DataFrame
    patients: pd.DataFrame
    visits: pd.DataFrame
    account: Account

    def of_patients(self, start: int, stop: int) -> "Events":
        """Those of the patients from place ``start`` to ``stop``; the account says of these events alone that they were
        read, and nothing of what became of others."""
        patients = self.patients.iloc[start:stop].reset_index(drop=True)
        known = pd.Index(patients["patient_id"].astype(object))
        inside = self.events["patient_id"].isin(known).to_numpy(bool)
        events = self.events[inside].reset_index(drop=True)
        who = pd.Categorical(events["patient_id"].astype(object), categories=known)
        visits = self.visits[self.visits["patient_id"].isin(known)].reset_index(drop=True)
        account = Account()
        for source, n in events["source"].value_counts(sort=False).items():
            account.read(str(source), int(n))
        account.read("visits", len(visits))
        return Events(events.assign(patient_id=who), patients, visits, account)


@dataclass(frozen=True)
class EventPart:
    """Some patients of a source, each with all of its events.

    Attributes:
        events: of these patients, with an account of what the reader read for them; None where there is nobody.
        refused: name of a file of the source -> why it could not be read; its patients are in no part.
    """

    events: Events | None
    refused: Mapping[str, str] = field(default_factory=dict)


def no_patient(account: Account) -> InputError:
    """The error of a source without a patient, with what became of what was read."""
    became = "; ".join(account.sentences())
    return InputError(
        f"there is no patient{': ' * bool(became)}{became}",
        remedy="Give patients together with their events.",
    )


def sliced(
    found: Events, patients: int | None, refused: Mapping[str, str] | None = None
) -> Iterator[EventPart]:
    """Events that were read at once, so many patients at a time; None: all of them. The first part has the account."""
    n = len(found.patients)
    step = max(n if patients is None else patients, 1)
    for start in range(0, max(n, 1), step):
        part = found.of_patients(start, start + step)
        whole = start == 0
        yield EventPart(
            replace(part, account=found.account) if whole else part, (refused or {}) if whole else {}
        )


def bound_of(mark: str) -> str:
    """The problem of a value with a comparator."""
    return f"{BOUND} ({mark})"


def read_times(texts: pd.Series) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Times as FHIR and CSV write them.

    Args:
        texts: (n,) such as ``2026-03-05T10:00:00+01:00``, ``2026-03-05`` or ``2026-03``; missing ones are None or empty.

    Returns:
        (n,) times without a zone (a written one was converted to UTC), whether only the day is known, and the problem:
        empty, or that there is no time, that it is known only to the month or the year, or that it cannot be read.
    """
    # a time is written many times
    codes, unique = pd.factorize(texts.astype(object), use_na_sentinel=True)
    written = pd.Series(unique, dtype="object").astype("string").str.strip()
    size = written.str.len().fillna(0)
    # a space or a T before the time of day; seconds may be left out
    read = pd.to_datetime(written.where(size >= 10), format="ISO8601", utc=True, errors="coerce")
    read = read.dt.tz_localize(None).dt.as_unit("us")
    problem = pd.Series("", index=written.index, dtype=object)
    problem[read.isna()] = UNREADABLE_TIME
    problem[written.str.fullmatch(r"\d{4}(-\d{2})?").fillna(False).to_numpy(bool)] = COARSE_TIME
    problem[(size == 0).to_numpy()] = NO_TIME
    at = np.append(read.to_numpy("datetime64[us]"), np.datetime64("NaT", "us"))
    days = np.append((size == 10).to_numpy(bool), False)
    problems = np.append(problem.to_numpy(object), NO_TIME)
    index = texts.index
    return (
        pd.Series(at[codes], index=index),
        pd.Series(days[codes], index=index),
        pd.Series(problems[codes], index=index),
    )


def timed(events: pd.DataFrame, account: Account) -> pd.DataFrame:
    """Events with ``time`` as text to events with ``time`` and ``by_day``; those without a usable time go to quarantine."""
    time, by_day, problem = read_times(events["time"])
    for reason in (NO_TIME, COARSE_TIME, UNREADABLE_TIME):
        account.add_each(events[(problem == reason).to_numpy()], QUARANTINED, reason)
    good = (problem == "").to_numpy()
    return events.assign(time=time, by_day=by_day)[good]


def of_known_patients(events: pd.DataFrame, patients: pd.DataFrame, account: Account) -> pd.DataFrame:
    """Events whose patient is known, ``patient_id`` as a category in the order of ``patients``; others go to quarantine."""
    known = pd.Index(patients["patient_id"].astype(object))
    who = known.get_indexer(events["patient_id"])
    account.add_each(events[who < 0], QUARANTINED, UNKNOWN_PATIENT)
    return events.assign(patient_id=pd.Categorical.from_codes(who, categories=known))[who >= 0]


def birth_day(year: object, month: object = None, day: object = None) -> pd.Timestamp:
    """A day of birth of which month and day may be unknown: their middle is taken; NaT where it is none."""
    try:
        if pd.isna(year):
            return pd.NaT
        no_month, no_day = month is None or pd.isna(month), day is None or pd.isna(day)
        return pd.Timestamp(
            int(year), 7 if no_month else int(month), (1 if no_month else 15) if no_day else int(day)
        )
    except (TypeError, ValueError):
        return pd.NaT


def no_events() -> pd.DataFrame:
    """``EVENT_COLUMNS`` without a row."""
    text = dict.fromkeys(("patient_id", "code", "unit", "problem", "source"), "category")
    kinds = text | {"time": "datetime64[us]", "by_day": bool, "value": "float64"}
    return pd.DataFrame({name: pd.Series([], dtype=kinds[name]) for name in EVENT_COLUMNS})
