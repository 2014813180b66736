"""R peaks of an ECG in one pass over the samples; they are the same at once and in chunks.

The decisions are those of Pan & Tompkins 1985 ("A real-time QRS detection algorithm", IEEE Trans. Biomed. Eng. 32), on
the envelope of :mod:`medanomaly.signals.peaks.qrs_envelope`. Levels are medians of the last eight peaks instead of
recursive means. A peak of the envelope becomes a candidate once nothing larger follows for 200 ms. It is a beat where it
is above a threshold between the levels of noise and of beats, unless it is small and follows a beat by less than 360 ms
(a T wave). Where no beat has come for one and a half times the usual interval, the largest candidate above half the
threshold counts as a missed beat. The levels are learned in the first two seconds, and in two seconds after every silence
of four seconds.
"""

import numpy as np
from numba import njit

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.signals.peaks.qrs_envelope import QRSEnvelope

REFRACTORY_S = 0.20
POSITION_S = 0.08  # how far around the centre of the energy the R peak is searched
T_WAVE_S = 0.36
LEARNING_S = 2.0
SILENCE_S = 4.0
THRESHOLD = 0.35  # share of the way from the level of noise to that of beats
T_WAVE = 0.5  # share of the size of the beat before
SEARCH_BACK = 0.5  # share of the threshold
LATE = 1.5  # times the median of the last eight intervals
FLOOR = 0.02  # mV, an envelope below it is not a beat
MAX_CANDIDATES = 256
LOWEST_FS = 50.0

# places in the integer state of the kernel
_TIME, _TOP, _LAST, _SINCE, _LEARN_UNTIL, _N_CANDIDATES, _DECIDED, _N_BEATS, _N_NOISE, _N_RR = range(10)


class RPeakDetector:
    """R peaks of an ECG that arrives in chunks of any size; the peaks do not depend on the chunks.

    A peak is returned about 0.36 s after it came: 0.2 s to see that nothing larger follows, and the delay of the filters.
        A missed beat is returned later, and while the levels are learned the delay is up to 2.4 s.

    Args:
        fs: Hz, at least 50.
        n_leads: number of leads; the position of a peak comes from the first lead, unless it is flat there.

    Raises:
        ConfigurationError: the rate is too low, or there is no lead.
    """

    def __init__(self, fs: float, n_leads: int = 1):
        if not (np.isfinite(fs) and fs >= LOWEST_FS):
            raise ConfigurationError(
                f"R peaks at {fs} Hz", remedy=f"Give {LOWEST_FS:.0f} Hz or more; resample the ECG."
            )
        if n_leads < 1:
            raise ConfigurationError(f"an ECG of {n_leads} leads", remedy="Give one or more.")
        self.fs, self.n_leads, self.n_read = float(fs), n_leads, 0
        self._envelope = QRSEnvelope(fs, n_leads)
        self._widths = np.array(
            [round(s * fs) for s in (REFRACTORY_S, POSITION_S, T_WAVE_S, LEARNING_S, SILENCE_S)]
        )
        self._history = np.zeros((0, n_leads))
        self._counts = np.zeros(10, dtype=np.int64)
        self._counts[_LAST] = -(10**9)
        self._counts[_LEARN_UNTIL] = self._widths[3]
        self._top, self._learned = np.full(2, -1.0), np.zeros(1, dtype=np.bool_)
        self._levels = np.zeros((3, 8))  # of the last eight beats, noise peaks, intervals
        self._candidates = np.zeros((MAX_CANDIDATES, 2), dtype=np.int64)  # centre, R peak
        self._sizes = np.zeros(MAX_CANDIDATES)

    def push(self, chunk: np.ndarray) -> np.ndarray:
        """Read further samples.

        Args:
            chunk: (n, n_leads), or (n,) of a single lead, in mV; NaN where nothing was recorded.

        Returns:
            (k,) int64 positions in samples since the first sample ever read, of the peaks that are now certain.

        Raises:
            InputError: the chunk has another number of leads.
        """
        chunk = np.asarray(chunk, dtype=np.float64)
        chunk = chunk[:, None] if chunk.ndim == 1 else chunk
        if chunk.ndim != 2 or chunk.shape[1] != self.n_leads:
            raise InputError(
                f"a chunk of shape {chunk.shape}",
                remedy=f"Give one column per lead; there are {self.n_leads}.",
            )
        self.n_read += len(chunk)
        peaks = self._decide(chunk)
        return peaks[peaks < self.n_read]

    @property
    def known_until(self) -> int:
        """Position before which every peak is known: no later push returns one there."""
        counts, n = self._counts, self._counts[_N_CANDIDATES]
        sizes, least = self._sizes[:n], FLOOR
        possible = np.ones(n, dtype=bool)
        if self._learned[0]:
            # the threshold falls no lower than this, whatever noise follows
            least = max(FLOOR, SEARCH_BACK * THRESHOLD * float(np.median(self._levels[0])))
            possible = self._candidates[:n, 0] - counts[_LAST] >= self._widths[2]
        # the peak that the envelope goes through now
        coming = (counts[_TOP] if self._top[0] > FLOOR else counts[_TIME]) - self._widths[1]
        peaks = self._candidates[:n, 1][possible & (sizes > least)]
        return max(0, int(min([coming, *peaks])))

    def finish(self) -> np.ndarray:
        """The peaks that still waited for samples; nothing can be read afterwards."""
        wait = self._envelope.delay + int(self._widths[0]) + 1
        wait += max(0, int(self._counts[_LEARN_UNTIL]) - self.n_read) if not self._learned[0] else 0
        peaks = self._decide(np.full((wait, self.n_leads), np.nan))
        return peaks[peaks < self.n_read]

    def _decide(self, chunk: np.ndarray) -> np.ndarray:
        envelope, position = self._envelope.push(chunk)
        position = np.concatenate([self._history, position])
        first = self._counts[_TIME] - len(self._history)
        peaks = _beats(
            envelope, position, first, self._widths, self._counts, self._top, self._learned,
            self._levels, self._candidates, self._sizes,
        )  # fmt: skip
        self._history = position[-(self._widths[0] + self._widths[1] + 1) :]
        return peaks


