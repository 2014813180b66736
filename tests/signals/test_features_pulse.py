import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, signal

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.signals.features.ppg import PULSE_FEATURES, pulse_features

FS = 250.0


def pulses(n=6, period=1.0, second=0.4):
    """A wave with a second, dicrotic, bump every ``period`` s, peak 0.2 s after its onset."""
    t = np.arange(round(n * period * FS)) / FS % period
    return np.exp(-0.5 * ((t - 0.2) / 0.06) ** 2) + second * np.exp(-0.5 * ((t - 0.55) / 0.06) ** 2)


def peaks_of(x):
    return signal.find_peaks(x, distance=round(0.6 * FS))[0]


def test_rise_widths_and_areas_agree_with_scipy():
    x = pulses()
    peaks = peaks_of(x)
    found = pulse_features(x, FS, peaks)
    k = 2
    onset, stop = found["onset_sample"][k], found["onset_sample"][k + 1]
    foot = np.interp(np.arange(onset, stop + 1), [onset, stop], x[[onset, stop]])
    y = x[onset : stop + 1] - foot
    top = peaks[k] - onset
    assert found["rise_time"][k] == pytest.approx(top / FS)
    assert found["pulse_interval"][k] == pytest.approx((stop - onset) / FS)
    for level in (25, 50, 75):
        # all of the wave counts as prominence: its foot is 0 on both sides
        bounds = (np.array([y[top]]), np.array([0]), np.array([len(y) - 1]))
        width = signal.peak_widths(y, [top], rel_height=1 - level / 100, prominence_data=bounds)[0][0]
        assert found[f"width_{level}"][k] == pytest.approx(width / FS, rel=1e-9)
    assert found["area_systolic"][k] == pytest.approx(integrate.trapezoid(y[: top + 1], dx=1 / FS), rel=1e-9)
    assert found["area_diastolic"][k] == pytest.approx(integrate.trapezoid(y[top:], dx=1 / FS), rel=1e-9)
    assert found["upslope_max"][k] == pytest.approx(np.diff(y[: top + 1]).max() * FS, rel=1e-9)
    curvature = np.diff(y, 2)
    a = curvature[: top - 1].argmax()
    assert found["apg_b_a"][k] == pytest.approx(curvature[a:top].min() / curvature[a], rel=1e-9)


@pytest.mark.parametrize("second", [0.2, 0.4, 0.6])
def test_augmentation_index_is_the_height_of_the_second_bump(second):
    x = pulses(second=second)
    found = pulse_features(x, FS, peaks_of(x)).iloc[1:-1]
    np.testing.assert_allclose(found["augmentation_index"], second, atol=0.01)
    assert found["notch_time"].between(0.3, 0.5).all()


def test_a_wave_that_only_falls_has_its_notch_at_the_bend():
    t = np.arange(round(5 * FS)) / FS % 1.0
    x = np.where(t < 0.2, t / 0.2, np.exp(-(t - 0.2) / 0.15))  # no second bump
    found = pulse_features(x, FS, peaks_of(x)).iloc[1:-1]
    assert found["augmentation_index"].between(0, 1).all()


def test_a_slope_of_the_baseline_is_taken_off_before_measuring():
    x = pulses()
    plain = pulse_features(x, FS, peaks_of(x))[1:-1]
    tilted = pulse_features(x + 0.0002 * np.arange(len(x)), FS, peaks_of(x))[1:-1]
    names = ["amplitude", "width_50", "pulse_interval", "augmentation_index"]
    np.testing.assert_allclose(tilted[names], plain[names], rtol=0.03)


def test_gaps_pauses_and_the_last_pulse_are_nan_and_flagged():
    x = pulses(9)
    peaks = peaks_of(x)
    x[peaks[2] + 5] = np.nan
    found = pulse_features(x, FS, np.delete(peaks, [5, 6, 7]))
    assert found["flag"].tolist() == ["", "", "gap", "", "pause", "last"]
    assert found.loc[found["flag"] != "", list(PULSE_FEATURES)].isna().all(axis=None)
    assert found.loc[[1, 3], list(PULSE_FEATURES)].notna().all(axis=None)


def test_no_peaks_a_flat_line_and_all_missing_give_no_error():
    assert len(pulse_features(np.zeros(500), FS, np.array([], dtype=int))) == 0
    flat = pulse_features(np.zeros(500), FS, np.array([100, 300]))
    assert flat["flag"].tolist() == ["no rise", "last"]
    lost = pulse_features(np.full(500, np.nan), FS, np.array([100, 300]))
    assert lost["flag"].tolist() == ["gap", "last"]
    with pytest.raises(InputError, match="one lead"):
        pulse_features(np.zeros((500, 2)), FS, np.array([100]))
    with pytest.raises(InputError, match="inside the signal"):
        pulse_features(np.zeros(500), FS, np.array([900]))
    with pytest.raises(ConfigurationError, match="20 Hz"):
        pulse_features(np.zeros(500), 5.0, np.array([100]))


def test_pulses_of_a_real_recording_have_plausible_features():
    path = Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw")) / "bidmc_ppg" / "bidmc_01_Signals.csv"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    table = pd.read_csv(path, nrows=15_000).rename(columns=str.strip)
    x = table["PLETH"].to_numpy()
    peaks = signal.find_peaks(x, distance=50, prominence=0.1)[0]
    found = pulse_features(x, 125.0, peaks)
    measured = found[found["flag"] == ""]
    assert len(measured) > 0.95 * len(found) > 100
    assert measured["pulse_interval"].between(0.4, 1.2).mean() > 0.95
    assert measured["rise_time"].between(0.05, 0.4).mean() > 0.95
    assert measured["augmentation_index"].between(0, 1).mean() > 0.9
