"""Damaged and hostile recordings: each is one error that names it, and costs only itself."""

import struct
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from sample_recordings import beats, recording

from medanomaly.core.errors import InputError, MedanomalyError
from medanomaly.datasets.signal_folder import SignalFolderDataset
from medanomaly.pipelines.signals.prepare_nodes import find_beats
from medanomaly.signals.beats.params import BeatParams
from medanomaly.signals.readers.atr import decode_atr
from medanomaly.signals.readers.edf import edf_patient, read_edf, write_edf
from medanomaly.signals.readers.npz import npz_patient, read_npz, write_npz
from medanomaly.signals.readers.wfdb import read_wfdb
from medanomaly.signals.recordings.common_rate import at_common_rate
from medanomaly.signals.recordings.patient_ids import free_text_id, stated_id
from medanomaly.signals.recordings.recording import Recording

FS = 250.0
ECG = beats(10_000, FS).astype(np.float32)[:, None]


def one(patient="p1", leads=("II",), signal=ECG, units=("mV",), record="r"):
    return Recording(record, patient, signal, FS, leads, units)


def changed(path, at, text, width=8):
    raw = bytearray(path.read_bytes())
    raw[at : at + width] = text.encode().ljust(width)
    path.write_bytes(raw)
    return path


def wfdb_record(folder, name="w", header="{name} 1 250 5000\n{name}.dat 16 200/mV 16 0 0 0 0 II\n"):
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.hea").write_text(header.format(name=name))
    np.rint(ECG[:5000, 0] * 200).astype("<i2").tofile(folder / f"{name}.dat")
    return folder / name


# ---- one bad file costs only itself


def npy_named_npz(folder):
    np.save(folder / "x.npy", ECG)
    (folder / "x.npy").rename(folder / "bad.npz")


def unequal_attributes(folder):
    np.savez(folder / "bad.npz", signal=ECG, fs=FS, attribute_names=["a", "b"], attribute_values=["1"])


def empty_patient(folder):
    np.savez(folder / "bad.npz", signal=ECG[:10], fs=FS, patient_id=np.array([], dtype=str))


def bomb(folder):
    np.savez_compressed(folder / "bad.npz", signal=np.zeros((25_000_000, 1)), fs=FS)


def long_name(folder):
    np.savez(folder / "bad.npz", signal=ECG, fs=FS, leads=["x" * 60_000])


def duration_0(folder):
    changed(write_edf(one(), folder / "bad.edf"), 244, "0")


def no_signal_lines(folder):
    (folder / "bad.hea").write_text("bad 1 250 5000\n")


def nine_days(folder):
    at = np.r_[0:5000, 9 * 86400 * 250 : 9 * 86400 * 250 + 5000] / 250
    rows = "".join(f"{t:.3f},{x:.3f}\n" for t, x in zip(at, ECG[:, 0], strict=True))
    (folder / "bad.csv").write_text("time,II\n" + rows)


def one_hertz(folder):
    (folder / "bad.csv").write_text("time,II\n" + "".join(f"{i},{ECG[i, 0]}\n" for i in range(900)))


def long_line(folder):
    wfdb_record(folder, "bad", "{name} 1 250 5000\n{name}.dat 16 200/mV 16 0 0 0 0 " + "x" * 60_000 + "\n")


def long_gap(folder):
    wfdb_record(folder, "part")
    (folder / "bad.hea").write_text("bad/2 1 250 4000005000\npart 5000\n~ 4000000000\n")


@pytest.mark.parametrize(
    "spoil",
    [
        npy_named_npz,
        unequal_attributes,
        empty_patient,
        bomb,
        long_name,
        duration_0,
        no_signal_lines,
        nine_days,
        one_hertz,
        long_line,
        long_gap,
    ],
)
def test_a_bad_recording_costs_only_itself(tmp_path, spoil):
    write_npz(one(), tmp_path / "good.npz")
    spoil(tmp_path)
    raw = SignalFolderDataset(folder=str(tmp_path)).load()
    found, _, quarantine, _ = find_beats(raw, BeatParams(), SimpleNamespace(dataset="case"))
    assert set(found["record"]) == {"good"}
    refused = quarantine[quarantine["column"].eq("recording")]
    assert refused["record"].tolist() == ["bad"]
    assert refused["reason"].str.len().between(20, 700).all()


