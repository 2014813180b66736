"""Means over cases, and whose cases they are."""

import numpy as np
import pytest

from medanomaly.evaluation.params import EvaluationParams
from medanomaly.evaluation.resampling.intervals import clopper_pearson
from medanomaly.evaluation.resampling.ratio_intervals import mean_interval

PARAMS = EvaluationParams(n_resamples=1000)


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution_where_every_patient_has_one_case():
    values = np.random.default_rng(0).normal(1.0, 2.0, 400)
    value, low, high = mean_interval(values, np.arange(400), PARAMS)
    half = 1.96 * values.std() / 20
    assert value == pytest.approx(values.mean())
    assert (value - low, high - value) == pytest.approx((half, half), rel=0.15)


def test_many_cases_of_a_patient_say_no_more_than_one():
    values = np.random.default_rng(0).normal(0, 1, 40)
    once = mean_interval(values, np.arange(40), PARAMS)
    repeated = mean_interval(np.repeat(values, 25), np.repeat(np.arange(40), 25), PARAMS)
    assert repeated == pytest.approx(once)


def test_a_proportion_of_nothing_has_an_interval_with_patients_as_trials():
    none = np.zeros(30, dtype=bool)
    value, low, high = mean_interval(none, np.arange(30) // 3, PARAMS)
    assert (value, low) == (0, 0)
    assert high == pytest.approx(clopper_pearson(0, 10)[1])
    assert mean_interval(~none, np.arange(30), PARAMS)[2] == 1


def test_one_patient_has_no_interval_and_no_case_no_mean():
    value, low, high = mean_interval(np.array([1.0, 3.0]), np.array(["a", "a"]), PARAMS)
    assert value == 2
    assert np.isnan([low, high]).all()
    assert np.isnan(mean_interval(np.zeros(0), np.zeros(0), PARAMS)).all()
