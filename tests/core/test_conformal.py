import os
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from medanomaly.core.alarms import alarm_budget, alpha_for_budget
from medanomaly.core.conformal import (
    benjamini_hochberg,
    group_p_values,
    leave_one_out_p_values,
    p_values,
    patient_p_values,
    patient_rates,
    patient_threshold,
    score_threshold,
)
from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.evaluation.reweighting import weighted_p_values
from medanomaly.monitoring.stream_shift import middle_p_values

finite = st.floats(-1e6, 1e6, allow_nan=False)
# few distinct values, so that ties are common
coarse = st.integers(-5, 5).map(float)


@given(arrays(np.float64, st.integers(1, 40), elements=finite), arrays(np.float64, 7, elements=finite))
def test_p_value_is_the_share_of_calibration_at_least_as_extreme(calibration, scores):
    brute = [(1 + sum(c >= s for c in calibration)) / (len(calibration) + 1) for s in scores]
    np.testing.assert_allclose(p_values(scores, calibration), brute, rtol=0, atol=1e-15)


@given(arrays(np.float64, st.integers(2, 40), elements=coarse))
def test_leave_one_out_equals_the_p_value_against_the_others(calibration):
    brute = [p_values(calibration[i : i + 1], np.delete(calibration, i))[0] for i in range(len(calibration))]
    np.testing.assert_allclose(leave_one_out_p_values(calibration), brute, atol=1e-15)


@given(
    arrays(np.float64, st.integers(1, 60), elements=coarse),
    arrays(np.float64, st.integers(1, 20), elements=coarse),
    st.floats(0.001, 0.999),
)
def test_threshold_flags_exactly_the_p_values_at_or_below_alpha(calibration, scores, alpha):
    flagged = scores > score_threshold(calibration, alpha)
    np.testing.assert_array_equal(flagged, p_values(scores, calibration) <= alpha + 1e-12)


@pytest.mark.parametrize("values", ["continuous", "ties"])
def test_p_values_of_exchangeable_normals_are_super_uniform(values):
    rng = np.random.default_rng(0)
    m, repeats = 39, 20_000
    draws = (
        rng.normal(size=(repeats, m + 1))
        if values == "continuous"
        else rng.integers(0, 4, (repeats, m + 1)) * 1.0
    )
    p = np.array([p_values(row[:1], row[1:])[0] for row in draws])
    for alpha in (0.025, 0.05, 0.1, 0.25, 0.5, 0.9):
        # four standard errors of the share of 20,000 draws
        assert (p <= alpha).mean() <= alpha + 4 * np.sqrt(alpha * (1 - alpha) / repeats)
    if values == "continuous":
        # without ties the bound is met, at the alphas that m = 39 can express
        assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.006)
    assert p.min() >= 1 / (m + 1)


def test_nothing_can_be_flagged_below_the_floor():
    calibration = np.arange(19.0)
    assert score_threshold(calibration, 0.049) == np.inf
    assert p_values(np.array([1e9]), calibration)[0] == pytest.approx(0.05)
    assert score_threshold(calibration, 0.05) == 18.0


def test_group_p_values_hold_alpha_within_each_group_where_one_threshold_does_not():
    rng = np.random.default_rng(1)
    groups = rng.choice(["a", "b"], 40_000)
    scores = rng.normal(size=40_000) + 1.5 * (groups == "b")
    half = 20_000
    p, own = group_p_values(scores[half:], groups[half:], scores[:half], groups[:half])
    pooled = p_values(scores[half:], scores[:half])
    assert own.all()
    for group in "ab":
        inside = groups[half:] == group
        assert (p[inside] <= 0.05).mean() == pytest.approx(0.05, abs=0.01)
    assert (pooled[groups[half:] == "b"] <= 0.05).mean() > 0.08


def test_small_or_unknown_group_is_compared_with_everybody():
    calibration, groups = np.arange(200.0), np.array(["a"] * 190 + ["b"] * 10, dtype=object)
    p, own = group_p_values(
        np.array([5.0, 5.0, 5.0]), np.array(["a", "b", None], dtype=object), calibration, groups
    )
    assert own.tolist() == [True, False, False]
    assert p[1] == p[2] == p_values(np.array([5.0]), calibration)[0]


