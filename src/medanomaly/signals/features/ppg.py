"""Shape of each pulse wave of a photoplethysmogram (PPG): rise, widths, areas, dicrotic notch, augmentation."""

import numpy as np
import pandas as pd
from numba import njit

from medanomaly.core.errors import ConfigurationError, InputError

PULSE_FEATURES = (
    "pulse_interval",
    "amplitude",
    "rise_time",
    "decay_time",
    "crest_ratio",
    "width_25",
    "width_50",
    "width_75",
    "area_systolic",
    "area_diastolic",
    "area_ratio",
    "upslope_max",
    "notch_time",
    "augmentation_index",
    "apg_b_a",
)
LONGEST_RISE = 1.0  # s from onset to peak
# share of the time between two peaks in which the onset may lie: earlier, on a rising baseline, the notch can
# be lower
RISING = 0.6
LONGEST_PULSE = 3.0  # s; 20 beats per minute


@njit(cache=True, nogil=True)
def _lowest(x: np.ndarray, start: int, stop: int) -> int:
    """Last of the lowest samples of ``x[start:stop]``, or -1 where a sample is missing."""
    best = start
    for i in range(start, stop):
        if np.isnan(x[i]):
            return -1
        if x[i] <= x[best]:
            best = i
    return best


@njit(cache=True, nogil=True)
def _width(y: np.ndarray, peak: int, level: float) -> float:
    """Samples between the crossings of ``level`` on both sides of the peak, interpolated linearly."""
    left, right = peak, peak
    while left > 0 and y[left - 1] > level:
        left -= 1
    while right < len(y) - 1 and y[right + 1] > level:
        right += 1
    before, after = float(left), float(right)
    if left > 0:
        before -= (y[left] - level) / (y[left] - y[left - 1])
    if right < len(y) - 1:
        after += (y[right] - level) / (y[right] - y[right + 1])
    return after - before


@njit(cache=True, nogil=True)
def _notch(y: np.ndarray, peak: int) -> tuple[int, int]:
    """Dicrotic notch and diastolic peak; the same point where the wave only falls, -1 where there is none."""
    n = len(y)
    for i in range(peak + 1, n - 2):
        if y[i] < y[i - 1] and y[i] <= y[i + 1]:
            top = i
            for j in range(i, n):
                if y[j] > y[top]:
                    top = j
            if y[top] > y[i]:
                return i, top
    steepest = peak
    for i in range(peak, n - 1):
        if y[i + 1] - y[i] < y[steepest + 1] - y[steepest]:
            steepest = i
    best, bend = -1, 0.0
    for i in range(steepest + 1, n - 1):
        curvature = y[i + 1] - 2 * y[i] + y[i - 1]
        if curvature > bend:
            best, bend = i, curvature
    return best, best


@njit(cache=True, nogil=True)
def _measure(x: np.ndarray, onset: int, peak: int, stop: int, fs: float, row: np.ndarray) -> None:
    n, top = stop - onset + 1, peak - onset
    y = np.empty(n)
    # straight line from one onset to the next, because baseline wander does not belong to the pulse
    slope = (x[stop] - x[onset]) / (n - 1)
    for i in range(n):
        y[i] = x[onset + i] - x[onset] - slope * i
    height = y[top]
    if not height > 0:
        return
    row[0], row[1], row[2], row[3] = (n - 1) / fs, height, top / fs, (n - 1 - top) / fs
    row[4] = top / (n - 1)
    row[5], row[6], row[7] = (
        _width(y, top, 0.25 * height) / fs,
        _width(y, top, 0.5 * height) / fs,
        _width(y, top, 0.75 * height) / fs,
    )
    systolic, diastolic, steepest = 0.0, 0.0, 0.0
    for i in range(n - 1):
        piece = (y[i] + y[i + 1]) / (2 * fs)
        if i < top:
            systolic += piece
            steepest = max(steepest, (y[i + 1] - y[i]) * fs)
        else:
            diastolic += piece
    row[8], row[9], row[11] = systolic, diastolic, steepest
    if systolic > 0:
        row[10] = diastolic / systolic
    notch, second = _notch(y, top)
    if notch > 0:
        row[12], row[13] = notch / fs, y[second] / height
    a, at, b = 0.0, 0, 0.0
    for i in range(1, top):
        bend = y[i + 1] - 2 * y[i] + y[i - 1]
        if bend > a:
            a, at = bend, i
    for i in range(at + 1, min(n - 1, top + 1)):
        b = min(b, y[i + 1] - 2 * y[i] + y[i - 1])
    if a > 0:
        row[14] = b / a


