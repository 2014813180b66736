"""Spectrum of each window: share of the power per band, from the periodogram and from Welch's averaged one."""

import functools

import numpy as np
from numba import njit
from scipy import fft

from medanomaly.core.errors import InputError

# Hz: baseline wander; P and T waves; QRS complexes; their edges and muscle; mains and muscle (Thakor et al. 1984)
BANDS = {
    "0_1": (0.0, 1.0),
    "1_5": (1.0, 5.0),
    "5_15": (5.0, 15.0),
    "15_40": (15.0, 40.0),
    "40_up": (40.0, np.inf),
}
WELCH_SEGMENT = 1.0  # s
PERIODOGRAM = (
    *(f"power_{band}_hz" for band in BANDS),
    "spectral_entropy",
    "dominant_frequency",
    "spectral_centroid",
    "spectral_spread",
    "spectral_edge_95",
)
WELCH = (*(f"welch_power_{band}_hz" for band in BANDS), "welch_entropy")


@functools.lru_cache(maxsize=32)
def _grid(n_fft: int, fs: float) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies (Hz) and the band of each."""
    frequencies = fft.rfftfreq(n_fft, 1 / fs)
    band = np.searchsorted([high for _, high in BANDS.values()][:-1], frequencies, side="right")
    return frequencies, band


@functools.lru_cache(maxsize=32)
def _hann(n: int) -> np.ndarray:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)


@njit(cache=True, nogil=True)
def _doubled(spectrum: np.ndarray, even: bool, power: np.ndarray) -> None:
    """Add the one-sided squared magnitudes of one transform to ``power``."""
    n = len(spectrum)
    for k in range(n):
        value = spectrum[k].real ** 2 + spectrum[k].imag ** 2
        power[k] += value if k == 0 or (even and k == n - 1) else 2 * value


@njit(cache=True, nogil=True)
def _shares(power: np.ndarray, band: np.ndarray, row: np.ndarray) -> float:
    """Write the share of each band and the normalised entropy into ``row``; returns the total power."""
    total = 0.0
    row[:6] = 0.0
    for k in range(len(power)):
        total += power[k]
    if total <= 0:
        return 0.0
    entropy = 0.0
    for k in range(len(power)):
        p = power[k] / total
        row[band[k]] += p
        if p > 0:
            entropy -= p * np.log(p)
    row[5] = entropy / np.log(len(power))
    return total


@njit(cache=True, nogil=True)
def _summarise_periodogram(
    spectra: np.ndarray, even: bool, frequencies: np.ndarray, band: np.ndarray, out: np.ndarray
) -> None:
    power = np.empty(spectra.shape[1])
    for w in range(len(spectra)):
        row = out[w]
        power[:] = 0.0
        _doubled(spectra[w], even, power)
        total = _shares(power, band, row)
        row[6:] = 0.0
        if total <= 0:
            continue
        strongest, running, edge = 0, 0.0, -1
        for k in range(len(power)):
            if power[k] > power[strongest]:
                strongest = k
            row[7] += frequencies[k] * power[k] / total
            running += power[k]
            if edge < 0 and running >= 0.95 * total:
                edge = k
        for k in range(len(power)):
            row[8] += (frequencies[k] - row[7]) ** 2 * power[k] / total
        row[6], row[8], row[9] = frequencies[strongest], np.sqrt(row[8]), frequencies[edge]


@njit(cache=True, nogil=True)
def _tapered(windows: np.ndarray, taper: np.ndarray, step: int, out: np.ndarray) -> None:
    n = len(taper)
    n_segments = out.shape[1]
    for w in range(len(windows)):
        for s in range(n_segments):
            start = s * step
            mean = 0.0
            for i in range(n):
                mean += windows[w, start + i]
            mean /= n
            for i in range(n):
                out[w, s, i] = (windows[w, start + i] - mean) * taper[i]


@njit(cache=True, nogil=True)
def _summarise_welch(spectra: np.ndarray, even: bool, band: np.ndarray, out: np.ndarray) -> None:
    power = np.empty(spectra.shape[2])
    for w in range(len(spectra)):
        power[:] = 0.0
        for s in range(spectra.shape[1]):
            _doubled(spectra[w, s], even, power)
        _shares(power, band, out[w])


def periodogram_features(centred: np.ndarray, fs: float) -> np.ndarray:
    """Band shares, entropy, strongest frequency, centroid, spread and edge of the periodogram (:data:`PERIODOGRAM`).

    The window is not tapered: bins are 1 / duration Hz apart. Entropy is Shannon's over all bins from 0 to the
    Nyquist frequency as a share of its largest value (Inouye et al. 1991).

    Args:
        centred: (n_windows, n_samples) float64 without NaN, each window minus its mean.
        fs: sampling rate in Hz.

    Returns:
        (n_windows, 10) float64; all 0 where the window is constant.
    """
    n = centred.shape[1]
    frequencies, band = _grid(n, float(fs))
    out = np.empty((len(centred), len(PERIODOGRAM)))
    _summarise_periodogram(fft.rfft(centred, axis=1), n % 2 == 0, frequencies, band, out)
    return out


def welch_features(centred: np.ndarray, fs: float) -> np.ndarray:
    """Band shares and entropy of Welch's periodogram (:data:`WELCH`; Welch 1967).

    Segments of 1 s (at most the window) overlap by half; each is taken minus its mean, under a periodic Hann taper.

    Args:
        centred: (n_windows, n_samples) float64 without NaN, each window minus its mean.
        fs: sampling rate in Hz.

    Returns:
        (n_windows, 6) float64; all 0 where the window is constant.
    """
    n = centred.shape[1]
    length = min(n, round(WELCH_SEGMENT * fs))
    if length < 4:
        raise InputError(f"1 s at {fs} Hz is {length} samples", remedy="Give 4 Hz or more.")
    step = length - length // 2
    segments = np.empty((len(centred), (n - length) // step + 1, length))
    _tapered(centred, _hann(length), step, segments)
    _, band = _grid(length, float(fs))
    out = np.empty((len(centred), len(WELCH)))
    _summarise_welch(fft.rfft(segments, axis=2, overwrite_x=True), length % 2 == 0, band, out)
    return out
