"""Ranking metrics, DeLong's variance and intervals against other libraries and brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from medanomaly.evaluation.resampling.bootstrap import ResampledCases, bootstrap
from medanomaly.evaluation.resampling.delong import auroc_variance, delong_interval
from medanomaly.evaluation.resampling.intervals import (
    clopper_pearson,
    false_alarm_interval,
    percentile_interval,
    perfect_ranking_bound,
    wilson,
)
from medanomaly.evaluation.resampling.ranking import auroc, average_precision, midranks


@st.composite
def scored(draw):
    n = draw(st.integers(2, 50))
    positive = draw(hnp.arrays(bool, n))
    positive[0], positive[1] = True, False
    return draw(hnp.arrays(np.int8, n)).astype(float), positive


@given(scored())
def test_auroc_and_average_precision_equal_scikit_learn_under_ties(data):
    score, positive = data
    assert auroc(score, positive) == pytest.approx(roc_auc_score(positive, score), abs=1e-12)
    assert average_precision(score, positive) == pytest.approx(
        average_precision_score(positive, score), abs=1e-12
    )


@given(scored())
def test_turning_a_score_around_turns_the_auroc_around(data):
    score, positive = data
    assert auroc(-score, positive) == pytest.approx(1 - auroc(score, positive), abs=1e-12)


@given(scored())
def test_only_the_order_of_a_score_matters(data):
    score, positive = data
    assert auroc(np.exp(score / 50), positive) == auroc(score, positive)
    assert average_precision(3 * score - 7, positive) == average_precision(score, positive)


@given(hnp.arrays(np.int8, st.integers(1, 60)))
def test_midranks_equal_scipy(x):
    np.testing.assert_array_equal(midranks(x), stats.rankdata(x))


def brute_force_delong(score, positive):
    wins = np.subtract.outer(score[positive], score[~positive])
    psi = (wins > 0) + 0.5 * (wins == 0)
    return psi.mean(), psi.mean(axis=1).var(ddof=1) / positive.sum() + psi.mean(axis=0).var(ddof=1) / (
        ~positive
    ).sum()


@pytest.mark.parametrize("decimals", [5, 1, 0])
def test_delong_equals_brute_force_over_all_pairs(decimals):
    rng = np.random.default_rng(decimals)
    positive = rng.random(200) < 0.2
    score = np.round(rng.normal(size=200) + positive, decimals)
    assert auroc_variance(score, positive) == pytest.approx(brute_force_delong(score, positive), rel=1e-12)


def test_delong_with_one_case_a_patient_is_plain_delong():
    rng = np.random.default_rng(0)
    positive = rng.random(100) < 0.3
    score = rng.normal(size=100) + positive
    assert auroc_variance(score, positive, rng.permutation(100)) == pytest.approx(
        auroc_variance(score, positive), rel=1e-12
    )


@pytest.mark.parametrize("visits", [1, 4])
def test_delong_and_bootstrap_agree_on_the_standard_error(visits):
    rng = np.random.default_rng(3)
    patient = np.repeat(np.arange(800 // visits), visits)
    positive = rng.random(800) < 0.25
    score = rng.normal(size=800) + rng.normal(size=800 // visits)[patient] + positive
    draws = bootstrap(ResampledCases(patient, positive, score[:, None]), 2000, 0).metric("auroc")[1:, 0]
    assert draws.std() == pytest.approx(auroc_variance(score, positive, patient)[1] ** 0.5, rel=0.08)


def test_delong_interval_covers_as_often_as_it_says():
    truth = stats.norm.cdf(2.0 / np.sqrt(2))
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(500):
        positive = np.arange(150) < 30
        _, low, high = delong_interval(rng.normal(size=150) + 2.0 * positive, positive)
        hits += low <= truth <= high
    assert 0.92 <= hits / 500 <= 0.98


def test_delong_has_no_interval_where_it_degenerates():
    positive = np.arange(10) < 3
    value, low, high = delong_interval(positive.astype(float), positive)
    assert value == 1
    assert np.isnan([low, high]).all()
    assert np.isnan(delong_interval(np.arange(10.0), np.zeros(10, bool))[0])
    assert np.isnan(delong_interval(np.arange(10.0), np.arange(10) == 4)[1])


@given(st.integers(0, 60), st.integers(1, 60), st.sampled_from([0.8, 0.95, 0.99]))
def test_proportion_intervals_equal_scipy(hits, n, confidence):
    hits = min(hits, n)
    test = stats.binomtest(hits, n)
    for ours, method in ((clopper_pearson, "exact"), (wilson, "wilson")):
        theirs = test.proportion_ci(confidence, method)
        assert ours(hits, n, confidence) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_the_bound_of_a_perfect_ranking_is_rarely_above_the_truth():
    """At the AUROC where the bound sits, perfect rankings must be as rare as the bound says, or rarer."""
    bound = perfect_ranking_bound(6, 200)
    assert bound == pytest.approx(0.025 ** (1 / 6))
    shift = stats.norm.ppf(bound) * np.sqrt(2)
    rng = np.random.default_rng(0)
    perfect = [(rng.normal(size=6) + shift).min() > rng.normal(size=200).max() for _ in range(4000)]
    assert np.mean(perfect) <= 0.025


def test_percentile_interval_leaves_undefined_resamples_out():
    assert percentile_interval(np.array([np.nan, 1.0, 1.0])) == (1.0, 1.0)
    assert np.isnan(percentile_interval(np.array([np.nan]))).all()


def test_few_patients_with_many_cases_each_are_expected_to_scatter_widely():
    low, high, sd = false_alarm_interval(12, 18, 0.05)
    assert low == 0
    assert 0.15 < high < 0.5
    assert sd == pytest.approx(stats.beta(0.65, 12.35).std())


def test_false_alarm_interval_holds_what_simulation_gives():
    rng = np.random.default_rng(0)
    m, n, alpha = 99, 300, 0.05
    rates = []
    for _ in range(4000):
        calibration = np.sort(rng.random(m))
        rates.append((rng.random(n) > calibration[m - 5]).mean())
    low, high, sd = false_alarm_interval(m, n, alpha)
    assert 0.94 <= np.mean((np.array(rates) >= low) & (np.array(rates) <= high)) <= 0.98
    assert sd == pytest.approx(stats.beta(5, 95).std())
    assert np.std(rates) == pytest.approx(np.hypot(sd, np.sqrt(0.05 * 0.95 / n)), rel=0.06)
