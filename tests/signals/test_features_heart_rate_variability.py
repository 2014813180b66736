import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import interpolate, signal

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.signals.features.heart_rate_variability import (
    HRV_FEATURES,
    hrv_features,
    spectrum,
    windowed_hrv,
)

RR = np.array([800, 812, 790, 845, 760, 905, 831, 799, 780, 866])
RR = np.r_[RR, 818, 803, 775, 840, 892, 810, 795, 822, 861, 783]
PEAKS = np.r_[100, 100 + RR.cumsum()]  # samples of 1 ms

# hrv_time and hrv_nonlinear of neurokit2 0.2.13 on PEAKS at 1000 Hz
NEUROKIT = {
    "nn_mean": 819.35,
    "sdnn": 38.90917223753965,
    "rmssd": 61.42389385932892,
    "sdsd": 63.100356344162066,
    "cvnn": 0.04748785285597077,
    "cvsd": 0.0749666123870494,
    "nn_median": 811.0,
    "nn_mad": 36.323699999999995,
    "nn_iqr": 47.5,
    "pnn50": 45.0,
    "pnn20": 75.0,
    "nn_min": 760.0,
    "nn_max": 905.0,
    "triangular_index": 6.666666666666667,
    "sd1": 44.61868986624457,
    "sd2": 33.25758938140266,
    "sd1_sd2": 1.341609259605416,
}


@pytest.mark.parametrize("name", NEUROKIT)
def test_time_domain_agrees_with_neurokit2(name):
    assert hrv_features(PEAKS, 1000.0)[name] == pytest.approx(NEUROKIT[name], rel=1e-9)


def test_four_differences_can_be_checked_by_hand():
    found = hrv_features(np.cumsum([0, 1000, 1060, 1000, 1030, 1000]), 1000.0)
    steps = np.array([60, -60, 30, -30])
    assert found["rmssd"] == pytest.approx(np.sqrt((60**2 + 60**2 + 30**2 + 30**2) / 4))
    assert found["pnn50"] == pytest.approx(100 * 2 / 5)
    assert found["heart_rate_mean"] == pytest.approx(60_000 / 1018)
    assert found["sd1"] == pytest.approx(np.std(steps, ddof=1) / np.sqrt(2))


def modulated(amplitudes, seconds=600.0, mean=800.0):
    """Beat times in s whose intervals (ms) are ``mean`` plus sines of these frequencies (Hz) and amplitudes (ms)."""
    beat_times = [0.0]
    while beat_times[-1] < seconds:
        swing = sum(a * np.sin(2 * np.pi * f * beat_times[-1]) for f, a in amplitudes.items())
        beat_times.append(beat_times[-1] + (mean + swing) / 1000)
    return np.array(beat_times)


@pytest.mark.parametrize("method", ["lomb", "welch"])
def test_power_of_a_band_is_half_the_square_of_the_amplitude_of_its_tone(method):
    beat_times = modulated({0.1: 30.0, 0.25: 20.0})
    found = hrv_features(beat_times * 1000, 1000.0, method=method)
    # a spline through one value per beat flattens faster waves, which is why the Lomb periodogram is the default
    assert found["lf"] == pytest.approx(30**2 / 2, rel=0.08)
    assert found["hf"] == pytest.approx(20**2 / 2, rel=0.08 if method == "lomb" else 0.2)
    assert found["vlf"] < 5
    assert found["lf_nu"] + found["hf_nu"] == pytest.approx(100)


def test_lomb_spectrum_equals_least_squares_fits_of_sines():
    rng = np.random.default_rng(0)
    beat_times = np.cumsum(rng.uniform(0.6, 1.1, 90))
    nn = 800 + 40 * rng.standard_normal(90)
    frequencies, density = spectrum(beat_times, nn)
    rest = nn - np.polyval(np.polyfit(beat_times, nn, 1), beat_times)
    for k in (3, 40, 77):
        angle = 2 * np.pi * frequencies[k] * beat_times
        design = np.column_stack([np.cos(angle), np.sin(angle)])
        explained = rest @ design @ np.linalg.lstsq(design, rest, rcond=None)[0]
        expected = explained / 2 * 2 * np.ptp(beat_times) / 89
        assert density[k] == pytest.approx(expected, rel=1e-9)


