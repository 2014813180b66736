"""Measures of the quality of an ECG lead per window, and an index made of them.

Known indices: kurtosis of the signal (kSQI), power of 5-15 Hz within 5-40 Hz (pSQI) and power without baseline (basSQI):
Li, Mark, Clifford 2008, "Robust heart rate estimation from multiple asynchronous noisy sources using signal quality
indices and a Kalman filter", Physiol. Meas. 29; Clifford et al. 2012, "Signal quality indices and data fusion for
determining clinical acceptability of electrocardiograms", Physiol. Meas. 33. The usual limit of kSQI (5) calls half of
the windows bad that readers of MIT-BIH found clean, because ectopic beats and fast rhythms lower the kurtosis. The index
therefore uses two more measures: how far beats stand out from the quiet signal between them, and the noise in it. Both
ignore the shape of beats.
"""

from functools import lru_cache

import numpy as np
from scipy.signal import butter, sosfilt, sosfilt_zi

from medanomaly.signals.quality.faults import in_windows

BLOCK_S = 0.1
# measure -> (value that counts as 0, value that counts as 1); linear between them, noise on a logarithmic scale
INDEX_LIMITS = {
    "noise": (0.10, 0.012),  # mV, between beats, above 20 Hz
    "contrast": (0.7, 3.0),  # ln of loud to quiet blocks, 5-40 Hz
    "bas_sqi": (0.0, 0.9),
    "high_frequency": (1.0, 5.5),  # ln of the power in 5-40 Hz to that in 40-55 Hz
}
MAINS = (50.0, 60.0)
_BEAT_BAND = (5.0, 40.0)
_LEAST_POWER = 1e-12


# a filter takes longer to design than to apply to ten seconds
@lru_cache(maxsize=64)
def _filter(fs: float, low: float, high: float | None) -> np.ndarray:
    if high is None or high >= 0.95 * fs / 2:
        return butter(2, low, "highpass", fs=fs, output="sos")
    return butter(2, [low, high], "bandpass", fs=fs, output="sos")


@lru_cache(maxsize=64)
def _start(fs: float, low: float, high: float | None) -> np.ndarray:
    return sosfilt_zi(_filter(fs, low, high))


def _filtered(x: np.ndarray, fs: float, low: float, high: float | None) -> np.ndarray:
    """``scipy.signal.sosfiltfilt`` of rows, bit by bit, without looking for the steady state of the filter each time."""
    sections, start = _filter(fs, low, high), _start(fs, low, high)[:, None]
    n = x.shape[1]
    reach = min(n - 1, round(fs))
    before, after = 2 * x[:, :1] - x[:, reach:0:-1], 2 * x[:, -1:] - x[:, -2 : -reach - 2 : -1]
    longer = np.concatenate([before, x, after], axis=1)
    forward = sosfilt(sections, longer, zi=start * longer[None, :, :1])[0]
    backward = sosfilt(sections, forward[:, ::-1], zi=start * forward[None, :, -1:])[0]
    return backward[:, ::-1][:, reach : reach + n]


def _block_deviation(windows: np.ndarray, fs: float) -> np.ndarray:
    """(n_windows, n_blocks) standard deviation of blocks of 100 ms."""
    size = max(2, round(BLOCK_S * fs))
    n = windows.shape[1] // size
    return windows[:, : n * size].reshape(len(windows), n, size).std(axis=2)


def _kurtosis(windows: np.ndarray) -> np.ndarray:
    centred = windows - windows.mean(axis=1, keepdims=True)
    squares = centred * centred
    variance = squares.mean(axis=1)
    fourth = np.einsum("ij,ij->i", squares, squares) / windows.shape[1]
    return fourth / np.maximum(variance**2, _LEAST_POWER**2)


