"""Envelope of an ECG: energy in the QRS band, added up over leads; R peaks are searched in it.

Filters are symmetric and finite. Their delay is a whole number of samples, and every output is a sum over the same
samples in the same order, whatever the chunks were. Missing samples hold the last value, and the signal continues from
there without a step, so that no filter rings after a gap or a loose lead.
"""

from functools import lru_cache

import numpy as np
from numba import njit
from scipy.signal import firwin

QRS_BAND = (8.0, 20.0)  # Hz, where QRS complexes stand out of T waves and of muscle (Elgendi et al. 2010)
POSITION_BAND = (2.0, 30.0)  # Hz, wide enough to keep the R peak where it is
FILTER_S = 0.20
SMOOTHING_S = 0.12  # about one wide QRS complex
NOISE_MEMORY_S = 3.0
NOISE_FLOOR = 0.005  # mV


@lru_cache(maxsize=64)
def band_pass(band: tuple[float, float], fs: float) -> np.ndarray:
    """Symmetric band pass of :data:`FILTER_S`, odd length, which ignores an offset; the band ends below half of ``fs``."""
    taps = firwin(2 * int(FILTER_S * fs / 2) + 1, (band[0], min(band[1], 0.45 * fs)), fs=fs, pass_zero=False)
    return taps - taps.mean()


class QRSEnvelope:
    """Envelope and position signal of an ECG that arrives in chunks.

    Args:
        fs: Hz.
        n_leads: columns of every chunk.

    Attributes:
        delay: samples between the newest sample read and the newest value of the envelope.
    """

    def __init__(self, fs: float, n_leads: int):
        self.n_leads = n_leads
        self._qrs, self._position = band_pass(QRS_BAND, fs), band_pass(POSITION_BAND, fs)
        half, smoothing = len(self._qrs) // 2, int(SMOOTHING_S * fs / 2)
        self.delay = half + smoothing
        self._smoothing, self._step = smoothing, 1.0 / (NOISE_MEMORY_S * fs)
        self._raw = np.zeros((half, n_leads))
        self._energy = np.zeros(smoothing)
        self._located = np.zeros((0, n_leads))
        self._offset, self._held = np.full(n_leads, np.nan), np.zeros(n_leads)
        self._noise, self._seen = np.full(n_leads, np.log(0.02)), np.zeros(1, dtype=np.int64)

    def push(self, chunk: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The next values.

        Args:
            chunk: (n, n_leads) float64 mV, not finite where missing.

        Returns:
            ``(envelope, position)``: (k,) mV and (k, n_leads) mV for the next k samples of the recording. In total there
            are ``delay`` fewer values than samples read.
        """
        filled = _fill(chunk, self._offset, self._held)
        raw = np.concatenate([self._raw, filled])
        qrs, located = _convolve(raw, self._qrs), _convolve(raw, self._position)
        self._raw = raw[len(qrs) :]
        energy = np.concatenate(
            [self._energy, _weighted_energy(qrs, self._noise, self._seen, self._step, NOISE_FLOOR)]
        )
        envelope = _root_mean(energy, 2 * self._smoothing + 1)
        self._energy = energy[len(envelope) :]
        located = np.concatenate([self._located, located])
        self._located = located[len(envelope) :]
        return envelope, located[: len(envelope)]


@njit(cache=True)
def _fill(chunk, offset, held):
    """Hold the last value over missing samples and continue from it; the first value counts as 0."""
    filled = np.empty(chunk.shape)
    for lead in range(chunk.shape[1]):
        missing = np.isnan(offset[lead])
        for i in range(chunk.shape[0]):
            value = chunk[i, lead]
            if not np.isfinite(value):
                missing = True
                offset[lead] = np.nan
            else:
                if missing:
                    offset[lead] = value - held[lead]
                    missing = False
                held[lead] = value - offset[lead]
            filled[i, lead] = held[lead]
    return filled


@njit(cache=True)
def _convolve(x, taps):
    """Neighbouring outputs are summed side by side, for the sake of vector instructions; each in the order of the taps."""
    n, n_leads = max(0, x.shape[0] - len(taps) + 1), x.shape[1]
    out = np.zeros((n, n_leads))
    flat, sums = x.ravel(), out.ravel()
    for start in range(0, n * n_leads, 2048):
        block = sums[start : min(start + 2048, n * n_leads)]
        for k in range(len(taps)):
            weight, first = taps[k], start + k * n_leads
            shifted = flat[first : first + len(block)]
            for i in range(len(block)):
                block[i] += shifted[i] * weight
    return out


@njit(cache=True)
def _weighted_energy(qrs, noise, seen, step, floor):
    """Mean over leads of the squared signal; the weight of a lead is one over the square of its noise level.

    The noise level is the running median of the absolute value, which beats hardly change. Its logarithm goes up or down
    by a step per sample (stochastic approximation, Robbins & Monro 1951), faster at the start.
    """
    energy = np.empty(qrs.shape[0])
    for i in range(qrs.shape[0]):
        rate = max(step, 2.0 / (seen[0] + 20.0))
        seen[0] += 1
        total, weights = 0.0, 0.0
        for lead in range(qrs.shape[1]):
            value = abs(qrs[i, lead])
            noise[lead] += rate * (0.5 if value > np.exp(noise[lead]) else -0.5)
            noise[lead] = max(noise[lead], -20.0)
            weight = 1.0 / (np.exp(noise[lead]) + floor) ** 2
            total += weight * value * value
            weights += weight
        energy[i] = total / weights
    return energy


@njit(cache=True)
def _root_mean(energy, width):
    n = max(0, len(energy) - width + 1)
    out = np.empty(n)
    for i in range(n):
        total = 0.0
        for k in range(width):
            total += energy[i + k]
        out[i] = np.sqrt(total / width)
    return out