def test_welch_spectrum_is_scipys_of_the_spline():
    beat_times = modulated({0.1: 30.0}, seconds=300)
    nn = 1000 * np.diff(beat_times)
    frequencies, density = spectrum(beat_times[1:], nn, "welch")
    even = interpolate.CubicSpline(beat_times[1:], nn)(np.arange(beat_times[1], beat_times[-1], 0.25))
    expected = signal.welch(even, 4.0, nperseg=480, detrend="linear")
    np.testing.assert_allclose(frequencies, expected[0])
    np.testing.assert_allclose(density, expected[1], rtol=1e-9)


def test_a_missed_beat_is_left_out_and_its_neighbours_are_not_joined():
    beats = np.arange(0, 60_000, 800)
    beats = np.delete(beats, [20, 21, 22])  # a hole of 3200 ms
    found = hrv_features(beats, 1000.0)
    assert found["nn_max"] == 800
    assert found["rmssd"] == 0
    assert found["excluded_share"] == pytest.approx(1 / (len(beats) - 1))


def test_only_intervals_between_normal_beats_count():
    beats = np.cumsum(np.r_[0, np.full(30, 800)])
    beats[15] -= 300
    normal = np.arange(31) != 15
    assert hrv_features(beats, 1000.0)["rmssd"] > 100
    found = hrv_features(beats, 1000.0, normal)
    assert (found["n_intervals"], found["rmssd"], found["sdnn"]) == (28, 0, 0)


@pytest.mark.parametrize(
    ("beats", "flag"), [([], "no beats"), ([5], "too few intervals"), ([5, 900, 1700], "too few intervals")]
)
def test_missing_beats_give_nan_and_a_flag(beats, flag):
    found = hrv_features(np.array(beats), 1000.0)
    assert found["flag"] == flag
    assert np.isnan([found[name] for name in HRV_FEATURES]).all()


def test_bands_need_a_series_long_enough_for_them():
    lengths = {
        30: (False, False, False),
        60: (False, False, True),
        150: (False, True, True),
        300: (True,) * 3,
    }
    for seconds, expected in lengths.items():
        found = hrv_features(modulated({0.1: 20.0}, seconds) * 1000, 1000.0)
        assert tuple(bool(np.isfinite(found[band])) for band in ("vlf", "lf", "hf")) == expected


def test_windows_hold_the_beats_that_fall_into_them():
    beats = (modulated({0.2: 25.0}, seconds=900) * 360).round()
    found = windowed_hrv(beats, 360.0, duration_s=900.0)
    assert found["start_s"].tolist() == [0, 300, 600]
    assert found["n_beats"].sum() == (beats < 900 * 360).sum()
    inside = beats[(beats >= 300 * 360) & (beats < 600 * 360)]
    assert found["sdnn"][1] == pytest.approx(hrv_features(inside, 360.0)["sdnn"])
    empty = windowed_hrv(np.array([], dtype=int), 360.0, duration_s=30.0)
    assert empty["flag"].tolist() == ["no beats"]


@settings(max_examples=30)
@given(st.lists(st.integers(300, 1500), min_size=6, max_size=60), st.integers(0, 10**6))
def test_variability_does_not_depend_on_when_the_recording_began(intervals, start):
    beats = np.cumsum([0, *intervals])
    here, there = hrv_features(beats, 1000.0), hrv_features(beats + start, 1000.0)
    for name in HRV_FEATURES:
        assert here[name] == pytest.approx(there[name], rel=1e-6, abs=1e-6, nan_ok=True)


def test_unfit_beats_are_refused():
    with pytest.raises(InputError, match="Sort"):
        hrv_features(np.array([5, 3, 9]), 360.0)
    with pytest.raises(InputError, match="one mark per beat"):
        hrv_features(PEAKS, 360.0, normal=np.array([True]))
    with pytest.raises(ConfigurationError, match="above 0"):
        hrv_features(PEAKS, -1.0)
    with pytest.raises(ConfigurationError, match="'lomb' or 'welch'"):
        hrv_features(PEAKS, 1000.0, method="fft")