@njit(cache=True, nogil=True)
def _pulses(
    x: np.ndarray, peaks: np.ndarray, fs: float, out: np.ndarray, onsets: np.ndarray, reason: np.ndarray
) -> None:
    rise, longest = int(LONGEST_RISE * fs), int(LONGEST_PULSE * fs)
    for k in range(len(peaks)):
        start = max(peaks[k] - rise, int(peaks[k] - RISING * (peaks[k] - peaks[k - 1])) if k else 0)
        onsets[k] = _lowest(x, start, peaks[k] + 1)
    for k in range(len(peaks)):
        out[k] = np.nan
        if k + 1 == len(peaks):
            reason[k] = 3
        elif peaks[k + 1] - peaks[k] > longest:
            reason[k] = 2
        elif onsets[k] < 0 or onsets[k + 1] < 0 or np.isnan(x[peaks[k] : onsets[k + 1] + 1].sum()):
            reason[k] = 1
        elif onsets[k] < peaks[k] < onsets[k + 1]:
            _measure(x, onsets[k], peaks[k], onsets[k + 1], fs, out[k])
        if reason[k] == 0 and np.isnan(out[k, 1]):
            reason[k] = 4


def pulse_features(signal: np.ndarray, fs: float, peaks: np.ndarray) -> pd.DataFrame:
    """One row per pulse of a photoplethysmogram.

    A pulse lies between its onset and the next one, above the straight line between the two. The onset is the lowest
    sample of the last 60 % of the time since the peak before, at most 1 s back. The dicrotic notch is the first minimum
    after the peak, and the diastolic peak is the highest sample after the notch. Where the wave only falls, both are the
    point of strongest upward bend after the steepest fall (Elgendi 2012).

    Args:
        signal: (n_samples,) smoothed, upright (peaks at systole), NaN where nothing was recorded.
        fs: sampling rate in Hz, at least 20.
        peaks: (n_pulses,) increasing int, systolic peaks.

    Returns:
        ``sample`` (peak), ``time_s``, ``onset_sample`` (-1 where a gap hides it), ``flag``, then
        :data:`PULSE_FEATURES`. ``flag`` is empty, ``gap`` (samples are missing), ``pause`` (the next peak is over 3
        s away), ``last`` (there is no next pulse) or ``no rise`` (no wave above the line); with a flag the features are
        NaN. ``notch_time`` and ``augmentation_index`` are NaN where a wave has no notch. No peaks give no rows.

    Raises:
        InputError, ConfigurationError: signal, rate or positions do not fit.
    """
    signal, peaks = np.asarray(signal), np.asarray(peaks)
    if signal.ndim != 1:
        raise InputError(f"a signal of shape {signal.shape}", remedy="Give one lead, (n_samples,).")
    if not (np.isfinite(fs) and fs >= 20):
        raise ConfigurationError(f"a sampling rate of {fs} Hz", remedy="Give 20 Hz or more.")
    if peaks.ndim != 1 or (len(peaks) and not np.issubdtype(peaks.dtype, np.integer)):
        raise InputError("pulse peaks are not whole sample numbers", remedy="Give one integer per pulse.")
    if np.any(np.diff(peaks) <= 0) or (len(peaks) and (peaks[0] < 0 or peaks[-1] >= len(signal))):
        raise InputError(
            "pulse peaks are not increasing positions inside the signal",
            remedy=f"Give positions from 0 to {len(signal) - 1}.",
        )
    x = np.where(np.isfinite(signal), signal, np.nan).astype(np.float64)
    peaks = peaks.astype(np.int64)
    out = np.empty((len(peaks), len(PULSE_FEATURES)))
    onsets, reason = np.empty(len(peaks), dtype=np.int64), np.zeros(len(peaks), dtype=np.int64)
    _pulses(x, peaks, float(fs), out, onsets, reason)
    table = pd.DataFrame(out, columns=list(PULSE_FEATURES))
    table.insert(0, "sample", peaks)
    table.insert(1, "time_s", peaks / fs)
    table.insert(2, "onset_sample", onsets)
    table.insert(3, "flag", np.array(["", "gap", "pause", "last", "no rise"], dtype=object)[reason])
    return table
