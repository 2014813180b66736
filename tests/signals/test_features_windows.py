import os
from pathlib import Path

import antropy
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tsfresh.feature_extraction import feature_calculators as tsfresh

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.signals.features.windows import (
    SHORTEST,
    WINDOW_FEATURES,
    feature_matrix,
    stream_windowed_features,
    windowed_features,
)

FS = 360.0


def ecg_like(n_windows=6, n=720, seed=0):
    """Random walks, noise, bursts and steps of an 11-bit converter, so that ties occur."""
    rng = np.random.default_rng(seed)
    waves = np.sin(2 * np.pi * rng.uniform(1, 20, (n_windows, 1)) * np.arange(n) / FS)
    bursts = np.exp(-0.5 * ((np.arange(n) % 280 - 90) / 6.0) ** 2) * 1.5
    return np.round((waves * 0.2 + bursts + 0.05 * rng.standard_normal((n_windows, n))) / 0.005) * 0.005 + 0.3


def table(windows, fs=FS):
    return pd.DataFrame(feature_matrix(windows, fs), columns=list(WINDOW_FEATURES))


ORACLES = {
    "mean": np.mean,
    "sd": np.std,
    "skewness": stats.skew,
    "kurtosis": stats.kurtosis,
    "rms": tsfresh.root_mean_square,
    "mean_absolute_deviation": lambda x: np.abs(x - x.mean()).mean(),
    "line_length": lambda x: tsfresh.absolute_sum_of_changes(x) * FS / (len(x) - 1),
    "slope_max": lambda x: np.abs(np.diff(x)).max() * FS,
    "crossing_rate": lambda x: tsfresh.number_crossing_m(x, x.mean()) * FS / (len(x) - 1),
    "hjorth_activity": np.var,
    "hjorth_mobility": lambda x: antropy.hjorth_params(x)[0],
    "hjorth_complexity": lambda x: antropy.hjorth_params(x)[1],
    "peak_rate": lambda x: tsfresh.number_peaks(x, 36) * FS / len(x),
    "minimum": np.min,
    "maximum": np.max,
    "range": np.ptp,
    "median": np.median,
    "interquartile_range": stats.iqr,
    "median_absolute_deviation": stats.median_abs_deviation,
} | {f"quantile_{q:02d}": (lambda x, q=q: np.quantile(x, q / 100)) for q in (5, 25, 75, 95)}


@pytest.mark.parametrize("name", ORACLES)
def test_statistics_agree_with_scipy_tsfresh_and_antropy(name):
    windows = np.vstack([ecg_like(), ecg_like(n=720, seed=1) * 40 - 7])
    expected = [ORACLES[name](window) for window in windows]
    np.testing.assert_allclose(table(windows)[name], expected, rtol=1e-9, atol=1e-11)


@settings(max_examples=40)
@given(st.lists(st.integers(-6, 6), min_size=9, max_size=40))
def test_order_statistics_of_tied_values_agree_with_numpy(values):
    window = np.array(values, dtype=float)
    found = table(window[None]).iloc[0]
    np.testing.assert_allclose(
        found["median_absolute_deviation"], stats.median_abs_deviation(window), atol=1e-12
    )
    np.testing.assert_allclose(found["quantile_75"], np.quantile(window, 0.75), atol=1e-12)
    assert found["maximum"] == window.max()


def test_peaks_and_their_intervals_stand_where_they_were_put():
    x = np.zeros(720)
    x[[100, 300, 540]] = 1.0, 2.0, 3.0
    found = table(x[None]).iloc[0]
    assert found["peak_rate"] == pytest.approx(3 / 2.0)
    assert found["peak_interval_mean"] == pytest.approx((200 + 240) / 2 / FS)
    assert found["peak_interval_sd"] == pytest.approx(20 / FS)
    assert found["peak_height_mean"] == pytest.approx(2.0 - 6 / 720)


def test_turning_rate_counts_reversals_of_direction():
    x = np.r_[
        0, 1, 2, 1, 0, 1, 1, 0, 3.0
    ]  # tops at 2 and (flat, not counted) at 1, a bottom at 0, another at 0
    assert table(x[None], fs=8.0)["turning_rate"][0] == pytest.approx(3.0)


@settings(max_examples=40)
@given(st.floats(-1e6, 1e6), st.integers(SHORTEST, 200))
def test_constant_window_has_its_value_and_zeros(value, n):
    found = table(np.full((1, n), value), fs=50.0).iloc[0]
    own = {"mean", "minimum", "maximum", "median"} | {f"quantile_{q:02d}" for q in (5, 25, 75, 95)}
    assert (found[list(own)] == value).all()
    assert found["rms"] == pytest.approx(abs(value))
    assert found["peak_interval_mean"] == pytest.approx(n / 50.0)
    assert (found.drop([*own, "rms", "peak_interval_mean"]) == 0).all()