@pytest.mark.parametrize("error", [ValueError("odd"), MemoryError(), ZeroDivisionError(), OSError("disk")])
def test_whatever_a_decoder_does_is_an_error_with_the_name_of_the_record(tmp_path, monkeypatch, error):
    def broken(*_, **__):
        raise error

    write_npz(one(), tmp_path / "a.npz")
    monkeypatch.setattr("medanomaly.signals.readers.folder.read_npz", broken)
    raw = SignalFolderDataset(folder=str(tmp_path)).load()
    ((name, found),) = raw.each()
    assert isinstance(found, MedanomalyError)
    assert name == "a"
    assert "record a" in str(found)


def test_a_folder_called_like_a_file_is_a_folder(tmp_path):
    wfdb_record(tmp_path, "w")
    (tmp_path / "x.hea").mkdir()
    write_npz(one(), tmp_path / "x.hea" / "a.npz")
    assert list(SignalFolderDataset(folder=str(tmp_path)).load()) == ["w", "x.hea.a"]


# ---- who it is


def test_a_table_of_patients_may_come_from_windows(tmp_path):
    for name in ("a", "b"):
        write_npz(one(), tmp_path / f"{name}.npz")
    text = "record;patient_id;sex\na;Müller ;F\nb;Möller;M\n"
    (tmp_path / "patients.csv").write_bytes(text.encode("latin-1"))
    found = SignalFolderDataset(folder=str(tmp_path)).load()
    assert found.patients == {"a": "Müller", "b": "Möller"}


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["day1.npz", "002"], "record 'day1.npz' is called 'day1'"),
        (["Day1", "002"], "record 'Day1' is called 'day1'"),
        (["day1", "2"], "record '2' is called '002'"),
        (["other", "more"], "none of its records is in the folder"),
    ],
)
def test_a_table_of_patients_in_another_spelling_is_an_error_that_shows_it(tmp_path, names, said):
    for name in ("day1", "002"):
        write_npz(one(), tmp_path / f"{name}.npz")
    rows = "".join(f"{name},P{i}\n" for i, name in enumerate(names))
    (tmp_path / "patients.csv").write_text("record,patient_id\n" + rows)
    with pytest.raises(Exception, match="patients.csv") as raised:
        SignalFolderDataset(folder=str(tmp_path)).load()
    assert said in str(raised.value.__cause__)


@pytest.mark.parametrize(
    "text", ["", "X", "-1", "A", "anonymous", "Anonymous", "XXXX", "---", "0000", "n/a", "Unknown"]
)
def test_placeholders_are_no_ids(tmp_path, text):
    assert stated_id(text) is None
    path = write_npz(one(patient=text), tmp_path / "a.npz")
    assert npz_patient(path) is None
    assert read_npz(path).patient_id == "a"


@pytest.mark.parametrize("text", ["7", "12", "P7", "Jane", "AB", "0012", "MCH-0234567"])
def test_ids_stay_as_they_are(text):
    assert stated_id(text) == text


@pytest.mark.parametrize(
    ("text", "patient"),
    [
        ("Patient 1", None), ("John Doe 1.1.50", None), ("Jane", None), ("01-JAN-1950", None), ("1950-01-01", None),
        ("X X X X", None), ("anonymous", None), ("P0012", "P0012"), ("4711", "4711"), ("P7 F 02-MAY-1951 Doe", "P7"),
    ],
)  # fmt: skip
def test_the_field_of_plain_edf_is_free_text(tmp_path, text, patient):
    path = write_edf(one(), tmp_path / "rec.edf")
    changed(path, 192, "", 44)
    changed(path, 8, text, 80)
    assert edf_patient(path) == patient
    assert free_text_id(text) == (patient if " " not in text else None)
    got = read_edf(path)
    assert got.patient_id == (patient or "rec")
    assert any("not taken as an id" in note for note in got.notes) == (patient is None)


# ---- EDF


