import numpy as np
import pytest
from tests.service.small_models import FS, ecg

from medanomaly.core.recipe import open_recipe
from medanomaly.signals.beats.params import BeatParams
from medanomaly.signals.recipe import signal_recipe
from medanomaly.signals.recordings.recording import Recording


def read(seconds, **settings):
    """What a recipe with these settings makes of an ECG of so many seconds, about 72 beats per minute."""
    signal = ecg(1, seconds).astype(np.float32)
    recipe = open_recipe(signal_recipe("beat_recipe", BeatParams(**settings), {}, {}))
    return recipe.read(Recording("short", "p", signal, FS, ("II", "V1"), ("mV", "mV")))


def test_ten_seconds_are_refused_unless_fewer_beats_are_asked_for():
    usual = read(10)
    assert len(usual.cases) == 0
    assert "12 beat(s) in 10 s. 16 or more are needed" in usual.refused["reason"].iloc[0]
    short = read(10, min_beats=6)
    assert len(short.cases) == 12
    assert not len(short.refused)
    assert np.isfinite(short.inputs["features"].inputs["lead_1.r_amplitude"].to_numpy()[1:-1]).all()
    refused = read(4, min_beats=6)
    assert "6 or more are needed" in refused.refused["reason"].iloc[0]


def test_the_limit_changes_nothing_of_longer_recordings():
    usual, asked = read(30), read(30, min_beats=6)
    usual_features, asked_features = usual.inputs["features"].inputs, asked.inputs["features"].inputs
    assert usual_features.equals(asked_features)
    with pytest.raises(ValueError, match="min_beats"):
        BeatParams(min_beats=3)
