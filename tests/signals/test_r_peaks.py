"""R peaks: their positions are right, do not depend on chunks, and none is found where there is no heart beat."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.signals.beats.beat_by_beat import match_beats
from medanomaly.signals.peaks.r_peaks import RPeakDetector, detect_r_peaks


def an_ecg(fs=250.0, seconds=30.0, rate=70.0, noise=0.02, seed=0):
    """R, T and P waves as Gaussians, a drifting base line and noise; returns (n, 2) mV and the true positions."""
    rng = np.random.default_rng(seed)
    beats = np.cumsum(rng.normal(60 / rate, 0.03, int(seconds * rate / 60) + 5))
    beats = beats[beats < seconds - 0.5]
    t = np.arange(int(seconds * fs)) / fs
    x = np.zeros(len(t))
    for centre, height, width in (
        (0.0, 1.2, 0.012),
        (0.03, -0.3, 0.012),
        (0.28, 0.3, 0.045),
        (-0.17, 0.12, 0.025),
    ):
        for beat in beats:
            x += height * np.exp(-0.5 * ((t - beat - centre) / width) ** 2)
    drift = 0.3 * np.sin(2 * np.pi * 0.2 * t)
    both = np.stack([x + drift, 0.4 * x - drift], axis=1) + rng.normal(0, noise, (len(t), 2))
    return both, np.round(beats * fs).astype(int)


def chunks_of(signal, sizes):
    start = 0
    while start < len(signal):
        size = sizes[start % len(sizes)]
        yield signal[start : start + size]
        start += max(size, 1)


@pytest.mark.parametrize("fs", [50.0, 125.0, 360.0, 1000.0])
@pytest.mark.parametrize("rate", [45, 75, 150])
def test_every_beat_of_a_clean_ecg_is_found_where_it_is(fs, rate):
    signal, beats = an_ecg(fs, rate=rate)
    found = detect_r_peaks(signal, fs)
    i, j = match_beats(beats, found, round(0.15 * fs))
    assert len(i) == len(beats) == len(found)
    assert np.abs(found[j] - beats[i]).max() <= max(1, 0.012 * fs)


def test_upside_down_and_offset_signals_give_the_same_beats():
    signal, _ = an_ecg()
    expected = detect_r_peaks(signal, 250)
    np.testing.assert_array_equal(detect_r_peaks(-signal, 250), expected)
    np.testing.assert_array_equal(detect_r_peaks(signal + 7, 250), expected)


@settings(max_examples=25)
@given(st.lists(st.integers(1, 700), min_size=1, max_size=6), st.booleans())
def test_chunks_of_any_size_give_the_peaks_of_the_whole(sizes, gap):
    signal, _ = an_ecg(seconds=14, noise=0.1, seed=3)
    if gap:
        signal[1500:1900] = np.nan
        signal[2600:2640, 0] = np.nan
    detector = RPeakDetector(250, 2)
    found = [detector.push(chunk) for chunk in chunks_of(signal, sizes)]
    np.testing.assert_array_equal(np.concatenate([*found, detector.finish()]), detect_r_peaks(signal, 250))


def test_a_peak_is_given_within_the_stated_delay():
    signal, _ = an_ecg(seconds=20)
    detector, given_at = RPeakDetector(250, 2), {}
    for i in range(len(signal)):
        for peak in detector.push(signal[i : i + 1]):
            given_at[int(peak)] = i
    late = np.array([(at - peak) / 250 for peak, at in given_at.items() if peak > 3 * 250])
    assert len(late) > 15
    assert late.max() < 0.45


def test_a_gap_has_no_beat_and_does_not_hide_those_around_it():
    signal, beats = an_ecg(seconds=40)
    signal[2500:5000] = np.nan
    signal[5000:] += 5.0
    found = detect_r_peaks(signal, 250)
    assert not ((found > 2500) & (found < 5000)).any()
    outside = beats[(beats < 2400) | (beats > 5100)]
    i, _ = match_beats(outside, found, 38)
    assert len(i) >= len(outside) - 1
    assert len(found) <= len(outside) + 1


def test_a_lead_that_comes_off_does_not_take_the_beats_with_it():
    signal, beats = an_ecg(seconds=60)
    signal[3000:9000, 0] = 0.0
    found = detect_r_peaks(signal, 250)
    i, _ = match_beats(beats, found, 38)
    assert len(i) >= len(beats) - 3
    assert len(found) <= len(i) + 2


def test_noise_in_one_lead_is_outweighed_by_the_other():
    signal, beats = an_ecg(seconds=60)
    signal[:, 1] += np.random.default_rng(1).normal(0, 0.5, len(signal))
    i, _ = match_beats(beats, detect_r_peaks(signal, 250), 38)
    assert len(i) == len(beats)


def test_a_single_lead_may_be_one_dimensional():
    signal, _ = an_ecg()
    np.testing.assert_array_equal(detect_r_peaks(signal[:, 0], 250), detect_r_peaks(signal[:, :1], 250))


@pytest.mark.parametrize(
    "signal",
    [
        np.zeros(5000),
        np.full(5000, 3.7),
        np.full((5000, 2), np.nan),
        np.random.default_rng(0).normal(0, 0.001, 5000),
        np.zeros(3),
        np.zeros((0, 2)),
        np.full(5000, np.inf),
    ],
)
def test_without_a_heart_beat_there_is_no_peak(signal):
    assert detect_r_peaks(signal, 250).tolist() == []


def test_bad_input_is_named():
    with pytest.raises(ConfigurationError, match="50 Hz or more"):
        detect_r_peaks(np.zeros(100), 20)
    with pytest.raises(InputError, match="shape"):
        detect_r_peaks(np.zeros((2, 3, 4)), 250)
    with pytest.raises(InputError, match="one column per lead; there are 2"):
        RPeakDetector(250, 2).push(np.zeros((10, 3)))
    with pytest.raises(ConfigurationError, match="0 leads"):
        RPeakDetector(250, 0)


@pytest.mark.skipif(
    not (Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw")) / "mitdb" / "119.hea").exists(),
    reason="MIT-BIH is absent from MEDANOMALY_DATA",
)
@pytest.mark.parametrize(("record", "missed", "extra"), [("119", 0.002, 0.002), ("203", 0.02, 0.03)])
def test_reference_beats_of_mit_bih_are_found(record, missed, extra):
    wfdb = pytest.importorskip("wfdb")
    path = str(Path(os.environ["MEDANOMALY_DATA"]) / "mitdb" / record)
    signal, marks = wfdb.rdrecord(path).p_signal, wfdb.rdann(path, "atr")
    beats = marks.sample[np.isin(marks.symbol, list("NLRBAaJSVrFejnE/fQ"))]
    found = detect_r_peaks(signal, 360)
    i, _ = match_beats(beats, found, 54)
    assert 1 - len(i) / len(beats) <= missed
    assert 1 - len(i) / len(found) <= extra
