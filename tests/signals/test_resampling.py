import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_recordings import recording

from medanomaly.core.errors import InputError
from medanomaly.signals.recordings.leads import lead_index, lead_kinds, select_leads, standard_name
from medanomaly.signals.recordings.resampling import resample, resample_values

RATES = st.sampled_from([50.0, 62.4725, 100.0, 125.0, 128.0, 249.89, 250.0, 360.0, 500.0, 1000.0])


@settings(max_examples=40)
@given(RATES, RATES, st.integers(1, 3000))
def test_length_and_constants_are_kept(fs, target, n):
    out = resample_values(np.full(n, 80.0, dtype=np.float32), fs, target)
    assert abs(len(out) - n * target / fs) <= 1
    np.testing.assert_allclose(out, 80.0, rtol=1e-5)
    assert out.dtype == np.float32


@pytest.mark.parametrize(("fs", "target"), [(360, 250), (128, 360), (1000, 50), (50, 1000), (249.89, 250)])
def test_a_slow_wave_is_the_same_wave_at_the_new_times(fs, target):
    wave = lambda t: np.sin(2 * np.pi * 3.0 * t) + 0.3 * np.cos(2 * np.pi * 7.0 * t)  # noqa: E731
    out = resample_values(wave(np.arange(20 * round(fs)) / fs), fs, target)
    inside = slice(target, -target)
    np.testing.assert_allclose(out[inside], wave(np.arange(len(out)) / target)[inside], atol=6e-3)


@settings(max_examples=40)
@given(RATES, RATES, st.lists(st.tuples(st.integers(0, 1900), st.integers(1, 400)), min_size=1, max_size=4))
def test_a_gap_keeps_its_place_and_length_and_hurts_nothing_beside_it(fs, target, gaps):
    t = np.arange(2000) / fs
    # slow against both rates, so that what is bridged hides no detail
    x = 1.0 + np.sin(2 * np.pi * min(fs, target) / 60 * t)
    missing = np.zeros(2000, dtype=bool)
    for start, length in gaps:
        missing[start : start + length] = True
    out = resample_values(np.where(missing, np.nan, x), fs, target)
    at = np.arange(len(out)) / target
    nearest = np.clip(np.rint(at * fs).astype(int), 0, 1999)
    # sure away from the edges of gaps, by more than half a sample of either rate
    reach = int(np.ceil(0.5 * fs / target)) + 1
    near = np.convolve(missing, np.ones(2 * reach + 1), "same")
    surely_out, surely_in = near[nearest] == 0, near[nearest] >= 2 * reach + 1
    assert not np.isnan(out[surely_out]).any()
    assert np.isnan(out[surely_in]).all()
    assert np.nanmax(np.abs(out), initial=0) < 2.6


def test_a_lead_of_gaps_alone_stays_one():
    assert np.isnan(resample_values(np.full(100, np.nan, dtype=np.float32), 360, 250)).all()


@settings(max_examples=40)
@given(RATES.filter(lambda r: r >= 50), RATES)
def test_marks_move_to_their_time_and_keep_their_order(fs, target):
    original = recording(n=1500, fs=fs)
    got = resample(original, target)
    assert got.fs == target
    error = got.annotations.sample / target - original.annotations.sample / fs
    inside = got.annotations.sample < got.n_samples - 1
    assert np.all(np.abs(error[inside]) <= 0.5 / target + 1e-9)
    assert np.all(np.diff(got.annotations.sample) >= 0)
    assert got.annotations.sample.max() < got.n_samples
    if fs != target:
        assert got.notes[-1] == f"resampled from {fs:g} to {target:g} Hz"


def test_rates_that_make_no_sense_are_refused():
    with pytest.raises(InputError, match="50 to 1000 Hz"):
        resample(recording(), 2000)
    with pytest.raises(InputError, match="too slow for a waveform"):
        resample(recording(fs=25.0), 250)


@pytest.mark.parametrize(
    ("name", "standard"),
    [("MLII", "II"), ("ECG II", "II"), ("lead ii", "II"), ("Pleth", "PPG"), ("MCL1", "V1"), ("aVR", "AVR"),
     ("ECG1", "ECG"), ("ekg-V5", "V5"), ("Something", "SOMETHING")],
)  # fmt: skip
def test_leads_are_known_by_their_other_names(name, standard):
    assert standard_name(name) == standard


def test_kinds_of_leads():
    names, units = ("MLII", "PLETH", "RESP", "EEG Fpz", "channel 7"), ("", "NU", "", "uV", "mV")
    assert lead_kinds(names, units) == ["ecg", "ppg", "resp", "other", "ecg"]
    assert lead_index(("V1", "MLII"), "II") == 1


def test_a_missing_lead_is_replaced_by_the_most_similar_and_it_is_said():
    chosen = select_leads(recording(leads=("V1", "V4", "PLETH")), ["V5", "II"])
    assert chosen.leads == ("V4", "V1")
    assert "lead V5 is missing: V4 replaces it" in chosen.notes
    assert "lead II is missing: V1 replaces it" in chosen.notes


def test_order_and_values_follow_the_names():
    original = recording(leads=("V1", "MLII"))
    chosen = select_leads(original, ["II", "V1"])
    np.testing.assert_array_equal(chosen.signal, original.signal[:, ::-1])
    assert chosen.notes == ("lead II is called MLII here",)


def test_no_lead_stands_for_one_of_another_kind():
    with pytest.raises(InputError, match=r"there is no lead PPG. There are \['MLII', 'V1'\]"):
        select_leads(recording(), ["PPG"])
    with pytest.raises(InputError, match="no lead V5"):
        select_leads(recording(), ["II", "V5"], fallback=False)
    left = select_leads(recording(), ["II", "RESP"])
    assert left.leads == ("MLII",)
    assert any("RESP is missing and no other lead can replace it" in note for note in left.notes)
