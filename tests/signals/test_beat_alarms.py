"""Alarms of a recording: the threshold keeps its promise, bad signal raises nothing, episodes say what they are."""

import numpy as np
import pandas as pd
import pytest

from medanomaly.core.errors import ConfigurationError
from medanomaly.signals.alarms.beat_alarms import (
    alarm_threshold,
    calibration_scores,
    recording_alarms,
    recording_episodes,
)
from medanomaly.signals.alarms.params import EpisodeParams

PARAMS = EpisodeParams(per_hour=5.0, gap_s=5.0)


def recording(score, label, quality=None, record="r", learn_s=0.0):
    n = len(score)
    beats = pd.DataFrame(
        {
            "record": record,
            "patient_id": record,
            "time_s": 1.0 + 0.8 * np.arange(n),
            "quality": ["good"] * n if quality is None else quality,
        }
    )
    # prematurity alone, so that the score is what is given
    terms = np.zeros((n, 7))
    terms[:, 0] = score
    return recording_alarms(beats, terms, np.asarray(label, dtype=float), learn_s)


@pytest.fixture
def noisy_normals():
    rng = np.random.default_rng(0)
    return [recording(rng.exponential(2.0, 4500), np.zeros(4500), record=f"r{i}") for i in range(3)]


def test_calibration_recordings_have_no_more_false_episodes_than_asked_for(noisy_normals):
    threshold = alarm_threshold(noisy_normals, PARAMS)
    hours = sum(a.hours for a in noisy_normals)
    assert sum(a.false_episodes(threshold, 5.0) for a in noisy_normals) / hours <= 5.0
    # and it is the lowest such: a step below breaks it
    assert sum(a.false_episodes(threshold - 0.25, 5.0) for a in noisy_normals) / hours > 5.0


def test_beats_in_bad_signal_and_in_the_learning_time_raise_nothing():
    score = np.zeros(100)
    score[[5, 50, 80]] = 20.0
    quality = ["good"] * 100
    quality[50] = "bad"
    alarms = recording(score, np.zeros(100), quality, learn_s=20.0)
    table = recording_episodes(alarms, 10.0, np.arange(99.0), PARAMS)
    beats = table[table["kind"] == "beats"]
    assert beats["start_s"].tolist() == pytest.approx([1.0 + 0.8 * 80])
    assert table[table["kind"] == "noise"]["start_s"].tolist() == pytest.approx([1.0 + 0.8 * 50])


def test_abnormal_beats_are_no_false_alarms():
    score, label = np.zeros(60), np.zeros(60)
    score[30], label[30] = 20.0, 1
    assert recording(score, label).false_episodes(10.0, 5.0) == 0
    assert recording(score, np.zeros(60)).false_episodes(10.0, 5.0) == 1


def test_without_labels_every_alarm_counts():
    score = np.zeros(60)
    score[[10, 40]] = 20.0
    assert recording(score, np.full(60, np.nan)).false_episodes(10.0, 5.0) == 2


def test_every_second_beat_is_bigeminy_and_the_p_value_is_conformal():
    score = np.zeros(60)
    score[20:36:2] = 20.0
    table = recording_episodes(
        recording(score, np.zeros(60)), 10.0, np.sort(np.r_[np.zeros(98), 25.0]), PARAMS
    )
    assert set(table["kind"]) == {"beats", "bigeminy"}
    # one of 99 reference beats scores as high: (1 + 1) / (99 + 1)
    assert table.loc[table["kind"] == "beats", "p_value"].tolist() == pytest.approx([0.02])


def test_reference_scores_are_those_of_normal_beats():
    score = np.arange(40.0)
    label = np.where(np.arange(40) % 4 == 0, 1.0, 0.0)
    assert calibration_scores([recording(score, label)]).tolist() == [s for s in score if s % 4]


def test_nothing_to_calibrate_by_is_said():
    with pytest.raises(ConfigurationError, match="calibration"):
        alarm_threshold([], PARAMS)
