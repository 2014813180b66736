"""Silences of a live ECG: the episodes that the batch finds, reported in time."""

import numpy as np
import pytest
from drawn_ecg import FS, LEARN_S, ecg
from sample_recordings import beats as drawn

from medanomaly.signals.alarms.rhythm_episodes import PAUSE_S, silence_episodes
from medanomaly.signals.beat_detector.detector import BeatDetector
from medanomaly.signals.beat_detector.streaming import StreamingBeatScorer
from medanomaly.signals.peaks.r_peaks import RPeakDetector, detect_r_peaks
from medanomaly.signals.quality.assessment import assess_quality
from medanomaly.signals.recordings.recording import Recording

N = round(80 * FS)
RNG = np.random.default_rng(0)
# what stands in for the ECG in a stretch, and what the stretch is
FILLS = {
    "pause": ((33.0, 36.4), lambda n: 0.01 * RNG.standard_normal(n), ["pause"]),
    "asystole": ((25.3, 45.0), lambda n: 0.004 * RNG.standard_normal(n), ["asystole"]),
    "lead off": ((25.3, 52.0), lambda n: np.full(n, np.nan), ["lead off"]),
    "flat line": ((41.7, 80.0), np.zeros, ["lead off"]),
    "from the beginning": ((0.0, 21.0), np.zeros, ["lead off"]),
    "one sample at a limit": ((30.2, 41.0), lambda n: np.r_[9.0, np.zeros(n - 1)], ["lead off"]),
}


def signal(name: str) -> np.ndarray:
    x = drawn(N, FS)
    (first, last), fill, _ = FILLS[name]
    at = slice(round(first * FS), round(last * FS))
    x[at] = fill(len(x[at]))
    return np.stack([x, -0.5 * x], axis=1).astype(np.float32)


def in_batch(x: np.ndarray, peaks: np.ndarray) -> list[tuple]:
    recording = Recording("r", "p", x, FS, ("II", "V1"), ("mV", "mV"))
    times = np.concatenate([[0.0], peaks / FS, [recording.duration]])
    table = silence_episodes(times, assess_quality(recording))
    return list(table[["start_s", "end_s", "kind"]].itertuples(index=False, name=None))


@pytest.fixture(scope="module")
def detector():
    return BeatDetector("B", learn_s=LEARN_S).fit([ecg(seed) for seed in range(1, 4)])


def reports(detector, x, size, r_peaks="detect", marks=()):
    """What a stream reports of silences: seconds that were read, and the silence."""
    scorer, found = StreamingBeatScorer(detector, FS, x.shape[1], r_peaks), []
    for at in range(0, len(x), size):
        chunk = x[at : at + size]
        own = [m for m in marks if at <= m < at + len(chunk)] if r_peaks == "given" else None
        found += [((at + len(chunk)) / FS, silence) for silence in scorer.push(chunk, own).silences]
    return found + [(len(x) / FS, silence) for silence in scorer.finish().silences]


@pytest.mark.parametrize("name", list(FILLS))
def test_live_and_batch_find_the_same_silences(detector, name):
    x = signal(name)
    batch = in_batch(x, detect_r_peaks(x, FS))
    assert [kind for *_, kind in batch] == FILLS[name][2]
    found = reports(detector, x, 61)
    assert [(s.start_s, s.end_s, s.kind) for _, s in found if not s.ongoing] == batch
    for (start, end, _), first in zip(batch, [f for f in found if f[1].ongoing], strict=False):
        # it is reported in time, and its end as soon as its last window of quality is complete
        assert start + PAUSE_S <= first[0] <= start + PAUSE_S + 2.5
        over = next(read for read, s in found if s.start_s == start and not s.ongoing)
        assert over <= end + 6.5
    for read, silence in found:
        if silence.ongoing:
            so_far = x[: round(read * FS)]
            assert (silence.start_s, silence.end_s, silence.kind) in in_batch(
                so_far, detect_r_peaks(so_far, FS)
            )


@pytest.mark.parametrize("size", [7, 4000, 1_000_000])
def test_silences_do_not_depend_on_the_chunks(detector, size):
    x = signal("asystole")
    found = [s for _, s in reports(detector, x, size) if not s.ongoing]
    assert [(s.start_s, s.end_s, s.kind) for s in found] == in_batch(x, detect_r_peaks(x, FS))


def test_beats_that_only_one_side_knows_are_beats(detector):
    x, peaks = signal("lead off"), detect_r_peaks(signal("lead off"), FS)
    # a source that marked beats where the project finds none, and none from 60 s on
    known = np.sort(np.r_[peaks[peaks < 60 * FS], np.rint(np.arange(30, 40, 0.8) * FS).astype(int)])
    found = [s for _, s in reports(detector, x, 100, "given", known) if not s.ongoing]
    batch = in_batch(x, np.union1d(peaks, known))
    assert len(batch) == 2
    assert [(s.start_s, s.end_s, s.kind) for s in found] == batch


@pytest.mark.parametrize("name", ["pause", "lead off", "from the beginning"])
def test_no_r_peak_comes_where_all_are_said_to_be_known(name):
    x = signal(name)
    x[:, 0] += 0.06 * RNG.standard_normal(N)
    finder, known = RPeakDetector(FS, 2), 0
    for at in range(0, N, 13):
        peaks = finder.push(x[at : at + 13])
        assert (peaks >= known).all()
        known = max(known, finder.known_until)
        assert known >= min(at, N) - 5 * FS
