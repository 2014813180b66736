"""Heart-rate variability of R peaks: time domain, Poincaré plot and frequency domain; whole or in windows."""

import numpy as np
import pandas as pd
from scipy import interpolate, signal

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.signals.features.entropies import sample_entropy

TIME_DOMAIN = (
    "nn_mean",
    "nn_median",
    "nn_min",
    "nn_max",
    "nn_iqr",
    "nn_mad",
    "heart_rate_mean",
    "sdnn",
    "rmssd",
    "sdsd",
    "pnn20",
    "pnn50",
    "cvnn",
    "cvsd",
    "triangular_index",
    "sd1",
    "sd2",
    "sd1_sd2",
    "nn_sample_entropy",
)
FREQUENCY_DOMAIN = ("vlf", "lf", "hf", "total_power", "lf_hf", "lf_nu", "hf_nu")
HRV_FEATURES = (*TIME_DOMAIN, *FREQUENCY_DOMAIN)

# ms; 300 and 20 beats per minute: outside these a beat was missed or is false
SHORTEST_INTERVAL, LONGEST_INTERVAL = 200.0, 3000.0
FEWEST_INTERVALS = 5
# low and high end in Hz, and the seconds needed: about 1 min for HF, 2 min for LF, 5 min for VLF (Task Force
# 1996)
BANDS = {"vlf": (0.003, 0.04, 280.0), "lf": (0.04, 0.15, 110.0), "hf": (0.15, 0.4, 50.0)}
RESAMPLED = 4.0  # Hz
WELCH_SEGMENT = 120.0  # s
BIN = 1000 / 128  # ms, of the triangular index