@given(arrays(np.float64, st.integers(0, 50), elements=st.floats(0, 1)), st.floats(0.01, 0.5))
def test_benjamini_hochberg_equals_scipy(p, fdr):
    from scipy.stats import false_discovery_control

    expected = false_discovery_control(p) <= fdr if len(p) else np.zeros(0, dtype=bool)
    got = benjamini_hochberg(p, fdr)
    # p-values that sit on the line to within rounding may fall either side in scipy's adjusted form
    on_the_line = np.abs(false_discovery_control(p) - fdr) < 1e-9 if len(p) else np.zeros(0, dtype=bool)
    np.testing.assert_array_equal(got[~on_the_line], expected[~on_the_line])


@settings(max_examples=50)
@given(arrays(np.float64, 60, elements=coarse), st.integers(0, 10))
def test_a_day_never_exceeds_its_alarm_budget_and_takes_the_highest(score, budget):
    day = np.repeat(["mon", "tue", "wed"], 20)
    flags = alarm_budget(score, budget, day)
    for name in np.unique(day):
        inside = day == name
        assert flags[inside].sum() == min(budget, 20)
        if 0 < flags[inside].sum() < 20:
            assert score[inside & flags].min() >= score[inside & ~flags].max()


def test_budget_turns_into_an_alpha():
    assert alpha_for_budget(20, 400) == pytest.approx(0.05)
    assert alpha_for_budget(20, 5) == 1.0
    with pytest.raises(InputError, match="cases per day"):
        alpha_for_budget(20, 0)


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(InputError, match="NaN or infinite"):
        p_values(np.array([1.0]), np.array([1.0, np.nan]))
    with pytest.raises(InputError, match="no calibration score"):
        p_values(np.array([1.0]), np.array([]))


@pytest.mark.parametrize("name", ["annthyroid", "mammography", "cardio"])
def test_false_alarm_rate_at_5_percent_holds_on_real_normals(name):
    root = os.environ.get("MEDANOMALY_DATA")
    files = list((Path(root) / "adbench").glob(f"*_{name}.npz")) if root else []
    if not files:
        pytest.skip(f"adbench/{name} is not in MEDANOMALY_DATA")
    from sklearn.ensemble import IsolationForest

    with np.load(files[0]) as data:
        normal = data["X"][data["y"].ravel() == 0]
    realised = []
    for seed in range(10):
        order = np.random.default_rng(seed).permutation(len(normal))
        train, calibration, test = np.array_split(order, 3)
        forest = IsolationForest(n_estimators=50, random_state=seed).fit(normal[train])
        p = p_values(-forest.score_samples(normal[test]), -forest.score_samples(normal[calibration]))
        realised.append((p <= 0.05).mean())
    assert 0.04 <= np.mean(realised) <= 0.06


@pytest.mark.parametrize(
    ("scores", "calibration", "said"),
    [
        ([0.0, np.nan], [1.0, 2.0], "record 2: a score is NaN or infinite"),
        ([np.inf], [1.0, 2.0], "a score is NaN or infinite"),
        ([0.0], [[1.0, 2.0]], r"calibration scores have the shape \(1, 2\)"),
        ([0.0], 1.0, r"calibration scores have the shape \(\)"),
    ],
)
def test_scores_that_cannot_be_compared_are_refused(scores, calibration, said):
    with pytest.raises(InputError, match=said):
        p_values(np.array(scores), np.array(calibration))


@pytest.mark.parametrize("alpha", [-5, 1.5, np.nan])
def test_an_alpha_that_is_no_share_is_refused(alpha):
    with pytest.raises(ConfigurationError, match="Give a share from 0 to 1"):
        score_threshold(np.arange(10.0), alpha)


