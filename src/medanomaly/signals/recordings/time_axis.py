"""From a column of times to a sampling rate and a regular grid; jumps in time become gaps."""

from pathlib import Path

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError

SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "min": 60.0, "h": 3600.0}
# a file that spans years at one sample per second is damaged, not long
_LONGEST_GAP_SAMPLES = 200_000_000
_IRREGULAR_SHARE = 0.02
_ROUNDED_SAMPLES = 2.0


def seconds(column: pd.Series, unit: str, decimal: str, path: Path, skip: int) -> np.ndarray:
    """Times in seconds: numbers in ``unit``, ``hh:mm:ss.sss`` or ``mm:ss.sss``, or dates.

    Raises:
        InputError: a time cannot be read; the error names its line.
    """
    if column.dtype.kind in "fiu":
        at = column.to_numpy(dtype=np.float64) * SECONDS.get(unit.lower(), 1.0)
    else:
        text = column.astype("string").str.strip().str.strip("'\"[]")
        numbers = pd.to_numeric(text.str.replace(decimal, ".", regex=False), errors="coerce")
        if numbers.notna().all():
            at = numbers.to_numpy(dtype=np.float64) * SECONDS.get(unit.lower(), 1.0)
        elif text.str.fullmatch(r"(\d+:)?\d+:\d+(\.\d+)?").fillna(False).all():
            full = text.where(text.str.count(":") == 2, "0:" + text)
            at = pd.to_timedelta(full).dt.total_seconds().to_numpy(dtype=np.float64)
        else:
            stamps = pd.to_datetime(text, errors="coerce", format="ISO8601")
            at = (stamps - stamps.min()).dt.total_seconds().to_numpy(dtype=np.float64)
    wrong = np.flatnonzero(~np.isfinite(at))
    if len(wrong):
        raise InputError(
            f"'{column.iloc[wrong[0]]}' is not a time",
            remedy="Give seconds, mm:ss.sss or ISO dates; or remove the column and pass fs.",
            source=path,
            record=f"line {wrong[0] + skip + 1}",
            column=column.name,
        )
    return at


def rate_of(at: np.ndarray) -> float:
    """Sampling rate in Hz of times in seconds, which may be rounded; 0 where there is none.

    Rounding of the times (0.003, 0.006, 0.008 s for 360 Hz) does not bias the mean of the steps that are one sample long.
    A whole number of Hz is taken where the rounding allows it.
    """
    steps = np.diff(at)
    steps = steps[steps > 0]
    if not len(steps):
        return 0.0
    typical = np.median(steps)
    single = steps[steps < 1.5 * typical]
    mean = single.mean()
    fs = 1.0 / mean
    # rounding moves the ends of a run of steps by at most one unit of the last digit
    uncertainty = (single.max() - single.min()) / (len(single) * mean) + 1e-6
    whole = float(round(fs))
    return whole if whole >= 1 and abs(whole / fs - 1.0) <= uncertainty else float(fs)


def _rounded_rate(at: np.ndarray) -> float:
    """The constant rate that explains every time within two samples, or 0 where there is none."""
    span = at[-1] - at[0]
    if span <= 0:
        return 0.0
    fs = (len(at) - 1) / span
    # each end may be off by the width of the rounding
    if abs(round(fs) / fs - 1.0) <= 2.0 * np.diff(at).max() / span:
        fs = float(round(fs))
    off = np.abs((at - at[0]) * fs - np.arange(len(at)))
    return float(fs) if off.max() <= _ROUNDED_SAMPLES else 0.0


def on_grid(values: np.ndarray, at: np.ndarray, path: Path) -> tuple[np.ndarray, float, list[str]]:
    """Samples at regular times.

    Args:
        values: (n, n_leads) float64.
        at: (n,) seconds.
        path: the file, for errors.

    Returns:
        ``(values, fs, notes)``: (n_samples, n_leads) with NaN where time jumps, the rate in Hz, and notes about what was
        done.

    Raises:
        InputError: there are fewer than two times, times go backwards or repeat, or steps have no common length.
    """
    if len(at) < 2:
        raise InputError(f"{len(at)} row(s) give no sampling rate", remedy="Pass fs (Hz).", source=path)
    steps = np.diff(at)
    if np.any(steps == 0) and np.all(steps >= 0):
        fs = _rounded_rate(at)
        if fs:
            return (
                values,
                fs,
                [f"times are rounded until they repeat; a constant {fs:g} Hz explains all of them"],
            )
    back = np.flatnonzero(steps <= 0)
    if len(back):
        row = back[0] + 1
        raise InputError(
            f"time goes from {at[row - 1]:g} to {at[row]:g} s",
            remedy="Sort the rows and keep one per time; where times are too coarse for the rate, pass fs.",
            source=path,
            record=f"sample {row}",
        )
    fs = rate_of(at)
    position = (at - at[0]) * fs
    # relative to the sample before, so that a rate that is slightly off does not add up over hours
    steps = np.maximum(1, np.rint(np.diff(position))).astype(np.int64)
    off = np.abs(np.diff(position) - steps)
    if np.mean(off > 0.4) > _IRREGULAR_SHARE:
        raise InputError(
            f"the steps of time are irregular: from {np.diff(at).min():g} to {np.diff(at).max():g} s",
            remedy="Waveforms need a constant rate; pass fs if these have one.",
            source=path,
        )
    index = np.concatenate([[0], np.cumsum(steps)])
    if index[-1] > max(_LONGEST_GAP_SAMPLES, 10 * len(at)):
        raise InputError(
            f"time jumps by {np.diff(at).max():g} s", remedy="Split the file there.", source=path
        )
    lost = int(index[-1] + 1 - len(at))
    if not lost:
        return values, fs, []
    out = np.full((index[-1] + 1, values.shape[1]), np.nan)
    out[index] = values
    return out, fs, [f"time jumps {np.count_nonzero(steps > 1)} times: {lost} samples are missing"]
