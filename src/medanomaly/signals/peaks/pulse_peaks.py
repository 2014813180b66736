"""Systolic peaks of a pulse wave (PPG, arterial pressure), whatever its unit.

Elgendi, Norton, Brearley, Abbott, Schuurmans 2013, "Systolic peak detection in acceleration photoplethysmograms measured
from emergency responders in tropical conditions" (PLoS ONE 8(10)): The signal is band-passed, clipped and squared. It
gets two moving averages, one as long as a systole (111 ms), one as long as a beat (667 ms). Blocks in which the first
lies above the second by 2 % of the mean, and which last at least 111 ms, hold a systole. Added here: the mean is local
(10 s), so that a burst of movement does not hide the rest; of two peaks closer than 300 ms the larger stays; a constant
or missing stretch has no peak.
"""

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, sosfiltfilt

from medanomaly.core.errors import ConfigurationError, InputError

BAND = (0.5, 8.0)  # Hz
SYSTOLE_S, BEAT_S, LOCAL_S, SHORTEST_S = 0.111, 0.667, 10.0, 0.300
OFFSET = 0.02
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
    energy = np.clip(pulse, 0.0, None) ** 2
    systole, beat, local = (
        uniform_filter1d(energy, max(1, round(s * fs)), mode="nearest") for s in (SYSTOLE_S, BEAT_S, LOCAL_S)
    )
    # the rounding error of a constant is not a pulse
    inside = (systole > beat + OFFSET * local) & (energy > 1e-12 * np.ptp(filled) ** 2)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]))).reshape(-1, 2)
    edges = edges[edges[:, 1] - edges[:, 0] >= round(SYSTOLE_S * fs)]
    peaks = [start + int(np.argmax(filled[start:end])) for start, end in edges]
    peaks = np.array([p for p in peaks if known[p]], dtype=np.int64)
    return _apart(peaks, filled, round(SHORTEST_S * fs))


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
