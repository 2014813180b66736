"""Features from the history of a patient: only what was known of the patient before this record."""

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.tabular.table.description import History

DAY = 86400.0
EARLIER = "n_earlier_records"
SINCE = "days_since_previous_record"
OUTCOMES = "n_earlier_outcomes"
OUTCOME_SHARE = "share_of_earlier_outcomes"


def history_features(records: pd.DataFrame, cases: pd.DataFrame, history: History) -> pd.DataFrame:
    """Earlier records, earlier outcomes, time since the last measurement, change and trend of measurements.

    A record counts as earlier if its time is strictly before that of this record. An outcome counts if its day
    (``history.outcome_time``, often written without the hour) is before the day of this record. For example, an appointment
    that was booked before the previous one took place does not use its outcome. No record uses its own outcome.

    Args:
        records: (n, ...) clean records with the columns that ``history`` names.
        cases: case table of the same records (``patient_id``; ``label`` for outcomes).
        history: which features to make.

    Returns:
        (n, ...) float64, NaN where nothing is known: ``n_earlier_records``; ``days_since_previous_record``; with
        ``outcome_time`` ``n_earlier_outcomes`` and ``share_of_earlier_outcomes`` (of those with a known label); for each
        measurement m ``m_days_since_last``, ``m_change`` (to the last known value) and ``m_slope`` (least squares over
        the known values of the patient up to this record, unit per day).

    Raises:
        InputError: a column is missing or does not hold times.
    """
    seconds = _seconds(records, history.time)
    patient = pd.factorize(cases["patient_id"])[0]
    past = _Past(patient, seconds)
    every = past.of(np.isfinite(seconds), seconds)
    out = {EARLIER: np.where(np.isfinite(seconds), every.count, np.nan)}
    out[SINCE] = (seconds - every.last(seconds)) / DAY
    if history.outcome_time is not None:
        label = cases["label"].to_numpy(dtype=np.float64, na_value=np.nan)
        day, known_on = np.floor(seconds / DAY), np.floor(_seconds(records, history.outcome_time) / DAY)
        known = np.isfinite(label) & np.isfinite(known_on)
        outcomes = _Past(patient, day).of(known, known_on)
        # a record whose outcome is dated before the record (an error that occurs) must not use its own label
        own = known & (known_on < day)
        positive = outcomes.total(np.where(known, label, 0.0)) - np.where(own, label, 0.0)
        count = outcomes.count - own
        out[OUTCOMES] = np.where(np.isfinite(seconds), positive, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            out[OUTCOME_SHARE] = np.where(count > 0, positive / count, np.nan)
    for name in history.measurements:
        if name not in records.columns:
            raise InputError(
                "the column of a measurement is missing", column=name, remedy="Correct history.measurements."
            )
        values = records[name].to_numpy(dtype=np.float64, na_value=np.nan)
        known = np.isfinite(values) & np.isfinite(seconds)
        measured = past.of(known, seconds)
        out[f"{name}_days_since_last"] = (seconds - measured.last(seconds)) / DAY
        out[f"{name}_change"] = values - measured.last(values)
        days = np.where(known, seconds / DAY, np.nan)
        out[f"{name}_slope"] = _slope(measured, _from_lowest(days, patient), _from_lowest(values, patient))
    return pd.DataFrame(out, index=records.index, dtype=np.float64)


def history_units(history: History, units: dict[str, str]) -> dict[str, str]:
    """Unit of every feature that :func:`history_features` makes."""
    out = {EARLIER: "", SINCE: "days", OUTCOMES: "", OUTCOME_SHARE: ""}
    for name in history.measurements:
        unit = units.get(name, "")
        out[f"{name}_days_since_last"] = "days"
        out[f"{name}_change"] = unit
        out[f"{name}_slope"] = f"{unit}/day" if unit else "/day"
    return out


class _Past:
    """For every record, the marks of the same patient that lie strictly before its time."""

    def __init__(self, patient: np.ndarray, seconds: np.ndarray):
        self._patient, self._seconds = patient, seconds

    def of(self, known: np.ndarray, when: np.ndarray) -> "_Marks":
        """Marks at the times ``when`` of the ``known`` records."""
        order = np.flatnonzero(known)
        order = order[np.lexsort((when[order], self._patient[order]))]
        # patient and rank of the time form one integer to sort by; unlike seconds as floats it is exact
        moments = np.unique(np.concatenate([when[order], self._seconds[np.isfinite(self._seconds)]]))
        width = len(moments) + 1
        keys = self._patient[order] * width + np.searchsorted(moments, when[order])
        position = np.searchsorted(moments, np.where(np.isfinite(self._seconds), self._seconds, -np.inf))
        start = np.searchsorted(keys, self._patient * width)
        end = np.searchsorted(keys, self._patient * width + position)
        return _Marks(order, start, np.where(np.isfinite(self._seconds), end, start))


class _Marks:
    def __init__(self, order: np.ndarray, start: np.ndarray, end: np.ndarray):
        self._order, self._start, self._end = order, start, end
        self.count = (end - start).astype(np.float64)

    def last(self, values: np.ndarray) -> np.ndarray:
        """Value of the latest earlier mark, NaN where there is none."""
        if not len(self._order):
            return np.full(len(self._end), np.nan)
        found = values[self._order[np.maximum(self._end - 1, 0)]]
        return np.where(self.count > 0, found, np.nan)

    def total(self, values: np.ndarray) -> np.ndarray:
        """Sum of ``values`` over the earlier marks."""
        sums = np.concatenate([[0.0], np.cumsum(values[self._order])])
        return sums[self._end] - sums[self._start]


def _slope(marks: _Marks, t: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Least-squares slope over the earlier marks and this one, NaN where they lie within one hour."""
    n = marks.count + 1
    st, sy = marks.total(t) + t, marks.total(y) + y
    stt, sty = marks.total(t * t) + t * t, marks.total(t * y) + t * y
    spread = stt - st * st / n
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = (sty - st * sy / n) / spread
    return np.where((marks.count > 0) & (spread > (1 / 24) ** 2), slope, np.nan)


def _from_lowest(values: np.ndarray, patient: np.ndarray) -> np.ndarray:
    """Values minus the lowest of the patient: differences of running sums of small numbers keep their precision."""
    return values - pd.Series(values).groupby(patient).transform("min").to_numpy()


def _seconds(records: pd.DataFrame, name: str) -> np.ndarray:
    if name not in records.columns or not pd.api.types.is_datetime64_any_dtype(records[name]):
        raise InputError(
            "no column of times", column=name, remedy="Declare it with kind: time and do not ignore it."
        )
    values = records[name]
    seconds = (values - pd.Timestamp("1970-01-01")).dt.total_seconds()
    return seconds.to_numpy(dtype=np.float64, na_value=np.nan)
