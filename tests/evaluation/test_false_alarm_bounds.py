"""Bounds that hold for any choice of alarms, checked by simulation of choices that are made to break them."""

import numpy as np
import pytest
from scipy import stats

from medanomaly.core.conformal import p_values
from medanomaly.core.errors import InputError
from medanomaly.evaluation.false_alarm_bounds import (
    envelope,
    false_alarms_at_most,
    false_alarms_of_stream,
    rates_at_most,
)


def batch(rng, n, m, anomalous=0, shift=3.0):
    scores = rng.standard_normal(n)
    scores[:anomalous] += shift
    return p_values(scores, rng.standard_normal(m))


@pytest.mark.parametrize(("n", "m", "anomalous"), [(200, 100, 0), (100, 400, 10)])
def test_the_worst_choice_of_all_breaks_the_bound_no_more_often_than_was_said(n, m, anomalous):
    """The cases are chosen with all labels known, at every threshold, so that the bound looks as bad as it can."""
    rng, broken, runs = np.random.default_rng(0), 0, 400
    for _ in range(runs):
        p = batch(rng, n, m, anomalous)
        normal = np.arange(n) >= anomalous
        levels = np.unique(p)
        broken += any(
            ((p <= level) & normal).sum() > false_alarms_at_most(p, (p <= level) & normal, m)
            for level in levels[: len(levels) // 2]
        )
    # 10 % are allowed; 3 sd of 400 runs are 4.5 %
    assert broken / runs <= 0.145


def test_clear_alarms_are_nearly_all_vouched_for_and_arbitrary_ones_not_at_all():
    rng = np.random.default_rng(1)
    p = batch(rng, 500, 2000, anomalous=30, shift=6.0)
    order = np.argsort(p)
    clear, middling = np.zeros(500, bool), np.zeros(500, bool)
    clear[order[:30]], middling[order[200:230]] = True, True
    assert false_alarms_at_most(p, clear, 2000) <= 5
    assert false_alarms_at_most(p, middling, 2000) == 30
    assert false_alarms_at_most(p, np.zeros(500, bool), 2000) == 0


def test_a_smaller_choice_and_less_confidence_never_have_a_larger_bound():
    p = batch(np.random.default_rng(2), 300, 500, anomalous=20)
    bounds = [false_alarms_at_most(p, p <= level, 500) for level in np.unique(p)]
    assert (np.diff(bounds) >= 0).all()
    chosen = p <= 0.05
    assert false_alarms_at_most(p, chosen, 500, 0.8) <= false_alarms_at_most(p, chosen, 500, 0.95)


def test_the_envelope_of_a_single_case_is_its_own_law():
    """One normal case: P(p <= j / (m + 1)) = j / (m + 1), so a count of 0 can be promised with 90 % up to about p = 0.1."""
    places, most = envelope(1, 99, 0.9)
    assert set(most[places <= 7]) == {0}
    assert set(most[places >= 13]) == {1}


def test_rates_of_one_calibration_set_are_above_the_single_bounds():
    places, rates = rates_at_most(200, 0.9)
    inside = places <= 200
    alone = stats.beta.isf(0.1, places[inside], 201 - places[inside])
    assert (rates[inside] >= alone).all()
    assert (np.diff(rates) >= 0).all()
    assert rates[-1] == 1


def test_the_bound_of_a_stream_holds_at_all_times():
    rng, broken, runs, m = np.random.default_rng(3), 0, 300, 200
    bound = false_alarms_of_stream(np.full(600, 0.05), m)
    for _ in range(runs):
        broken += (np.cumsum(batch(rng, 600, m) <= 0.05) > bound).any()
    assert broken / runs <= 0.1
    assert 30 < bound[-1] < 200, "the bound has to say something"
    assert false_alarms_of_stream(np.full(5, 0.004), m).tolist() == [2] * 5, "no level reaches a p-value"


@pytest.mark.parametrize(
    "call",
    [
        lambda: false_alarms_at_most(np.array([0.2, np.nan]), np.array([True, False]), 10),
        lambda: false_alarms_at_most(np.array([0.2]), np.array([True, False]), 10),
        lambda: false_alarms_at_most(np.array([0.2]), np.array([True]), 0),
        lambda: envelope(5, 5, 0.99999),
    ],
)
def test_what_gives_no_bound_is_refused(call):
    with pytest.raises(InputError):
        call()
