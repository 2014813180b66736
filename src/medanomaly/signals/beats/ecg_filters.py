"""Filters that remove baseline wander and muscle noise from an ECG: zero phase, or with a fixed delay for a stream.

The offline filter is a Butterworth band of order 3, 0.5-40 Hz, run forward and backward (zero phase). Run forward alone,
it would bend the P and T waves, because its delay near 0.5 Hz is long and uneven. The causal filter therefore has linear
phase and finite memory. A moving average that is run twice removes the baseline, and a short Hann window smooths noise.
Both are symmetric: the shape of a beat stays as it is, and the signal comes ``delay`` samples later.
"""

from functools import lru_cache

import numpy as np
from numba import njit
from scipy.signal import butter, sosfiltfilt

BAND_HZ = (0.5, 40.0)
BASELINE_S = 0.6
SMOOTH_S = 0.02


def fill_gaps(signal: np.ndarray) -> np.ndarray:
    """A copy in float64 in which a missing sample repeats the last one before it; 0 before the first sample."""
    x = np.array(signal, dtype=np.float64)
    missing = ~np.isfinite(x)
    if missing.any():
        rows = np.arange(len(x))[:, None]
        last = np.maximum.accumulate(np.where(missing, -1, rows), axis=0)
        x = np.where(last >= 0, np.take_along_axis(x, np.maximum(last, 0), axis=0), 0.0)
    return x


def zero_phase(signal: np.ndarray, fs: float) -> np.ndarray:
    """Butterworth band of order 3 forward and backward over the whole recording.

    Args:
        signal: (n_samples, n_leads).
        fs: Hz; below 100 Hz the upper edge is lowered to stay below half of it.

    Returns:
        (n_samples, n_leads) float64.
    """
    x = fill_gaps(signal)
    high = min(BAND_HZ[1], 0.45 * fs)
    sections = butter(3, (BAND_HZ[0], high), btype="bandpass", fs=fs, output="sos")
    pad = min(len(x) - 1, int(2 * fs))
    return sosfiltfilt(sections, x, axis=0, padlen=pad)


@lru_cache(maxsize=16)
def kernel(fs: float) -> np.ndarray:
    """Impulse response of the causal filter: (2 * delay + 1,) float64, symmetric, with a sum of zero."""
    half = max(1, round(BASELINE_S * fs / 2))
    box = np.ones(2 * half + 1) / (2 * half + 1)
    smooth = np.hanning(max(3, 2 * round(SMOOTH_S * fs / 2) + 1) + 2)[1:-1]
    smooth /= smooth.sum()
    identity = np.zeros(4 * half + 1)
    identity[2 * half] = 1.0
    return np.convolve(identity - np.convolve(box, box), smooth)


@njit(cache=True, nogil=True)
def _convolve(padded, half):
    """Sum the same samples in the same order for every output, so that chunks give the same bits as the whole.

    Neighbouring outputs are summed side by side, for the sake of vector instructions; blocks of them stay in the cache.
    """
    reach, n_leads = len(half) - 1, padded.shape[1]
    n = len(padded) - 2 * reach
    out = np.empty((n, n_leads))
    flat, sums = padded.ravel(), out.ravel()
    for start in range(0, n * n_leads, 2048):
        stop = min(start + 2048, n * n_leads)
        block, centre = sums[start:stop], start + reach * n_leads
        here = flat[centre : centre + len(block)]
        for i in range(len(block)):
            block[i] = half[0] * here[i]
        for k in range(1, reach + 1):
            weight, step = half[k], k * n_leads
            before = flat[centre - step : centre - step + len(block)]
            after = flat[centre + step : centre + step + len(block)]
            for i in range(len(block)):
                block[i] += weight * (before[i] + after[i])
    return out


def linear_phase(signal: np.ndarray, fs: float) -> np.ndarray:
    """The causal filter without its delay: sample i of the result belongs to sample i of the signal.

    Beyond its ends the signal is continued with its first and last value.

    Args:
        signal: (n_samples, n_leads).
        fs: Hz.

    Returns:
        (n_samples, n_leads) float64.
    """
    x, reach = fill_gaps(signal), len(kernel(fs)) // 2
    padded = np.concatenate([np.repeat(x[:1], reach, axis=0), x, np.repeat(x[-1:], reach, axis=0)])
    return filter_inside(padded, fs)


def filter_inside(padded: np.ndarray, fs: float) -> np.ndarray:
    """The causal filter where all its samples exist: (n - 2 * delay, n_leads) of (n, n_leads) without gaps."""
    h = kernel(fs)
    return _convolve(np.ascontiguousarray(padded), h[len(h) // 2 :].copy())