def detect_r_peaks(signal: np.ndarray, fs: float) -> np.ndarray:
    """R peaks of a whole recording.

    Args:
        signal: (n,) or (n, n_leads) ECG in mV; NaN where nothing was recorded. The lead in which beats are largest should
            come first.
        fs: Hz, at least 50.

    Returns:
        (k,) int64 positions in samples, increasing; empty where there is no beat (flat line, all missing, too short).

    Raises:
        InputError: the signal has more than two dimensions.
        ConfigurationError: the rate is too low.
    """
    signal = np.asarray(signal)
    if signal.ndim not in (1, 2):
        raise InputError(f"a signal of shape {signal.shape}", remedy="Give (n,) or (n, n_leads).")
    if signal.size == 0:
        return np.zeros(0, dtype=np.int64)
    detector = RPeakDetector(fs, 1 if signal.ndim == 1 else signal.shape[1])
    return np.concatenate([detector.push(signal), detector.finish()])


@njit(cache=True)
def _place(position, first, centre, reach):
    """Largest deviation near the centre, in the first lead that has a fifth of the largest one there."""
    low, high = max(0, centre - reach - first), min(position.shape[0], centre + reach + 1 - first)
    largest = 0.0
    for i in range(low, high):
        for lead in range(position.shape[1]):
            largest = max(largest, abs(position[i, lead]))
    for lead in range(position.shape[1]):
        best, where = -1.0, centre
        for i in range(low, high):
            if abs(position[i, lead]) > best:
                best, where = abs(position[i, lead]), first + i
        if best >= 0.2 * largest:
            return where
    return centre


@njit(cache=True)
def _drop(candidates, sizes, counts, k):
    """Forget the k oldest candidates."""
    n = counts[_N_CANDIDATES] - k
    for i in range(n):
        sizes[i] = sizes[i + k]
        candidates[i] = candidates[i + k]
    counts[_N_CANDIDATES] = n
    counts[_DECIDED] = max(0, counts[_DECIDED] - k)


