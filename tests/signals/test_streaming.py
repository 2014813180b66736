import numpy as np
import pytest
from drawn_ecg import FS, LEARN_S, ecg, replace
from hypothesis import given, settings
from hypothesis import strategies as st

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.signals.beat_detector.detector import BeatDetector
from medanomaly.signals.beat_detector.series import BeatSeries
from medanomaly.signals.beat_detector.streaming import StreamingBeatScorer
from medanomaly.signals.peaks.r_peaks import detect_r_peaks


@pytest.fixture(scope="module")
def detector():
    return BeatDetector("B", learn_s=LEARN_S).fit([ecg(seed) for seed in range(1, 4)])


def streamed(detector, series: BeatSeries, sizes, r_peaks: str):
    """All beats of a series that comes in chunks of the given sizes, over and over."""
    scorer = StreamingBeatScorer(detector, series.fs, series.signal.shape[1], r_peaks)
    parts, at, i = [], 0, 0
    while at < len(series.signal):
        chunk = series.signal[at : at + sizes[i % len(sizes)]]
        inside = (series.samples >= at) & (series.samples < at + len(chunk))
        marks = series.samples[inside] if r_peaks == "given" else None
        parts.append(scorer.push(chunk, marks))
        at, i = at + len(chunk), i + 1
    parts.append(scorer.finish())
    return tuple(
        np.concatenate([getattr(p, name) for p in parts]) for name in ("sample", "score", "contributions")
    )


@settings(max_examples=8, deadline=None)
@given(sizes=st.lists(st.integers(1, 4000), min_size=1, max_size=6).filter(lambda s: sum(s) > 200))
def test_random_chunks_give_the_scores_of_the_whole_recording(detector, sizes):
    series = ecg(0)
    sample, score, contributions = streamed(detector, series, sizes, "given")
    np.testing.assert_array_equal(sample, series.samples)
    np.testing.assert_array_equal(contributions, detector.explain(series))
    np.testing.assert_allclose(score, detector.score(series), rtol=0, atol=1e-12)


@pytest.mark.parametrize("sizes", [[1], [7, 500], [100_000]])
def test_with_its_own_r_peaks_it_scores_as_the_batch_does_with_those(detector, sizes):
    series = ecg(0)
    peaks = detect_r_peaks(series.signal, FS)
    sample, score, _ = streamed(detector, series, sizes, "detect")
    np.testing.assert_array_equal(sample, peaks)
    batch = detector.score(replace(series, samples=peaks, aami=None))
    np.testing.assert_allclose(score, batch, rtol=0, atol=1e-9)


def test_gaps_and_a_single_lead_stream_as_in_batch(detector):
    series = ecg(0)
    signal = series.signal[:, :1].copy()
    signal[4000:4300] = np.nan
    signal[:20] = np.nan
    series = replace(series, signal=signal)
    _, score, _ = streamed(detector, series, [333], "given")
    np.testing.assert_allclose(score, detector.score(series), rtol=0, atol=1e-12)


def test_a_recording_shorter_than_the_learning_time_is_scored_at_its_end(detector):
    series = ecg(0, n_beats=30)
    _, score, _ = streamed(detector, series, [1000], "given")
    np.testing.assert_allclose(score, detector.score(series), rtol=0, atol=1e-12)


def test_a_score_comes_no_later_than_the_stated_latency(detector):
    series = ecg(0)
    scorer = StreamingBeatScorer(detector, FS, 2, "given")
    assert scorer.latency_s < 0.9
    wait = {}
    for at in range(0, len(series.signal), 10):
        inside = (series.samples >= at) & (series.samples < at + 10)
        for sample in scorer.push(series.signal[at : at + 10], series.samples[inside]).sample:
            wait[int(sample)] = (at + 10 - sample) / FS
    late = [w for sample, w in wait.items() if sample > (LEARN_S + 2) * FS]
    assert len(late) > 50
    assert max(late) <= scorer.latency_s + 10 / FS


def test_memory_does_not_grow_with_the_recording(detector):
    scorer = StreamingBeatScorer(detector, FS, 2, "given")
    size = scorer._ring.nbytes
    for _ in range(12):
        scorer.push(np.zeros((5000, 2)), np.zeros(0, dtype=int))
    assert scorer._ring.nbytes == size


def test_what_does_not_fit_is_said(detector):
    with pytest.raises(ConfigurationError, match="causal"):
        StreamingBeatScorer(BeatDetector(causal=False), FS, 1)
    with pytest.raises(ConfigurationError, match="100 Hz"):
        StreamingBeatScorer(detector, 50.0, 1)
    scorer = StreamingBeatScorer(detector, FS, 2, "given")
    with pytest.raises(InputError, match="shape"):
        scorer.push(np.zeros((5, 3)), np.zeros(0, dtype=int))
    with pytest.raises(InputError, match="not given"):
        scorer.push(np.zeros((5, 2)))
    with pytest.raises(InputError, match="ahead"):
        scorer.push(np.zeros((5, 2)), np.array([50]))
    scorer.push(np.zeros((10000, 2)), np.array([9000]))
    with pytest.raises(InputError, match="behind"):
        scorer.push(np.zeros((5, 2)), np.array([8000]))
    with pytest.raises(InputError, match="1 beat"):
        scorer.finish()
