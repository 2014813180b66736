from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sample_recordings import beats, data, needs_data, recording
from scipy.signal import butter, sosfiltfilt
from scipy.stats import kurtosis, skew

from medanomaly.signals.quality.assessment import QUALITY_COLUMNS, assess_quality, quality_at
from medanomaly.signals.quality.ecg import _filtered, ecg_measures
from medanomaly.signals.quality.params import QualityParams
from medanomaly.signals.quality.ppg import ppg_measures
from medanomaly.signals.readers.wfdb import read_mitbih
from medanomaly.signals.recordings.recording import Recording
from medanomaly.signals.recordings.voltage import in_millivolts, voltage_doubts

FS = 250.0
N = 30 * 250


def one_lead(x, fs=FS, lead="II", unit="mV"):
    return Recording("r", "p", np.asarray(x, dtype=np.float32)[:, None], fs, (lead,), (unit,))


def reasons(x, **more):
    table = assess_quality(one_lead(x, **more))
    return table, set("; ".join(table["reasons"]).split("; ")) - {""}


def pulses(n=N, fs=FS):
    t = np.arange(n) / fs
    phase = (t * 1.2) % 1
    return np.exp(-0.5 * ((phase - 0.25) / 0.09) ** 2) + 0.35 * np.exp(-0.5 * ((phase - 0.55) / 0.1) ** 2)


def test_a_clean_ecg_and_a_clean_pulse_are_good_without_reasons():
    for x, lead in ((beats(N, FS), "II"), (pulses(), "PLETH")):
        table, why = reasons(x, lead=lead)
        assert (table["quality"] == "good").all()
        assert table["sqi"].min() > 0.9
        assert not why


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda x, t: x * 0 + 0.3, "flat line"),
        (lambda x, t: x * np.nan, "missing"),
        (lambda x, t: np.clip(x * 8, -1, 1), "saturation"),
        (lambda x, t: 0.005 * np.random.default_rng(1).standard_normal(len(x)), "lead off or asystole"),
        (lambda x, t: x + 4 * np.sin(2 * np.pi * 0.3 * t), "baseline wander"),
        (lambda x, t: x + 0.3 * np.sin(2 * np.pi * 50 * t), "mains hum"),
        (lambda x, t: x + 0.3 * np.sin(2 * np.pi * 60 * t), "mains hum"),
        (lambda x, t: x + 0.4 * np.random.default_rng(2).standard_normal(len(x)), "noise"),
        (lambda x, t: x * 1000, "implausible amplitude"),
    ],
)
def test_each_fault_is_named(spoil, reason):
    t = np.arange(N) / FS
    _, why = reasons(spoil(beats(N, FS), t))
    assert reason in why


@pytest.mark.parametrize("fault", ["flat line", "missing"])
def test_a_fault_marks_its_own_windows_alone(fault):
    x = beats(N, FS)
    x[2500:3750] = np.nan if fault == "missing" else x[2500]
    table, why = reasons(x)
    assert table["quality"].tolist() == ["good", "good", "bad", "good", "good", "good"]
    assert fault in why


def test_more_noise_is_never_better():
    index = [
        assess_quality(one_lead(beats(N, FS) + s * np.random.default_rng(0).standard_normal(N)))["sqi"].mean()
        for s in (0, 0.02, 0.05, 0.1, 0.2, 0.4)
    ]
    assert index == sorted(index, reverse=True)
    assert index[0] > 0.9
    assert index[-1] < 0.5


def test_a_broken_pulse_wave_is_bad():
    rng = np.random.default_rng(3)
    for x in (
        rng.standard_normal(N),
        pulses() + 2 * rng.standard_normal(N),
        np.sin(2 * np.pi * 0.1 * np.arange(N) / FS),
    ):
        assert (assess_quality(one_lead(x, lead="PLETH", unit="NU"))["quality"] == "bad").mean() > 0.8


def test_measures_are_those_of_scipy():
    x = beats(N, FS, noise=0.05)
    from scipy.signal import butter, sosfiltfilt

    band = sosfiltfilt(butter(2, [0.5, 40.0], "bandpass", fs=FS, output="sos"), x, padlen=250)
    expected = kurtosis(band.reshape(6, -1), axis=1, fisher=False)
    np.testing.assert_allclose(ecg_measures(x, FS, 1250)["k_sqi"], expected, rtol=1e-9)
    band = sosfiltfilt(butter(2, (0.5, 8.0), "bandpass", fs=FS, output="sos"), x, padlen=500)
    np.testing.assert_allclose(
        ppg_measures(x, FS, 1250)["skewness"], skew(band.reshape(6, -1), axis=1), rtol=1e-9
    )


def test_the_rate_of_a_pulse_is_counted():
    measures = ppg_measures(pulses(), FS, 2500)
    np.testing.assert_allclose(measures["rate"], 72, atol=1.5)
    assert measures["template_correlation"].min() > 0.98


def test_a_sine_at_the_mains_has_its_amplitude():
    x = beats(N, FS, noise=0.0) + 0.25 * np.sin(2 * np.pi * 50 * np.arange(N) / FS)
    np.testing.assert_allclose(ecg_measures(x, FS, 1250)["mains"], 0.25, rtol=0.05)