@pytest.mark.parametrize(
    ("name", "read"),
    [("Müller", "Mueller"), ("Möller", "Moeller"), ("René B", "Rene_B"), ("Mu\u0308ller", "Mueller")],
)
def test_an_id_with_umlauts_is_written_in_ascii(tmp_path, name, read):
    assert read_edf(write_edf(one(patient=name), tmp_path / "a.edf")).patient_id == read


@pytest.mark.parametrize("name", ["陳", "p" * 80])
def test_an_id_that_edf_cannot_hold_is_an_error(tmp_path, name):
    with pytest.raises(InputError, match="no ASCII text of at most 60"):
        write_edf(one(patient=name), tmp_path / "a.edf")


@pytest.mark.parametrize(
    ("scale", "offset"),
    [
        (1e6, 0),
        (1e6, -1e7),
        (1e6, -3e7),
        (1e5, 9.9e7),
        (1e-5, 0),
        (1e-5, 1e-3),
        (1.2345e-3, 0),
        (123.4567, -9_999_000),
    ],
)
def test_numbers_of_any_size_come_back(tmp_path, scale, offset):
    signal = (scale * np.sin(np.arange(2500) / 20) + offset).astype(np.float32)[:, None]
    got = read_edf(write_edf(one(signal=signal, units=("nV",)), tmp_path / "a.edf")).signal
    step = max(2 * scale, np.spacing(np.float32(abs(offset)))) / 2**15
    assert np.abs(got - signal).max() <= max(3 * step, np.spacing(np.float32(abs(offset))))


def test_numbers_that_edf_cannot_hold_are_an_error(tmp_path):
    with pytest.raises(InputError, match="convert the lead to a larger unit"):
        write_edf(one(signal=ECG * 1e6 + 1.5e8), tmp_path / "a.edf")


def test_what_lies_behind_the_header_is_said(tmp_path):
    path = changed(write_edf(one(), tmp_path / "a.edf"), 236, "30")
    got = read_edf(path)
    assert got.duration == 30
    assert any("the header counts 30 s; 10 s behind them" in note for note in got.notes)


@pytest.mark.parametrize("count", ["-1", "0", ""])
def test_an_edf_that_was_not_closed_is_counted_by_its_size(tmp_path, count):
    path = write_edf(one(), tmp_path / "a.edf")
    whole = read_edf(path)
    changed(path, 236, count)
    stored = path.read_bytes()
    got = read_edf(path)
    assert np.array_equal(got.signal, whole.signal)
    assert any("40 follow from the size of the file" in note for note in got.notes)
    assert path.read_bytes() == stored
    # the recorder stopped within a data record
    path.write_bytes(stored[:-100])
    cut = read_edf(path)
    assert np.array_equal(cut.signal, whole.signal[: cut.n_samples])
    assert cut.n_samples == whole.n_samples - 250
    assert any("39 follow" in note and "incomplete" in note for note in cut.notes)
    path.write_bytes(stored[:800])
    with pytest.raises(InputError, match="no complete data record"):
        read_edf(path)


def test_two_signals_of_one_name_are_two(tmp_path):
    signal = np.concatenate([ECG, -ECG], axis=1)
    path = write_edf(one(leads=("II", "II"), signal=signal, units=("mV", "mV")), tmp_path / "a.edf")
    got = read_edf(path)
    assert got.leads == ("II", "II (2)")
    assert read_edf(path, ["II (2)"]).signal[:, 0].min() < -0.9
    assert any("several leads are called II" in note for note in got.notes)


# ---- WFDB


@pytest.mark.parametrize("rate", ["-250", "nan", "1e308", "inf", "0", "2.5e2", "x"])
def test_a_rate_that_is_none_is_refused(tmp_path, rate):
    path = wfdb_record(tmp_path, header=f"w 1 {rate} 5000\nw.dat 16 200/mV 16 0 0 0 0 II\n")
    with pytest.raises(InputError, match="the sampling rate is"):
        read_wfdb(path)


