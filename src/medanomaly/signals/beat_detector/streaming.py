"""Scores of heart beats while samples arrive: the same scores as those of the causal detector for the whole recording.

Stretches without a beat are reported while they last: a pause, an asystole, a lead that is off. They are the episodes that
:func:`~medanomaly.signals.alarms.rhythm_episodes.silence_episodes` finds in the whole recording.

Samples go into a ring; nothing else of the signal is kept. A beat is scored 0.86 s after its R peak: it needs 0.24 s of
signal after the R peak, and the filter needs 0.62 s more. Where the R peak is known later than that, the score follows at
once. The detector of R peaks needs about 0.36 s, and up to 2.4 s while it learns. Beats of the learning time are returned
together when it ends.
"""

from dataclasses import dataclass

import numpy as np

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.signals.alarms.live_silences import LiveSilences, Silence
from medanomaly.signals.beat_detector.clusters import empty_clusters
from medanomaly.signals.beat_detector.detector import BeatDetector
from medanomaly.signals.beat_detector.fusion import CONTRIBUTIONS
from medanomaly.signals.beat_detector.terms import (
    N_TERMS,
    RR_LIMITS_S,
    empty_history,
    learn_block,
    log_rr_before,
    score_next,
)
from medanomaly.signals.beats.beat_windows import AFTER_S, BEFORE, GRID_HZ, POINTS, beat_window
from medanomaly.signals.beats.ecg_filters import filter_inside, kernel
from medanomaly.signals.beats.params import MIN_BEATS
from medanomaly.signals.peaks.r_peaks import RPeakDetector
from medanomaly.signals.quality.assessment import QualityParams
from medanomaly.signals.recordings.sample_ring import SampleRing

# R peaks may come this late: the detector finds missed ones in a second look
KEPT_S = 15.0


@dataclass(frozen=True)
class ScoredBeats:
    """Beats whose scores became certain with a push.

    Attributes:
        sample: (k,) int64 R peaks, in samples since the first one ever pushed.
        score: (k,) float64.
        contributions: (k, 7) in the order of ``CONTRIBUTIONS``; their sum is the score.
        silences: stretches without a beat that began, changed their kind or have ended.
    """

    sample: np.ndarray
    score: np.ndarray
    contributions: np.ndarray
    silences: tuple[Silence, ...] = ()


