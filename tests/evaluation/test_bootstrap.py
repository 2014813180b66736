"""The patient-level bootstrap: same numbers as numpy, whatever the threads or the order of rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    precision_score,
    roc_auc_score,
)
from tests.evaluation.numpy_bootstrap import draw_weights_numpy, numpy_bootstrap

from medanomaly.core.errors import InputError
from medanomaly.evaluation.resampling.bootstrap import ResampledCases, bootstrap
from medanomaly.evaluation.resampling.draws import patient_weights

FIELDS = ("total", "positive", "u2", "ap", "flagged_positive", "flagged_negative", "brier", "ece")


def a_population(n=300, n_models=2, patients=None, decimals=None, prevalence=0.2, seed=0):
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < prevalence
    score = rng.normal(size=(n, n_models)) + positive[:, None]
    if decimals is not None:
        score = np.round(score, decimals)
    return ResampledCases(
        patient=np.arange(n) if patients is None else rng.integers(0, patients, n),
        positive=positive,
        score=score,
        flagged=score > 1.2,
        probability=1 / (1 + np.exp(-score)),
    )


def weights(sample, seed, resample):
    codes = np.unique(sample.patient, return_inverse=True)[1]
    n_cases, n_positives = np.bincount(codes), np.bincount(codes, weights=sample.positive).astype(int)
    return draw_weights_numpy(seed, resample, n_cases, n_positives)[0][codes]


@settings(max_examples=30)
@given(
    n=st.integers(2, 60),
    patients=st.integers(1, 60),
    decimals=st.sampled_from([None, 0, 1]),
    prevalence=st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    seed=st.integers(0, 2**63),
)
def test_numba_and_numpy_give_the_same_numbers_to_the_last_bit(n, patients, decimals, prevalence, seed):
    sample = a_population(n, 2, patients, decimals, prevalence, seed=seed % 1000)
    fast = bootstrap(sample, 30, seed)
    slow = numpy_bootstrap(sample, 30, seed)
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(fast, field), getattr(slow, field), err_msg=field)


def test_threads_do_not_change_a_number():
    sample = a_population(500, 3, 200, decimals=1)
    one, four = bootstrap(sample, 101, 5, threads=1), bootstrap(sample, 101, 5, threads=4)
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(one, field), getattr(four, field), err_msg=field)


def test_a_longer_bootstrap_starts_with_the_shorter_one():
    sample = a_population(100)
    np.testing.assert_array_equal(bootstrap(sample, 20, 3).u2, bootstrap(sample, 50, 3).u2[:21])


def test_the_order_of_rows_does_not_matter():
    sample = a_population(200, 2, 90, decimals=1)
    shuffle = np.random.default_rng(1).permutation(200)
    shuffled = ResampledCases(*(getattr(sample, f)[shuffle] for f in ResampledCases.__dataclass_fields__))
    a, b = bootstrap(sample, 50, 0), bootstrap(shuffled, 50, 0)
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field), err_msg=field)


@pytest.mark.parametrize("decimals", [None, 1, 0])
@pytest.mark.parametrize("patients", [None, 120])
def test_every_resample_equals_scikit_learn_with_the_counts_as_weights(decimals, patients):
    sample = a_population(400, 2, patients, decimals)
    draws = bootstrap(sample, 25, 7)
    y, flagged = sample.positive, sample.flagged
    for r in range(26):
        w = np.ones(400) if r == 0 else weights(sample, 7, r)
        for m in range(2):
            s, p = sample.score[:, m], sample.probability[:, m]
            tn, fp, fn, tp = confusion_matrix(y, flagged[:, m], sample_weight=w).ravel()
            expected = {
                "auroc": roc_auc_score(y, s, sample_weight=w),
                "auprc": average_precision_score(y, s, sample_weight=w),
                "prevalence": np.average(y, weights=w),
                "sensitivity": tp / (tp + fn),
                "specificity": tn / (tn + fp),
                "ppv": precision_score(y, flagged[:, m], sample_weight=w),
                "npv": tn / (tn + fn),
                "f1": f1_score(y, flagged[:, m], sample_weight=w),
                "false_alarm_rate": fp / (fp + tn),
                "flagged_share": np.average(flagged[:, m], weights=w),
                "brier": brier_score_loss(y, p, sample_weight=w),
            }
            for name, value in expected.items():
                assert draws.metric(name)[r, m] == pytest.approx(value, abs=1e-12), (name, r, m)


def test_patients_are_drawn_whole_and_uniformly():
    sample = a_population(90, 1, 30)
    n_cases = np.bincount(np.unique(sample.patient, return_inverse=True)[1])
    drawn = patient_weights(3, range(1, 2001), n_cases)
    np.testing.assert_array_equal(drawn[4], draw_weights_numpy(3, 5, n_cases, n_cases * 0)[0])
    assert (drawn.sum(axis=1) == n_cases.size).all()
    expected = np.full(n_cases.size, 2000.0)
    assert stats.chisquare(drawn.sum(axis=0), expected).pvalue > 0.001
    # the count of one patient is binomial(n, 1 / n)
    seen = np.bincount(drawn.ravel(), minlength=5)[:5] / drawn.size
    np.testing.assert_allclose(seen, stats.binom(n_cases.size, 1 / n_cases.size).pmf(np.arange(5)), atol=0.01)


def test_repeated_visits_widen_the_interval():
    rng = np.random.default_rng(0)
    effect, label = rng.normal(size=60), rng.random(60) < 0.4
    positive = np.repeat(label, 10)
    score = (np.repeat(effect, 10) + positive + 0.1 * rng.normal(size=600))[:, None]
    by_case = bootstrap(ResampledCases(np.arange(600), positive, score), 400, 0).metric("auroc")[1:].std()
    by_patient = (
        bootstrap(ResampledCases(np.arange(600) // 10, positive, score), 400, 0).metric("auroc")[1:].std()
    )
    assert by_patient > 2 * by_case


def test_a_resample_without_positives_is_drawn_again():
    sample = ResampledCases(np.arange(50), np.arange(50) == 7, np.random.default_rng(0).normal(size=(50, 1)))
    draws = bootstrap(sample, 500, 0)
    assert (draws.positive >= 1).all()
    assert (draws.positive < draws.total).all()


def test_one_class_alone_leaves_rank_metrics_undefined_and_the_rest_alive():
    sample = a_population(40, 1, prevalence=0.0)
    draws = bootstrap(sample, 50, 0)
    assert np.isnan(draws.metric("auroc")).all()
    assert np.isnan(draws.metric("auprc")).all()
    assert np.isnan(draws.metric("sensitivity")).all()
    assert np.isfinite(draws.metric("false_alarm_rate")).all()


def test_a_score_that_is_nan_is_refused():
    with pytest.raises(InputError, match="NaN"):
        bootstrap(
            ResampledCases(np.arange(3), np.array([True, False, False]), np.full((3, 1), np.nan)), 10, 0
        )
