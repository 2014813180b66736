"""Matrix profile: how far each stretch of a series is from the stretch that is most like it.

Zimmerman et al. 2019, "Matrix profile XIV: scaling time series motif discovery with GPUs" (SoCC): covariances of pairs of
windows follow from those one sample earlier, along diagonals. Here neighbouring diagonals advance together, so that the
processor handles several pairs at once. One pass gives the distances of z-normalised windows (shape) and of windows minus
their mean (shape and size), to the nearest window of the past and of the whole series.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from medanomaly.core.errors import ConfigurationError, InputError

BLOCK = 128


@dataclass(frozen=True)
class MatrixProfile:
    """Distances of each window to its nearest neighbour, window i = samples i .. i + m - 1.

    Attributes:
        shape_past: (n - m + 1,) Euclidean distance of z-normalised windows to the nearest one that started more than m /
            4 samples earlier; at most sqrt(2 m), which is also the value where there is none.
        shape_all: the same, to the nearest window of the whole series.
        size_past: distance of mean-free windows to the nearest earlier one; infinite where there is none.
        size_all: the same, to the nearest window of the whole series.
    """

    shape_past: np.ndarray
    shape_all: np.ndarray
    size_past: np.ndarray
    size_all: np.ndarray


def matrix_profile(series: np.ndarray, m: int) -> MatrixProfile:
    """Matrix profile of a series with itself; windows within m / 4 samples are not neighbours.

    Args:
        series: (n,) finite, n >= 2 m.
        m: window in samples, at least 4. As in ``stumpy``, the distance between two constant windows is 0, and between a
            constant and another window sqrt(m) (correlation 1/2).

    Raises:
        InputError: a value is not finite.
        ConfigurationError: the window does not fit the series.
    """
    series = np.ascontiguousarray(series, dtype=np.float64)
    if series.ndim != 1 or not np.isfinite(series).all():
        raise InputError("the series is not one row of finite numbers", remedy="Fill or cut out gaps first.")
    if not 4 <= m <= len(series) // 2:
        raise ConfigurationError(
            f"windows of {m} samples in a series of {len(series)}",
            remedy="Give at least 4 samples, and at most half of the series.",
        )
    series = series - series.mean()
    count = len(series) - m + 1
    mean = _moving_mean(series, m)
    # two passes, because differences of cumulated squares would lose a small variance on a large offset
    spread = _moving_spread(series, mean, m)
    flat = spread <= 1e-18 * m * max(1.0, float((series**2).mean()))
    inverse = np.where(flat, 0.0, 1.0 / np.sqrt(np.where(flat, 1.0, spread)))
    half, sums = np.zeros(count), np.zeros(count)
    half[1:] = (series[m:] - series[: count - 1]) / 2
    sums[1:] = (series[m:] - mean[1:]) + (series[: count - 1] - mean[:-1])
    start = -(-m // 4) + 1
    centred = series[:m] - mean[0]
    first = np.correlate(series[: count + m - 1], centred, mode="valid")
    past_r, all_r, past_d, all_d = _profile(first, half, sums, inverse, spread, start)
    if flat.any():
        _compare_flat(flat, start, past_r, all_r)

    def shape(correlation):
        return np.sqrt(2 * m * np.clip(1 - correlation, 0, 1))

    return MatrixProfile(
        shape_past=shape(past_r),
        shape_all=shape(all_r),
        size_past=np.sqrt(np.maximum(-past_d, 0)),
        size_all=np.sqrt(np.maximum(-all_d, 0)),
    )


def _moving_mean(series: np.ndarray, m: int) -> np.ndarray:
    total = np.cumsum(np.concatenate([[0.0], series]))
    return (total[m:] - total[:-m]) / m


@njit(cache=True)
def _moving_spread(series, mean, m):
    """Sum of squared deviations of each window."""
    out = np.empty(len(mean))
    for i in range(len(mean)):
        total = 0.0
        for k in range(m):
            deviation = series[i + k] - mean[i]
            total += deviation * deviation
        out[i] = total
    return out


def _compare_flat(flat: np.ndarray, start: int, past: np.ndarray, both: np.ndarray) -> None:
    """Write the correlations of constant windows, and with them, into profiles that left them at 0."""
    count = len(flat)
    at = np.arange(count)
    cumulated = np.concatenate([[0], np.cumsum(flat)])
    earlier = cumulated[np.maximum(at - start + 1, 0)]
    later = cumulated[-1] - cumulated[np.minimum(at + start, count)]
    behind, around = at >= start, (at >= start) | (at + start < count)
    for profile, alike, others in ((past, earlier, behind), (both, earlier + later, around)):
        half = (flat & others) | (~flat & (alike > 0))
        profile[half] = np.maximum(profile[half], 0.5)
        profile[flat & (alike > 0)] = 1.0


@njit(cache=True, fastmath=True)
def _profile(first, half, sums, inverse, spread, start):
    count = len(half)
    # similarities, larger = nearer: correlation, and minus the squared distance
    past_r, later_r = np.zeros(count), np.zeros(count)
    past_d, later_d = np.full(count, -np.inf), np.full(count, -np.inf)
    covariance = np.empty(BLOCK)
    for k in range(start, count, BLOCK):
        width = min(BLOCK, count - k)
        covariance[:width] = first[k : k + width]
        for i in range(count - k):
            width = min(width, count - k - i)
            j = i + k
            if i > 0:
                a, b = half[i], sums[i]
                for q in range(width):
                    covariance[q] += a * sums[j + q] + b * half[j + q]
            scale, own = inverse[i], spread[i]
            best_r, best_d = later_r[i], later_d[i]
            for q in range(width):
                r = covariance[q] * scale * inverse[j + q]
                d = 2.0 * covariance[q] - own - spread[j + q]
                past_r[j + q] = max(past_r[j + q], r)
                past_d[j + q] = max(past_d[j + q], d)
                best_r, best_d = max(best_r, r), max(best_d, d)
            later_r[i], later_d[i] = best_r, best_d
    return past_r, np.maximum(past_r, later_r), past_d, np.maximum(past_d, later_d)