@settings(max_examples=60)
@given(
    arrays(
        np.float32,
        st.tuples(st.integers(0, 700), st.integers(1, 2)),
        elements=st.one_of(
            st.just(np.nan), st.just(0.0), st.floats(-1e6, 1e6, width=32), st.floats(-2, 2, width=32)
        ),
    ),
    st.sampled_from([1 / 60, 10.0, 50.0, 100.0, 128.0, 360.0]),
    st.sampled_from(
        [("II", "mV"), ("PLETH", "NU"), ("RESP", "NU"), ("II", "NU"), ("HR", "/min"), ("II", "uV")]
    ),
)
def test_any_signal_has_a_quality_and_never_a_traceback(signal, fs, kind):
    leads = tuple(f"{kind[0]}" for _ in range(signal.shape[1]))
    table = assess_quality(Recording("r", "p", signal, fs, leads, (kind[1],) * signal.shape[1]))
    assert list(table.columns[: len(QUALITY_COLUMNS)]) == list(QUALITY_COLUMNS)
    assert table["sqi"].between(0, 1).all()
    assert table["quality"].isin(["good", "bad"]).all()
    if len(signal):
        assert table["end_s"].max() == pytest.approx(len(signal) / fs)
        assert table["start_s"].min() == 0


@pytest.mark.parametrize("n", [0, 1, 2, 3, 100])
def test_very_short_signals_are_bad_not_broken(n):
    table = assess_quality(one_lead(beats(n, FS) if n else []))
    assert (table["quality"] == "bad").all()
    assert len(table) == (n > 0)


def test_windows_cover_the_recording_once_and_end_with_it():
    table = assess_quality(one_lead(beats(N + 333, FS)))
    assert (table["start_s"].to_numpy()[1:] == table["end_s"].to_numpy()[:-1]).all()
    assert table["end_s"].iloc[-1] == (N + 333) / FS


def test_a_scale_that_is_no_millivolt_is_doubted():
    assert not voltage_doubts(recording())
    doubt = voltage_doubts(replace(recording(), signal=recording().signal * 1000))
    assert set(doubt) == {"MLII", "V1"}
    assert "probably in µV" in doubt["MLII"]
    micro = replace(recording(), signal=recording().signal * 1000, units=("uV", "µV"))
    assert not voltage_doubts(micro)
    converted = in_millivolts(micro)
    np.testing.assert_allclose(converted.signal, recording().signal, rtol=1e-5)
    assert converted.units == ("mV", "mV")
    assert len(converted.notes) == 2
    assert (assess_quality(micro)["quality"] == "good").all()


def test_beats_take_the_quality_of_their_window():
    x = np.stack([beats(N, FS), beats(N, FS)], axis=1).astype(np.float32)
    x[1250:2500, 0] = 0
    x[2000:5000, 1] = np.nan
    both = Recording("r", "p", x, FS, ("II", "V1"), ("mV", "mV"))
    table = assess_quality(both)
    at = [2.0, 7.0, 9.9, 15.0, 29.9, 31.0]
    assert quality_at(table, at).tolist() == ["good", "bad", "bad", "good", "good", "bad"]
    assert quality_at(table, at, ["II"]).tolist() == ["good", "bad", "bad", "good", "good", "bad"]
    assert quality_at(table, at, rule="all").tolist() == ["good", "bad", "bad", "bad", "good", "bad"]


def test_limits_are_parameters():
    noisy = one_lead(beats(N, FS) + 0.1 * np.random.default_rng(0).standard_normal(N))
    strict = assess_quality(noisy, QualityParams(ecg_sqi=0.95))
    loose = assess_quality(noisy, QualityParams(ecg_sqi=0.0))
    assert (strict["quality"] == "bad").all()
    assert (loose["quality"] == "good").all()


@needs_data
def test_the_gate_spares_abnormal_beats_and_finds_the_noisiest_record():
    from medanomaly.signals.beats.aami import aami_class

    bad = {}
    for record in ("119", "208", "203"):
        r = read_mitbih(data("mitdb"), record)
        classes = aami_class(r.annotations.symbol)
        verdict = quality_at(assess_quality(r), r.annotations.sample / r.fs) == "bad"
        bad[record] = verdict[classes.isin(["S", "V", "F"]).to_numpy(dtype=bool)].mean()
        if record == "119":
            assert verdict.mean() < 0.01
    assert max(bad["119"], bad["208"]) < 0.02
    assert bad["203"] < 0.10


@pytest.mark.parametrize("n", [250, 3600])
@pytest.mark.parametrize("band", [(5.0, 40.0), (20.0, None)])
def test_the_filter_of_the_measures_is_that_of_scipy(n, band):
    x = np.random.default_rng(n).standard_normal(n)
    low, high = band
    sections = butter(
        2, low if high is None else band, "highpass" if high is None else "bandpass", fs=250, output="sos"
    )
    np.testing.assert_array_equal(
        _filtered(np.stack([-x, x]), 250.0, *band)[1], sosfiltfilt(sections, x, padlen=min(n - 1, 250))
    )
