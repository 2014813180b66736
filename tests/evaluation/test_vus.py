"""VUS against the authors' program (numbers it printed) and against a plain version of the definition."""

import numpy as np
import pytest
from benchmarks.vus_speed import plain_vus
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from medanomaly.core.errors import InputError
from medanomaly.evaluation.series.vus import volume_under_surface

SHORT_EVENTS = np.zeros(300, dtype=bool)
SHORT_EVENTS[10:12] = SHORT_EVENTS[20:26] = SHORT_EVENTS[297:] = True
LONG_EVENTS = np.zeros(200, dtype=bool)
LONG_EVENTS[50:60] = LONG_EVENTS[120:140] = True
# RangeAUC_volume_opt of the package vus 0.0.6 (Paparrizos et al. 2022), 250 thresholds
PUBLISHED = [
    ("long", 0, 0.8068627450980392, 0.6352567434220089),
    ("long", 1, 0.8068627450980392, 0.6352567434220089),
    ("long", 10, 0.8337451013417317, 0.666142838835092),
    ("long", 20, 0.8595956327318065, 0.6949103792459637),
    ("short, ties, overlapping buffers, an event at the end", 0, 0.5464506658278284, 0.0790406445473375),
    ("short, ties, overlapping buffers, an event at the end", 15, 0.7700765029975342, 0.178271469422575),
    ("short, ties, overlapping buffers, an event at the end", 60, 0.892490380331433, 0.36630203909811165),
]


def series(name):
    if name == "long":
        return LONG_EVENTS, np.sin(np.arange(200) * 0.37) ** 2 + LONG_EVENTS * 0.5
    score = np.cos(np.arange(300) * 1.3) + np.roll(SHORT_EVENTS, 3) * 0.8
    return SHORT_EVENTS, np.round(score, 1)


@pytest.mark.parametrize(("name", "width", "roc", "pr"), PUBLISHED)
def test_volumes_are_those_of_the_authors_program(name, width, roc, pr):
    found = volume_under_surface(*series(name), width)
    assert found.roc == pytest.approx(roc, abs=1e-6)
    assert found.pr == pytest.approx(pr, abs=1e-6)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=12, max_size=70),
    st.integers(0, 14),
    st.sampled_from([1, 7, 250]),
)
def test_volumes_are_those_of_the_definition(samples, width, n_thresholds):
    truth = np.array([label and i % 3 != 0 for i, (label, _) in enumerate(samples)])
    score = np.array([value for _, value in samples], dtype=float)
    if not truth.any():
        truth[5] = True
    found = volume_under_surface(truth, score, width, n_thresholds)
    roc, pr = plain_vus(truth, score, width, n_thresholds)
    assert found.roc == pytest.approx(roc, abs=1e-9)
    assert found.pr == pytest.approx(pr, abs=1e-9)


def test_without_a_buffer_and_with_every_threshold_one_event_gives_the_ordinary_auroc():
    rng = np.random.default_rng(0)
    truth = np.zeros(400, dtype=bool)
    truth[100] = True
    score = rng.permutation(400).astype(float)
    found = volume_under_surface(truth, score, 0, 400)
    assert found.roc == pytest.approx(roc_auc_score(truth, score), abs=3e-3)


@given(st.integers(0, 1000), st.floats(0.1, 10), st.floats(-5, 5))
def test_only_the_order_of_scores_matters(seed, factor, offset):
    rng = np.random.default_rng(seed)
    truth = np.zeros(150, dtype=bool)
    truth[40:52] = True
    score = rng.normal(size=150)
    a = volume_under_surface(truth, score, 12)
    b = volume_under_surface(truth, np.arctan(score) * factor + offset, 12)
    assert a.roc == pytest.approx(b.roc, abs=1e-12)
    assert a.pr == pytest.approx(b.pr, abs=1e-12)


def test_a_late_score_gains_by_the_buffer():
    truth = np.zeros(500, dtype=bool)
    truth[200:220] = True
    late = np.roll(truth, 12).astype(float) + np.random.default_rng(0).random(500) * 0.1
    assert volume_under_surface(truth, late, 40).pr > volume_under_surface(truth, late, 0).pr + 0.1


@pytest.mark.parametrize(
    ("truth", "score", "message"),
    [
        ([0, 0], [1.0, 2.0], "labelled"),
        ([1, 1], [1.0, 2.0], "labelled"),
        ([0, 1], [1.0, np.nan], "NaN"),
        ([0, 1, 0], [1.0, 2.0], "one of each"),
    ],
)
def test_bad_input_is_named(truth, score, message):
    with pytest.raises(InputError, match=message):
        volume_under_surface(np.array(truth), np.array(score), 2)