@njit(cache=True)
def _threshold(levels):
    noise = np.median(levels[1])
    return noise + THRESHOLD * (np.median(levels[0]) - noise)


@njit(cache=True)
def _accept(candidates, sizes, counts, levels, top, k, silence):
    """Accept candidate k as a beat: note its size and interval, forget it and all before it; returns its R peak."""
    centre, size, peak = candidates[k, 0], sizes[k], candidates[k, 1]
    interval = centre - counts[_LAST]
    if interval < silence:
        levels[2, counts[_N_RR] % 8] = interval
        counts[_N_RR] += 1
    levels[0, counts[_N_BEATS] % 8] = size
    counts[_N_BEATS] += 1
    counts[_LAST] = counts[_SINCE] = centre
    top[1] = size
    _drop(candidates, sizes, counts, k + 1)
    return peak


@njit(cache=True)
def _learn(sizes, n, levels):
    """Set the levels from the n candidates of the learning time; False where none of them can be a beat."""
    largest = sizes[:n].max() if n else 0.0
    if largest < FLOOR:
        return False
    beats, noise = sizes[:n][sizes[:n] > 0.5 * largest], sizes[:n][sizes[:n] <= 0.5 * largest]
    levels[0] = np.median(beats)
    levels[1] = np.median(noise) if len(noise) else 0.1 * np.median(beats)
    return True


@njit(cache=True)
def _beats(envelope, position, first, widths, counts, top, learned, levels, candidates, sizes):
    refractory, reach, t_wave, learning, silence = widths
    found = np.empty(len(envelope) // max(1, refractory // 2) + 2 * MAX_CANDIDATES, dtype=np.int64)
    n_found = 0
    for i in range(len(envelope)):
        t = counts[_TIME]
        counts[_TIME] += 1
        if envelope[i] > top[0]:
            top[0], counts[_TOP] = envelope[i], t
        if t - counts[_TOP] >= refractory:
            if counts[_N_CANDIDATES] == MAX_CANDIDATES:
                _drop(candidates, sizes, counts, 1)
            n = counts[_N_CANDIDATES]
            candidates[n, 0] = counts[_TOP]
            candidates[n, 1] = _place(position, first, counts[_TOP], reach)
            sizes[n] = top[0]
            counts[_N_CANDIDATES] += 1
            top[0], counts[_TOP] = envelope[i], t
        if not learned[0]:
            if t < counts[_LEARN_UNTIL]:
                continue
            if not _learn(sizes, counts[_N_CANDIDATES], levels):
                counts[_N_CANDIDATES], counts[_LEARN_UNTIL] = 0, t + learning
                continue
            learned[0] = True
            levels[2], counts[_N_RR] = 0.4 * learning, 0
            counts[_SINCE], counts[_DECIDED] = t - learning, 0
        while counts[_DECIDED] < counts[_N_CANDIDATES]:
            k = counts[_DECIDED]
            soon = candidates[k, 0] - counts[_LAST] < t_wave
            if sizes[k] > max(FLOOR, _threshold(levels)) and not (soon and sizes[k] < T_WAVE * top[1]):
                found[n_found] = _accept(candidates, sizes, counts, levels, top, k, silence)
                n_found += 1
                continue
            if not soon:
                levels[1, counts[_N_NOISE] % 8] = min(sizes[k], np.median(levels[0]))
                counts[_N_NOISE] += 1
            counts[_DECIDED] += 1
        if counts[_DECIDED] > 0 and t - counts[_SINCE] > LATE * np.median(levels[2]) + refractory:
            best, size = -1, max(FLOOR, SEARCH_BACK * _threshold(levels))
            for k in range(counts[_DECIDED]):
                if sizes[k] > size and candidates[k, 0] - counts[_LAST] >= t_wave:
                    best, size = k, sizes[k]
            if best >= 0:
                found[n_found] = _accept(candidates, sizes, counts, levels, top, best, silence)
                n_found += 1
        if t - counts[_SINCE] > silence:
            learned[0] = False
            counts[_N_CANDIDATES], counts[_DECIDED], counts[_LEARN_UNTIL] = 0, 0, t + learning
    return found[:n_found]