def test_plain_and_grouped_p_values_are_those_of_crepes():
    crepes = pytest.importorskip("crepes.base")
    rng = np.random.default_rng(0)
    calibration, new = np.round(rng.normal(size=400), 1), np.round(rng.normal(size=90), 1)
    oracle = crepes.p_values_batch(calibration, new, smoothing=False)
    np.testing.assert_allclose(p_values(new, calibration), oracle, rtol=0, atol=1e-12)
    groups, own = rng.integers(0, 3, 400), rng.integers(0, 3, 90)
    oracle = crepes.p_values_batch(calibration, new, groups, own, smoothing=False)
    ours, _ = group_p_values(new, own, calibration, groups, min_group_size=1)
    np.testing.assert_allclose(ours, oracle, rtol=0, atol=1e-12)


def of_mapie(new, calibration, u):
    """P-values of MAPIE with the share ``u`` of ties, which it draws, given."""
    martingales = pytest.importorskip("mapie.exchangeability_testing.martingales")
    fixed = SimpleNamespace(rng=SimpleNamespace(uniform=lambda: u))
    return [martingales.OnlineMartingaleTest.compute_p_value(fixed, score, calibration) for score in new]


def test_plain_grouped_weighted_and_middle_p_values_are_those_of_mapie():
    rng = np.random.default_rng(1)
    calibration, new = np.round(rng.normal(size=400), 1), np.round(rng.normal(size=60), 1)
    close = partial(np.testing.assert_allclose, rtol=0, atol=1e-12)
    close(p_values(new, calibration), of_mapie(new, calibration, 1.0))
    close(middle_p_values(new, calibration), of_mapie(new, calibration, 0.5))
    groups, own = rng.integers(0, 3, 400), rng.integers(0, 3, 60)
    ours, _ = group_p_values(new, own, calibration, groups, min_group_size=1)
    for group in range(3):
        close(ours[own == group], of_mapie(new[own == group], calibration[groups == group], 1.0))
    # it has no weights: a case of weight 3 is the case three times
    weights = rng.integers(0, 4, 400)
    weighted = weighted_p_values(new, np.ones(60), calibration, weights.astype(float))
    close(weighted, of_mapie(new, np.repeat(calibration, weights), 1.0))


def of_patients(n_patients, n_each, rng):
    offset = 0.7 * rng.normal(size=(n_patients, 1))
    scores = offset + 0.7 * rng.normal(size=(n_patients, n_each))
    return scores, np.repeat(np.arange(n_patients), n_each)


def test_p_values_of_patients_hold_for_new_patients_with_few_of_them():
    rate = []
    for seed in range(300):
        scores, patients = of_patients(10, 60, np.random.default_rng(seed))
        rate.append((patient_p_values(scores[9], scores[:9].ravel(), patients[: 9 * 60]) <= 0.1).mean())
    assert np.mean(rate) <= 0.1 + 3 * np.std(rate) / np.sqrt(300)


def test_the_threshold_for_a_new_patient_is_exceeded_by_as_many_patients_as_said():
    above, pooled = [], []
    for seed in range(400):
        scores, patients = of_patients(20, 100, np.random.default_rng(seed))
        known, whose = scores[:19].ravel(), patients[: 19 * 100]
        above.append((scores[19] > patient_threshold(known, whose, 0.1, exceeded=0.2)).mean() > 0.1)
        pooled.append((scores[19] > score_threshold(known, 0.1)).mean() > 0.1)
    assert np.mean(above) <= 0.2 + 3 * np.sqrt(0.2 * 0.8 / 400)
    assert np.mean(pooled) > 0.25


def test_three_patients_promise_nothing_of_a_new_one():
    scores, patients = of_patients(3, 50, np.random.default_rng(0))
    assert patient_threshold(scores.ravel(), patients, 0.1, exceeded=0.2) == np.inf


def test_rates_of_patients_leave_the_patient_out():
    calibration, patients = np.r_[np.zeros(50), np.ones(50)], np.repeat(["a", "b"], 50)
    assert patient_rates(calibration, patients, 0.1).to_dict() == {"a": 0.0, "b": 1.0}
    with pytest.raises(InputError, match="one patient"):
        patient_rates(np.zeros(5), np.repeat("a", 5), 0.1)
    with pytest.raises(InputError, match="for 4 patients"):
        patient_p_values(np.zeros(1), np.zeros(5), np.repeat("a", 4))
