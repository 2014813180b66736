"""Events, point counts and the warning of point adjustment."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from medanomaly.core.errors import InputError
from medanomaly.evaluation.series.events import event_counts, runs
from medanomaly.evaluation.series.point_adjust import point_adjusted_f1

marks = st.lists(st.booleans(), min_size=1, max_size=60).map(np.array)


@given(marks)
def test_runs_give_back_the_marks(marked):
    again = np.zeros(len(marked), dtype=bool)
    for start, end in runs(marked):
        assert end > start
        assert not again[start:end].any()
        again[start:end] = True
    np.testing.assert_array_equal(again, marked)


@given(marks, st.integers(0, 99), st.integers(0, 4))
def test_event_counts_are_those_of_looking_at_every_pair(truth, seed, tolerance):
    alarm = np.random.default_rng(seed).random(len(truth)) < 0.3
    events, alarms = runs(truth), runs(alarm)

    def touch(a, b):
        if tolerance:
            return a[0] - tolerance <= b[1] and b[0] <= a[1] + tolerance
        return a[0] < b[1] and b[0] < a[1]

    met = [any(touch(e, a) for a in alarms) for e in events]
    useful = [any(touch(e, a) for e in events) for a in alarms]
    found = event_counts(events, alarms, tolerance)
    assert found.true_positives == sum(met)
    assert found.false_negatives == len(met) - sum(met)
    assert found.found == sum(useful)
    assert found.false_positives == len(useful) - sum(useful)


def test_a_long_event_counts_once():
    found = event_counts([(0, 1000), (2000, 2001)], [(10, 11), (50, 60), (1500, 1510)])
    assert found.recall == 0.5
    assert found.precision == pytest.approx(2 / 3)
    assert found.f1 == pytest.approx(2 * 0.5 * (2 / 3) / (0.5 + 2 / 3))


def test_point_adjustment_flatters_a_random_score():
    truth = np.zeros(5000, dtype=bool)
    truth[1000:1500] = truth[3000:3500] = True
    random = np.random.default_rng(1).random(5000)
    found = point_adjusted_f1(truth, random)
    assert found.f1 > 0.9
    assert found.random_f1 > 0.9
    assert max(f1_score(truth, random > t) for t in np.linspace(0, 1, 50)) < 0.4


def test_point_adjustment_is_the_best_over_thresholds():
    rng = np.random.default_rng(0)
    truth = np.zeros(80, dtype=bool)
    truth[10:14] = truth[50:60] = True
    score = np.round(rng.random(80) + 0.2 * truth, 1)
    best = 0.0
    for threshold in np.unique(score):
        alarm = score >= threshold
        for start, end in runs(truth):
            alarm[start:end] = alarm[start:end].any()
        best = max(best, f1_score(truth, alarm))
    assert point_adjusted_f1(truth, score).f1 == pytest.approx(best)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: event_counts([(3, 4), (1, 2)], []), "in order"),
        (lambda: point_adjusted_f1(np.zeros(3), np.ones(3)), "at least one event"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
