"""Systolic peaks of a pulse wave (PPG, arterial pressure), whatever its unit.

Elgendi, Norton, Brearley, Abbott, Schuurmans 2013, "Systolic peak detection in acceleration photoplethysmograms measured
from emergency responders in tropical conditions" (PLoS ONE 8(10)): The signal is band-passed, clipped and squared. It
gets two moving averages, one as long as a systole (111 ms), one as long as a beat (667 ms). Blocks in which the first
lies above the second by 2 % of the mean, and which last at least 111 ms, hold a systole. Added here: the mean is local
(10 s), so that a burst of movement does not hide the rest; of two peaks closer than 300 ms the larger stays; a constant
or missing stretch has no peak.

Those lengths hold for about 30 to 185 pulses per minute. The period is therefore looked up in the autocorrelation of
short and of long stretches. Where it is shorter, all lengths are halved; where it is longer, of two peaks closer than 0.6
periods the larger stays.
"""

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, sosfiltfilt

from medanomaly.core.errors import ConfigurationError, InputError

BAND = (0.5, 8.0)  # Hz
SYSTOLE_S, BEAT_S, LOCAL_S, SHORTEST_S = 0.111, 0.667, 10.0, 0.300
OFFSET = 0.02
FASTEST_S, FAST_S, SLOW_S, SLOWEST_S = 0.2, 0.325, 1.9, 4.0  # periods
SHORT_S, LONG_S = 4.0, 10.0  # stretches in which fast and slow pulses are looked for
SAME_PERIOD = 0.9  # of the largest autocorrelation
# autocorrelation of a fast pulse; of a slow one, which movement can look like
FAST_LIKENESS, SLOW_LIKENESS = 0.4, 0.8
LOWEST_FS = 20.0


def detect_pulse_peaks(signal: np.ndarray, fs: float) -> np.ndarray:
    """Systolic peaks.

    Args:
        signal: (n,) pulse wave, larger = more blood, any unit; NaN where missing.
        fs: Hz, at least 20.

    Returns:
        (k,) int64 positions in samples, increasing; empty where there is no pulse.

    Raises:
        InputError: the signal has another number of dimensions.
        ConfigurationError: the rate is too low.
    """
    signal = np.asarray(signal, dtype=np.float64)
    if signal.ndim != 1:
        raise InputError(f"a pulse wave of shape {signal.shape}", remedy="Give one lead, (n,).")
    if not (np.isfinite(fs) and fs >= LOWEST_FS):
        raise ConfigurationError(f"pulse peaks at {fs} Hz", remedy=f"Give {LOWEST_FS:.0f} Hz or more.")
    known = np.isfinite(signal)
    if known.sum() < fs or np.ptp(signal[known]) == 0:
        return np.zeros(0, dtype=np.int64)
    sos = butter(2, (BAND[0], min(BAND[1], 0.45 * fs)), btype="band", fs=fs, output="sos")
    at = np.arange(len(signal))
    filled = np.interp(at, at[known], signal[known])
    pulse = sosfiltfilt(sos, filled - filled.mean(), padlen=min(len(filled) - 1, int(2 * fs)))
    scale = 1e-12 * np.ptp(filled) ** 2
    peaks = _systoles(pulse, filled, fs, scale, 1.0)
    block, period = _periods(pulse, fs, SHORT_S, FAST_LIKENESS)
    fast = period < FAST_S
    if fast.any():
        more = _systoles(pulse, filled, fs, scale, 0.5)
        peaks = np.sort(np.concatenate([peaks[~fast[block[peaks]]], more[fast[block[more]]]]))
    block, period = _periods(pulse, fs, LONG_S, SLOW_LIKENESS)
    for k in np.flatnonzero(period > SLOW_S):
        inside = block[peaks] == k
        kept = _apart(peaks[inside], filled, round(0.6 * period[k] * fs))
        peaks = np.sort(np.concatenate([peaks[~inside], kept]))
    peaks = peaks[known[peaks]]
    # blocks may each keep a peak at their common edge
    return _apart(peaks, filled, round(SHORTEST_S * (0.5 if fast.any() else 1.0) * fs))


def _systoles(pulse: np.ndarray, filled: np.ndarray, fs: float, least: float, scale: float) -> np.ndarray:
    """Peaks by two moving averages, with all lengths times ``scale``."""
    energy = np.clip(pulse, 0.0, None) ** 2
    lengths = (scale * SYSTOLE_S, scale * BEAT_S, LOCAL_S)
    systole, beat, local = (uniform_filter1d(energy, max(1, round(s * fs)), mode="nearest") for s in lengths)
    # the rounding error of a constant is not a pulse
    inside = (systole > beat + OFFSET * local) & (energy > least)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]))).reshape(-1, 2)
    edges = edges[edges[:, 1] - edges[:, 0] >= round(scale * SYSTOLE_S * fs)]
    peaks = np.array([start + int(np.argmax(filled[start:end])) for start, end in edges], dtype=np.int64)
    return _apart(peaks, filled, round(scale * SHORTEST_S * fs))


def _periods(pulse: np.ndarray, fs: float, length_s: float, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Period of every half of ``length_s``, seen in a stretch of that length around it.

    Returns:
        ``(block, period)``: (n,) half that each sample is in, and the period of each half in s, NaN where nothing repeats
        itself (no autocorrelation above ``least``). The period is the shortest lag with an autocorrelation near the largest.
    """
    width, hop = round(length_s * fs), round(length_s * fs / 2)
    starts = np.arange(0, max(1, len(pulse)), hop)
    period = np.full(len(starts), np.nan)
    lags = slice(max(1, round(FASTEST_S * fs)), round(min(SLOWEST_S, length_s / 2.5) * fs))
    for k, start in enumerate(starts):
        low = int(np.clip(start - (width - hop) // 2, 0, max(0, len(pulse) - width)))
        x = pulse[low : low + width]
        x = x - x.mean()
        power = float(x @ x)
        if len(x) < 2 * lags.stop or power == 0:
            continue
        spectrum = np.fft.rfft(x, 2 * len(x))
        likeness = np.fft.irfft(spectrum * np.conj(spectrum))[: lags.stop + 1] / power
        # fewer samples overlap at a longer lag
        likeness *= len(x) / (len(x) - np.arange(len(likeness)))
        tops = np.flatnonzero((likeness[1:-1] >= likeness[:-2]) & (likeness[1:-1] > likeness[2:])) + 1
        tops = tops[tops >= lags.start]
        if len(tops) and (largest := likeness[tops].max()) > least:
            period[k] = tops[likeness[tops] >= SAME_PERIOD * largest][0] / fs
    return np.arange(len(pulse)) // hop, period


def _apart(peaks: np.ndarray, height: np.ndarray, distance: int) -> np.ndarray:
    """Of peaks closer than ``distance``, the larger."""
    kept: list[int] = []
    for peak in peaks:
        if kept and peak - kept[-1] < distance:
            if height[peak] > height[kept[-1]]:
                kept[-1] = peak
        else:
            kept.append(peak)
    return np.array(kept, dtype=np.int64)