def ecg_measures(x: np.ndarray, fs: float, width: int) -> dict[str, np.ndarray]:
    """Measures of one lead, or of several.

    Args:
        x: (n,) or (k, n) float64 in mV, gaps bridged; one second or more.
        fs: 50 Hz or more.
        width: samples per window.

    Returns:
        Name -> (n_windows,), or (k * n_windows,) with those of the first lead first: ``swing`` (mV, 0.5th to 99.5th
        percentile within 5-40 Hz), ``noise`` (mV, median over blocks of 100 ms of the deviation above 20 Hz), ``contrast``
        (ln of the 95th to the 30th percentile of the blocks' deviation in 5-40 Hz), ``k_sqi`` (kurtosis, 3 = Gaussian),
        ``p_sqi``, ``bas_sqi``, ``high_frequency`` (NaN below 112 Hz), ``mains`` (amplitude in mV of 50 or 60 Hz over its
        surroundings), ``range`` (mV).
    """
    x = np.atleast_2d(x)
    beats = in_windows(_filtered(x, fs, *_BEAT_BAND), width)
    quiet = _block_deviation(in_windows(_filtered(x, fs, 20.0, None), width), fs)
    raw = in_windows(x, width)
    loud = np.maximum(_block_deviation(beats, fs), 1e-6)
    quiet_level, loud_level = np.quantile(loud, [0.3, 0.95], axis=1)
    low, high = np.quantile(beats, [0.005, 0.995], axis=1)
    spectrum = _Spectrum(raw, fs)
    wide = fs / 2 >= 56.0
    beat_power = spectrum.power(*_BEAT_BAND)
    return {
        "range": np.ptp(raw, axis=1),
        "swing": high - low,
        "noise": np.median(quiet, axis=1),
        "contrast": np.log(loud_level / quiet_level),
        "k_sqi": _kurtosis(in_windows(_filtered(x, fs, 0.5, 40.0), width)),
        "p_sqi": spectrum.power(5.0, 15.0) / beat_power,
        "bas_sqi": 1.0 - spectrum.power(0.0, 1.0) / spectrum.power(0.0, 40.0),
        "high_frequency": np.log(beat_power / spectrum.power(40.0, 55.0))
        if wide
        else np.full(len(raw), np.nan),
        "mains": spectrum.mains(),
    }


class _Spectrum:
    """Power of windows in bands, Hann-weighted, after subtraction of the mean."""

    def __init__(self, windows: np.ndarray, fs: float):
        self.fs, self.width = fs, windows.shape[1]
        weights = np.hanning(self.width + 2)[1:-1]
        self.weight_power = float(np.sum(weights**2))
        transformed = np.fft.rfft((windows - windows.mean(axis=1, keepdims=True)) * weights, axis=1)
        self.squares = transformed.real**2 + transformed.imag**2
        self.frequency = np.fft.rfftfreq(self.width, 1 / fs)

    def _band(self, low: float, high: float) -> slice:
        return slice(*np.searchsorted(self.frequency, [low, high]))

    def power(self, low: float, high: float) -> np.ndarray:
        """(n_windows,) sum of squares of ``low`` <= f < ``high``, above 0."""
        return self.squares[:, self._band(low, high)].sum(axis=1) + _LEAST_POWER

    def mains(self) -> np.ndarray:
        """(n_windows,) amplitude at 50 or 60 Hz (the larger) above that of the neighbouring frequencies."""
        amplitude = np.zeros(len(self.squares))
        for line in MAINS:
            if line + 3.0 >= self.fs / 2:
                continue
            inside = self.squares[:, self._band(line - 1.0, line + 1.0)]
            around = np.concatenate(
                [
                    self.squares[:, self._band(line - 3.0, line - 1.0)],
                    self.squares[:, self._band(line + 1.0, line + 3.0)],
                ],
                axis=1,
            )
            if not around.shape[1]:
                continue
            excess = inside.sum(axis=1) - inside.shape[1] * np.median(around, axis=1)
            # a sine of amplitude a has the power a**2 / 2; the other half of the spectrum is at negative
            # frequencies
            power = 2.0 * np.maximum(excess, 0.0) / (self.weight_power * self.width)
            amplitude = np.maximum(amplitude, np.sqrt(2.0 * power))
        return amplitude


def ecg_index(
    measures: dict[str, np.ndarray], *, volts: bool = True
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Quality index of each window: geometric mean of four measures, each scaled to 0 to 1 between its limits.

    Args:
        measures: of :func:`ecg_measures`.
        volts: False where the unit is unknown; the noise level in mV is then left out.

    Returns:
        ``(index, parts)``: (n_windows,) in [0, 1] and each part of it.
    """
    parts = {}
    for name, limits in INDEX_LIMITS.items():
        value, (worst, best) = measures[name], limits
        if name == "noise":
            if not volts:
                continue
            value, worst, best = np.log(np.maximum(value, 1e-6)), np.log(worst), np.log(best)
        parts[name] = np.clip((value - worst) / (best - worst), 0.0, 1.0)
    stacked = np.stack([part for part in parts.values() if not np.isnan(part).all()])
    return np.prod(stacked, axis=0) ** (1.0 / len(stacked)), parts
