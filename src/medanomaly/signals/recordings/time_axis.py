"""From a column of times to a sampling rate and a regular grid; jumps in time become gaps."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError

SECONDS = {
    unit: factor
    for factor, units in (
        (1.0, ("s", "sec", "secs", "second", "seconds")),
        (1e-3, ("ms", "msec", "msecs", "millisecond", "milliseconds")),
        (1e-6, ("us", "µs", "μs", "usec", "µsec", "μsec", "microsecond", "microseconds")),
        (1e-9, ("ns", "nsec", "nanosecond", "nanoseconds")),
        (60.0, ("min", "mins", "minute", "minutes")),
        (3600.0, ("h", "hr", "hrs", "hour", "hours")),
    )
    for unit in units
}
# seconds since 1970 have ten digits; what is larger counts in smaller units
_EPOCHS = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"))
# a gap has at most this many samples, or twice as many as there are: a longer one is a damaged file or two recordings
LONGEST_GAP_SAMPLES = 25_000_000
_IRREGULAR_SHARE = 0.02
_ROUNDED_SAMPLES = 2.0
_CLOCK = r"(?:\d+:)?\d+:\d+(?:\.\d+)?"


def seconds(
    column: pd.Series, unit: str, decimal: str, path: Path, line_of: Callable[[int], int]
) -> np.ndarray:
    """Times in seconds: numbers in ``unit``, ``hh:mm:ss.sss`` or ``mm:ss.sss``, or dates, with their time zones.

    A clock that starts again (at midnight, or after an hour where it shows no hours) goes on.

    Args:
        column: times as they stand in the file.
        unit: of numbers; empty where the file states none, which means seconds.
        decimal: decimal mark.
        path: the file, for errors.
        line_of: row -> its line in the file.

    Raises:
        InputError: a time cannot be read, or its unit is not known; the error names its line.
    """
    if column.dtype.kind in "fiu":
        return _in_seconds(column.to_numpy(dtype=np.float64), unit, column, path, line_of)
    text = column.astype("string").str.strip().str.strip("'\"[]")
    dotted = text.str.replace(decimal, ".", regex=False)
    numbers = pd.to_numeric(dotted, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    if 2 * np.count_nonzero(np.isfinite(numbers)) >= len(numbers):
        return _in_seconds(numbers, unit, column, path, line_of)
    clock = dotted.where(dotted.str.fullmatch(_CLOCK).fillna(False))
    if 2 * clock.notna().sum() >= len(clock):
        hours = bool(clock.dropna().iloc[0].count(":") == 2)
        at = pd.to_timedelta(clock if hours else "0:" + clock, errors="coerce").dt.total_seconds()
        at, around = at.to_numpy(dtype=np.float64), 86400.0 if hours else 3600.0
        steps = np.diff(at, prepend=at[:1])
        at = at + around * np.cumsum(steps < -around / 2)
    else:
        # one clock for all rows: the offset of a zone may change within a file
        stamps = pd.to_datetime(text, errors="coerce", format="ISO8601", utc=True)
        at = (stamps - stamps.min()).dt.total_seconds().to_numpy(dtype=np.float64)
    return _finite(at, column, path, line_of)


def _in_seconds(at, unit, column, path, line_of) -> np.ndarray:
    _finite(at, column, path, line_of)
    if not unit:
        unit = next((u for least, u in _EPOCHS if len(at) and at[0] >= least), "s")
    if unit.lower() not in SECONDS:
        raise InputError(
            f"the unit of time '{unit}' is not known",
            remedy=f"Known are {', '.join(SECONDS)}.",
            source=path,
            column=column.name,
        )
    return at * SECONDS[unit.lower()]


def _finite(at, column, path, line_of) -> np.ndarray:
    wrong = np.flatnonzero(~np.isfinite(at))
    if len(wrong):
        raise InputError(
            f"'{column.iloc[wrong[0]]}' is not a time",
            remedy="Give seconds, mm:ss.sss or ISO dates; or remove the column and pass fs.",
            source=path,
            record=f"line {line_of(wrong[0])}",
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
    if index[-1] > len(at) + max(LONGEST_GAP_SAMPLES, 2 * len(at)):
        raise InputError(
            f"time jumps by {np.diff(at).max():g} s", remedy="Split the file there.", source=path
        )
    lost = int(index[-1] + 1 - len(at))
    if not lost:
        return values, fs, []
    out = np.full((index[-1] + 1, values.shape[1]), np.nan)
    out[index] = values
    return out, fs, [f"time jumps {np.count_nonzero(steps > 1)} times: {lost} samples are missing"]
