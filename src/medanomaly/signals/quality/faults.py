"""Faults that any lead can have: missing samples, a flat line, values at the limit of the converter."""

import numpy as np

FLAT_S = 1.0  # s; equal samples for this long are a flat line
_SATURATED_SAMPLES = 3


def run_lengths(x: np.ndarray) -> np.ndarray:
    """(n,) int64: for each sample, the number of equal samples in a row that it belongs to; NaN equals nothing."""
    if len(x) == 0:
        return np.empty(0, dtype=np.int64)
    starts = np.concatenate([[0], np.flatnonzero(x[1:] != x[:-1]) + 1])
    lengths = np.diff(np.concatenate([starts, [len(x)]]))
    return np.repeat(lengths, lengths)


def flat_samples(lengths: np.ndarray, fs: float) -> np.ndarray:
    """(n,) bool: True in stretches of one second or more without any change; of :func:`run_lengths`."""
    return lengths >= max(2, round(FLAT_S * fs))


def saturated_samples(
    x: np.ndarray,
    lengths: np.ndarray,
    fs: float,
    held_s: float,
    limits: tuple[float, float] | None = None,
) -> np.ndarray:
    """(n,) bool: True where the lead's lowest or highest value lasts for ``held_s`` and at least three samples.

    An amplifier stays at its limit longer than the top of a wave lasts: 20 ms for an ECG, more for slower signals.

    Args:
        x: (n,) one lead, NaN = missing.
        lengths: its :func:`run_lengths`.
        fs: Hz.
        held_s: seconds.
        limits: lowest and highest value of the lead, where ``x`` is a part of it.
    """
    # of a lead without gaps they are found in a fraction of the time
    low, high = (x.min(), x.max()) if limits is None else limits
    if np.isnan(low) or np.isnan(high):
        if np.isnan(x).all():
            return np.zeros(len(x), dtype=bool)
        low, high = np.nanmin(x), np.nanmax(x)
    if low == high:
        # a constant lead is flat, not saturated
        return np.zeros(len(x), dtype=bool)
    held = lengths >= max(_SATURATED_SAMPLES, round(held_s * fs))
    return held & ((x == low) | (x == high))


def bridged(x: np.ndarray) -> np.ndarray:
    """(n,) float64 with gaps as straight lines, so that a filter can run over them; 0 where the whole lead is missing."""
    x = np.asarray(x, dtype=np.float64)
    missing = np.isnan(x)
    if missing.all():
        return np.zeros(len(x))
    if not missing.any():
        return x
    return np.interp(np.arange(len(x)), np.flatnonzero(~missing), x[~missing])


def in_windows(x: np.ndarray, width: int) -> np.ndarray:
    """(n_windows, width): adjacent windows of (n,) samples; the last ends with the signal and may overlap the one before.

    Of (k, n) samples: (k * n_windows, width), those of the first row first. A signal shorter than one window is one window.
    """
    x = np.atleast_2d(x)
    k, n = x.shape
    width = min(width, n)
    if width == 0:
        return np.empty((0, 0), dtype=x.dtype)
    whole = n // width
    windows = x[:, : whole * width].reshape(k, whole, width)
    if whole * width < n:
        windows = np.concatenate([windows, x[:, None, -width:]], axis=1)
    return windows.reshape(-1, width)
