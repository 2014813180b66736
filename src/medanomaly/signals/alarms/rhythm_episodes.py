"""Rhythms as events of their own: atrial fibrillation, bigeminy and trigeminy, runs of ectopic beats, noise, no beat.

An alarm for every beat of a fibrillating heart helps nobody. Fibrillation shows in the RR intervals between beats of
normal shape: they resemble none of the three intervals before them. In bigeminy every second interval is alike, in
trigeminy every third, in sinus rhythm all of them.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from medanomaly.core.errors import InputError
from medanomaly.signals.alarms.episodes import EPISODE_COLUMNS, episodes_above

AF_WINDOW, AF_ON, AF_OFF, AF_MIN_S, AF_GAP_S = 60, 0.055, 0.035, 30.0, 15.0
MIN_CYCLES = {"bigeminy": 4, "trigeminy": 4}
RUN_BEATS = 3
# an interval of three seconds without a beat is a pause in every guideline
PAUSE_S = 3.0
SILENCES = ("pause", "asystole", "lead off", "noise")


def rr_irregularity(
    samples: np.ndarray,
    fs: float,
    *,
    ectopic: np.ndarray | None = None,
    window: int = AF_WINDOW,
    causal: bool = True,
) -> np.ndarray:
    """How little RR intervals resemble the intervals before them, beat by beat.

    The median over the window of ``min(|rr_i - rr_{i-1}|, |rr_i - rr_{i-2}|, |rr_i - rr_{i-3}|)`` is divided by the
    median RR interval. Differences of neighbours are the classical sign of fibrillation (Tateno & Glass 2001); the
    smallest of three lags ignores ectopic beats in a fixed pattern, and the median ignores single ones.

    Args:
        samples: (n,) R peaks.
        fs: Hz.
        ectopic: (n,) bool, beats of abnormal shape; intervals that begin or end with one are left out.
        window: intervals looked at.
        causal: True takes the last ``window`` intervals, False those around the beat.

    Returns:
        (n,) float64 in units of the RR interval; 0 until half a window of intervals has come.
    """
    n = len(samples)
    rr = np.diff(np.asarray(samples, dtype=np.float64)) / fs
    kept = np.arange(len(rr))
    if ectopic is not None:
        ectopic = np.asarray(ectopic, dtype=bool)
        kept = np.flatnonzero(~(ectopic[1:] | ectopic[:-1]))
    out = np.zeros(n)
    if len(kept) < window // 2 + 3:
        return out
    rr = rr[kept]
    nearest = np.min([np.abs(rr[3:] - rr[3 - lag : len(rr) - lag]) for lag in (1, 2, 3)], axis=0)
    padding = np.full(window - 1, np.nan)
    values = np.nanmedian(sliding_window_view(np.concatenate([padding, nearest]), window), axis=1)
    values /= np.nanmedian(sliding_window_view(np.concatenate([padding, rr[3:]]), window), axis=1)
    values[: window // 2 - 1] = 0.0
    if not causal:
        half = window // 2
        values = np.concatenate([values[half:], np.full(min(half, len(values)), values[-1])])
    # a beat has the value of the last interval that was complete with it
    complete = np.searchsorted(kept[3:] + 1, np.arange(n), side="right") - 1
    return np.where(complete >= 0, values[np.maximum(complete, 0)], 0.0)


def af_episodes(
    samples: np.ndarray,
    fs: float,
    *,
    ectopic: np.ndarray | None = None,
    causal: bool = True,
    good: np.ndarray | None = None,
    record: str = "",
    patient_id: str = "",
) -> pd.DataFrame:
    """Stretches of irregularly irregular rhythm, of kind ``AF``.

    An episode begins where the irregularity is above 5.5 % of the RR interval, ends below 3.5 % and lasts at least half a
    minute. With ``causal`` it is recognised about half a window (30 beats) after its beginning.

    Args:
        samples: (n,) R peaks.
        fs: Hz.
        ectopic: see ``rr_irregularity``.
        causal: see ``rr_irregularity``.
        good: (n,) bool, False where the R peak cannot be trusted; such beats have no irregularity.
        record: name of the recording.
        patient_id: whose it is.

    Returns:
        Episodes table; ``peak_score`` is the irregularity.
    """
    samples = np.asarray(samples)
    score = rr_irregularity(samples, fs, ectopic=ectopic, causal=causal)
    if good is not None:
        score = np.where(good, score, np.nan)
    return episodes_above(
        samples / fs,
        score,
        on=AF_ON,
        off=AF_OFF,
        merge_gap_s=AF_GAP_S,
        min_length_s=AF_MIN_S,
        record=record,
        patient_id=patient_id,
        kind="AF",
    )


def pattern_episodes(
    samples: np.ndarray,
    fs: float,
    ectopic: np.ndarray,
    score: np.ndarray | None = None,
    *,
    record: str = "",
    patient_id: str = "",
) -> pd.DataFrame:
    """Bigeminy, trigeminy (at least four cycles) and runs (three or more ectopic beats in a row).

    Args:
        samples: (n,) R peaks.
        fs: Hz.
        ectopic: (n,) bool, beats that count as ectopic.
        score: (n,) of the beats, for the peak of each episode; None: 1 for every ectopic beat.
        record: name of the recording.
        patient_id: whose it is.

    Returns:
        Episodes table in order of time; ``n_beats`` counts ectopic beats.

    Raises:
        InputError: lengths differ.
    """
    samples, ectopic = np.asarray(samples), np.asarray(ectopic, dtype=bool)
    if len(samples) != len(ectopic):
        raise InputError(f"{len(ectopic)} ectopic flags for {len(samples)} beats", record=record or None)
    score = ectopic.astype(float) if score is None else np.asarray(score, dtype=np.float64)
    rows = []
    lengths, starts = _runs(ectopic)
    for start, length in zip(starts, lengths, strict=True):
        if length >= RUN_BEATS:
            rows.append(("run", start, start + length - 1))
    marks = np.flatnonzero(ectopic)
    for kind, period in (("bigeminy", 2), ("trigeminy", 3)):
        lengths, starts = _runs(np.diff(marks) == period)
        for start, length in zip(starts, lengths, strict=True):
            if length + 1 >= MIN_CYCLES[kind]:
                rows.append((kind, marks[start], marks[start + length]))
    rows.sort(key=lambda row: row[1])
    table = [
        {
            "record": record,
            "patient_id": patient_id,
            "start_s": samples[first] / fs,
            "end_s": samples[last] / fs,
            "kind": kind,
            "peak_time_s": samples[first + int(np.argmax(score[first : last + 1]))] / fs,
            "peak_score": float(score[first : last + 1].max()),
            "p_value": np.nan,
            "n_beats": int(ectopic[first : last + 1].sum()),
        }
        for kind, first, last in rows
    ]
    return pd.DataFrame(table, columns=list(EPISODE_COLUMNS)).astype(EPISODE_COLUMNS)


def noise_episodes(
    samples: np.ndarray, fs: float, good: np.ndarray, *, record: str = "", patient_id: str = ""
) -> pd.DataFrame:
    """Stretches in which beats cannot be trusted, of kind ``noise``; gaps of up to 5 s are closed.

    Args:
        samples: (n,) R peaks.
        fs: Hz.
        good: (n,) bool.
        record: name of the recording.
        patient_id: whose it is.
    """
    return episodes_above(
        np.asarray(samples) / fs,
        (~np.asarray(good, dtype=bool)).astype(float),
        on=0.5,
        merge_gap_s=5.0,
        record=record,
        patient_id=patient_id,
        kind="noise",
    )


def silence_episodes(
    time_s: np.ndarray, windows: pd.DataFrame | None = None, *, record: str = "", patient_id: str = ""
) -> pd.DataFrame:
    """Stretches of three seconds or more without a beat, whatever the scores of the beats around them.

    The quality of the signal says what each is: ``pause`` where it is good or unknown; ``asystole`` where hardly any signal
    is left (which may be a lead that is off, too); ``lead off`` where every ECG lead is missing or an exactly flat line;
    ``noise`` where it is bad for another reason, so that beats may have been there.

    Args:
        time_s: (n,) increasing, of the beats, and of the beginning and the end of what is looked at.
        windows: quality windows of the recording (:func:`~medanomaly.signals.quality.assessment.assess_quality`).
        record: name of the recording.
        patient_id: whose it is.

    Returns:
        Episodes table in order of time. An episode lasts from one beat to the next, holds none, and its score is its length
        in seconds.
    """
    time_s = np.asarray(time_s, dtype=np.float64)
    first = np.flatnonzero(np.diff(time_s) >= PAUSE_S)
    start, end = time_s[first], time_s[first + 1]
    table = pd.DataFrame(
        {
            "record": record,
            "patient_id": patient_id,
            "start_s": start,
            "end_s": end,
            "kind": [_silence(windows, a, b) for a, b in zip(start, end, strict=True)],
            "peak_time_s": start,
            "peak_score": end - start,
            "p_value": np.nan,
            "n_beats": 0,
        }
    )
    return table.astype(EPISODE_COLUMNS)


def silences(
    time_s: np.ndarray, windows: Callable[[], pd.DataFrame], duration: float, most: int = 5
) -> list[str]:
    """A sentence on the stretches of a recording without a beat; none where there are none.

    Args:
        time_s: (n,) of its beats.
        windows: makes its quality windows, where they are needed.
        duration: its length in seconds.
        most: how many stretches are named, the longest first.
    """
    time_s = np.concatenate([[0.0], time_s, [duration]])
    # most recordings have none, and an empty table takes longer than all else here
    if not (np.diff(time_s) >= PAUSE_S).any():
        return []
    found = silence_episodes(time_s, windows())
    longest = found.sort_values("peak_score", ascending=False, kind="stable").head(most)
    shown = ", ".join(f"{row.kind} at {row.start_s:.1f} to {row.end_s:.1f} s" for row in longest.itertuples())
    more = f", and {len(found) - most} shorter" if len(found) > most else ""
    stretches = "1 stretch" if len(found) == 1 else f"{len(found)} stretches"
    seconds = found["peak_score"].sum()
    return [f"no beat for {seconds:.0f} s in {stretches} of 3 s or more: {shown}{more}"]


def _silence(windows: pd.DataFrame | None, start: float, end: float) -> str:
    """What most of a stretch without beats is."""
    return "pause" if windows is None or windows.empty else silence_kind(silence_seconds(windows, start, end))


def silence_kind(seconds: dict[str, float]) -> str:
    """The kind that most of the seconds of a stretch without beats have."""
    return max(seconds, key=seconds.get)


def silence_seconds(windows: pd.DataFrame, start: float, end: float) -> dict[str, float]:
    """How many seconds of a stretch without beats are of which of :data:`SILENCES`, as the quality of the signal says.

    Args:
        windows: quality windows of the recording.
        start: of the stretch, in seconds.
        end: of the stretch, in seconds.
    """
    windows = windows[windows["kind"].eq("ecg")] if windows["kind"].eq("ecg").any() else windows
    inside = windows[(windows["end_s"] > start) & (windows["start_s"] < end)]
    seconds = dict.fromkeys(SILENCES, 0.0)
    for (first, last), leads in inside.groupby(["start_s", "end_s"]):
        reasons = leads["reasons"]
        gone = reasons.str.contains("missing|flat line")
        if leads["quality"].eq("good").any():
            kind = "pause"
        elif (reasons.str.contains("asystole") & ~gone).any():
            kind = "asystole"
        else:
            kind = "lead off" if gone.all() else "noise"
        seconds[kind] += min(last, end) - max(first, start)
    return seconds


def in_episodes(samples: np.ndarray, fs: float, episodes: pd.DataFrame) -> np.ndarray:
    """(n,) bool, beats that lie in one of the episodes."""
    time = np.asarray(samples) / fs
    out = np.zeros(len(time), dtype=bool)
    for start, end in zip(episodes["start_s"], episodes["end_s"], strict=True):
        out |= (time >= start) & (time <= end)
    return out


def _runs(marked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Length and first index of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8)))
    starts, stops = edges[::2], edges[1::2]
    return stops - starts, starts
