"""Spikes and drift in a signal that repeats: how far each sample lies outside what its own beat usually does.

Drift is the moving median over about one beat, against its median over a minute. A spike is what lies outside a band around
the median beat: the band spans small shifts of the beat in time, and nothing at all, so that neither a misplaced R peak
nor a spike taken for one is answered for by the beats around it. Both are divided by their usual size in the record
(median absolute deviation; for spikes also by that of the same phase of the beat). Signals without beats (vital signs)
leave the template out.

The threshold of each is conformal over records: of normal records like those of calibration, at most a share ``alpha``
holds any alarm at all. An alarm covers what is above half its threshold around it, before and after.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from medanomaly.core.conformal import score_threshold
from medanomaly.core.errors import InputError
from medanomaly.signals.alarms.episodes import hysteresis
from medanomaly.signals.peaks.r_peaks import detect_r_peaks

BEFORE_S, AFTER_S = 0.30, 0.60  # of a beat, around its R peak
SHIFT_S = 0.012
QRS_S, ALIKE = 0.08, 0.5  # a peak less like the median QRS is none
EDGE = 0.5  # of a threshold, where an alarm ends
LARGER = 1.3  # times the median QRS: no beat
MAD = 1.4826  # of a Gaussian's deviation in median absolute deviations


@dataclass(frozen=True)
class SpikeDriftScore:
    """Scores of one record, (n, n_leads) each, in robust deviations, NaN where nothing was recorded or can be said."""

    spike: np.ndarray
    drift: np.ndarray


class SpikeDriftDetector:
    """Alarms for spikes and drift, from thresholds that normal records set.

    Args:
        fs: Hz.
        alpha: share of normal records that may hold an alarm, in (0, 1).
        beat_s: see :func:`spike_drift_score`.
        long_s: see :func:`spike_drift_score`.
        beats: see :func:`spike_drift_score`.

    Attributes:
        spike_threshold_: in usual deviations; infinite where too few records were given for ``alpha``.
        drift_threshold_: likewise.
    """

    def __init__(
        self, fs: float, *, alpha: float = 0.1, beat_s: float = 1.0, long_s: float = 60.0, beats: bool = True
    ):
        self.fs, self.alpha, self.beat_s, self.long_s, self.beats = fs, alpha, beat_s, long_s, beats

    def fit(self, records: Iterable[np.ndarray]) -> "SpikeDriftDetector":
        """Set the thresholds.

        Args:
            records: normal ones, each (n, n_leads), one a patient, about as long as those to come; at least
                2 / alpha - 1 of them, or nothing ever alarms.
        """
        largest = [
            [np.nanmax(part, initial=0.0) for part in (score.spike, score.drift)]
            for score in map(self.score, records)
        ]
        spike, drift = np.array(largest).reshape(-1, 2).T
        # two chances for an alarm share the rate (Bonferroni)
        self.spike_threshold_ = score_threshold(spike, self.alpha / 2)
        self.drift_threshold_ = score_threshold(drift, self.alpha / 2)
        return self

    def score(self, signal: np.ndarray) -> SpikeDriftScore:
        """Scores of one record, (n, n_leads)."""
        return spike_drift_score(signal, self.fs, beat_s=self.beat_s, long_s=self.long_s, beats=self.beats)

    def predict(self, signal: np.ndarray) -> np.ndarray:
        """(n,) bool, alarms of one record."""
        score = self.score(signal)
        alarm = np.zeros(len(signal), dtype=bool)
        for part, on in ((score.spike, self.spike_threshold_), (score.drift, self.drift_threshold_)):
            for lead in np.nan_to_num(part, nan=0.0).T:
                alarm |= _both_ways(lead, on, EDGE * on)
        return alarm


def spike_drift_score(
    signal: np.ndarray, fs: float, *, beat_s: float = 1.0, long_s: float = 60.0, beats: bool = True
) -> SpikeDriftScore:
    """How unlike a spike-free, drift-free record each sample is.

    Args:
        signal: (n, n_leads), NaN where missing.
        fs: Hz.
        beat_s: length of the moving median that holds the drift, about one beat (vital signs: a few values).
        long_s: length of the median it is compared with; several times the longest drift.
        beats: the signal is an ECG whose beats repeat.

    Raises:
        InputError: the signal has another number of dimensions.
    """
    signal = np.asarray(signal, dtype=np.float64)
    if signal.ndim != 2:
        raise InputError(f"a signal of shape {signal.shape}", remedy="Expected (n_samples, n_leads).")
    base = _moving_median(signal, round(beat_s * fs))
    drift = np.where(np.isfinite(signal), np.abs(base - _long_median(base, fs, beat_s, long_s)), np.nan)
    rest = signal - base
    peaks = np.zeros(0, dtype=np.int64)
    if beats:
        # what is larger than any beat may pass for one, or hide the one beside it
        larger = _larger_than_beats(rest, detect_r_peaks(signal, fs), fs)
        peaks = _alike(rest, detect_r_peaks(np.where(larger, np.nan, signal), fs), fs)
        peaks = _with_hidden(rest, peaks, fs)
    spike = _outside(rest, peaks, fs)
    _leave_out_cut_beats(spike, peaks, fs)
    drift /= np.array([_deviation(column) for column in drift.T])
    return SpikeDriftScore(spike, drift)


def _moving_median(signal: np.ndarray, width: int) -> np.ndarray:
    rolling = pd.DataFrame(signal).rolling(2 * (width // 2) + 1, center=True, min_periods=1)
    return rolling.median().to_numpy()


def _long_median(base: np.ndarray, fs: float, beat_s: float, long_s: float) -> np.ndarray:
    """Median over ``long_s`` of a slow signal, taken at a fifth of ``beat_s`` and joined by lines."""
    step = max(1, round(beat_s * fs / 5))
    slow = _moving_median(base[::step], round(long_s * fs / step))
    at = np.arange(len(base))
    known = [np.isfinite(column) for column in slow.T]
    return np.stack(
        [
            np.interp(at, at[::step][k], column[k]) if k.any() else np.zeros(len(at))
            for column, k in zip(slow.T, known, strict=True)
        ],
        axis=1,
    )


def _deviation(values: np.ndarray) -> float:
    """Robust deviation around 0; 1 where nothing is known or nothing varies."""
    values = np.abs(values[np.isfinite(values)])
    middle = float(np.median(values[values > 0])) if (values > 0).any() else 0.0
    return MAD * middle if middle > 0 else 1.0


def _both_ways(values: np.ndarray, on: float, off: float) -> np.ndarray:
    """What is above ``off`` before and after something above ``on``."""
    return hysteresis(values, on, off) | hysteresis(values[::-1], on, off)[::-1]


def _outside(rest: np.ndarray, peaks: np.ndarray, fs: float) -> np.ndarray:
    """(n, n_leads) how far each sample lies outside the band of its beat, in usual deviations."""
    spike = np.empty(rest.shape)
    for lead, column in enumerate(rest.T):
        low, high, usual = _band(column, peaks, fs)
        outside = np.fmax(column - high, low - column).clip(min=0)
        spike[:, lead] = outside / np.hypot(usual, _deviation(column - np.clip(column, low, high)))
    return spike


def _larger_than_beats(rest: np.ndarray, peaks: np.ndarray, fs: float) -> np.ndarray:
    """(n, n_leads) bool, samples far above or below the median QRS, and those beside them."""
    reach = round(QRS_S * fs)
    whole = peaks[(peaks >= reach) & (peaks + reach < len(rest))]
    if len(whole) < 5:
        return np.zeros(rest.shape, dtype=bool)
    beat = np.nanmedian(rest[whole[:, None] + np.arange(-reach, reach + 1)], axis=0)
    top, bottom = np.maximum(beat.max(axis=0), 1e-9), np.minimum(beat.min(axis=0), -1e-9)
    times = np.nan_to_num(np.maximum(rest / top, rest / bottom))
    far = np.stack([_both_ways(column, LARGER, 0.2) for column in times.T], axis=1)
    return maximum_filter1d(far, 2 * max(1, round(SHIFT_S * fs)) + 1, axis=0)


def _with_hidden(rest: np.ndarray, peaks: np.ndarray, fs: float) -> np.ndarray:
    """The peaks, and in each interval of nearly two the place where the median QRS explains most."""
    reach = round(QRS_S * fs)
    whole = peaks[(peaks >= reach) & (peaks + reach < len(rest))]
    if len(whole) < 5:
        return peaks
    around = np.arange(-reach, reach + 1)
    beat = np.nanmedian(rest[whole[:, None] + around], axis=0)
    # whatever lies over a beat may be as large as it will
    cap = 0.5 * np.abs(beat).max(axis=0)
    interval = np.diff(peaks)
    usual = np.median(interval)
    hidden = []
    for left, right in zip(
        peaks[:-1][interval > 1.5 * usual], peaks[1:][interval > 1.5 * usual], strict=True
    ):
        places = np.arange(left + round(0.6 * usual), right - round(0.6 * usual) + 1)
        if right - left > 3 * usual or not len(places):
            continue
        here = rest[places[:, None] + around]
        gain = np.nanmean(np.minimum(np.abs(here), cap) - np.minimum(np.abs(here - beat), cap), axis=(1, 2))
        if np.nanmax(gain, initial=-np.inf) > 0.4 * np.mean(np.minimum(np.abs(beat), cap)):
            hidden.append(places[int(np.nanargmax(gain))])
    return np.sort(np.concatenate([peaks, np.array(hidden, dtype=np.int64)]))


def _leave_out_cut_beats(spike: np.ndarray, peaks: np.ndarray, fs: float) -> None:
    """Nothing is said of the beats that the ends of the record cut in two."""
    if len(peaks) < 5:
        return
    usual, before, after = np.median(np.diff(peaks)), round(BEFORE_S * fs), round(AFTER_S * fs)
    whole = peaks[(peaks >= before) & (peaks + after <= len(spike))]
    if whole[0] < 2.5 * usual:
        spike[: whole[0] - before] = np.nan
    if len(spike) - whole[-1] < 2.5 * usual:
        spike[whole[-1] + after :] = np.nan


def _alike(rest: np.ndarray, peaks: np.ndarray, fs: float) -> np.ndarray:
    """The peaks whose QRS correlates with the median one in every lead."""
    reach = round(QRS_S * fs)
    whole = (peaks >= reach) & (peaks + reach < len(rest))
    if whole.sum() < 5:
        return peaks
    windows = np.nan_to_num(rest[peaks[whole][:, None] + np.arange(-reach, reach + 1)])
    beat = np.median(windows, axis=0)
    windows, beat = windows - windows.mean(axis=1, keepdims=True), beat - beat.mean(axis=0)
    length = np.sqrt((windows**2).sum(axis=1) * (beat**2).sum(axis=0))
    correlation = (windows * beat).sum(axis=1) / np.where(length > 0, length, 1.0)
    # a lead in which beats do not show has no say
    correlation = correlation[:, np.median(correlation, axis=0) >= 0.7]
    kept = np.ones(len(peaks), dtype=bool)
    kept[whole] = correlation.min(axis=1, initial=1.0) >= ALIKE
    return peaks[kept]


def _band(rest: np.ndarray, peaks: np.ndarray, fs: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower and upper edge of what the beats explain, and its usual deviation at that phase, for each sample."""
    n = len(rest)
    low, high, usual = np.zeros(n), np.zeros(n), np.zeros(n)
    before, after, shift = round(BEFORE_S * fs), round(AFTER_S * fs), max(1, round(SHIFT_S * fs))
    whole = peaks[(peaks >= before) & (peaks + after < n)]
    if len(whole) < 5:
        return low, high, usual
    windows = rest[whole[:, None] + np.arange(-before, after)]
    with np.errstate(all="ignore"):
        beat = np.nan_to_num(np.nanmedian(windows, axis=0))
        wide = MAD * np.nan_to_num(np.nanmedian(np.abs(windows - beat), axis=0))
    wide = maximum_filter1d(wide, 2 * shift + 1)
    upper = np.maximum(maximum_filter1d(beat, 2 * shift + 1), 0)
    lower = np.minimum(minimum_filter1d(beat, 2 * shift + 1), 0)
    # the next beat takes over where its own window begins
    for peak in peaks:
        a, b = min(n, max(0, peak - before)), max(0, min(n, peak + after))
        part = slice(a - peak + before, b - peak + before)
        low[a:b], high[a:b], usual[a:b] = lower[part], upper[part], wide[part]
    return low, high, usual
