"""Measures of synthetic rows against closed forms."""

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.tree import DecisionTreeClassifier

from medanomaly.core.errors import InputError
from medanomaly.tabular.synthesis.measures import exact_copies, nearness, propensity_error


def normal(n, seed, shift=0.0, d=4):
    x = np.random.default_rng(seed).normal(size=(n, d)) + shift
    return pd.DataFrame(x, columns=[f"x{i}" for i in range(d)])


def test_propensity_error_is_zero_where_nothing_tells_them_apart():
    model = DummyClassifier(strategy="prior")
    assert propensity_error(normal(300, 0), normal(300, 1), model) == pytest.approx(0.0, abs=1e-20)


@pytest.mark.parametrize(("n", "m"), [(200, 200), (300, 100)])
def test_propensity_error_is_c_times_1_minus_c_where_everything_does(n, m):
    c = m / (n + m)
    found = propensity_error(normal(n, 0), normal(m, 1, shift=100.0), DecisionTreeClassifier(random_state=0))
    assert found == pytest.approx(c * (1 - c))


def test_propensity_error_of_two_levels_is_that_of_their_frequencies():
    """A level with share p among real and q among synthetic rows has propensity q / (p + q)."""
    n, p, q = 2000, 0.3, 0.6
    real = pd.DataFrame({"a": np.arange(n) < p * n})
    synthetic = pd.DataFrame({"a": np.arange(n) < q * n})
    share = np.array([(p + q) / 2, (2 - p - q) / 2])
    propensity = np.array([q / (p + q), (1 - q) / (2 - p - q)])
    expected = share @ (propensity - 0.5) ** 2
    found = propensity_error(real.astype(int), synthetic.astype(int), DecisionTreeClassifier())
    assert found == pytest.approx(expected, rel=0.1)


def test_rows_of_the_same_source_are_ideal():
    found = nearness(normal(800, 0), normal(800, 1), normal(800, 2))
    assert found.copies == 0
    assert found.accuracy == pytest.approx(0.5, abs=0.04)
    assert found.distance_ratio == pytest.approx(1.0, abs=0.05)
    assert found.membership == pytest.approx(0.5, abs=0.04)


def test_rows_that_repeat_training_rows_are_found():
    train = normal(400, 0)
    found = nearness(train, normal(400, 1), train + 1e-6)
    assert found.copies == 0
    assert found.distance_ratio < 0.01
    assert found.membership == 1.0
    assert found.accuracy < 0.6
    assert nearness(train, normal(400, 1), train).copies == 400


def test_rows_unlike_real_ones_have_an_accuracy_of_1():
    assert nearness(normal(200, 0), normal(200, 1), normal(200, 2, shift=50.0)).accuracy == 1.0


def test_copies_count_missing_values_and_levels():
    train = pd.DataFrame({"a": [1.0, np.nan, 2.0], "b": ["x", "y", None]})
    made = pd.DataFrame({"a": [np.nan, 2.0, np.nan, 1.0], "b": ["y", None, None, "z"]})
    assert exact_copies(train, made) == 2


def test_one_row_cannot_be_compared():
    with pytest.raises(InputError, match="1 rows to compare"):
        nearness(normal(1, 0), normal(5, 1), normal(5, 2))