@settings(max_examples=60)
@given(st.lists(st.floats(-1e6, 1e6), min_size=SHORTEST, max_size=60))
def test_every_finite_window_has_finite_features(values):
    assert np.isfinite(feature_matrix(np.array([values]), 100.0)).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_missing_sample_makes_its_own_window_nan_and_no_other(bad):
    windows = ecg_like(5)
    broken = windows.copy()
    broken[2, 17] = bad
    found, whole = feature_matrix(broken, FS), feature_matrix(windows, FS)
    assert np.isnan(found[2]).all()
    np.testing.assert_array_equal(np.delete(found, 2, axis=0), np.delete(whole, 2, axis=0))


def test_a_window_has_the_same_features_alone_and_in_a_batch():
    windows = ecg_like(300)
    together = feature_matrix(windows, FS)
    alone = np.vstack([feature_matrix(window[None], FS) for window in windows])
    np.testing.assert_array_equal(together, alone)


def test_features_follow_offset_and_scale_of_the_signal_by_their_unit():
    from medanomaly.signals.features.catalogue import WINDOW

    windows = ecg_like(4)
    plain, scaled = feature_matrix(windows, FS), feature_matrix(8.0 * windows, FS)
    power = {"signal": 1, "signal/s": 1, "signal²": 2}
    expected = plain * np.array([8.0 ** power.get(feature.unit, 0) for feature in WINDOW])
    np.testing.assert_allclose(scaled, expected, rtol=1e-9, atol=1e-12)


@settings(max_examples=25)
@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=12),
    st.sampled_from([(1.0, 1.0), (1.0, 0.3), (0.5, 1.7), (2.0, 2.0)]),
)
def test_streamed_windows_equal_those_of_the_whole_signal(pieces, lengths):
    signal = np.random.default_rng(0).standard_normal((sum(pieces), 2))
    signal[len(signal) // 3 : len(signal) // 3 + 5, 1] = np.nan
    window_s, hop_s = lengths
    whole = windowed_features(signal, 100.0, window_s, hop_s, leads=("a", "b"))
    blocks = np.split(signal, np.cumsum(pieces)[:-1])
    tables = list(stream_windowed_features(blocks, 100.0, window_s, hop_s, leads=("a", "b")))
    streamed = pd.concat(tables, ignore_index=True) if tables else whole.iloc[:0]
    pd.testing.assert_frame_equal(streamed, whole)


def test_windows_of_a_signal_say_where_they_start_and_what_is_missing():
    signal = ecg_like(1, 3600).ravel()
    signal[800:872] = np.nan
    found = windowed_features(signal, FS, window_s=2.0, hop_s=1.0)
    assert found["start_sample"].tolist() == list(range(0, 2881, 360))
    np.testing.assert_allclose(found["start_s"], np.arange(9))
    np.testing.assert_allclose(found["missing_share"], [0, 0.1, 0.1, 0, 0, 0, 0, 0, 0], atol=1e-12)
    assert found["mean"].isna().tolist() == [False, True, True] + [False] * 6
    assert list(found.columns[3:]) == list(WINDOW_FEATURES)


def test_three_samples_give_no_windows_and_no_error():
    assert windowed_features(np.zeros(3), FS).shape == (0, 3 + len(WINDOW_FEATURES))
    assert len(windowed_features(np.full((720, 2), np.nan), FS)) == 1


def test_unfit_arguments_are_refused_with_a_remedy():
    with pytest.raises(InputError, match="one row per window"):
        feature_matrix(np.zeros(720), FS)
    with pytest.raises(InputError, match="8 to"):
        feature_matrix(np.zeros((2, 5)), FS)
    with pytest.raises(ConfigurationError, match="above 0"):
        feature_matrix(np.zeros((1, 100)), 0.0)
    with pytest.raises(ConfigurationError, match="hop"):
        windowed_features(np.zeros(1000), FS, hop_s=0.0)
    with pytest.raises(InputError, match="Name each lead"):
        windowed_features(np.zeros((1000, 2)), FS, leads=("MLII",))
    with pytest.raises(InputError, match="Name each lead once"):
        list(
            stream_windowed_features(
                [np.zeros((10, 1)), np.zeros(10), np.zeros((10, 2))], FS, leads=("MLII",)
            )
        )


def test_features_of_a_real_record_are_whole():
    wfdb = pytest.importorskip("wfdb")
    folder = Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw")) / "mitdb"
    if not (folder / "208.hea").exists():
        pytest.skip(f"MIT-BIH record 208 is not in {folder}")
    signal = wfdb.rdrecord(str(folder / "208"), sampto=36_000).p_signal
    found = windowed_features(signal, FS, leads=("MLII", "V1"))
    assert found.shape == (50, 3 + 2 * len(WINDOW_FEATURES))
    assert np.isfinite(found.to_numpy()).all()
