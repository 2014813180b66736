"""Stretches without a beat while samples arrive: the episodes of the whole recording, reported as soon as they are certain.

Rules and limits are those of :func:`~medanomaly.signals.alarms.rhythm_episodes.silence_episodes` and of
:func:`~medanomaly.signals.quality.assessment.assess_quality`. Windows of quality lie where they lie in the recording,
and are looked at only where there is no beat.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from medanomaly.signals.alarms.rhythm_episodes import PAUSE_S, SILENCES, silence_kind, silence_seconds
from medanomaly.signals.quality.assessment import QualityParams, assess_quality
from medanomaly.signals.recordings.recording import Recording
from medanomaly.signals.recordings.sample_ring import SampleRing

# filters of the quality measures need so much signal behind a window
_SETTLED_S = 1.0
# a silence is certain no later than this after its third second: R peaks are looked for again until then
_LATE_S = 5.0


@dataclass(frozen=True)
class Silence:
    """Three seconds or more without a beat, as an alarm sees them.

    Attributes:
        start_s: the beat before it, or the beginning of the recording.
        end_s: the next beat, or the end of the recording; while it lasts, the newest sample.
        kind: ``pause``, ``asystole``, ``lead off`` or ``noise``; while it lasts, as far as is known.
        ongoing: whether it still lasts. It is reported again when its kind changes, and when it has ended.
    """

    start_s: float
    end_s: float
    kind: str
    ongoing: bool


@dataclass
class _Open:
    """A silence whose end is not reported yet.

    Attributes:
        start: the beat before it.
        window: the first window of quality that is not counted yet.
        end: the next beat, where it is known.
        reported: the kind that was reported last.
        seconds: of each kind, in the windows that are counted.
    """

    start: int
    window: int
    end: int | None = None
    reported: str = ""
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SILENCES, 0.0))


class LiveSilences:
    """Silences of one recording that arrives in pieces.

    Args:
        fs: Hz.
        n_leads: ECG leads in mV; all of them count.
        quality: windows and limits of good signal.

    Attributes:
        longest_piece: samples that a push may bring at most.
    """

    def __init__(self, fs: float, n_leads: int, quality: QualityParams | None = None):
        self.fs, self._quality = fs, quality or QualityParams()
        self.longest_piece = self._width = round(self._quality.window_s * fs)
        self._margin = round(_SETTLED_S * fs)
        kept = 4 * self._width + round((PAUSE_S + _LATE_S) * fs)
        self._ring = SampleRing(kept, n_leads, dtype=np.float32)
        # lowest and highest value of each lead, and up to where they are known
        self._limits, self._limits_until = np.full((2, n_leads), np.nan, dtype=np.float32), 0
        self._last, self._waiting = 0, []
        self._open: list[_Open] = []

    def push(self, x: np.ndarray, beats: Sequence[int], known_until: Callable[[], int]) -> list[Silence]:
        """Read further samples.

        Args:
            x: (n, n_leads) mV, not finite where nothing was recorded.
            beats: positions of R peaks that became known, since the first sample ever pushed.
            known_until: gives the position before which every R peak is known.

        Returns:
            Silences that begin, change their kind, or have ended. One that has ended is reported when the window of
            quality in which it ends is complete.
        """
        self._ring.append(x)
        if self._ring.end - self._limits_until >= self._width:
            self._update_limits()
        if len(beats):
            self._waiting = sorted({*self._waiting, *map(int, beats)})
        if not (self._open or self._silent(self._last, self._ring.end)):
            return []
        until = known_until()
        while self._waiting and self._waiting[0] <= until:
            self._beat(self._waiting.pop(0))
        if self._silent(self._last, until) and not self._lasts():
            self._open.append(_Open(self._last, self._last // self._width))
        reports = [silence for one in self._open if (silence := self._look(one, until)) is not None]
        self._open = [one for one in self._open if not self._complete(one)]
        return reports

    def finish(self, beats: Sequence[int]) -> list[Silence]:
        """The silences whose end is not reported yet, with the last beats; the end of the recording ends them too."""
        for beat in sorted({*self._waiting, *map(int, beats)}):
            self._beat(beat)
        if self._lasts() or self._silent(self._last, self._ring.end):
            self._beat(self._ring.end)
        reports = [self._report(one, self._kind_so_far(one)) for one in self._open]
        self._waiting, self._open = [], []
        return reports

    def _silent(self, start: int, end: int) -> bool:
        return end / self.fs - start / self.fs >= PAUSE_S

    def _lasts(self) -> bool:
        return bool(self._open) and self._open[-1].end is None

    def _complete(self, one: _Open) -> bool:
        return one.end is not None and one.window * self._width >= one.end

    def _beat(self, beat: int) -> None:
        if beat <= self._last:
            return
        if self._lasts():
            self._open[-1].end = beat
        elif self._silent(self._last, beat):
            self._open.append(_Open(self._last, self._last // self._width, beat))
        self._last = beat

    def _look(self, one: _Open, until: int) -> Silence | None:
        """What is to be reported of a silence now."""
        counted = self._count_whole(one, until)
        if self._complete(one):
            return self._report(one, silence_kind(one.seconds))
        if one.end is not None or (one.reported and not (counted and self._undecided(one))):
            return None
        kind = self._kind_so_far(one)
        if kind == one.reported:
            return None
        one.reported = kind
        return self._report(one, kind)

    def _report(self, one: _Open, kind: str) -> Silence:
        end = self._ring.end if one.end is None else one.end
        return Silence(one.start / self.fs, end / self.fs, kind, one.end is None)

    def _count_whole(self, one: _Open, until: int) -> bool:
        """Count the windows that no later sample and no later beat can change, and say whether there were any."""
        first = one.window
        while (stop := (one.window + 1) * self._width) + self._margin <= self._ring.end:
            if self._complete(one) or (one.end is None and stop > until):
                break
            one.seconds = self._with(one.seconds, one, self._whole_window(one.window))
            one.window += 1
        return one.window > first

    def _undecided(self, one: _Open) -> bool:
        """Whether the signal that is not counted yet can change the kind."""
        *_, second, first = sorted(one.seconds.values())
        left = (self._ring.end - one.window * self._width) / self.fs
        return silence_kind(one.seconds) != one.reported or first - second <= left

    def _kind_so_far(self, one: _Open) -> str:
        """The kind of a silence in the recording up to here."""
        newest, seconds = self._ring.end, one.seconds
        end = newest if one.end is None else one.end
        for window in range(one.window, newest // self._width):
            if window * self._width < end:
                seconds = self._with(seconds, one, self._whole_window(window))
        if newest % self._width and newest // self._width * self._width < end:
            seconds = self._with(seconds, one, self._last_window())
        return silence_kind(seconds)

    def _with(self, seconds: dict[str, float], one: _Open, window: pd.DataFrame) -> dict[str, float]:
        end = self._ring.end if one.end is None else one.end
        more = silence_seconds(window, one.start / self.fs, end / self.fs)
        return {kind: seconds[kind] + more[kind] for kind in seconds}

    def _whole_window(self, window: int) -> pd.DataFrame:
        """Quality of a window; the one before it is read too, so that filters have run in, and a second behind it."""
        start, stop = window * self._width, (window + 1) * self._width
        before = self._width if start - self._width >= self._ring.first else 0
        table = self._assessed(start - before, min(stop + self._margin, self._ring.end))
        own = table[table["start_s"].eq(before / self.fs)]
        return own.assign(start_s=start / self.fs, end_s=stop / self.fs)

    def _last_window(self) -> pd.DataFrame:
        """Quality of the window that ends with the newest sample, as the last one of a recording does."""
        newest = self._ring.end
        table = self._assessed(max(newest - 2 * self._width, self._ring.first), newest)
        own = table[table["start_s"].eq(table["start_s"].max())]
        start = newest // self._width * self._width
        return own.assign(start_s=start / self.fs, end_s=newest / self.fs)

    def _assessed(self, start: int, stop: int) -> pd.DataFrame:
        self._update_limits()
        signal = self._ring.between(start, stop)
        leads = tuple(f"ECG {j + 1}" for j in range(signal.shape[1]))
        recording = Recording("", "", signal, self.fs, leads, ("mV",) * len(leads))
        return assess_quality(recording, self._quality, limits=self._limits)

    def _update_limits(self) -> None:
        new = self._ring.between(self._limits_until, self._ring.end)
        if len(new):
            known = np.where(np.isfinite(new), new, np.nan)
            self._limits[0] = np.fmin(self._limits[0], np.fmin.reduce(known))
            self._limits[1] = np.fmax(self._limits[1], np.fmax.reduce(known))
            self._limits_until = self._ring.end
