"""Temperature and sets: probabilities that come true, and sets that hold the right class as often as asked."""

import numpy as np
import pytest

from medanomaly.tabular.classes.decisions import RARE, fit_temperature, in_sets, set_thresholds, tempered


def drawn(n, temperature, seed=0, k=4):
    """Probabilities, and classes drawn from them after they were tempered."""
    rng = np.random.default_rng(seed)
    logs = rng.normal(size=(n, k)) * 2
    true = tempered(np.exp(logs) / np.exp(logs).sum(axis=1, keepdims=True), 1.0)
    codes = np.array([rng.choice(k, p=p) for p in true])
    return tempered(true, 1 / temperature), codes, true


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_was_applied_is_found_and_undone(temperature):
    sharp, codes, true = drawn(4000, temperature)
    found = fit_temperature(sharp, codes, np.ones(len(codes), dtype=bool))
    assert found == pytest.approx(temperature, rel=0.08)
    np.testing.assert_allclose(tempered(sharp, found), true, atol=0.04)


def test_a_class_that_the_model_never_saw_does_not_move_the_temperature():
    sharp, codes, _ = drawn(2000, 1.5)
    known = np.ones(len(codes), dtype=bool)
    without = fit_temperature(sharp, codes, known)
    # its probability is nothing that calibration could mend
    sharp, codes = (
        np.vstack([sharp, np.full((20, 4), [1.0, 1e-6, 1e-6, 1e-6])]),
        np.append(codes, np.ones(20, int)),
    )
    assert fit_temperature(sharp, codes, np.append(known, np.zeros(20, bool))) == pytest.approx(without)
    assert fit_temperature(sharp, codes, np.ones(len(codes), bool)) > 1.1 * without
    assert fit_temperature(sharp, codes, np.zeros(len(codes), bool)) == 1.0


def test_tempering_keeps_the_order_and_the_sum():
    probability, _, _ = drawn(50, 1.0)
    milder = tempered(probability, 3.0)
    np.testing.assert_array_equal(milder.argsort(axis=1), probability.argsort(axis=1))
    np.testing.assert_allclose(milder.sum(axis=1), 1)
    assert (milder.max(axis=1) < probability.max(axis=1)).all()


def test_sets_hold_the_right_class_as_often_as_asked_for_every_class():
    probability, codes, _ = drawn(8000, 1.0)
    half = np.arange(len(codes)) < 4000
    thresholds = set_thresholds(probability[half], codes[half], np.bincount(codes[half]), 0.9)
    inside = (probability[~half] >= thresholds)[np.arange(4000), codes[~half]]
    for c in range(4):
        assert inside[codes[~half] == c].mean() == pytest.approx(0.9, abs=0.035)


def test_rare_classes_have_one_threshold_together_and_none_where_they_are_too_few():
    probability, codes, _ = drawn(600, 1.0)
    codes[:] = 0
    codes[:40], codes[40:50], codes[50:60] = 1, 2, 3
    counts = np.bincount(codes)
    assert counts.tolist() == [540, 40, 10, 10]
    thresholds = set_thresholds(probability, codes, counts, 0.9)
    assert thresholds[2] == thresholds[3] > 0
    assert len(set(thresholds)) == 3
    # of 8 cases none can be left out, so that 9 of 10 new ones are covered
    few = np.flatnonzero(codes < 2).tolist() + np.flatnonzero(codes == 2)[:8].tolist()
    assert set_thresholds(probability[few], codes[few], np.array([540, 40, 8, 0]), 0.9)[2] == 0.0


def test_the_most_likely_class_is_always_in_the_set():
    probability = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    assert in_sets(probability, np.array([0.9, 0.25, 0.9])).tolist() == [
        [True, True, False],
        [False, False, True],
    ]
    assert RARE == 30
