from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sample_recordings import data, needs_data, recording

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.signals.readers.csv import read_csv
from medanomaly.signals.readers.edf import edf_patient, read_edf, read_edf_annotations, write_edf
from medanomaly.signals.readers.npz import npz_patient, read_npz, write_npz
from medanomaly.signals.recordings.time_axis import rate_of


def csv(tmp_path, text, name="r.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_text(text, encoding=encoding)
    return path


# ---- CSV


def test_a_rate_and_units_are_read_from_the_table(tmp_path):
    rows = "\n".join(f"{i * 4},{i % 7},{i % 5}" for i in range(50))
    got = read_csv(csv(tmp_path, f"time [ms],II [µV],PLETH (NU)\n{rows}\n", encoding="latin-1"))
    assert got.fs == 250.0
    assert got.leads == ("II", "PLETH")
    assert got.units == ("µV", "NU")
    np.testing.assert_array_equal(got.signal[:, 0], np.arange(50) % 7)


@pytest.mark.parametrize(("decimals", "fs"), [(3, 360.0), (3, 250.0), (4, 128.0), (6, 62.5), (3, 500.0)])
def test_rounded_times_give_the_true_rate(decimals, fs):
    assert rate_of(np.round(np.arange(5000) / fs, decimals)) == pytest.approx(fs, rel=1e-6)


@needs_data
def test_times_rounded_until_they_repeat_are_understood():
    got = read_csv(data("bidmc_ppg", "bidmc_01_Signals.csv"))
    assert got.fs == 125.0
    assert got.signal.shape == (60001, 5)
    assert any("rounded until they repeat" in note for note in got.notes)


def test_a_jump_in_time_is_a_gap_of_its_length(tmp_path):
    index = np.r_[0:100, 150:300]
    rows = "\n".join(f"{i / 250:.4f},{np.sin(i):.5f}" for i in index)
    got = read_csv(csv(tmp_path, f"time,II\n{rows}\n"))
    assert got.n_samples == 300
    assert np.isnan(got.signal[100:150, 0]).all()
    np.testing.assert_allclose(got.signal[index, 0], np.sin(index), atol=1e-5)
    assert any("50 samples are missing" in note for note in got.notes)


def test_empty_fields_are_gaps_and_a_word_is_an_error_with_its_line(tmp_path):
    got = read_csv(csv(tmp_path, "II;V1\n1,5;2\n;3\n-;NaN\n"), fs=250, decimal=",")
    np.testing.assert_array_equal(got.signal, np.array([[1.5, 2], [np.nan, 3], [np.nan, np.nan]], np.float32))
    with pytest.raises(InputError, match=r"line 3, column 'V1': 'off' is not a number"):
        read_csv(csv(tmp_path, "II,V1\n1,2\n1,off\n"), fs=250)


def test_the_layout_of_rdsamp_is_read(tmp_path):
    text = "'Elapsed time','MLII','V5'\n'hh:mm:ss.mmm','mV','mV'\n" + "".join(
        f"'0:{i * 0.004:06.3f}',{i},{-i}\n" for i in range(40)
    )
    got = read_csv(csv(tmp_path, text))
    assert got.fs == 250.0
    assert got.units == ("mV", "mV")
    assert got.leads == ("MLII", "V5")


def test_dates_give_a_rate_too(tmp_path):
    rows = "\n".join(f"2024-03-01T10:00:{i // 50:02d}.{i % 50 * 20:03d},{i}" for i in range(150))
    assert read_csv(csv(tmp_path, f"timestamp,PPG\n{rows}\n")).fs == 50.0


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "the file is empty"),
        ("II\n1\n2\n", "there is no time column"),
        ("time,II\n0,1\n0.004,2\n0.002,3\n", "time goes from 0.004 to 0.002"),
        ("time,II\n0,1\n", "no sampling rate"),
        (
            "time,II\n" + "".join(f"{t},1\n" for t in np.cumsum(np.tile([0.01, 0.017, 0.033, 0.0125], 30))),
            "irregular",
        ),
        ("time\n0\n1\n", "hold no lead"),
    ],
)
def test_a_table_without_a_rate_is_refused_with_a_reason(tmp_path, text, match):
    with pytest.raises(InputError, match=match):
        read_csv(csv(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path):
    for read in (read_csv, read_edf, read_npz):
        with pytest.raises(DataNotFoundError, match="nothing"):
            read(tmp_path / "nothing.xyz")


@given(st.binary(max_size=300))
def test_any_bytes_as_csv_give_a_recording_or_a_clear_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "x.csv"
    path.write_bytes(content)
    with suppress(InputError):
        got = read_csv(path, fs=100)
        assert got.signal.dtype == np.float32
        assert len(got.leads) == got.signal.shape[1] >= 1


# ---- EDF


def test_a_recording_survives_edf_to_its_resolution_with_gaps_and_length(tmp_path):
    original = recording(n=3777, gaps=[(500, 900, 0), (1000, 1003, 1), (0, 10, 1), (3700, 3777, 0)])
    got = read_edf(write_edf(original, tmp_path / "r1.edf"))
    assert got.signal.shape == original.signal.shape
    np.testing.assert_array_equal(got.missing, original.missing)
    span = np.nanmax(original.signal, 0) - np.nanmin(original.signal, 0)
    assert (np.nanmax(np.abs(got.signal - original.signal), 0) <= span / 2**15).all()
    assert (got.fs, got.leads, got.units, got.patient_id) == (360.0, original.leads, original.units, "p1")
    assert edf_patient(tmp_path / "r1.edf") == "p1"


@pytest.mark.parametrize("fs", [50.0, 62.5, 128.0, 250.0, 999.0, 1000.0])
def test_edf_keeps_the_rate(tmp_path, fs):
    original = recording(n=1234, fs=fs, leads=("II",))
    got = read_edf(write_edf(original, tmp_path / "x.edf"))
    assert got.fs == fs
    assert got.n_samples == 1234


def test_what_edf_cannot_hold_is_an_error_not_a_loss(tmp_path):
    with pytest.raises(InputError, match="no whole number of samples"):
        write_edf(recording(fs=249.89), tmp_path / "x.edf")
    with pytest.raises(InputError, match="not an ASCII text of at most 16"):
        write_edf(recording(leads=("a name that is far too long",)), tmp_path / "x.edf")


@needs_data
def test_foreign_edf_annotations_become_comments():
    path = data("wfdb_formats", "test_edfann.edf")
    marks = read_edf_annotations(path, fs=100)
    assert marks.text[:3].tolist() == ["Sleep stage W", "Sleep stage W", "Lights off@@EEG F4-A1"]
    assert set(marks.symbol) == {'"'}
    assert marks.sample[:3].tolist() == [0, 3000, 3343]
    with pytest.raises(InputError, match="only annotations"):
        read_edf(path)


def test_bytes_that_are_no_edf_are_a_clear_error(tmp_path):
    path = tmp_path / "x.edf"
    for content in (b"", b"hello", b"0       " + b" " * 500):
        path.write_bytes(content)
        with pytest.raises(InputError, match="x.edf"):
            read_edf(path)


# ---- npz


def test_npz_keeps_everything_exactly(tmp_path):
    original = recording(gaps=[(5, 50, 1)], attributes={"age": "70"})
    got = read_npz(write_npz(original, tmp_path / "r1.npz"))
    np.testing.assert_array_equal(got.signal, original.signal)
    assert (got.fs, got.leads, got.units, got.attributes) == (
        360.0,
        original.leads,
        original.units,
        {"age": "70"},
    )
    assert got.annotations.text.tolist() == original.annotations.text.tolist()
    assert npz_patient(tmp_path / "r1.npz") == "p1"


def test_an_npz_that_needs_pickle_or_lacks_something_is_refused(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, signal=np.array([{}], dtype=object), fs=250)
    with pytest.raises(InputError, match="plain arrays"):
        read_npz(path)
    np.savez(path, signal=np.zeros((3, 100)), fs=250)
    with pytest.raises(InputError, match="Transpose"):
        read_npz(path)
    np.savez(path, signal=np.zeros(100))
    with pytest.raises(InputError, match="no sampling rate"):
        read_npz(path)
    np.savez(path, other=np.zeros(100))
    with pytest.raises(InputError, match="Add an array signal"):
        read_npz(path)


@given(arrays(np.float32, st.tuples(st.integers(5, 40), st.integers(1, 3)), elements=st.floats(width=32)))
def test_any_values_survive_npz(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("npz") / "x.npz"
    np.savez(path, signal=values, fs=100.0)
    np.testing.assert_array_equal(read_npz(path).signal, values)
