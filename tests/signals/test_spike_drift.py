"""Spikes and drift in an ECG and in vital signs."""

import numpy as np
import pytest

from medanomaly.core.errors import InputError
from medanomaly.evaluation.series.events import point_counts
from medanomaly.signals.quality.spike_drift import SpikeDriftDetector, spike_drift_score


def an_ecg(seconds=60.0, fs=250.0, seed=0):
    rng = np.random.default_rng(seed)
    beats = np.cumsum(rng.normal(0.85, 0.03, int(seconds / 0.85) + 3))
    t = np.arange(int(seconds * fs)) / fs
    x = np.zeros(len(t))
    for centre, height, width in (
        (0, 1.2, 0.012),
        (0.035, -0.25, 0.012),
        (0.28, 0.3, 0.045),
        (-0.17, 0.12, 0.025),
    ):
        for beat in beats:
            x += height * np.exp(-0.5 * ((t - beat - centre) / width) ** 2)
    x += 0.05 * np.sin(2 * np.pi * 0.2 * t + seed)
    return np.stack([x, 0.5 * x], axis=1) + rng.normal(0, 0.01, (len(t), 2))


@pytest.fixture(scope="module")
def detector():
    return SpikeDriftDetector(250.0, alpha=0.5).fit(an_ecg(seed=s) for s in range(10))


def test_a_spike_smaller_than_an_r_peak_is_found_sample_by_sample(detector):
    signal, truth = an_ecg(seed=20), np.zeros(15_000, dtype=bool)
    for start in range(1111, 14_000, 2300):
        signal[start : start + 10, 0] += 0.6
        truth[start : start + 10] = True
    assert point_counts(truth, detector.predict(signal)).f1 > 0.85


def test_a_spike_larger_than_an_r_peak_does_not_accuse_the_beats_around_it(detector):
    signal, truth = an_ecg(seed=21), np.zeros(15_000, dtype=bool)
    for start in range(1111, 14_000, 2300):
        signal[start : start + 10, 0] += 4.0
        truth[start : start + 10] = True
    assert point_counts(truth, detector.predict(signal)).f1 > 0.85


def test_drift_is_found_from_its_rise_to_its_fall(detector):
    signal, truth = an_ecg(seed=22), np.zeros(15_000, dtype=bool)
    signal[6000:8500, 1] += 0.3
    truth[6000:8500] = True
    assert point_counts(truth, detector.predict(signal)).f1 > 0.9


def test_few_normal_records_alarm():
    detector = SpikeDriftDetector(250.0, alpha=0.2).fit(an_ecg(20, seed=s) for s in range(19))
    assert np.mean([detector.predict(an_ecg(20, seed=100 + s)).any() for s in range(20)]) <= 0.4


def test_too_few_normal_records_never_alarm():
    detector = SpikeDriftDetector(250.0, alpha=0.01).fit(an_ecg(10, seed=s) for s in range(3))
    assert np.isinf(detector.spike_threshold_)
    signal = an_ecg(10)
    signal[500] += 50
    assert not detector.predict(signal).any()


def test_signals_without_beats_need_no_template():
    rng = np.random.default_rng(0)
    vitals = 70 + rng.normal(0, 1, (2000, 2)).cumsum(axis=0) * 0.05 + rng.normal(0, 0.5, (2000, 2))
    vitals[700, 1] += 8
    score = spike_drift_score(vitals, 1 / 60, beat_s=300, long_s=43_200, beats=False)
    assert np.unravel_index(np.argmax(score.spike), score.spike.shape) == (700, 1)


@pytest.mark.parametrize("value", [np.nan, 0.0, 3.3])
def test_a_record_of_nothing_does_not_alarm(detector, value):
    assert not detector.predict(np.full((5000, 2), value)).any()


def test_a_gap_does_not_alarm(detector):
    signal = an_ecg(seed=23)
    signal[4000:6000] = np.nan
    alarm = detector.predict(signal)
    assert alarm.mean() < 0.01
    assert not alarm[4000:6000].any()


def test_bad_input_is_named():
    with pytest.raises(InputError, match="n_leads"):
        spike_drift_score(np.zeros(100), 250)