class StreamingBeatScorer:
    """A fitted causal ``BeatDetector`` for one recording that arrives in chunks of any size.

    Args:
        detector: fitted, with ``causal=True``.
        fs: Hz, 100 or more.
        n_leads: columns of every chunk; beats are scored on the first two.
        r_peaks: ``"detect"`` finds them in the stream; ``"given"`` takes those that are passed to ``push``.
        quality: windows and limits of good signal, which say what a stretch without beats is.

    Attributes:
        latency_s: seconds from an R peak to its score, after the learning time, where the R peak is known in time.

    Raises:
        ConfigurationError: the detector is not causal or not fitted, or an argument is not valid.
    """

    def __init__(
        self,
        detector: BeatDetector,
        fs: float,
        n_leads: int,
        r_peaks: str = "detect",
        quality: QualityParams | None = None,
    ):
        if not detector.causal or not hasattr(detector, "tails_"):
            raise ConfigurationError(
                "the detector is not a fitted causal one", remedy="Fit BeatDetector(causal=True) first."
            )
        if not (np.isfinite(fs) and fs >= 100) or n_leads < 1:
            raise ConfigurationError(
                f"{n_leads} lead(s) at {fs} Hz", remedy="Give one lead or more, at 100 Hz or more."
            )
        if r_peaks not in ("detect", "given"):
            raise ConfigurationError(f"R peaks '{r_peaks}'", remedy="Give 'detect' or 'given'.")
        self.detector, self.fs, self.n_leads = detector, float(fs), n_leads
        self.n_read = 0
        # where the project finds a beat there is no silence, although nobody marked one (flutter)
        self._finder, self._given = RPeakDetector(fs, n_leads), r_peaks == "given"
        self._silences = LiveSilences(self.fs, n_leads, quality)
        self._delay = len(kernel(self.fs)) // 2
        # cubic interpolation reads one sample before and two after
        self._before = int(np.ceil(BEFORE * self.fs / GRID_HZ)) + 2
        self._after = int(np.ceil(AFTER_S * self.fs)) + 3
        self.latency_s = (self._after + self._delay) / self.fs
        kept = int(KEPT_S * self.fs) + self._before + self._delay
        self._leads = min(2, n_leads)
        self._ring = SampleRing(kept, self._leads, first=-self._delay)
        self._longest_piece = min(kept, self._silences.longest_piece)
        self._held = np.zeros(self._leads)
        self._waiting: list[int] = []
        self._clusters, self._history = empty_clusters(), empty_history()
        self._learning: list[tuple[int, np.ndarray]] | None = []
        self._last_peak = self._scored_peak = -1
        self._finished = False

    def push(self, chunk: np.ndarray, r_peaks: np.ndarray | None = None) -> ScoredBeats:
        """Read further samples.

        Args:
            chunk: (n, n_leads), or (n,) of a single lead, in mV; NaN where nothing was recorded.
            r_peaks: (k,) R peaks to score, in samples since the first one ever pushed; only with ``r_peaks="given"``.
                They increase from call to call, are never ahead of the samples read and at most 15 s behind. Where they come
                later than ``latency_s``, a silence may be reported that turns out shorter than three seconds.

        Returns:
            The beats whose scores are now certain, and silences. A silence is reported in the learning time, too: 0.3 s
            after its third second, or up to 1.5 s where the signal holds what may still turn out to be a beat.

        Raises:
            InputError: another number of leads, or R peaks that are out of order or out of reach.
        """
        chunk = np.asarray(chunk, dtype=np.float64)
        chunk = chunk[:, None] if chunk.ndim == 1 else chunk
        if chunk.ndim != 2 or chunk.shape[1] != self.n_leads:
            raise InputError(
                f"a chunk of shape {chunk.shape}",
                remedy=f"Give one column per lead; there are {self.n_leads}.",
            )
        if self._finished:
            raise InputError("the stream is finished", remedy="Start a new scorer.")
        if (r_peaks is not None) != self._given:
            raise InputError(
                "R peaks are " + ("not given" if self._given else "detected here"),
                remedy="Give them with every push if and only if the scorer was made with r_peaks='given'.",
            )
        found, silences = [], []
        # pieces fit into the ring, so that a chunk of hours needs no more memory than one of a second
        for start in range(0, max(len(chunk), 1), self._longest_piece):
            piece = chunk[start : start + self._longest_piece]
            self._append(piece)
            peaks = beats = self._finder.push(piece)
            if self._given:
                now = np.asarray(r_peaks, dtype=np.int64)
                peaks = now[(now < self.n_read) & (now > self._last_peak)]
                beats = np.concatenate([beats, peaks])
            self._queue(peaks)
            found += self._ready()
            silences += self._silences.push(piece, beats, self._known_until)
        if self._given and len(r_peaks) and r_peaks[-1] != self._last_peak:
            raise InputError(
                f"R peak {r_peaks[-1]} is ahead of the {self.n_read} samples read or behind {self._last_peak}",
                remedy="Give each R peak once, in order, with the samples that hold it or later.",
            )
        return _joined(found, silences)

    def finish(self) -> ScoredBeats:
        """The beats that still waited for samples, and the silences that ended with the signal.

        The signal is continued with its last value.
        """
        peaks = self._finder.finish()
        silences = self._silences.finish(peaks)
        if not self._given:
            self._queue(peaks)
        end = self.n_read
        if end:
            self._ring.append(np.repeat(self._held[None, :], self._after + self._delay, axis=0))
        found = self._ready(end)
        if self._learning:
            found += self._learn()
        self._finished = True
        return _joined(found, silences)

    def _known_until(self) -> int:
        known = self._finder.known_until
        return min(known, self.n_read - self._after - self._delay) if self._given else known

    def _append(self, piece: np.ndarray) -> None:
        if not len(piece):
            return
        x = piece[:, : self._leads].copy()
        for lead in range(self._leads):
            missing = ~np.isfinite(x[:, lead])
            if missing.any():
                last = np.maximum.accumulate(np.where(missing, -1, np.arange(len(x))))
                x[:, lead] = np.where(last >= 0, x[np.maximum(last, 0), lead], self._held[lead])
        if self.n_read == 0:
            self._ring.append(np.repeat(x[:1], self._delay, axis=0))
        self._ring.append(x)
        self._held = x[-1].copy()
        self.n_read += len(piece)

    def _queue(self, peaks: np.ndarray) -> None:
        for peak in peaks:
            if peak <= self._last_peak or max(peak - self._before, 0) - self._delay < self._ring.first:
                raise InputError(
                    f"R peak {peak} comes after {self._last_peak}, and the ring begins at {self._ring.first}",
                    remedy=f"Give R peaks in order and no more than {KEPT_S:.0f} s late.",
                )
            self._waiting.append(int(peak))
            self._last_peak = int(peak)

    def _ready(self, end: int | None = None) -> list:
        """Score the waiting beats whose window is complete; ``end`` is where the recording has ended."""
        found = []
        newest = self._ring.end
        while self._waiting and (end is not None or self._waiting[0] + self._after + self._delay < newest):
            peak = self._waiting.pop(0)
            found += self._beat(peak, self._window(peak, newest if end is None else end))
        return found

    def _window(self, peak: int, end: int) -> np.ndarray:
        low, high = max(peak - self._before, 0), min(peak + self._after, end)
        filtered = filter_inside(self._ring.between(low - self._delay, high + self._delay), self.fs)
        window = np.empty((2, POINTS))
        beat_window(filtered, peak - low, self.fs, window)
        return window

    def _beat(self, peak: int, window: np.ndarray) -> list:
        if self._learning is not None:
            found = []
            if len(self._learning) >= MIN_BEATS and peak >= self.detector.learn_s * self.fs:
                found = self._learn()
            else:
                self._learning.append((peak, window))
                return []
            return found + self._beat(peak, window)
        terms = np.empty((1, N_TERMS))
        rr = np.log(np.clip((peak - self._scored_peak) / self.fs, *RR_LIMITS_S))
        score_next(self._clusters, self._history, window, rr, True, True, terms[0])
        self._scored_peak = peak
        return [(np.array([peak]), self.detector.explain_terms(terms))]

    def _learn(self) -> list:
        peaks = np.array([p for p, _ in self._learning])
        windows = np.stack([w for _, w in self._learning])
        if len(peaks) < MIN_BEATS:
            raise InputError(
                f"the stream ended after {len(peaks)} beat(s)",
                remedy=f"Give {MIN_BEATS} beats or more before the end.",
            )
        usable = np.ones(len(peaks), dtype=bool)
        log_rr, known = log_rr_before(peaks, self.fs, usable)
        terms = np.empty((len(peaks), N_TERMS))
        learn_block(self._clusters, self._history, windows, log_rr, known, usable, terms)
        self._learning, self._scored_peak = None, peaks[-1]
        return [(peaks, self.detector.explain_terms(terms))]


def _joined(found: list, silences: list[Silence]) -> ScoredBeats:
    peaks = np.concatenate([np.zeros(0, dtype=np.int64), *(p for p, _ in found)])
    contributions = np.concatenate([np.zeros((0, len(CONTRIBUTIONS))), *(c for _, c in found)])
    return ScoredBeats(peaks, contributions.sum(axis=1), contributions, tuple(silences))
