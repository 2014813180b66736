"""Beats come from ECG leads in mV: choice of leads, scales, rates, and what a table of samples says of itself."""

from types import SimpleNamespace

import numpy as np
import pytest
from sample_recordings import beats

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.datasets.signal_folder import SignalFolderDataset
from medanomaly.pipelines.signals.feature_nodes import measure_beats
from medanomaly.pipelines.signals.prepare_nodes import find_beats
from medanomaly.signals.beat_detector.bundle import series_of
from medanomaly.signals.beats.params import BeatParams
from medanomaly.signals.beats.table import beat_cases
from medanomaly.signals.quality.assessment import assess_quality
from medanomaly.signals.readers.csv import read_csv
from medanomaly.signals.recordings.leads import kind_of_name, lead_kinds, select_leads, unique_names
from medanomaly.signals.recordings.recording import Recording
from medanomaly.signals.recordings.voltage import ecg_of

FS, N = 250.0, 10_000
TIME = np.arange(N) / FS
ECG = np.round(beats(N, FS), 4)
# drawn beats: one per 60/70 s from 0.4 s on
N_BEATS = 47
RUN = SimpleNamespace(dataset="case")


def table(path, columns, sep=",", header=None):
    names = list(columns) if header is None else header
    rows = zip(*columns.values(), strict=True)
    path.write_text(sep.join(names) + "\n" + "".join(sep.join(map(str, row)) + "\n" for row in rows))
    return path


def measured(folder, **options):
    """Leads, number of beats, and the median R amplitude, of the one recording in a folder."""
    raw = SignalFolderDataset(folder=str(folder), **options).load()
    found, _, _, summary = find_beats(raw, BeatParams(), RUN)
    assert found["quality"].eq("good").all()
    cases = beat_cases(found)
    features, _ = measure_beats(raw, found, cases)
    (record,) = raw
    assert series_of(raw[record], found).signal.shape[1] == ecg_of(raw[record]).signal.shape[1]
    return SimpleNamespace(
        read=raw[record],
        ecg=ecg_of(raw[record]),
        n=len(found),
        r=features["lead_1.qrs_maximum"].median(),
        notes=" ".join(summary["notes"]),
    )


