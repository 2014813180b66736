"""Detectors for one series after a normal beginning: which stretch is unlike the rest.

Each is fitted on the normal beginning and scores what follows, with one score per sample. The score of a window is at its
middle. A detector is ``causal`` where that score needs nothing later than the end of the window, so the location is known
half a window late. The length of windows is the period of the beginning.
"""

from abc import ABC, abstractmethod

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.cluster import KMeans
from sklearn.ensemble import IsolationForest

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.signals.series.matrix_profile import matrix_profile

SHORTEST = 12  # samples of a window
BLOCK = 20_000  # windows per pass


def period(series: np.ndarray, shortest: int = 8, longest: int = 1000) -> int:
    """Period: lag of the first peak of the autocorrelation that reaches 70 % of the highest peak.

    Args:
        series: (n,) finite.
        shortest: smallest lag in samples.
        longest: largest lag; never more than a third of the series.

    Returns:
        Samples; 100 where nothing repeats.
    """
    series = np.asarray(series, dtype=np.float64) - np.mean(series)
    n = len(series)
    # padded to a power of two: some lengths are primes, whose transform is slow
    size = 1 << (2 * n - 1).bit_length()
    correlation = np.fft.irfft(np.abs(np.fft.rfft(series, size)) ** 2)[:n]
    lags = np.arange(shortest, min(longest, n // 3))
    if correlation[0] <= 0 or not len(lags):
        return 100
    here = correlation[lags]
    peaks = lags[(here > correlation[lags - 1]) & (here >= correlation[lags + 1])]
    if not len(peaks):
        return 100
    return int(peaks[correlation[peaks] >= 0.7 * correlation[peaks].max()][0])


class SeriesDetector(ABC):
    """Contract: ``fit(beginning)``, then ``score(rest)``.

    Attributes:
        causal: True where the score of a window needs nothing after it.
        window_: samples of a window, once fitted.
    """

    causal = True

    def fit(self, beginning: np.ndarray) -> "SeriesDetector":
        """Learn from the normal beginning: (n,) finite, at least 50 samples.

        Raises:
            InputError: it is too short or not finite.
        """
        self.beginning_ = _checked(beginning)
        if len(self.beginning_) < 4 * SHORTEST + 2:
            raise InputError(f"a beginning of {len(self.beginning_)} samples", remedy="Give 50 or more.")
        self.window_ = _fitting(period(self.beginning_), len(self.beginning_))
        self._fit()
        return self

    def score(self, rest: np.ndarray) -> np.ndarray:
        """Scores of what follows the beginning: (m,) finite float64, higher = more anomalous, 0 where no window is."""
        rest = _checked(rest)
        series = np.concatenate([self.beginning_, rest])
        return self._score(series)[len(self.beginning_) :]

    def _fit(self) -> None:  # noqa: B027, a hook that most detectors leave empty
        """Learn from ``beginning_``; some detectors have nothing to learn."""

    @abstractmethod
    def _score(self, series: np.ndarray) -> np.ndarray:
        """(n,) scores of the whole series, its beginning included."""

    def _windows(self, series: np.ndarray) -> np.ndarray:
        return sliding_window_view(series, self.window_)

    def _some(self) -> np.ndarray:
        """At most 5000 windows of the beginning, evenly spaced."""
        windows = self._windows(self.beginning_)
        return windows[:: max(1, len(windows) // 5000)]

    def _by_window(self, series: np.ndarray, function) -> np.ndarray:
        windows = self._windows(series)
        values = [function(windows[i : i + BLOCK]) for i in range(0, len(windows), BLOCK)]
        return _at_middle(np.concatenate(values), self.window_, len(series))


class OneLiner(SeriesDetector):
    """``|x[t] - x[t-1]|`` (Wu & Keogh 2021): the baseline that any model has to beat."""

    def _score(self, series):
        return np.abs(np.diff(series, prepend=series[0]))


class Energy(SeriesDetector):
    """Variance of the window."""

    def _score(self, series):
        return self._by_window(series, lambda w: w.var(axis=1))


class WindowForest(SeriesDetector):
    """Isolation forest (Liu et al. 2008, 100 trees) on six statistics of the window."""

    def __init__(self, seed: int = 0):
        self.seed = seed

    def _fit(self):
        self._forest = IsolationForest(n_estimators=100, random_state=self.seed).fit(
            _statistics(self._some())
        )

    def _score(self, series):
        return self._by_window(series, lambda w: -self._forest.score_samples(_statistics(w)))


class WindowComponents(SeriesDetector):
    """Squared error of windows rebuilt from the principal components that hold 95 % of the beginning's variance."""

    def _fit(self):
        windows = self._some()
        self._mean = windows.mean(axis=0)
        _, size, components = np.linalg.svd(windows - self._mean, full_matrices=False)
        share = np.cumsum(size**2) / max(float((size**2).sum()), 1e-300)
        self._components = components[: int(np.searchsorted(share, 0.95)) + 1]

    def _score(self, series):
        def error(windows):
            centred = windows - self._mean
            return ((centred - centred @ self._components.T @ self._components) ** 2).sum(axis=1)

        return self._by_window(series, error)


class WindowClusters(SeriesDetector):
    """Distance of the z-normalised window to the nearest of 20 k-means centres of the beginning."""

    def __init__(self, seed: int = 0):
        self.seed = seed

    def _fit(self):
        windows = _normalised(self._some())
        clusters = min(20, len(windows))
        self._centres = KMeans(clusters, n_init=1, random_state=self.seed).fit(windows).cluster_centers_

    def _score(self, series):
        def distance(windows):
            z = _normalised(windows)
            squared = (z**2).sum(axis=1)[:, None] - 2 * z @ self._centres.T + (self._centres**2).sum(axis=1)
            return np.sqrt(np.maximum(squared.min(axis=1), 0))

        return self._by_window(series, distance)


class Discord(SeriesDetector):
    """Matrix profile of one window length: distance of the z-normalised window to its nearest neighbour.

    Args:
        causal: True compares with earlier windows only (left discords, Lu et al. 2022, "Matrix profile XXIV: DAMP"),
            False with all.
    """

    def __init__(self, causal: bool = True):
        self.causal = causal

    def _score(self, series):
        profile = matrix_profile(series, self.window_)
        return _at_middle(profile.shape_past if self.causal else profile.shape_all, self.window_, len(series))


class ManyScaleDiscord(SeriesDetector):
    """Sum of six matrix profiles, each in units of what is usual in the beginning.

    The only parameter of a matrix profile is the length of the window, and z-normalisation removes size. Windows of half
    a period, one period and two periods are therefore taken, each by shape (z-normalised) and by shape and size
    (mean-free). Each profile is divided by its 99th percentile in the beginning. A stretch that is somewhat unusual in
    several views outweighs one that is unusual in one view by chance.

    Args:
        causal: True compares with earlier windows only, False with all windows of the series.
    """

    FACTORS = (0.5, 1.0, 2.0)

    def __init__(self, causal: bool = True):
        self.causal = causal

    def _fit(self):
        n = len(self.beginning_)
        self.windows_ = tuple(_fitting(round(factor * period(self.beginning_)), n) for factor in self.FACTORS)
        self._usual = [
            [max(float(np.quantile(v[np.isfinite(v)], 0.99)), 1e-9) for v in self._views(self.beginning_, m)]
            for m in self.windows_
        ]

    def _views(self, series, m):
        profile = matrix_profile(series, m)
        if self.causal:
            return profile.shape_past, profile.size_past
        return profile.shape_all, profile.size_all

    def _score(self, series):
        total = np.zeros(len(series))
        for m, usual in zip(self.windows_, self._usual, strict=True):
            for view, unit in zip(self._views(series, m), usual, strict=True):
                total += _at_middle(np.where(np.isfinite(view), view, 0.0) / unit, m, len(series))
        return total


def located(score: np.ndarray, start: int, end: int) -> bool:
    """Whether the highest score lies within max(100, length) of the anomaly: the rule of the UCR archive (Wu & Keogh 2021).

    Args:
        score: (n,) scores, one per sample.
        start: first sample of the anomaly.
        end: the sample after its last.

    Raises:
        ConfigurationError: the anomaly does not lie inside the scores.
    """
    if not 0 <= start < end <= len(score):
        raise ConfigurationError(
            f"an anomaly from {start} to {end} in {len(score)} scores",
            remedy="Give samples inside the scores.",
        )
    reach = max(100, end - start)
    return bool(start - reach <= int(np.argmax(score)) < end + reach)


def _checked(series: np.ndarray) -> np.ndarray:
    series = np.asarray(series, dtype=np.float64)
    if series.ndim != 1 or not np.isfinite(series).all():
        raise InputError("the series is not one row of finite numbers", remedy="Fill or cut out gaps first.")
    return series


def _fitting(window: int, n: int) -> int:
    return int(np.clip(window, SHORTEST, n // 4))


def _at_middle(values: np.ndarray, m: int, n: int) -> np.ndarray:
    out = np.zeros(n)
    out[m // 2 : m // 2 + len(values)] = values
    return out


def _statistics(windows: np.ndarray) -> np.ndarray:
    step = np.abs(np.diff(windows, axis=1))
    return np.column_stack(
        [
            windows.mean(axis=1),
            windows.std(axis=1),
            windows.min(axis=1),
            windows.max(axis=1),
            step.mean(axis=1),
            step.max(axis=1),
        ]
    )


def _normalised(windows: np.ndarray) -> np.ndarray:
    spread = windows.std(axis=1, keepdims=True)
    return (windows - windows.mean(axis=1, keepdims=True)) / np.where(spread > 1e-9, spread, np.inf)
