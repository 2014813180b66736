"""Episodes: hysteresis, merging, shortest length, and invariants."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.signals.alarms.episodes import EPISODE_COLUMNS, episodes_above, hysteresis

scores = st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0, np.nan]), max_size=60).map(np.array)


def plain_hysteresis(score, on, off):
    alarm, state = [], False
    for value in score:
        if value > on:
            state = True
        elif np.isnan(value) or value <= off:
            state = False
        alarm.append(state)
    return np.array(alarm, dtype=bool)


@given(scores, st.sampled_from([1.5, 2.0, 3.5]), st.sampled_from([0.0, 1.0, 1.5]))
def test_hysteresis_is_that_of_one_switch_after_the_other(score, on, off):
    np.testing.assert_array_equal(hysteresis(score, on, off), plain_hysteresis(score, on, off))


@given(scores, st.floats(0, 5), st.floats(0, 4), st.integers(1, 4))
def test_episodes_are_disjoint_in_order_and_long_enough(score, merge, shortest, beats):
    found = episodes_above(
        np.arange(len(score)) * 0.8, score, on=2.5, off=1.5, width_s=0.5, merge_gap_s=merge,
        min_length_s=shortest, min_beats=beats,
    )  # fmt: skip
    start, end = found["start_s"].to_numpy(), found["end_s"].to_numpy()
    assert (end > start).all()
    assert (start[1:] > end[:-1]).all()
    assert (end - start >= shortest).all()
    assert (found["n_beats"] >= beats).all()
    assert (found["peak_score"] > 2.5).all()
    assert found["peak_time_s"].between(found["start_s"], found["end_s"]).all()
    assert {column: str(kind) for column, kind in found.dtypes.items()} == EPISODE_COLUMNS


@given(scores)
def test_without_merging_and_shortest_every_alarming_beat_is_in_one_episode(score):
    time = np.arange(len(score)) * 0.8
    found = episodes_above(time, score, on=2.0, off=1.0)
    assert found["n_beats"].sum() == hysteresis(score, 2.0, 1.0).sum()


@given(scores, st.floats(0, 3))
def test_a_wider_gap_never_makes_more_episodes(score, gap):
    time = np.arange(len(score)) * 0.8
    few = episodes_above(time, score, on=2.0, merge_gap_s=gap + 1)
    many = episodes_above(time, score, on=2.0, merge_gap_s=gap)
    assert len(few) <= len(many)


def test_a_run_of_beats_is_one_alarm():
    score = np.array([0, 0, 5, 1.5, 6, 0, 0, 0, 9, 0])
    p = np.linspace(0.1, 1, 10)
    found = episodes_above(
        np.arange(10.0), score, on=3, off=1, p_value=p, record="100", patient_id="a", kind="run"
    )
    assert found["start_s"].tolist() == [2, 8]
    assert found["end_s"].tolist() == [4, 8]
    assert found["n_beats"].tolist() == [3, 1]
    assert found["peak_time_s"].tolist() == [4, 8]
    assert found["p_value"].tolist() == [p[4], p[8]]
    assert found["kind"].tolist() == ["run", "run"]


def test_bad_signal_ends_an_episode_and_keeps_its_neighbours_apart():
    score = np.array([5, 5, np.nan, 5, 5.0])
    assert len(episodes_above(np.arange(5.0), score, on=3, merge_gap_s=100)) == 2


def test_no_alarm_is_an_empty_table_of_the_same_form():
    found = episodes_above(np.arange(4.0), np.zeros(4), on=1)
    assert list(found.columns) == list(EPISODE_COLUMNS)
    assert len(found) == 0
    assert len(episodes_above(np.zeros(0), np.zeros(0), on=1)) == 0


def test_bad_input_is_named():
    with pytest.raises(ConfigurationError, match="off no higher than on"):
        hysteresis(np.zeros(3), 1, 2)
    with pytest.raises(InputError, match="times do not increase"):
        episodes_above(np.array([0.0, 0.0]), np.zeros(2), on=1)
    with pytest.raises(InputError, match="2,"):
        episodes_above(np.array([0.0, 1.0]), np.zeros(3), on=1)