@pytest.mark.parametrize("rate", ["250", "250.0", "250/1000(0)", "62.5"])
def test_rates_of_the_format_are_read(tmp_path, rate):
    path = wfdb_record(tmp_path, header=f"w 1 {rate} 5000\nw.dat 16 200/mV 16 0 0 0 0 II\n")
    assert read_wfdb(path).fs == float(rate.partition("/")[0])


def test_what_a_header_does_not_say_is_said(tmp_path):
    path = wfdb_record(tmp_path, header="w 1 250 5000\nw.dat 16\n")
    assert any("200 counts per mV were taken" in note for note in read_wfdb(path).notes)
    path = wfdb_record(tmp_path, header="w 1\nw.dat 16 200/mV\n")
    assert any("250 Hz were taken" in note for note in read_wfdb(path).notes)


@pytest.mark.parametrize("header", ["", "w\n", "w 1 250 many\n", "w 2 250 5000\nw.dat 16 200/mV\n"])
def test_a_header_without_what_it_promises_is_refused(tmp_path, header):
    with pytest.raises(InputError, match=r"w\.hea"):
        read_wfdb(wfdb_record(tmp_path, header=header))


@pytest.mark.parametrize("layout", ["fixed", "variable"])
def test_segments_may_lie_in_folders_below(tmp_path, layout):
    for part in ("x", "y"):
        wfdb_record(tmp_path / part, "s")
    first = "x/layout 0\n" if layout == "variable" else ""
    (tmp_path / "x" / "layout.hea").write_text("layout 1 250 0\n~ 0 200/mV 16 0 0 0 0 II\n")
    n = 3 + bool(first)
    (tmp_path / "all.hea").write_text(f"all/{n} 1 250 11000\n{first}x/s 5000\n~ 1000\ny/s 5000\n")
    raw = SignalFolderDataset(folder=str(tmp_path)).load()
    if layout == "variable":
        assert list(raw) == ["all"]
    got = raw["all"]
    assert (got.n_samples, got.leads, got.units) == (11_000, ("II",), ("mV",))
    assert np.isnan(got.signal[5000:6000]).all()
    np.testing.assert_allclose(got.signal[6000:, 0], ECG[:5000, 0], atol=0.003)
    part = read_wfdb(tmp_path / "all", start_s=10, stop_s=30)
    np.testing.assert_array_equal(part.signal, got.signal[2500:7500])


def marks(*entries):
    raw = b""
    for code, step, text in entries:
        raw += struct.pack("<H", code << 10 | step)
        if text:
            raw += struct.pack("<H", 63 << 10 | len(text)) + text.encode() + b"\0" * (len(text) % 2)
    return raw + b"\0\0"


def test_codes_that_an_old_file_defines_are_read(tmp_path):
    path = tmp_path / "w.atr"
    path.write_bytes(marks((22, 0, "42 CAL Calibration"), (42, 50, ""), (1, 100, ""), (1, 200, "")))
    found = decode_atr(path)
    assert (found.symbol, found.sample) == (["CAL", "N", "N"], [50, 150, 350])
    path.write_bytes(marks((22, 0, "12 men were here"), (1, 100, "")))
    assert decode_atr(path).text == ["12 men were here", ""]


def test_an_annotation_file_of_many_megabytes_is_refused(tmp_path):
    path = tmp_path / "w.atr"
    path.write_bytes(struct.pack("<H", 1 << 10 | 1) * 5_000_000)
    with pytest.raises(InputError, match="10,000,000 bytes"):
        decode_atr(path)


# ---- limits before decoding


def test_an_array_that_is_larger_than_its_file_is_not_decoded(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("signal.npy", "w") as entry:
        for _ in range(100):
            entry.write(bytes(2**20))
    with pytest.raises(InputError, match="when it is unpacked"):
        read_npz(path)


def test_a_fast_lead_beside_slow_ones_does_not_fill_the_memory():
    with pytest.raises(InputError, match="the rate of the fastest lead"):
        at_common_rate([np.zeros(100_000), np.zeros(1000)], [1.0, 1e6], ("RESP", "sound"))


def test_a_recording_has_leads_with_names(tmp_path):
    with pytest.raises(InputError, match="names of up to 60,000"):
        recording(leads=("x" * 60_000,))
