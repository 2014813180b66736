import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.signals.beat_detector.alarm_score import alarm_score, ectopic_shape
from medanomaly.signals.beat_detector.clusters import (
    CORE_START,
    MAX_CLUSTERS,
    best_cluster,
    correlate,
    empty_clusters,
    find_clusters,
    follow,
    normality,
)
from medanomaly.signals.beat_detector.rhythm_anchor import SAMPLES, TREES, RhythmAnchor
from medanomaly.signals.beat_detector.tails import PopulationTail
from medanomaly.signals.beats.beat_windows import BEFORE, POINTS, beat_windows

values = st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(st.lists(values, min_size=1, max_size=5), st.lists(st.floats(-120, 120), min_size=1, max_size=20))
def test_a_population_tail_is_the_weighted_share_of_values_not_below(patients, queries):
    tail = PopulationTail.fit([np.array(v) for v in patients])
    for x in queries:
        not_below = sum(np.mean(np.array(v) >= x) for v in patients)
        expected = -np.log((not_below + 0.02) / (len(patients) + 0.02))
        # steps below 0.001 are joined
        assert abs(tail(np.array([x]))[0] - expected) <= 1.1e-3


@given(st.lists(values, min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_a_population_tail_never_falls(patients):
    tail = PopulationTail.fit([np.array(v) for v in patients])
    assert (np.diff(tail(np.linspace(-130, 130, 400))) >= 0).all()


def test_a_tail_of_nobody_is_refused():
    with pytest.raises(ConfigurationError, match="no normal beat"):
        PopulationTail.fit([np.zeros(0)])


def test_the_rhythm_forest_scores_as_scikit_learn_does():
    X = np.random.default_rng(0).standard_normal((5000, 3))
    forest = IsolationForest(n_estimators=TREES, max_samples=SAMPLES, random_state=3).fit(X)
    queries = np.random.default_rng(1).standard_normal((300, 3)) * 2
    np.testing.assert_allclose(
        RhythmAnchor.fit(X, seed=3).score(queries), -forest.score_samples(queries), atol=1e-12
    )


def test_a_window_at_360_hz_is_every_third_sample():
    signal = np.random.default_rng(0).standard_normal((2000, 2))
    window = beat_windows(signal, np.array([900]), 360.0)[0]
    np.testing.assert_array_equal(window.T, signal[900 - 3 * BEFORE : 900 + 3 * (POINTS - BEFORE) : 3])


def test_a_window_between_samples_follows_a_smooth_signal():
    fs = 250.0
    signal = np.sin(2 * np.pi * 5.0 * np.arange(2000) / fs)[:, None]
    window = beat_windows(signal, np.array([900]), fs)[0]
    expected = np.sin(2 * np.pi * 5.0 * (900 / fs + (np.arange(POINTS) - BEFORE) / 120.0))
    np.testing.assert_allclose(window, [expected, expected], atol=1e-3)


def beat(width: float, height: float = 1.0, noise: int | None = None) -> np.ndarray:
    t = np.arange(POINTS) - BEFORE
    shape = height * np.exp(-0.5 * (t / width) ** 2)
    extra = 0.0 if noise is None else 0.02 * np.random.default_rng(noise).standard_normal((2, POINTS))
    return np.stack([shape, -0.5 * shape]) + extra


def learned(beats, slow):
    clusters = empty_clusters()
    find_clusters(
        clusters, np.stack(beats), np.zeros(len(beats)), np.array(slow), np.ones(len(beats), dtype=bool)
    )
    return clusters


def test_two_shapes_are_two_clusters_and_a_beat_falls_to_its_own():
    beats = [beat(1.5, noise=i) for i in range(20)] + [beat(6.0, -1.0, noise=i) for i in range(10)]
    clusters = learned(beats, np.zeros(30))
    assert clusters.count[0] == 2
    correlation, shift = np.empty(MAX_CLUSTERS), np.zeros(MAX_CLUSTERS, dtype=np.int64)
    correlate(clusters, beat(6.0, -1.0), correlation, shift)
    assert clusters.members[best_cluster(clusters, correlation)] == 10
    assert correlation[best_cluster(clusters, correlation)] > 0.98


def test_a_beat_that_is_found_a_little_early_still_fits_its_template():
    clusters = learned([beat(1.5, noise=i) for i in range(20)], np.zeros(20))
    correlation, shift = np.empty(MAX_CLUSTERS), np.zeros(MAX_CLUSTERS, dtype=np.int64)
    correlate(clusters, np.roll(beat(1.5), 4, axis=1), correlation, shift)
    assert correlation[0] > 0.99
    assert shift[0] == 4
    assert CORE_START - 5 >= 0


def test_premature_clusters_lose_their_vote_even_where_they_are_the_larger():
    beats = [beat(1.5, noise=i) for i in range(10)] + [beat(6.0, -1.0, noise=i) for i in range(30)]
    clusters = learned(beats, np.r_[np.zeros(10), np.full(30, -0.4)])
    votes = np.empty(MAX_CLUSTERS)
    normality(clusters, votes)
    on_time, early = np.argsort(clusters.slow[:2])[::-1]
    assert clusters.weight[early] > clusters.weight[on_time]
    assert votes[early] < 0.1 * votes[on_time]


def test_never_more_clusters_than_there_is_room_for():
    random = np.random.default_rng(0)
    clusters = learned([beat(1.5)] * 5, np.zeros(5))
    correlation, shift = np.empty(MAX_CLUSTERS), np.zeros(MAX_CLUSTERS, dtype=np.int64)
    for _ in range(60):
        odd = random.standard_normal((2, POINTS))
        correlate(clusters, odd, correlation, shift)
        follow(clusters, odd, 0.0, 0.0, correlation, shift)
        assert 1 <= clusters.count[0] <= MAX_CLUSTERS


def test_in_fibrillation_only_shape_alarms_and_elsewhere_the_larger_view():
    late_but_wide, early = np.array(
        [[3.0, 0.1, 3.0, 3.0, 0.5, 0.1, 0.0], [5.0, 6.0, 0.2, 0.2, 1.0, 1.0, 0.0]]
    )
    rows = np.stack([late_but_wide, early])
    outside, within = alarm_score(rows, np.zeros(2, bool)), alarm_score(rows, np.ones(2, bool))
    np.testing.assert_allclose(outside, [15.0, early.sum()])
    np.testing.assert_allclose(within, [15.0, 5.8])
    assert ectopic_shape(rows).tolist() == [True, False]
    with pytest.raises(InputError, match="2 beats and 1 flags"):
        alarm_score(rows, np.zeros(1, bool))
