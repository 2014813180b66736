import antropy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tsfresh.feature_extraction import feature_calculators as tsfresh

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.signals.features.entropies import (
    approximate_entropy,
    permutation_entropy,
    sample_entropy,
)


def signals():
    rng = np.random.default_rng(0)
    n = np.arange(720)
    return {
        "noise": rng.standard_normal(720),
        "random walk": rng.standard_normal(720).cumsum(),
        "sine": np.sin(n / 10),
        "two tones": np.sin(n / 9) + 0.3 * np.sin(n / 2.3) + 0.01 * rng.standard_normal(720),
        "63 samples": rng.standard_normal(63),
        "64 samples": rng.standard_normal(64),
        "65 samples": rng.standard_normal(65),
        "1500 samples": rng.standard_normal(1500),
        "in steps of 1/200": np.round(200 * rng.standard_normal(720)) / 200,
    }


def brute_force(x, length, tolerance):
    """Both entropies by comparing every pair of subsequences."""
    r, n = tolerance * x.std(), len(x)

    def alike(m):
        rows = np.lib.stride_tricks.sliding_window_view(x, m)
        return np.abs(rows[:, None] - rows[None]).max(axis=2) <= r

    short, long = alike(length), alike(length + 1)
    b = short[: n - length, : n - length].sum() - (n - length)
    a = long.sum() - (n - length)
    sample = np.log(b / a) if a else np.log((n - length) * (n - length - 1) / 2)
    phi = [np.log(matches.mean(axis=1)).mean() for matches in (short, long)]
    return sample, phi[0] - phi[1]


@pytest.mark.parametrize("name", signals())
def test_sample_and_approximate_entropy_agree_with_antropy(name):
    x = signals()[name]
    for length in (2, 3):
        sample = antropy.sample_entropy(x, order=length)
        if not np.isfinite(sample):  # nothing stays alike: the upper limit instead
            sample = np.log((len(x) - length) * (len(x) - length - 1) / 2)
        expected = sample, antropy.app_entropy(x, order=length)
        found = sample_entropy(x, length)[0], approximate_entropy(x, length)[0]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


@settings(max_examples=60)
@given(
    st.lists(st.integers(-4, 4), min_size=10, max_size=140),
    st.integers(1, 4),
    st.sampled_from([0.1, 0.5, 1.0]),
)
def test_entropies_of_tied_values_equal_comparing_all_pairs(values, length, tolerance):
    x = np.array(values, dtype=float) if np.ptp(values) else np.zeros(len(values))
    expected = brute_force(x, length, tolerance)
    found = sample_entropy(x, length, tolerance)[0], approximate_entropy(x, length, tolerance)[0]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_sample_entropy_without_a_match_is_its_upper_limit():
    rising = 2.0 ** np.arange(12)
    assert sample_entropy(rising, tolerance=1e-6)[0] == pytest.approx(np.log(10 * 9 / 2))


@pytest.mark.parametrize("order", [2, 3, 4, 5])
@pytest.mark.parametrize("delay", [1, 3])
def test_permutation_entropy_agrees_with_antropy_ties_included(order, delay):
    for x in signals().values():
        expected = antropy.perm_entropy(x, order=order, delay=delay, normalize=True)
        if order == 5 and len(np.unique(x)) < len(x):
            continue  # antropy sorts without keeping the order of equal values there
        assert permutation_entropy(x, order, delay)[0] == pytest.approx(expected, abs=1e-9)


def test_permutation_entropy_agrees_with_tsfresh():
    x = signals()["noise"]
    expected = tsfresh.permutation_entropy(x, tau=1, dimension=3) / np.log(6)
    assert permutation_entropy(x)[0] == pytest.approx(expected, abs=1e-9)


def test_noise_is_less_regular_than_a_sine():
    found = sample_entropy(np.array([signals()["noise"], signals()["sine"]]))
    assert found[0] > 5 * found[1]


@pytest.mark.parametrize("entropy", [sample_entropy, approximate_entropy, permutation_entropy])
def test_constant_windows_have_no_entropy(entropy):
    np.testing.assert_array_equal(entropy(np.full((2, 50), 0.1)), [0.0, 0.0])


def test_unfit_windows_are_refused():
    with pytest.raises(InputError, match="missing values"):
        sample_entropy(np.r_[np.zeros(10), np.nan])
    with pytest.raises(InputError, match="cut longer signals"):
        sample_entropy(np.zeros(20_000))
    with pytest.raises(InputError, match="entropy of windows of 3"):
        sample_entropy(np.zeros(3))
    with pytest.raises(ConfigurationError, match="2 to 5"):
        permutation_entropy(np.zeros(30), order=6)
    with pytest.raises(InputError, match="delay"):
        permutation_entropy(np.zeros(30), order=3, delay=15)
