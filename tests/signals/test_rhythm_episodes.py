import numpy as np
import pytest

from medanomaly.core.errors import InputError
from medanomaly.signals.alarms.rhythm_episodes import (
    af_episodes,
    in_episodes,
    noise_episodes,
    pattern_episodes,
    rr_irregularity,
)

FS = 360.0


def peaks(rr: np.ndarray) -> np.ndarray:
    return np.rint((1.0 + np.cumsum(rr)) * FS).astype(np.int64)


def sinus(n: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    breathing = 0.025 * np.sin(2 * np.pi * np.arange(n) / 5)
    return 0.8 + breathing + 0.01 * random.standard_normal(n)


def fibrillation(n: int, seed: int = 0) -> np.ndarray:
    return 0.7 * np.exp(0.22 * np.random.default_rng(seed).standard_normal(n))


@pytest.mark.parametrize("causal", [True, False])
def test_fibrillation_between_sinus_rhythm_is_one_episode(causal):
    samples = peaks(np.concatenate([sinus(300), fibrillation(400), sinus(300, 1)]))
    found = af_episodes(samples, FS, causal=causal, record="a", patient_id="p")
    assert found["kind"].tolist() == ["AF"]
    begin, end = samples[300] / FS, samples[699] / FS
    # half a window of 60 intervals to recognise it, and to see that it is over
    assert abs(found["start_s"][0] - begin) < 45
    assert abs(found["end_s"][0] - end) < 60


@pytest.mark.parametrize("period", [2, 3])
def test_ectopic_beats_in_a_fixed_pattern_are_no_fibrillation(period):
    rr = sinus(600)
    rr[period - 1 :: period] *= 0.6
    rr[period::period] *= 1.3
    assert af_episodes(peaks(rr), FS).empty


def test_frequent_ectopic_beats_are_no_fibrillation_where_their_shape_is_known():
    random = np.random.default_rng(0)
    ectopic = random.random(900) < 0.3
    rr = sinus(900)
    rr[ectopic] *= 0.6
    rr[np.flatnonzero(ectopic[:-1]) + 1] *= 1.35
    samples = peaks(rr)
    assert len(af_episodes(samples, FS))
    assert af_episodes(samples, FS, ectopic=ectopic).empty


def test_irregularity_is_that_of_a_plain_loop():
    samples = peaks(fibrillation(200))
    rr = np.diff(samples) / FS
    nearest = [min(abs(rr[i] - rr[i - lag]) for lag in (1, 2, 3)) for i in range(3, len(rr))]
    got = rr_irregularity(samples, FS)
    for beat in (40, 100, 199):
        window = slice(max(0, beat - 3 - 60), beat - 3)
        expected = np.median(nearest[window]) / np.median(rr[3:][window])
        assert got[beat] == pytest.approx(expected, abs=1e-12)


def test_causal_irregularity_knows_nothing_of_later_beats():
    samples = peaks(fibrillation(300))
    np.testing.assert_array_equal(rr_irregularity(samples, FS)[:200], rr_irregularity(samples[:200], FS))


def test_few_beats_give_no_rhythm():
    for n in (0, 1, 5, 30):
        assert (rr_irregularity(peaks(fibrillation(n)), FS) == 0).all()
        assert af_episodes(peaks(fibrillation(n)), FS).empty


def test_patterns_and_runs_are_named():
    ectopic = np.zeros(60, dtype=bool)
    ectopic[4:12:2] = True
    ectopic[20:24] = True
    ectopic[30:42:3] = True
    ectopic[50:52] = True
    samples = peaks(sinus(60))
    found = pattern_episodes(samples, FS, ectopic, np.arange(60.0), record="a", patient_id="p")
    assert found["kind"].tolist() == ["bigeminy", "run", "trigeminy"]
    assert found["n_beats"].tolist() == [4, 4, 4]
    assert found["peak_score"].tolist() == [10.0, 23.0, 39.0]
    assert found["start_s"].tolist() == [samples[i] / FS for i in (4, 20, 30)]


def test_patterns_want_one_flag_a_beat():
    with pytest.raises(InputError, match="3 ectopic flags for 4 beats"):
        pattern_episodes(np.arange(4), FS, np.zeros(3, dtype=bool))


def test_noise_is_an_episode_of_its_own():
    samples = peaks(sinus(100))
    good = np.ones(100, dtype=bool)
    good[40:60] = False
    good[50] = True
    found = noise_episodes(samples, FS, good)
    assert found["kind"].tolist() == ["noise"]
    np.testing.assert_array_equal(np.flatnonzero(in_episodes(samples, FS, found)), np.arange(40, 60))
