"""Signal quality: one row per window and lead, with an index, the reasons, and the verdict good or bad.

Bad signal is neither an alarm nor normal: later steps leave it out and say so. A good window can have a reason too; it
then says what is disturbed although the window is usable.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from medanomaly.signals.quality.ecg import ecg_index, ecg_measures
from medanomaly.signals.quality.faults import (
    bridged,
    flat_samples,
    in_windows,
    run_lengths,
    saturated_samples,
)
from medanomaly.signals.quality.params import QualityParams
from medanomaly.signals.quality.ppg import LEAST_SKEWNESS, ppg_index, ppg_measures
from medanomaly.signals.recordings.leads import MILLIVOLTS, lead_kinds
from medanomaly.signals.recordings.recording import Recording

GOOD, BAD = "good", "bad"
QUALITY_COLUMNS = ("record", "lead", "kind", "start_s", "end_s", "quality", "sqi", "reasons")
_SHORTEST_S = 1.0
# how long a lead of each kind may stay at its own limit, s
_HELD_S = {"ecg": 0.02, "ppg": 0.1}
_SLOWEST = {"ecg": 50.0, "ppg": 25.0}
# samples that are measured together: more of them save no more time
_TOGETHER = 200_000
# a part of the ECG index below this is named as a reason
_WEAK_PART = 0.25
_PART_REASONS = {
    "noise": "noise",
    "contrast": "beats do not stand out",
    "bas_sqi": "baseline wander",
    "high_frequency": "noise above 40 Hz",
}


def assess_quality(
    recording: Recording, params: QualityParams | None = None, *, limits: np.ndarray | None = None
) -> pd.DataFrame:
    """Quality of every window of every lead.

    Args:
        recording: of any length, lead and unit; gaps as NaN.
        params: window and limits.
        limits: (2, n_leads) lowest and highest value of each lead, where the recording is a part of a longer one.

    Returns:
        ``record``, ``lead``, ``kind`` (ecg, ppg, resp, abp, other), ``start_s``, ``end_s``, ``quality`` (good or bad),
        ``sqi`` (0 to 1), ``reasons`` (separated by ``"; "``, empty where there is none), then the measures behind them:
        ``missing``, ``flat``, ``saturated`` (shares) and those of :func:`~medanomaly.signals.quality.ecg.ecg_measures` or
        :func:`~medanomaly.signals.quality.ppg.ppg_measures`. The last window ends with the recording. A recording without
        samples gives no rows.
    """
    return quality_table(recording.record, quality_of_each([recording], params, limits=limits)[0])


def quality_of_each(
    recordings: Sequence[Recording], params: QualityParams | None = None, *, limits: np.ndarray | None = None
) -> list[list[dict[str, np.ndarray]]]:
    """The columns of :func:`assess_quality` of each lead of each recording, but for ``record``.

    Leads of one kind, unit, rate and length are measured together, which takes a fraction of the time where they are short.
    What a lead gets does not depend on the others.

    Args:
        recordings, params: see :func:`assess_quality`.
        limits: of a single recording.
    """
    params = params or QualityParams()
    # without samples there are no rows
    found: list[list[dict[str, np.ndarray]]] = [
        [{}] * (len(one.leads) * bool(one.n_samples)) for one in recordings
    ]
    alike: dict[tuple[float, int, str, str], list[tuple[int, int]]] = {}
    for i, one in enumerate(recordings):
        for j, kind in enumerate(lead_kinds(one.leads, one.units) if one.n_samples else ()):
            about = (one.fs, one.n_samples, kind, one.units[j].strip().lower())
            alike.setdefault(about, []).append((i, j))
    for (fs, n_samples, kind, unit), places in alike.items():
        width = max(1, round(params.window_s * fs))
        # pulses are counted lead by lead
        step = 1 if kind == "ppg" else max(1, _TOGETHER // n_samples)
        for start in range(0, len(places), step):
            some = places[start : start + step]
            x = np.stack([recordings[i].signal[:, j] for i, j in some])
            ends = None if limits is None else limits[:, [j for _, j in some]].T
            columns = _columns(x, fs, width, kind, unit, params, ends)
            n = len(columns["sqi"]) // len(some)
            for row, (i, j) in enumerate(some):
                own = {name: values[row * n : (row + 1) * n] for name, values in columns.items()}
                found[i][j] = {"lead": np.full(n, recordings[i].leads[j], dtype=object), **own}
    return found


def quality_table(record: str, found: Sequence[dict[str, np.ndarray]]) -> pd.DataFrame:
    """The table of :func:`assess_quality` from the columns of the leads of one recording."""
    if not found:
        return pd.DataFrame(columns=list(QUALITY_COLUMNS))
    if all(list(columns) == list(found[0]) for columns in found):
        # one table of all leads is made in a fraction of the time of one per lead
        joined = {name: np.concatenate([columns[name] for columns in found]) for name in found[0]}
        return pd.DataFrame({"record": record, **joined})
    table = pd.concat([pd.DataFrame({"record": record, **columns}) for columns in found], ignore_index=True)
    return table[[*QUALITY_COLUMNS, *(c for c in table.columns if c not in QUALITY_COLUMNS)]]


def _columns(x, fs, width, kind, unit, params, limits) -> dict[str, np.ndarray]:
    """Columns of (k, n) leads alike: the windows of the first, then those of the second, and so on."""
    missing, (n_leads, n_samples) = ~np.isfinite(x), x.shape
    x = np.where(missing, np.nan, x).astype(np.float64)
    ends = [None] * n_leads if limits is None else [tuple(of) for of in limits]
    flat, saturated = np.empty(x.shape, dtype=bool), np.empty(x.shape, dtype=bool)
    for lead, own in enumerate(x):
        lengths = run_lengths(own)
        flat[lead] = flat_samples(lengths, fs)
        saturated[lead] = saturated_samples(own, lengths, fs, _HELD_S.get(kind, 0.5), ends[lead])
    shares = {
        "missing": in_windows(missing, width).mean(axis=1),
        "flat": in_windows(flat, width).mean(axis=1),
        "saturated": in_windows(saturated, width).mean(axis=1),
    }
    n = len(shares["missing"])
    sqi = 1.0 - np.maximum(shares["missing"], shares["flat"])
    faults = {
        "missing": shares["missing"] > params.missing_share,
        "flat line": shares["flat"] > params.flat_share,
        "saturation": shares["saturated"] > params.saturated_share,
    }
    hints: dict[str, np.ndarray] = {}
    measures: dict[str, np.ndarray] = {}
    if kind in _SLOWEST and fs < _SLOWEST[kind]:
        faults["sampled too slowly"] = np.ones(n, dtype=bool)
    elif kind in _SLOWEST and n_samples < _SHORTEST_S * fs:
        faults["too short"] = np.ones(n, dtype=bool)
    elif kind == "ecg":
        x = np.stack([bridged(own) for own in x]) if missing.any() else x
        sqi, measures, more, hints = _ecg(x, fs, width, unit, params)
        faults |= more
    elif kind == "ppg":
        sqi, measures, more, hints = _ppg(bridged(x[0]), fs, width, params)
        faults |= more
    bad = np.logical_or.reduce(list(faults.values()))
    # a window that is bad for a reason outside the index has the index 0
    hard = np.logical_or.reduce([flag for name, flag in faults.items() if name != "low index"])
    sqi = np.where(hard, 0.0, sqi)
    length = min(width, n_samples)
    start = np.arange(n // n_leads) * length / fs
    return {
        "kind": np.full(n, kind, dtype=object),
        "start_s": np.tile(start, n_leads),
        "end_s": np.tile(np.minimum(start + length / fs, n_samples / fs), n_leads),
        "quality": np.where(bad, BAD, GOOD).astype(object),
        "sqi": sqi,
        "reasons": np.array(_joined(faults | hints, n), dtype=object),
        **shares,
        **measures,
    }


def _ecg(x, fs, width, unit, params):
    volts = unit in MILLIVOLTS
    measures = ecg_measures(x * MILLIVOLTS.get(unit, 1.0), fs, width)
    sqi, parts = ecg_index(measures, volts=volts)
    faults = {"low index": sqi < params.ecg_sqi}
    if volts:
        faults["lead off or asystole"] = measures["swing"] < params.least_swing_mv
        faults["implausible amplitude"] = measures["swing"] > params.largest_swing_mv
    hints = {_PART_REASONS[name]: part < _WEAK_PART for name, part in parts.items()}
    hints["mains hum"] = measures["mains"] > (params.mains_mv if volts else np.inf)
    return sqi, measures, faults, hints


def _ppg(x, fs, width, params):
    measures = ppg_measures(x, fs, width)
    sqi = ppg_index(measures)
    faults = {"low index": sqi < params.ppg_sqi, "no pulse": measures["rate"] == 0}
    return sqi, measures, faults, {"skewness below 0": measures["skewness"] < LEAST_SKEWNESS}


def _joined(flags: dict[str, np.ndarray], n: int) -> list[str]:
    names = np.array(list(flags))
    table = np.stack(list(flags.values()), axis=1)
    out = [""] * n
    for i in np.flatnonzero(table.any(axis=1)):
        out[i] = "; ".join(names[table[i]])
    return out


def quality_at(
    table: pd.DataFrame | Mapping[str, np.ndarray],
    time_s: np.ndarray,
    leads: Sequence[str] | None = None,
    *,
    rule: str = "any",
) -> np.ndarray:
    """Quality at given times, for example of beats.

    Args:
        table: of :func:`assess_quality`, one recording; or its columns ``lead``, ``kind``, ``start_s``, ``end_s`` and
            ``quality`` by name.
        time_s: (n,) seconds from the start.
        leads: which leads count; None takes the ECG leads, or all leads where there is no ECG.
        rule: with "any" the signal is good where any of these leads is good, with "all" where all are.

    Returns:
        (n,) str: good or bad; bad at times outside the table.
    """
    time_s = np.asarray(time_s, dtype=np.float64)
    lead_of, kind = np.asarray(table["lead"], dtype=object), np.asarray(table["kind"], dtype=object)
    if leads is None:
        leads = list(dict.fromkeys(lead_of[kind == "ecg"])) or list(dict.fromkeys(lead_of))
    start_s, end_s = np.asarray(table["start_s"]), np.asarray(table["end_s"])
    is_good = np.asarray(table["quality"], dtype=object) == GOOD
    verdicts = []
    for lead in leads:
        own = lead_of == lead
        starts, good = start_s[own], is_good[own]
        row = np.searchsorted(starts, time_s, side="right") - 1
        inside = (row >= 0) & (len(starts) > 0)
        if len(starts):
            inside &= time_s <= end_s[own][-1]
            verdicts.append(inside & good[np.maximum(row, 0)])
    if not verdicts:
        return np.full(len(time_s), BAD, dtype=object)
    combined = np.any(verdicts, axis=0) if rule == "any" else np.all(verdicts, axis=0)
    return np.where(combined, GOOD, BAD)


def usable_stretches(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Beginnings and ends, in seconds, of the windows of a recording in which an ECG lead (any lead without one) is good."""
    own = table[table["kind"].eq("ecg")] if table["kind"].eq("ecg").any() else table
    found = own.loc[own["quality"].eq(GOOD), ["start_s", "end_s"]].drop_duplicates()
    return found["start_s"].to_numpy(), found["end_s"].to_numpy()