def nn_intervals(
    r_samples: np.ndarray, fs: float, normal: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Intervals between neighbouring R peaks, and which of them count as normal-to-normal.

    Args:
        r_samples: (n_beats,) increasing positions in samples.
        fs: sampling rate in Hz.
        normal: (n_beats,) bool, True for beats of sinus origin; None takes all. Only intervals between two of them count.

    Returns:
        (n_beats - 1,) intervals in ms and (n_beats - 1,) bool; intervals under 200 or over 3000 ms do not count.
    """
    r_samples = np.asarray(r_samples, dtype=np.float64)
    if not (np.isfinite(fs) and fs > 0):
        raise ConfigurationError(f"a sampling rate of {fs}", remedy="Give a number of Hz above 0.")
    if r_samples.ndim != 1 or np.any(np.diff(r_samples) <= 0) or not np.isfinite(r_samples).all():
        raise InputError("R peaks are not increasing sample numbers", remedy="Sort them and keep each once.")
    intervals = np.diff(r_samples) / fs * 1000
    counts = (intervals >= SHORTEST_INTERVAL) & (intervals <= LONGEST_INTERVAL)
    if normal is not None:
        normal = np.asarray(normal, dtype=bool)
        if normal.shape != r_samples.shape:
            raise InputError(
                f"{len(r_samples)} beats and {len(normal)} marks of normal ones",
                remedy="Give one mark per beat.",
            )
        counts &= normal[1:] & normal[:-1]
    return intervals, counts


def _time_domain(intervals: np.ndarray, counts: np.ndarray) -> dict[str, float]:
    nn = intervals[counts]
    both = counts[1:] & counts[:-1]
    first, second = intervals[:-1][both], intervals[1:][both]
    step = second - first
    mean, sdnn = nn.mean(), nn.std(ddof=1)
    median = np.median(nn)
    quarter, three_quarters = np.quantile(nn, (0.25, 0.75))
    out = {
        "nn_mean": mean,
        "nn_median": median,
        "nn_min": nn.min(),
        "nn_max": nn.max(),
        "nn_iqr": three_quarters - quarter,
        "nn_mad": 1.4826 * np.median(np.abs(nn - median)),
        "heart_rate_mean": 60_000 / mean,
        "sdnn": sdnn,
        "cvnn": sdnn / mean,
        "triangular_index": len(nn) / np.bincount((nn // BIN).astype(int)).max(),
        "nn_sample_entropy": sample_entropy(nn)[0],
    }
    if len(step) < 2:
        return out
    rmssd = np.sqrt(np.mean(step**2))
    sd1 = (step / np.sqrt(2)).std(ddof=1)
    sd2 = ((first + second) / np.sqrt(2)).std(ddof=1)
    return out | {
        "rmssd": rmssd,
        "sdsd": step.std(ddof=1),
        "pnn20": 100 * np.count_nonzero(np.abs(step) > 20) / len(nn),
        "pnn50": 100 * np.count_nonzero(np.abs(step) > 50) / len(nn),
        "cvsd": rmssd / mean,
        "sd1": sd1,
        "sd2": sd2,
        "sd1_sd2": sd1 / sd2 if sd2 > 0 else np.nan,
    }


def spectrum(beat_times: np.ndarray, nn: np.ndarray, method: str = "lomb") -> tuple[np.ndarray, np.ndarray]:
    """Power spectral density of NN intervals.

    Args:
        beat_times: (n,) time in s of the beat that ends each interval.
        nn: (n,) intervals in ms.
        method: ``lomb`` is the periodogram of Lomb (1976) and Scargle (1982) of the intervals at their own times, minus
            their linear trend, with four points per resolution cell. It is scaled by twice the mean spacing, so that its
            integral is the variance. ``welch`` interpolates by a cubic spline to 4 Hz and averages Hann segments of 120 s
            (at most the series) that overlap by half.

    Returns:
        Frequencies in Hz, evenly spaced, and density in ms^2/Hz.
    """
    length = beat_times[-1] - beat_times[0]
    if method == "lomb":
        trend = np.polynomial.polynomial.Polynomial.fit(beat_times, nn, 1)
        step = 1 / (4 * length)
        frequencies = np.arange(step, BANDS["hf"][1], step)
        power = signal.lombscargle(
            beat_times - beat_times[0], nn - trend(beat_times), 2 * np.pi * frequencies
        )
        return frequencies, 2 * length / (len(nn) - 1) * power
    if method == "welch":
        times = np.arange(beat_times[0], beat_times[-1], 1 / RESAMPLED)
        even = interpolate.CubicSpline(beat_times, nn)(times)
        segment = min(len(even), round(WELCH_SEGMENT * RESAMPLED))
        return signal.welch(even, RESAMPLED, nperseg=segment, detrend="linear")
    raise ConfigurationError(f"no spectrum by '{method}'", remedy="Choose 'lomb' or 'welch'.")


def _frequency_domain(beat_times: np.ndarray, nn: np.ndarray, method: str) -> dict[str, float]:
    frequencies, density = spectrum(beat_times, nn, method)
    length = beat_times[-1] - beat_times[0]
    width = frequencies[1] - frequencies[0]
    power = {
        band: density[(frequencies >= low) & (frequencies < high)].sum() * width
        if length >= needed
        else np.nan
        for band, (low, high, needed) in BANDS.items()
    }
    both = power["lf"] + power["hf"]
    return power | {
        "total_power": sum(power.values()),
        "lf_hf": power["lf"] / power["hf"] if power["hf"] > 0 else np.nan,
        "lf_nu": 100 * power["lf"] / both if both > 0 else np.nan,
        "hf_nu": 100 * power["hf"] / both if both > 0 else np.nan,
    }


def hrv_features(
    r_samples: np.ndarray, fs: float, normal: np.ndarray | None = None, method: str = "lomb"
) -> dict[str, float | int | str]:
    """Variability of one series of beats, by the definitions of the Task Force of ESC and NASPE (1996).

    Intervals that do not count (see :func:`nn_intervals`) are left out; successive differences are taken only between
    neighbouring intervals that both count.

    Args:
        r_samples, fs, normal: as in :func:`nn_intervals`.
        method: of the frequency domain, see :func:`spectrum`.

    Returns:
        ``n_beats``, ``n_intervals`` (that count), ``excluded_share`` (of all intervals), ``flag``, then
        :data:`HRV_FEATURES`. ``flag`` is empty, ``no beats`` or ``too few intervals`` (fewer than 5 count; all features
        are then NaN). A band is NaN where the series is shorter than the band needs: 50 s for HF, 110 s for LF, 280 s for
        VLF.
    """
    intervals, counts = nn_intervals(r_samples, fs, normal)
    n_counted = int(counts.sum())
    flag = "no beats" if len(r_samples) == 0 else "too few intervals" if n_counted < FEWEST_INTERVALS else ""
    row = {
        "n_beats": len(r_samples),
        "n_intervals": n_counted,
        "excluded_share": 1 - n_counted / len(intervals) if len(intervals) else np.nan,
        "flag": flag,
    } | dict.fromkeys(HRV_FEATURES, np.nan)
    if flag:
        return row
    ends = np.asarray(r_samples, dtype=np.float64)[1:][counts] / fs
    return row | _time_domain(intervals, counts) | _frequency_domain(ends, intervals[counts], method)


def windowed_hrv(
    r_samples: np.ndarray,
    fs: float,
    duration_s: float,
    window_s: float = 300.0,
    hop_s: float = 300.0,
    normal: np.ndarray | None = None,
    method: str = "lomb",
) -> pd.DataFrame:
    """One row per window of a recording: ``start_s``, then what :func:`hrv_features` returns.

    Args:
        r_samples, fs, normal, method: as in :func:`hrv_features`.
        duration_s: length of the recording. A window that reaches past its end is left out; a recording shorter than a
            window is one window.
        window_s, hop_s: length of a window and time between two starts, in s.
    """
    if not (window_s > 0 and hop_s > 0):
        raise ConfigurationError(
            f"windows of {window_s} s every {hop_s} s", remedy="Give seconds above 0 for both."
        )
    r_samples = np.asarray(r_samples)
    n_windows = max(1, int((duration_s - window_s) / hop_s + 1e-9) + 1)
    starts = hop_s * np.arange(n_windows)
    low = np.searchsorted(r_samples, starts * fs, side="left")
    high = np.searchsorted(r_samples, (starts + window_s) * fs, side="left")
    rows = [
        {"start_s": start}
        | hrv_features(r_samples[a:b], fs, None if normal is None else np.asarray(normal)[a:b], method)
        for start, a, b in zip(starts, low, high, strict=True)
    ]
    return pd.DataFrame(rows)
