"""Beats of one recording, compared with its other beats."""

import pytest
from drawn_ecg import ecg

import medanomaly
from medanomaly.core.errors import InputError


def test_premature_and_wide_beats_are_unlike_the_others():
    drawn = ecg(3)
    answers = medanomaly.beats(drawn.signal, fs=drawn.fs, detector="isolation_forest", explain=5)
    assert answers.noun == "beat"
    p = answers.scores["p_value"].astype(float).to_numpy()
    at = answers.scores["case_id"].str.rpartition(":")[2].astype(int).to_numpy()
    nearest = abs(drawn.samples[None] - at[:, None]).argmin(axis=1)
    wide = drawn.aami[nearest] == "V"
    assert p[wide].max() < 0.2 < p[~wide].mean()
    assert set(answers.explanations["case_id"]) == set(
        answers.scores.sort_values("p_value")["case_id"].head(5)
    )
    assert "usual here" in answers.read.notes[0]


def test_an_array_needs_its_rate():
    with pytest.raises(InputError, match="nothing of its rate"):
        medanomaly.beats(ecg(3).signal)
