"""Calibration of probabilities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from medanomaly.core.errors import InputError
from medanomaly.evaluation.probability_calibration import (
    brier_score,
    calibration_slope_intercept,
    equal_mass_bins,
    expected_calibration_error,
    reliability_table,
)


def a_sample(n=4000, slope=1.0, shift=0.0, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.normal(-1, 1.5, n)
    positive = rng.random(n) < expit(truth)
    return expit(slope * truth + shift), positive


def test_brier_equals_scikit_learn():
    probability, positive = a_sample()
    assert brier_score(probability, positive) == pytest.approx(
        brier_score_loss(positive, probability), abs=1e-12
    )


def test_slope_equals_an_unpenalised_logistic_regression():
    probability, positive = a_sample(slope=1.6, shift=0.7)
    x = np.log(probability / (1 - probability))[:, None]
    oracle = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(x, positive).coef_[0, 0]
    assert calibration_slope_intercept(probability, positive)[0] == pytest.approx(oracle, rel=1e-5)


def test_a_calibrated_model_has_slope_one_and_intercept_zero():
    assert calibration_slope_intercept(*a_sample(20000)) == pytest.approx((1, 0), abs=0.06)


def test_overconfidence_shows_in_the_slope_and_overestimation_in_the_intercept():
    assert calibration_slope_intercept(*a_sample(slope=2.0))[0] == pytest.approx(0.5, abs=0.05)
    assert calibration_slope_intercept(*a_sample(shift=1.0))[1] == pytest.approx(-1.0, abs=0.1)


def test_separated_classes_have_no_finite_slope():
    positive = np.arange(20) < 5
    assert np.isnan(calibration_slope_intercept(np.where(positive, 0.9, 0.1), positive)[0])
    assert np.isnan(calibration_slope_intercept(np.full(20, 0.3), positive)[0])
    assert np.isnan(calibration_slope_intercept(np.full(20, 0.3), np.zeros(20, bool))).all()


def test_rebalancing_raises_the_calibration_error():
    calibrated, shifted = a_sample(), a_sample(shift=1.5)
    assert expected_calibration_error(*calibrated) < 0.03
    assert expected_calibration_error(*shifted) > 0.1


@given(hnp.arrays(np.int8, st.integers(1, 80)), st.integers(2, 12))
def test_equal_probabilities_share_a_bin_and_bins_are_in_order(values, n_bins):
    probability = (values.astype(float) + 128) / 255
    bins = equal_mass_bins(probability, n_bins)
    order = np.argsort(probability)
    assert (np.diff(bins[order]) >= 0).all()
    assert all(len(set(bins[probability == v])) == 1 for v in set(probability))
    assert set(bins) == set(range(bins.max() + 1))
    assert bins.max() < n_bins


def test_bins_without_ties_hold_the_same_number_of_cases():
    sizes = np.bincount(equal_mass_bins(np.random.default_rng(0).random(1003), 10))
    assert sizes.size == 10
    assert np.ptp(sizes) <= 1


def test_the_reliability_table_adds_up():
    probability, positive = a_sample(500)
    table = reliability_table(probability, positive, 10)
    assert table["n"].sum() == 500
    assert table["n_positive"].sum() == positive.sum()
    assert ((table["ci_low"] <= table["observed"]) & (table["observed"] <= table["ci_high"])).all()
    gap = (table["mean_probability"] - table["observed"]).abs()
    assert np.average(gap, weights=table["n"]) == pytest.approx(
        expected_calibration_error(probability, positive)
    )


def test_an_anomaly_score_is_refused_as_a_probability():
    with pytest.raises(InputError, match="no probabilities"):
        brier_score(np.array([0.2, 3.0]), np.array([True, False]))
