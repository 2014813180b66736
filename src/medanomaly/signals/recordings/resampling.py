"""Resampling by polyphase filtering: gaps stay gaps, and annotations move with the signal.

The polyphase filter is :func:`scipy.signal.resample_poly` (Kaiser window, beta 5). A gap would spread over the length of
that filter. Gaps are therefore bridged by a straight line before it and cut out again after it, at their own times.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np
from scipy.signal import resample_poly

from medanomaly.core.errors import InputError
from medanomaly.signals.recordings.recording import Annotations, Recording

LOWEST_RATE, HIGHEST_RATE = 50.0, 1000.0
_DENOMINATORS = (10, 100, 1000, 10_000, 100_000)
_LARGEST_DRIFT = 0.25  # new samples at the end of the recording


def _ratio(fs: float, target: float, n: int) -> Fraction:
    """Ratio of rates: the simplest one that is off by less than a quarter of a sample after ``n`` samples.

    A rate such as 62.4725 Hz gives a ratio of large numbers, and large numbers make the filter long.
    """
    exact = Fraction(str(float(target))) / Fraction(str(float(fs)))
    for largest in _DENOMINATORS:
        ratio = exact.limit_denominator(largest)
        if ratio and abs(ratio - exact) * n < _LARGEST_DRIFT:
            return ratio
    return exact


def _bridged(x: np.ndarray, missing: np.ndarray) -> np.ndarray:
    present = np.flatnonzero(~missing)
    filled = x.copy()
    filled[missing] = np.interp(np.flatnonzero(missing), present, x[present])
    return filled


def _missing_after(missing: np.ndarray, n_out: int, ratio: Fraction) -> np.ndarray:
    """Output samples of whose period half or more is missing; the period of a sample lies around it."""
    covered = np.concatenate([[0.0], np.cumsum(missing, dtype=np.float64)])
    edges = np.arange(len(missing) + 1) - 0.5
    half = 0.5 / float(ratio)
    # the last new sample may lie a little after the last old one
    centre = np.minimum(np.arange(n_out) / float(ratio), len(missing) - 1)
    lost = np.interp(centre + half, edges, covered) - np.interp(centre - half, edges, covered)
    inside = np.clip(centre + half, edges[0], edges[-1]) - np.clip(centre - half, edges[0], edges[-1])
    return lost >= 0.5 * inside - 1e-9


def resample_values(x: np.ndarray, fs: float, target: float) -> np.ndarray:
    """Values at another rate; sample 0 stays at time 0.

    Args:
        x: (n,) float, NaN where nothing was recorded.
        fs: rate of ``x`` in Hz.
        target: rate wanted in Hz.

    Returns:
        (n * target / fs, rounded up,) of the dtype of ``x``. NaN where at least half of the period of a sample was
        missing. A gap keeps its place and, to half a sample, its length; a dropout shorter than half a new sample is
        bridged.
    """
    x = np.asarray(x)
    if x.dtype.kind != "f":
        x = x.astype(np.float64)
    ratio = _ratio(fs, target, len(x))
    if ratio == 1 or len(x) == 0:
        return x.copy()
    n_out = -(-len(x) * ratio.numerator // ratio.denominator)
    missing = np.isnan(x)
    if missing.all():
        return np.full(n_out, np.nan, dtype=x.dtype)
    gaps = missing.any()
    # filtered around 0 and continued with its end values: a constant stays what it is, and there is no step
    level = np.nanmedian(x)
    out = level + resample_poly(
        (_bridged(x, missing) if gaps else x) - level,
        ratio.numerator,
        ratio.denominator,
        window=("kaiser", 5.0),
        padtype="edge",
    )
    out = out.astype(x.dtype, copy=False)
    if gaps:
        out[_missing_after(missing, n_out, ratio)] = np.nan
    return out


def resample_annotations(annotations: Annotations, fs: float, target: float, n_samples: int) -> Annotations:
    """Marks at the nearest sample of another rate; their order is kept, and none moves behind the end.

    Args:
        annotations: marks in samples at ``fs``.
        fs: rate of the positions in Hz.
        target: new rate in Hz.
        n_samples: length of the recording at the new rate.
    """
    if fs == target:
        return annotations
    moved = np.rint(annotations.sample * (target / fs)).astype(np.int64)
    # rounding moves a mark by half a sample; one that lay behind the end stays there
    edge = (moved == n_samples) & (n_samples > 0)
    return replace(annotations, sample=moved - edge)


def resample(recording: Recording, target: float) -> Recording:
    """A recording at another rate, with its annotations; ``notes`` say so.

    Args:
        recording: any waveform sampled at 50 Hz or more.
        target: 50 to 1000 Hz.

    Raises:
        InputError: a rate lies outside these limits.
    """
    if not LOWEST_RATE <= target <= HIGHEST_RATE:
        raise InputError(
            f"resampling to {target:g} Hz",
            record=recording.record,
            remedy=f"Choose {LOWEST_RATE:g} to {HIGHEST_RATE:g} Hz.",
        )
    if recording.fs < LOWEST_RATE:
        raise InputError(
            f"the sampling rate is {recording.fs:g} Hz: too slow for a waveform",
            record=recording.record,
            remedy=f"ECG and PPG need {LOWEST_RATE:g} Hz or more; a higher rate cannot be made from a lower one.",
        )
    if recording.fs == target:
        return recording
    columns = [resample_values(column, recording.fs, target) for column in recording.signal.T]
    signal = np.stack(columns, axis=1) if columns else np.empty((0, 0), dtype=recording.signal.dtype)
    marks = recording.annotations
    return replace(
        recording,
        signal=signal,
        fs=float(target),
        annotations=None if marks is None else resample_annotations(marks, recording.fs, target, len(signal)),
        notes=(*recording.notes, f"resampled from {recording.fs:g} to {target:g} Hz"),
    )