@pytest.fixture(scope="module")
def amplitude(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mv")
    table(folder / "a.csv", {"time": TIME, "II [mV]": ECG})
    found = measured(folder)
    assert found.n == N_BEATS
    assert found.r == pytest.approx(1.0, abs=0.15)
    return found.r


@pytest.mark.parametrize(
    ("factor", "name", "said"),
    [
        (1e-3, "II [V]", "converted from V to mV"),
        (1e3, "II [µV]", "converted from µV to mV"),
        (1e3, "II [microvolts]", "converted from microvolts to mV"),
        # the unit that the file states, or that is taken, is wrong by 1,000
        (1e3, "II [mV]", "divided by 1,000"),
        (1e-3, "II [mV]", "multiplied by 1,000"),
        (1e3, "II", "divided by 1,000"),
        (1e-3, "II", "multiplied by 1,000"),
    ],
)
def test_every_unit_gives_beats_in_millivolts(tmp_path, amplitude, factor, name, said):
    table(tmp_path / "a.csv", {"time": TIME, name: factor * ECG})
    found = measured(tmp_path)
    assert found.n == N_BEATS
    assert found.r == pytest.approx(amplitude, rel=1e-3)
    assert said in found.notes


@pytest.mark.parametrize(("gain", "offset"), [(200, 1024), (20, 128), (10_000, 0)])
def test_counts_of_a_converter_are_said_to_have_no_scale(tmp_path, gain, offset):
    counts = np.rint(gain * ECG + offset).astype(int)
    table(tmp_path / "a.csv", {"sample #": np.arange(N), "MLII": counts, "V1": -counts})
    found = measured(tmp_path, fs=250)
    assert found.read.leads == ("MLII", "V1")
    assert set(found.read.units) == {"adu"}
    assert found.n == N_BEATS
    assert 0.3 < found.r < 3
    assert "the scale is unknown (counts of an ADC)" in found.notes


def test_lead_off_is_not_made_an_ecg(tmp_path):
    noise = 1e-3 * np.random.default_rng(0).standard_normal(N)
    quiet = Recording("r", "p", noise[:, None].astype(np.float32), FS, ("II",), ("mV",))
    assert ecg_of(quiet) is quiet


@pytest.mark.parametrize(
    ("scales", "units", "right"),
    [
        ((1000.0, 1.0), ("mV", "mV"), (1.0, 1.0)),
        # a lead across the heart is small, and stays so beside one that is not
        ((1.0, 0.01), ("mV", "mV"), (1.0, 0.01)),
        ((1.0, 1.0), ("", ""), (1.0, 1.0)),
        ((0.001, 1.0), ("V", "mV"), (1.0, 1.0)),
    ],
)
def test_a_wrong_unit_is_that_of_its_lead(scales, units, right):
    signal = (ECG[:, None] * scales).astype(np.float32)
    got = ecg_of(Recording("r", "p", signal, FS, ("II", "V1"), units))
    np.testing.assert_allclose(got.signal, ECG[:, None] * right, rtol=1e-4, atol=1e-6)
    assert got.units == ("mV", "mV")


def test_leads_of_an_unknown_unit_keep_their_ratio():
    signal = (ECG[:, None] * [4000, 1000]).astype(np.float32)
    got = ecg_of(Recording("r", "p", signal, FS, ("II", "V1"), ("NU", "NU"))).signal
    np.testing.assert_allclose(got[:, 0], 4 * got[:, 1], rtol=1e-5)
    assert 0.5 < got[:, 0].max() < 3


def test_a_lead_that_was_never_connected_goes_behind_the_others():
    signal = np.stack([np.zeros(N), ECG, np.full(N, np.nan)], axis=1).astype(np.float32)
    assert ecg_of(Recording("r", "p", signal, FS, ("I", "II", "V1"), ("mV",) * 3)).leads == ("II",)
    flat = Recording("r", "p", signal[:, :1], FS, ("I",), ("mV",))
    assert ecg_of(flat) is flat


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("", np.arange(N)),
        ("Unnamed: 0", np.arange(N)),
        ("row", np.arange(N)),
        ("x", np.arange(N) * 4.0),
        ("label", (np.arange(N) // 50) % 2),
        ("annotation", (np.arange(N) // 50) % 5),
        ("y", (np.arange(N) // 50) % 2),
        ("c", np.full(N, 7)),
        ("Event marker", np.arange(N) % 97),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_columns_that_count_or_label_are_no_leads(tmp_path, amplitude, name, values, first):
    both = [(name, values), ("II", ECG)]
    table(tmp_path / "a.csv", dict(both if first else both[::-1]))
    found = measured(tmp_path, fs=250)
    assert found.read.leads == ("II",)
    assert found.n == N_BEATS
    assert found.r == pytest.approx(amplitude, rel=1e-3)
    assert "is no lead" in found.notes


def test_a_counter_that_jumps_is_a_gap(tmp_path):
    kept = np.r_[0:4000, 5000:N]
    got = read_csv(table(tmp_path / "a.csv", {"index": kept, "II": ECG[kept]}), fs=250)
    assert got.n_samples == N
    assert np.isnan(got.signal[4000:5000]).all()


def test_features_come_from_ecg_leads_wherever_they_stand(tmp_path, amplitude):
    slow = np.round(0.5 + 0.2 * np.sin(TIME), 4)
    pulse = np.round(0.5 + 0.3 * np.sin(7.33 * TIME), 4)
    table(tmp_path / "a.csv", {"Time [s]": TIME, "RESP": slow, "PLETH": pulse, "V": -0.4 * ECG, "II": ECG})
    found = measured(tmp_path)
    assert found.read.leads == ("RESP", "PLETH", "V", "II")
    assert found.ecg.leads == ("V", "II")
    assert found.n == N_BEATS
    assert "not used: RESP, PLETH" in found.notes


def test_a_lead_called_ecg_goes_before_electrodes_and_unknown_names_in_volts():
    rng = np.random.default_rng(0)
    names = ("C3", "Fp1-A2", "chan 9", "ECG2", "AIRFLOW", "PlethWV")
    signal = rng.normal(size=(N, 6)).astype(np.float32)
    signal[:, 3] = ECG
    both = Recording("r", "p", signal, FS, names, ("mV",) * 6)
    assert select_leads(both, ["II"]).leads == ("ECG2",)
    assert ecg_of(both).leads == ("ECG2",)
    assert lead_kinds(names, ["mV"] * 6) == ["other", "other", "ecg", "ecg", "other", "ppg"]
    nameless = Recording("r", "p", signal[:, 2:4], FS, ("chan 9", "chan 10"), ("mV", ""))
    assert ecg_of(nameless).leads == ("chan 9",)


@pytest.mark.parametrize(
    ("leads", "wanted", "chosen", "ecg"),
    [
        (("I", "II", "C1", "C2", "C6"), ["V1", "V5"], ("C1", "C6"), ("I", "II", "C1", "C2", "C6")),
        (("RESP", "C-3", "HR"), ["V2"], ("C-3",), ("C-3",)),
        (("C4", "C3"), ["V3"], ("C3",), ("C4", "C3")),
        # the name says it
        (("EEG Fpz", "ECG C4", "C4"), ["V4"], ("ECG C4",), ("ECG C4",)),
        # an EEG with its ECG
        (("Fp1", "C3", "C4", "O2", "ECG"), ["V3"], ("ECG",), ("ECG",)),
        (("C3", "Cz", "C4", "ekg"), ["V4"], ("ekg",), ("ekg",)),
        (("C1", "P3", "C2", "ECG1"), ["II"], ("ECG1",), ("ECG1",)),
        # sleep recordings
        (("C3", "C4", "ECG2", "ECG1"), ["II"], ("ECG2",), ("ECG2", "ECG1")),
        (("C4", "E2", "Chin EMG", "ECG"), ["V4"], ("ECG",), ("ECG",)),
    ],
)
def test_c1_to_c6_are_chest_leads_unless_they_are_electrodes_of_an_eeg(leads, wanted, chosen, ecg):
    signal = np.stack([ECG] * len(leads), axis=1).astype(np.float32)
    recording = Recording("r", "p", signal, FS, leads, ("mV",) * len(leads))
    assert select_leads(recording, wanted).leads == chosen
    assert ecg_of(recording).leads == ecg
    windows = assess_quality(recording)
    assert set(windows.loc[windows["kind"].eq("ecg"), "lead"]) == set(ecg)


@pytest.mark.parametrize("leads", [("PLETH",), ("RESP", "HR"), ("EEG Fpz", "C4")])
def test_without_an_ecg_there_are_no_beats(leads):
    signal = np.stack([ECG] * len(leads), axis=1).astype(np.float32)
    with pytest.raises(InputError, match="there is no ECG among the leads"):
        ecg_of(Recording("r", "p", signal, FS, leads, ("mV",) * len(leads)))


def test_names_say_what_a_lead_is():
    ecg = ["II", "MLII", "aVR", "V2", "ECG", "ECG1", "ekg LA-RA", "Lead_I", "ecg raw", "II (2)", "vx", "DII"]
    assert {kind_of_name(name) for name in ecg} == {"ecg"}
    other = ["EEG Fpz-Cz", "O2", "Cz", "EMG chin", "SpO2", "flow", "sample_no", "HR", "time_ms", "event"]
    assert {kind_of_name(name) for name in other} == {"other"}
    assert kind_of_name("x" * 60_000) is None


def test_two_leads_of_one_name_stay_two():
    assert unique_names(["II", "V1", "II", "II (2)"])[0] == ("II", "V1", "II (3)", "II (2)")
    assert unique_names(["II", "V1"]) == (("II", "V1"), ())


# ---- rates


def test_a_slow_recording_is_refused_and_the_others_go_on(tmp_path, amplitude):
    table(tmp_path / "good.csv", {"time": TIME, "II": ECG})
    slow = np.arange(3840) / 64
    table(tmp_path / "watch.csv", {"time": slow, "II": np.interp(slow, TIME, ECG)})
    table(tmp_path / "hz1.csv", {"time": np.arange(600), "II": ECG[:600]})
    raw = SignalFolderDataset(folder=str(tmp_path)).load()
    found, _, quarantine, _ = find_beats(raw, BeatParams(), RUN)
    assert set(found["record"]) == {"good"}
    why = quarantine[quarantine["column"].eq("recording")].set_index("record")["reason"]
    assert "the sampling rate is 64 Hz" in why["watch"]
    assert "100 to 10,000 Hz" in why["hz1"]
    raw = SignalFolderDataset(folder=str(tmp_path), resample=125).load()
    found, _, _, summary = find_beats(raw, BeatParams(), RUN)
    assert set(found["record"]) == {"good", "watch"}
    assert any("watch: resampled from 64 to 125 Hz" in note for note in summary["notes"])


def test_a_rate_of_a_million_costs_no_time(tmp_path):
    np.savez(tmp_path / "a.npz", signal=np.zeros(2_000_000, np.float32), fs=1e6, leads=["II"])
    raw = SignalFolderDataset(folder=str(tmp_path)).load()
    with pytest.raises(ConfigurationError, match="1e\\+06 Hz"):
        find_beats(raw, BeatParams(), RUN)


@pytest.mark.parametrize(("fs", "fits"), [(360.0, True), (359.7, True), (250.0, False), (None, True)])
def test_a_rate_that_is_given_must_be_that_of_the_times(tmp_path, fs, fits):
    path = table(tmp_path / "a.csv", {"time": np.round(np.arange(N) / 360, 4), "II": ECG})
    if fits:
        assert read_csv(path, fs=fs).fs == (fs or 360.0)
    else:
        with pytest.raises(InputError, match="fs is 250 Hz, but the times say 360 Hz"):
            read_csv(path, fs=fs)


def test_times_too_coarse_to_tell_the_rate_do_not_contradict_it(tmp_path):
    path = table(tmp_path / "a.csv", {"time": np.floor(TIME + 0.3).astype(int), "II": ECG})
    got = read_csv(path, fs=250)
    assert got.fs == 250
    with pytest.raises(InputError, match="fs is 100 Hz"):
        read_csv(path, fs=100)


@pytest.mark.parametrize(
    ("header", "step"),
    [("time_ms", 4), ("Time (msec)", 4), ("t [ms]", 4), ("timestamp_us", 4000), ("Elapsed time (milliseconds)", 4),
     ("milliseconds", 4), ("time_s", 0.004), ("time (min)", 0.004 / 60), ("timestamp", 1_700_000_000_000)],
)  # fmt: skip
def test_the_unit_of_times_is_read_from_the_name(tmp_path, header, step):
    at = step + 4 * np.arange(N) if step > 1e9 else [f"{step * i:.9g}" for i in range(N)]
    got = read_csv(table(tmp_path / "a.csv", {header: at, "II": ECG}))
    assert got.fs == pytest.approx(250.0)
    assert got.leads == ("II",)


def test_an_unknown_unit_of_times_is_an_error(tmp_path):
    with pytest.raises(InputError, match="the unit of time 'ticks' is not known"):
        read_csv(table(tmp_path / "a.csv", {"Time (ticks)": np.arange(N), "II": ECG}))


def test_a_column_that_rises_is_offered_as_the_time(tmp_path):
    with pytest.raises(InputError, match="column 'zaehler' only rises"):
        read_csv(table(tmp_path / "a.csv", {"zaehler": 4 * np.arange(N), "II": ECG}))


def test_a_change_of_the_clock_is_no_gap(tmp_path):
    start = np.datetime64("2023-03-26T00:59:40.000")
    at = [
        str(start + np.timedelta64(4 * i, "ms") + np.timedelta64(1 + (i >= 5000), "h"))
        + ("+02:00" if i >= 5000 else "+01:00")
        for i in range(N)
    ]
    got = read_csv(table(tmp_path / "a.csv", {"timestamp": at, "II": ECG}))
    assert (got.fs, got.n_samples) == (250.0, N)
    assert not got.missing.any()


@pytest.mark.parametrize(("start", "hours"), [(86390.0, True), (3590.0, False)])
def test_a_clock_goes_on_over_midnight(tmp_path, start, hours):
    around = 86400 if hours else 3600
    clock = []
    for i in range(N):
        ms = round((start + i / 250) * 1000) % (around * 1000)
        text = f"{ms // 60000 % 60:02d}:{ms / 1000 % 60:06.3f}"
        clock.append(f"{ms // 3_600_000:02d}:{text}" if hours else text)
    got = read_csv(table(tmp_path / "a.csv", {"time": clock, "II": ECG}))
    assert (got.fs, got.n_samples) == (250.0, N)


# ---- rows


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("II\n0,0146\n0,0199\n", 2, "2 fields for 1 column"),
        ("0,0146\n0,0199\n", 1, "decimal comma"),
        ("time;II\n0;1\n0,004;0,5;3\n", 3, "3 fields for 2 column"),
        ("II,V1\n1,2\n1,2,3\n", 3, "3 fields for 2 column"),
        ("\n\nII,V1\n1,2\n\n1,off\n", 6, "'off' is not a number"),
        (
            "time,II\n" + "".join(f"{i / 250:.3f},1\n" for i in range(500)) + "END\n",
            502,
            "'END' is not a time",
        ),
        ("time,II\n00:00.000,1\n00:00.004,2\nx,3\n", 4, "'x' is not a time"),
    ],
)
def test_a_row_that_does_not_fit_is_named(tmp_path, text, line, problem):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=f"line {line}\\b") as raised:
        read_csv(path, fs=None if text.startswith("time") else 250)
    assert problem in str(raised.value)


def test_decimal_commas_are_read_where_they_are_said(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("II\n0,0146\n0,0199\n-0,5\n")
    got = read_csv(path, fs=250, decimal=",")
    np.testing.assert_allclose(got.signal[:, 0], [0.0146, 0.0199, -0.5])
    path.write_text("Zeit;II\n0,000;0,0146\n0,004;0,0199\n")
    got = read_csv(path, decimal=",")
    assert got.fs == 250.0
    np.testing.assert_allclose(got.signal[:, 0], [0.0146, 0.0199])


def test_delimiters_behind_the_last_field_move_nothing(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("II,V1\n1,2,\n3,4,\n5,6\n")
    np.testing.assert_array_equal(read_csv(path, fs=250).signal, [[1, 2], [3, 4], [5, 6]])


@pytest.mark.parametrize("text", ["II,V1", "II,V1\n", "time,II\n", "II\nmV\n", "II,V1\n\n\n"])
def test_a_header_without_rows_is_refused(tmp_path, text):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"a\.csv"):
        read_csv(path, fs=None if "time" in text else 250)


@pytest.mark.parametrize(
    ("header", "match"),
    [
        (",".join(f"column number {i}" for i in range(9000)), "the first line has"),
        (",".join(f"c{i}" for i in range(5000)), "5,000 columns"),
        ("II" * 30_000, "names of up to 60,000 characters"),
    ],
)
def test_a_header_that_cannot_be_one_is_refused_at_once(tmp_path, header, match):
    path = tmp_path / "a.csv"
    path.write_text(header + "\n1,2\n")
    with pytest.raises(InputError, match=match):
        read_csv(path, fs=250)
