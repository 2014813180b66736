"""Systolic peaks of pulse waves."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.signals.beats.beat_by_beat import match_beats
from medanomaly.signals.peaks.pulse_peaks import detect_pulse_peaks
from medanomaly.signals.peaks.r_peaks import detect_r_peaks
from medanomaly.signals.quality.assessment import assess_quality
from medanomaly.signals.recordings.recording import Recording


def a_pulse(fs, seconds=40.0, rate=72.0, seed=0):
    """Systole and dicrotic wave as Gaussians on a breathing base line; returns the wave and the systolic peaks."""
    rng = np.random.default_rng(seed)
    beats = np.cumsum(rng.normal(60 / rate, 0.02, int(seconds * rate / 60)))
    beats = beats[(beats > 0.5) & (beats < seconds - 0.7)]
    t = np.arange(int(seconds * fs)) / fs
    x = 0.2 * np.sin(2 * np.pi * 0.25 * t)
    for beat in beats:
        x += np.exp(-0.5 * ((t - beat) / 0.09) ** 2) + 0.35 * np.exp(-0.5 * ((t - beat - 0.3) / 0.08) ** 2)
    return x + rng.normal(0, 0.01, len(t)), np.round(beats * fs).astype(int)


@pytest.mark.parametrize("fs", [25.0, 125.0, 500.0])
@pytest.mark.parametrize("rate", [50, 72, 110])
def test_every_systole_is_found_and_no_dicrotic_wave(fs, rate):
    wave, beats = a_pulse(fs, rate=rate)
    found = detect_pulse_peaks(wave, fs)
    i, j = match_beats(beats, found, round(0.1 * fs))
    assert len(i) == len(beats)
    assert len(found) <= len(beats) + 1
    assert np.abs(found[j] - beats[i]).max() <= max(1, 0.03 * fs)


@pytest.mark.parametrize("fs", [50.0, 125.0])
@pytest.mark.parametrize(
    ("rate", "good"),
    [(22, False), (25, False), (28, False), (34, True), (60, True), (120, True), (180, True), (190, True), (210, False),
     (220, False), (240, False)],
)  # fmt: skip
def test_a_pulse_has_its_true_rate_and_is_bad_outside_30_to_200(fs, rate, good):
    rng = np.random.default_rng(0)
    t, wave = np.arange(round(60 * fs)) / fs, rng.normal(0, 0.01, round(60 * fs))
    period = 60 / rate
    beats = np.arange(0.5, 59.0, period)
    short = min(1.0, period / 0.8)
    for beat in beats:
        wave += np.exp(-0.5 * ((t - beat) / (0.1 * short)) ** 2)
        wave += 0.35 * np.exp(-0.5 * ((t - beat - 0.28 * short) / (0.08 * short)) ** 2)
    found = detect_pulse_peaks(wave, fs)
    assert abs(len(found) - len(beats)) <= 1
    whole = Recording("r", "p", wave[:, None].astype(np.float32), fs, ("PLETH",), ("NU",))
    windows = assess_quality(whole)
    np.testing.assert_allclose(windows["rate"], rate, rtol=0.03)
    assert (windows["quality"] == ("good" if good else "bad")).all()


def test_a_fast_run_changes_nothing_before_it():
    t = np.arange(60 * 125) / 125
    phase = 2 * np.pi * np.cumsum(np.where(t < 30, 1.2, 3.6)) / 125
    wave = np.exp(2 * np.cos(phase))
    found = detect_pulse_peaks(wave, 125)
    steps = np.diff(found) / 125
    np.testing.assert_allclose(steps[found[1:] < 29 * 125], 1 / 1.2, atol=0.02)
    np.testing.assert_allclose(steps[found[:-1] > 33 * 125], 1 / 3.6, atol=0.02)


def test_unit_and_offset_do_not_matter():
    wave, _ = a_pulse(125)
    np.testing.assert_array_equal(detect_pulse_peaks(wave * 1000 + 5e4, 125), detect_pulse_peaks(wave, 125))


def test_a_burst_of_movement_does_not_hide_the_rest():
    wave, beats = a_pulse(125, seconds=90)
    wave[4000:4500] += np.random.default_rng(0).normal(0, 10, 500).cumsum() / 5
    found = detect_pulse_peaks(wave, 125)
    far = beats[(beats < 3300) | (beats > 5200)]
    i, _ = match_beats(far, found, 12)
    assert len(i) >= len(far) - 1


@pytest.mark.parametrize(
    "wave", [np.zeros(2000), np.full(2000, np.nan), np.full(2000, 3.3), np.ones(3), np.zeros(0)]
)
def test_without_a_pulse_there_is_no_peak(wave):
    assert detect_pulse_peaks(wave, 125).tolist() == []


def test_no_peak_lies_in_a_gap():
    wave, _ = a_pulse(125)
    wave[1000:2000] = np.nan
    found = detect_pulse_peaks(wave, 125)
    assert not ((found >= 1000) & (found < 2000)).any()
    assert len(found) > 20


def test_bad_input_is_named():
    with pytest.raises(InputError, match="one lead"):
        detect_pulse_peaks(np.zeros((10, 2)), 125)
    with pytest.raises(ConfigurationError, match="or more"):
        detect_pulse_peaks(np.zeros(100), 5)


@pytest.mark.skipif(
    not (Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw")) / "bidmc_ppg").exists(),
    reason="BIDMC is absent from MEDANOMALY_DATA",
)
def test_pulses_of_a_patient_follow_the_beats_of_the_ecg():
    table = pd.read_csv(Path(os.environ["MEDANOMALY_DATA"]) / "bidmc_ppg" / "bidmc_01_Signals.csv")
    table.columns = table.columns.str.strip()
    beats = detect_r_peaks(table["II"].to_numpy(), 125)
    pulses = detect_pulse_peaks(table["PLETH"].to_numpy(), 125)
    delay = int(np.median([pulses[pulses > r][0] - r for r in beats[:-3]]))
    i, _ = match_beats(beats + delay, pulses, 19)
    # a few pulses are lost in half a minute of movement
    assert len(i) / len(beats) > 0.97
    assert len(i) / len(pulses) > 0.98
