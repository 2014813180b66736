"""Distribution and movement of each window: moments, quantiles, line length, crossings, Hjorth parameters, peaks."""

import numpy as np
from numba import njit

# columns of the compiled pass, in their order
MOVEMENT = (
    "mean",
    "sd",
    "skewness",
    "kurtosis",
    "rms",
    "mean_absolute_deviation",
    "line_length",
    "slope_max",
    "crossing_rate",
    "turning_rate",
    "hjorth_activity",
    "hjorth_mobility",
    "hjorth_complexity",
    "peak_rate",
    "peak_interval_mean",
    "peak_interval_sd",
    "peak_height_mean",
)
QUANTILES = {
    "quantile_05": 0.05,
    "quantile_25": 0.25,
    "median": 0.5,
    "quantile_75": 0.75,
    "quantile_95": 0.95,
}
# below it the square of the variance underflows
NO_VARIANCE = 1e-150
ORDER = ("minimum", "maximum", "range", *QUANTILES, "interquartile_range", "median_absolute_deviation")
PEAK_SUPPORT = 0.1  # s; two R waves are never closer, P and T waves rarely


@njit(cache=True, nogil=True)
def _peaks(x: np.ndarray, support: int) -> tuple[int, float, float, float]:
    """Number, mean interval, standard deviation of intervals (in samples) and mean height of the peaks of a window."""
    n = len(x)
    count, first, last, squares, height = 0, 0, 0, 0.0, 0.0
    i = support
    while i < n - support:
        reach = 1
        while reach <= support and x[i] > x[i - reach] and x[i] > x[i + reach]:
            reach += 1
        if reach <= support:
            i += 1
            continue
        height += x[i]
        if count:
            squares += float(i - last) ** 2
        else:
            first = i
        count, last = count + 1, i
        i += support  # no other sample this close can be above all its neighbours
    if count == 0:
        return 0, float(n), 0.0, 0.0
    if count == 1:
        return 1, float(n), 0.0, height
    mean = (last - first) / (count - 1)
    return count, mean, np.sqrt(max(squares / (count - 1) - mean * mean, 0.0)), height / count


@njit(cache=True, nogil=True)
def _movement(windows: np.ndarray, fs: float, support: int, out: np.ndarray, centred: np.ndarray) -> None:
    n_windows, n = windows.shape
    for w in range(n_windows):
        x, c = windows[w], centred[w]
        total, low, high = 0.0, x[0], x[0]
        for i in range(n):
            total += x[i]
            low, high = min(low, x[i]), max(high, x[i])
        # the mean of equal numbers is not always that number; the spread of a constant has to be exactly 0
        mean = x[0] if low == high else total / n
        second, third, fourth, absolute = 0.0, 0.0, 0.0, 0.0
        for i in range(n):
            d = x[i] - mean
            c[i] = d
            square = d * d
            second += square
            third += square * d
            fourth += square * square
            absolute += abs(d)
        variance = second / n
        length, steepest, crossings, turns = 0.0, 0.0, 0, 0
        first_sum, first_square, second_square = 0.0, 0.0, 0.0
        previous = 0.0
        for i in range(1, n):
            step = c[i] - c[i - 1]
            length += abs(step)
            steepest = max(steepest, abs(step))
            crossings += (c[i] > 0) != (c[i - 1] > 0)
            first_sum += step
            first_square += step * step
            if i > 1:
                turns += step * previous < 0
                second_square += (step - previous) ** 2
            previous = step
        # about their own means; differences of differences add up to the last minus the first
        first_variance = first_square / (n - 1) - (first_sum / (n - 1)) ** 2
        bend = (c[n - 1] - c[n - 2] - c[1] + c[0]) / (n - 2)
        second_variance = second_square / (n - 2) - bend * bend
        row = out[w]
        row[0], row[1] = mean, np.sqrt(variance)
        row[2] = third / n / variance**1.5 if variance > NO_VARIANCE else 0.0
        row[3] = fourth / n / variance**2 - 3.0 if variance > NO_VARIANCE else 0.0
        row[4] = np.sqrt(mean * mean + variance)
        row[5] = absolute / n
        seconds = (n - 1) / fs
        row[6], row[7] = length / seconds, steepest * fs
        row[8], row[9] = crossings / seconds, turns / seconds
        row[10] = variance
        mobile = variance > NO_VARIANCE and first_variance > 0
        row[11] = np.sqrt(first_variance / variance) if mobile else 0.0
        row[12] = np.sqrt(max(second_variance, 0.0) / first_variance) / row[11] if mobile else 0.0
        count, interval, spread, height = _peaks(c, support)
        row[13], row[14], row[15], row[16] = count * fs / n, interval / fs, spread / fs, height


@njit(cache=True, nogil=True)
def _order(rows: np.ndarray, levels: np.ndarray, out: np.ndarray) -> None:
    n_windows, n = rows.shape
    for w in range(n_windows):
        x, row = rows[w], out[w]
        row[0], row[1], row[2] = x[0], x[n - 1], x[n - 1] - x[0]
        for k in range(len(levels)):
            place = levels[k] * (n - 1)
            below = int(place)
            row[3 + k] = x[below]
            if below + 1 < n:
                row[3 + k] += (place - below) * (x[below + 1] - x[below])
        row[8] = row[6] - row[4]
        # distances from the median are two sorted runs, one per side: merge them up to the middle
        median = row[5]
        right = 0
        while right < n and x[right] < median:
            right += 1
        left, before, here = right - 1, 0.0, 0.0
        for _ in range(n // 2 + 1):
            before = here
            if left >= 0 and (right == n or median - x[left] <= x[right] - median):
                here, left = median - x[left], left - 1
            else:
                here, right = x[right] - median, right + 1
        row[9] = here if n % 2 else (before + here) / 2


def movement(windows: np.ndarray, fs: float) -> tuple[np.ndarray, np.ndarray]:
    """Moments, changes and peaks of every window (:data:`MOVEMENT`).

    Variances divide by the number of values; skewness and kurtosis are those of the population, and 3 is subtracted from
    the kurtosis. The variances of the Hjorth parameters (Hjorth 1970) are those of the first and second differences. A
    peak is strictly above all samples within 0.1 s on both sides (the number of peaks of support n of Christ et al.
    2018); With fewer than two peaks their interval is the length of the window and its spread is 0.

    Args:
        windows: (n_windows, n_samples) float64 without NaN, at least 3 samples per window.
        fs: sampling rate in Hz.

    Returns:
        (n_windows, 17) features, and (n_windows, n_samples) windows minus their mean. In a constant window mean and rms
        are its value, the peak interval is its length, and the rest is 0.
    """
    out, centred = np.empty((len(windows), len(MOVEMENT))), np.empty(windows.shape)
    _movement(windows, float(fs), max(1, round(PEAK_SUPPORT * fs)), out, centred)
    return out, centred


def order_statistics(in_order: np.ndarray) -> np.ndarray:
    """Extremes, quantiles and deviations of every window (:data:`ORDER`).

    Quantiles are interpolated linearly between order statistics (type 7 of Hyndman and Fan 1996). The median
    absolute deviation is not scaled to the normal distribution.

    Args:
        in_order: (n_windows, n_samples) float64, each window sorted.

    Returns:
        (n_windows, 10) float64.
    """
    out = np.empty((len(in_order), len(ORDER)))
    _order(in_order, np.array(list(QUANTILES.values())), out)
    return out
