"""Signal quality: one row per window and lead, with an index, the reasons, and the verdict good or bad.

Bad signal is neither an alarm nor normal: later steps leave it out and say so. A good window can have a reason too; it
then says what is disturbed although the window is usable.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from medanomaly.signals.quality.ecg import ecg_index, ecg_measures
from medanomaly.signals.quality.faults import bridged, flat_samples, in_windows, saturated_samples
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
    params = params or QualityParams()
    width = max(1, round(params.window_s * recording.fs))
    kinds = lead_kinds(recording.leads, recording.units)
    found = [
        _lead_columns(
            recording.signal[:, j],
            recording.fs,
            width,
            lead,
            kinds[j],
            recording.units[j].strip().lower(),
            params,
            None if limits is None else tuple(limits[:, j]),
        )
        for j, lead in enumerate(recording.leads)
        if recording.n_samples
    ]
    if not found:
        return pd.DataFrame(columns=list(QUALITY_COLUMNS))
    if all(list(columns) == list(found[0]) for columns in found):
        # one table of all leads is made in a fraction of the time of one per lead
        joined = {name: np.concatenate([columns[name] for columns in found]) for name in found[0]}
        return pd.DataFrame({"record": recording.record, **joined})
    table = pd.concat(
        [pd.DataFrame({"record": recording.record, **columns}) for columns in found], ignore_index=True
    )
    return table[[*QUALITY_COLUMNS, *(c for c in table.columns if c not in QUALITY_COLUMNS)]]


def _lead_columns(x, fs, width, lead, kind, unit, params, limits) -> dict[str, np.ndarray]:
    missing = ~np.isfinite(x)
    x = np.where(missing, np.nan, x).astype(np.float64)
    shares = {
        "missing": in_windows(missing, width).mean(axis=1),
        "flat": in_windows(flat_samples(x, fs), width).mean(axis=1),
        "saturated": in_windows(saturated_samples(x, fs, _HELD_S.get(kind, 0.5), limits), width).mean(axis=1),
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
    elif kind in _SLOWEST and len(x) < _SHORTEST_S * fs:
        faults["too short"] = np.ones(n, dtype=bool)
    elif kind == "ecg":
        sqi, measures, more, hints = _ecg(bridged(x), fs, width, unit, params, n)
        faults |= more
    elif kind == "ppg":
        sqi, measures, more, hints = _ppg(bridged(x), fs, width, params)
        faults |= more
    bad = np.logical_or.reduce(list(faults.values()))
    # a window that is bad for a reason outside the index has the index 0
    hard = np.logical_or.reduce([flag for name, flag in faults.items() if name != "low index"])
    sqi = np.where(hard, 0.0, sqi)
    start = np.arange(n) * min(width, len(x)) / fs
    return {
        "lead": np.full(n, lead, dtype=object),
        "kind": np.full(n, kind, dtype=object),
        "start_s": start,
        "end_s": np.minimum(start + min(width, len(x)) / fs, len(x) / fs),
        "quality": np.where(bad, BAD, GOOD).astype(object),
        "sqi": sqi,
        "reasons": np.array(_joined(faults | hints, n), dtype=object),
        **shares,
        **measures,
    }


def _ecg(x, fs, width, unit, params, n):
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
    table: pd.DataFrame, time_s: np.ndarray, leads: Sequence[str] | None = None, *, rule: str = "any"
) -> np.ndarray:
    """Quality at given times, for example of beats.

    Args:
        table: of :func:`assess_quality`, one recording.
        time_s: (n,) seconds from the start.
        leads: which leads count; None takes the ECG leads, or all leads where there is no ECG.
        rule: with "any" the signal is good where any of these leads is good, with "all" where all are.

    Returns:
        (n,) str: good or bad; bad at times outside the table.
    """
    time_s = np.asarray(time_s, dtype=np.float64)
    if leads is None:
        leads = list(table.loc[table["kind"] == "ecg", "lead"].unique()) or list(table["lead"].unique())
    lead_of = table["lead"].to_numpy(dtype=object)
    start_s, end_s = table["start_s"].to_numpy(), table["end_s"].to_numpy()
    is_good = table["quality"].to_numpy(dtype=object) == GOOD
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
