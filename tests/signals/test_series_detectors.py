"""Matrix profile and detectors of one series: brute force and stumpy as oracles, one contract for all detectors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.signals.series.detectors import (
    Discord,
    Energy,
    ManyScaleDiscord,
    OneLiner,
    WindowClusters,
    WindowComponents,
    WindowForest,
    located,
    period,
)
from medanomaly.signals.series.matrix_profile import matrix_profile

ALL = {
    "one-liner": OneLiner,
    "energy": Energy,
    "forest": WindowForest,
    "components": WindowComponents,
    "clusters": WindowClusters,
    "discord": Discord,
    "discord, any neighbour": lambda: Discord(causal=False),
    "many scales": ManyScaleDiscord,
    "many scales, any neighbour": lambda: ManyScaleDiscord(causal=False),
}
CAUSAL = {name: make for name, make in ALL.items() if make().causal}


def a_rhythm(n=3000, every=60, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(n)
    return np.sin(2 * np.pi * t / every) + 0.6 * (np.mod(t, every) < 4) + rng.normal(0, 0.03, n)


def brute_force(x, m):
    windows = sliding_window_view(x, m)
    centred = windows - windows.mean(axis=1, keepdims=True)
    spread = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    shape = centred / np.where(spread > 1e-9, spread, np.inf) * np.sqrt(m)
    at = np.arange(len(windows))
    gap = at[:, None] - at[None]
    out = []
    for rows in (shape, centred):
        distance = np.sqrt(((rows[:, None] - rows[None]) ** 2).sum(axis=-1))
        past = np.where(gap >= -(-m // 4) + 1, distance, np.inf).min(axis=1)
        out += [past, np.where(np.abs(gap) >= -(-m // 4) + 1, distance, np.inf).min(axis=1)]
    return out


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(4, 40), st.integers(90, 330), st.floats(-1e4, 1e4))
def test_profile_is_that_of_looking_at_every_pair(seed, m, n, offset):
    x = np.random.default_rng(seed).normal(size=n).cumsum() + offset
    found = matrix_profile(x, m)
    shape_past, shape_all, size_past, size_all = brute_force(x, m)
    # a correlation below 0 counts as 0: distances end at sqrt(2 m)
    np.testing.assert_allclose(found.shape_past, np.minimum(shape_past, np.sqrt(2 * m)), atol=1e-5)
    np.testing.assert_allclose(found.shape_all, np.minimum(shape_all, np.sqrt(2 * m)), atol=1e-5)
    np.testing.assert_allclose(found.size_past, size_past, atol=1e-5)
    np.testing.assert_allclose(found.size_all, size_all, atol=1e-5)


def test_windows_that_do_not_vary_are_alike_and_half_like_the_rest():
    """As in stumpy: distance 0 from each other, sqrt(m) from all others."""
    x = np.random.default_rng(0).normal(size=400)
    x[100:140] = x[300:340] = x[100]
    found = matrix_profile(x, 20)
    assert found.shape_all[100] == found.shape_past[310] == 0
    assert found.shape_past[100] == pytest.approx(np.sqrt(20))
    assert found.shape_all.max() <= np.sqrt(20) + 1e-9


def test_period_is_found_and_a_shorter_one_is_not_taken_for_it():
    assert period(a_rhythm(every=60)) == pytest.approx(60, abs=1)
    assert period(a_rhythm(every=171)) == pytest.approx(171, abs=2)
    assert period(np.zeros(500)) == 100


@pytest.mark.parametrize("name", ALL)
def test_scores_are_finite_one_a_sample_and_repeat(name):
    x = a_rhythm()
    first, again = (ALL[name]().fit(x[:1200]).score(x[1200:]) for _ in range(2))
    assert first.shape == (1800,)
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("name", CAUSAL)
def test_a_causal_score_does_not_know_what_comes_later(name):
    x = a_rhythm(seed=2)
    detector = CAUSAL[name]().fit(x[:1200])
    longest = max(getattr(detector, "windows_", (detector.window_,)))
    known = 900 - longest
    changed = x[1200:].copy()
    changed[900:] = np.random.default_rng(0).normal(size=900) * 5
    np.testing.assert_allclose(
        detector.score(changed)[:known], detector.score(x[1200:])[:known], rtol=0, atol=2e-5
    )


@pytest.mark.parametrize("name", sorted(set(ALL) - {"one-liner", "energy"}))
def test_a_beat_of_another_shape_is_located(name):
    x = a_rhythm(seed=1)
    x[2100:2160] = x[2100:2160][::-1] * 0.7 + 0.3 * np.sin(np.arange(60) / 3)
    assert located(ALL[name]().fit(x[:1200]).score(x[1200:]), 900, 960)


def test_a_beat_of_the_same_shape_and_half_the_size_needs_the_view_of_size():
    x = a_rhythm(seed=4)
    x[2100:2160] *= 0.4
    assert located(ManyScaleDiscord().fit(x[:1200]).score(x[1200:]), 900, 960)


def test_constant_series_do_not_fail():
    x = np.zeros(600)
    for make in ALL.values():
        assert np.isfinite(make().fit(x[:300]).score(x[300:])).all()


def test_located_within_a_hundred_samples_or_the_length():
    score = np.zeros(1000)
    score[300] = 1
    assert located(score, 400, 410)
    assert not located(score, 401, 411)
    assert located(score, 450, 650)
    assert located(score, 180, 201)
    assert not located(score, 180, 200)


def test_bad_input_is_named():
    with pytest.raises(InputError, match="50 or more"):
        OneLiner().fit(np.zeros(20))
    with pytest.raises(InputError, match="finite"):
        OneLiner().fit(np.full(100, np.nan))
    with pytest.raises(ConfigurationError, match="windows of 3"):
        matrix_profile(np.zeros(100), 3)
    with pytest.raises(InputError, match="finite"):
        matrix_profile(np.array([1.0, np.inf] * 50), 5)
    with pytest.raises(ConfigurationError, match="scores"):
        located(np.zeros(10), 5, 20)
