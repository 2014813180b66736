"""Marks of a recording: none vanishes without a word, and usual ways to write them are understood."""

import numpy as np
import pytest
from sample_recordings import beats as drawn

from medanomaly.core.errors import InputError
from medanomaly.datasets.signal_folder import SignalFolderDataset
from medanomaly.parameters import RunParams
from medanomaly.pipelines.signals.prepare_nodes import find_beats
from medanomaly.signals.beats.marks import accounted, beat_marks, flutter, shutdown
from medanomaly.signals.beats.params import BeatParams
from medanomaly.signals.beats.table import beats_and_marks
from medanomaly.signals.beats.views import reference_beats
from medanomaly.signals.peaks.r_peaks import detect_r_peaks
from medanomaly.signals.readers.annotation_files import read_marks, write_annotations_csv, write_atr
from medanomaly.signals.readers.atr import decode_atr
from medanomaly.signals.readers.edf import read_edf, write_edf
from medanomaly.signals.recordings.annotation_order import in_time_order
from medanomaly.signals.recordings.annotation_text import as_codes, code_of
from medanomaly.signals.recordings.recording import Recording
from medanomaly.signals.recordings.resampling import resample

FS, SECONDS = 250.0, 120
# the drawn beats stand at 0.4 s and every 60/70 s after it
PEAKS = np.rint(np.arange(0.4, SECONDS, 60 / 70) * FS).astype(np.int64)


def ecg(sample=None, symbol=None, text=None, fs=FS) -> Recording:
    marks = None
    if sample is not None:
        marks = in_time_order(sample, symbol, [""] * len(sample) if text is None else text)[0]
    signal = drawn(int(SECONDS * fs), fs)[:, None].astype(np.float32)
    return Recording("r", "p", signal, fs, ("II",), ("mV",), marks)


def csv_marks(folder, text, fs=FS, **options):
    path = folder / "a.annotations.csv"
    path.write_text(text)
    return read_marks(path, fs, **options)


@pytest.mark.parametrize(
    ("written", "codes"),
    [
        (["N", "V"], ["N", "V"]),
        ([" N ", "V "], ["N", "V"]),
        (["Normal", "PVC"], ["N", "V"]),
        (["NORMAL BEAT", "veb"], ["N", "V"]),
        (["normal", "Supraventricular_ectopic beat (SVEB)"], ["N", "S"]),
        (["N", "v"], ["N", "V"]),
        (["n", "n", "v", "s"], ["N", "N", "V", "S"]),
        (["n"] * 20 + ["f"], ["N"] * 20 + ["F"]),
        # codes of their own stay what they are
        (["N", "n", "e", "j"], ["N", "n", "e", "j"]),
        (["/", "f", "e"], ["/", "f", "e"]),
        (["N", "whatever"], ["N", "whatever"]),
    ],
)
def test_usual_ways_to_write_a_beat_are_understood(written, codes):
    found, notes = as_codes(written)
    assert found == codes
    assert bool(notes) == any(w.strip() != c for w, c in zip(written, codes, strict=True))


def test_no_name_means_two_beats():
    assert code_of("ventricular escape") == "E"
    assert code_of("premature ventricular contraction") == "V"
    assert code_of("(AFIB") is None


@pytest.mark.parametrize("symbols", [("N", "V"), (" N ", " V "), ("n", "v"), ("Normal", "VEB")])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_folder_gives_every_beat_its_class(tmp_path, symbols, delimiter):
    recording = ecg()
    np.savetxt(tmp_path / "a.csv", recording.signal, fmt="%.4f", header="II", comments="")
    rows = [f"{p}{delimiter}{symbols[i % 10 == 5]}" for i, p in enumerate(PEAKS)]
    text = "\n".join([f"sample{delimiter}symbol", *rows])
    (tmp_path / "a.annotations.csv").write_text(text)
    raw = SignalFolderDataset(folder=str(tmp_path), fs=FS, units="mV").load()
    beats, _, _, summary = find_beats(raw, BeatParams(), RunParams(dataset="t", table="t"))
    assert beats["sample"].tolist() == PEAKS.tolist()
    assert beats["symbol"].tolist() == ["V" if i % 10 == 5 else "N" for i in range(len(PEAKS))]
    assert summary["marks"]["a"] | {"marked": 1, "confirmed": 1} == {
        "read": len(PEAKS), "beats": len(PEAKS), "unknown": 0, "outside": 0, "r_peaks": len(PEAKS),
        "marked": 1, "confirmed": 1,
    }  # fmt: skip


def test_marks_behind_the_end_are_counted(tmp_path):
    sample = [*PEAKS, SECONDS * FS + 10, 10**9]
    found = beat_marks(ecg(sample, ["N"] * len(sample)), PEAKS)
    assert found.account.outside == 2
    assert found.sample.tolist() == PEAKS.tolist()
    assert any(f"2 of {len(sample)} marks lie behind the end" in note for note in found.notes)
    # the end of a stretch that reaches to the end is no such mark
    closed = beat_marks(ecg([*PEAKS, int(SECONDS * FS)], ["N"] * len(PEAKS) + ['"']), PEAKS)
    assert (closed.account.outside, closed.notes) == (0, ())
    # another rate does not bring them back
    slower = resample(ecg(sample, ["N"] * len(sample)), 125.0)
    assert (slower.annotations.sample >= slower.n_samples).sum() == 2


def test_an_unknown_symbol_at_an_r_peak_is_a_beat_without_a_class():
    symbol = ["N"] * len(PEAKS)
    symbol[7] = "X7"
    table, _, marks = beats_and_marks(ecg(PEAKS, symbol), BeatParams())
    assert len(table) == len(PEAKS)
    assert table["aami"].isna().tolist() == [i == 7 for i in range(len(PEAKS))]
    assert any("1 of" in note and "'X7'" in note for note in marks.notes)
    own, classes = reference_beats(ecg(PEAKS, symbol), PEAKS)
    assert len(own) == len(PEAKS) - 1
    assert set(classes) == {"N"}


def test_an_unknown_mark_beside_a_marked_beat_is_no_second_beat():
    # a file may define codes of its own, such as one for a calibration pulse
    sample, symbol = np.append(PEAKS, PEAKS[20] - 20), np.append(np.full(len(PEAKS), "N"), "CAL")
    recording = ecg(sample, symbol)
    marks = beat_marks(recording, detect_r_peaks(recording.signal, FS))
    assert marks.sample.tolist() == PEAKS.tolist()
    assert set(marks.symbol) == {"N"}
    assert (marks.account.beats, marks.account.unknown) == (len(PEAKS), 1)


def test_a_few_marks_of_events_are_labels_of_those_beats():
    events = PEAKS[5::12]
    table, _, marks = beats_and_marks(ecg(events, ["V"] * len(events)), BeatParams())
    assert len(table) == len(detect_r_peaks(ecg().signal, FS))
    assert table["symbol"].eq("V").sum() == len(events)
    assert table["aami"].isna().sum() == len(table) - len(events)
    assert any("not as the list of all beats" in note for note in marks.notes)
    assert not len(reference_beats(ecg(events, ["V"] * len(events)), PEAKS)[0])


def test_beats_behind_the_last_mark_of_a_file_that_was_cut_off_stay():
    kept = PEAKS[:90]
    table, _, marks = beats_and_marks(ecg(kept, ["N"] * 90), BeatParams())
    assert len(table) == len(detect_r_peaks(ecg().signal, FS))
    assert table["aami"].isna().sum() == len(table) - 90
    assert any("cut off" in note for note in marks.notes)


def test_marks_that_meet_no_r_peak_give_no_labels():
    wrong = np.sort(PEAKS // 2)
    table, _, marks = beats_and_marks(ecg(wrong, ["V"] * len(wrong)), BeatParams())
    assert table["aami"].isna().all()
    assert any("no label comes from them" in note for note in marks.notes)


def test_one_sentence_accounts_for_the_marks_of_all_recordings():
    accounts = [beat_marks(ecg(PEAKS, ["N"] * len(PEAKS)), PEAKS).account, beat_marks(ecg(), PEAKS).account]
    assert accounted(accounts).startswith(
        f"{len(PEAKS)} marks were read in 1 recording: {len(PEAKS)} of beats; 100.0 %"
    )
    assert accounted(accounts[1:]) == ""


def test_seconds_under_sample_are_refused_and_whole_numbers_with_a_point_are_not(tmp_path):
    with pytest.raises(InputError, match=r"line 3, column 'sample': sample 1\.46 is no whole number"):
        csv_marks(tmp_path, "sample,symbol\n1,N\n1.46,N\n")
    assert csv_marks(tmp_path, "sample,symbol\n1.0,N\n365.0,N\n")[0].sample.tolist() == [1, 365]


def test_samples_are_counted_at_the_rate_that_the_times_beside_them_say(tmp_path):
    marks, notes = csv_marks(tmp_path, "sample,time_s,symbol\n150,0.6,N\n365,1.46,V\n", fs=500.0)
    assert marks.sample.tolist() == [300, 730]
    assert notes == ("marks are counted at 250 Hz, and the recording has 500 Hz",)
    assert csv_marks(tmp_path, "sample,symbol\n150,N\n", fs=500.0, rate=250.0)[0].sample.tolist() == [300]
    with pytest.raises(InputError, match="do not go together at one rate"):
        csv_marks(tmp_path, "sample,time_s,symbol\n150,0.6,N\n365,0.7,V\n900,3.6,V\n")


def test_the_rate_of_a_lead_that_nobody_asked_for_does_not_move_marks(tmp_path):
    import pyedflib

    slow, fast = ecg().signal[:, 0].astype(float), np.zeros(SECONDS * 500)
    fast[::7] = 0.02
    file = pyedflib.EdfWriter(str(tmp_path / "a.edf"), 2, file_type=pyedflib.FILETYPE_EDFPLUS)
    about = {
        "dimension": "mV",
        "physical_min": -5,
        "physical_max": 5,
        "digital_min": -32768,
        "digital_max": 32767,
    }
    file.setSignalHeaders(
        [
            about | {"label": "ECG", "sample_frequency": 250},
            about | {"label": "EEG Fpz-Cz", "sample_frequency": 500},
        ]
    )
    file.writeSamples([slow, fast])
    file.close()
    (tmp_path / "a.annotations.csv").write_text("\n".join(["sample,symbol", *(f"{p},N" for p in PEAKS)]))
    for leads in (None, ["ECG"]):
        recording = SignalFolderDataset(folder=str(tmp_path), leads=leads).load()["a"]
        np.testing.assert_allclose(recording.annotations.sample / recording.fs, PEAKS / FS)


def test_options_of_csv_files_hold_for_annotations_and_patients(tmp_path):
    np.savetxt(tmp_path / "a.csv", ecg().signal, fmt="%.4f", header="II", comments="")
    (tmp_path / "a.annotations.csv").write_text("time_s|symbol\n0,4|N\n1,25|V\n")
    (tmp_path / "patients.csv").write_text("record|patient_id|age\na|P 7|71\n")
    options = {"delimiter": "|", "decimal": ","}
    found = SignalFolderDataset(folder=str(tmp_path), fs=FS, units="mV", csv=options).load()["a"]
    assert (found.annotations.sample / FS).tolist() == pytest.approx([0.4, 1.252], abs=0.005)
    assert (found.patient_id, found.attributes["age"]) == ("P 7", "71")


def test_a_file_that_is_cut_off_is_refused(tmp_path):
    marks = in_time_order(PEAKS, ["N"] * len(PEAKS), [""] * len(PEAKS))[0]
    path = write_atr(marks, tmp_path / "r.atr", FS)
    for n in (len(path.read_bytes()) // 2, len(path.read_bytes()) // 4 * 2):
        cut = tmp_path / "cut.atr"
        cut.write_bytes(path.read_bytes()[:n])
        with pytest.raises(InputError, match="breaks off"):
            decode_atr(cut)
    text = write_annotations_csv(marks, tmp_path / "a.csv", FS).read_text()
    with pytest.raises(InputError, match="fields for 4 columns"):
        csv_marks(tmp_path, text[: text.rindex(',"N"')])


def test_beats_of_an_edf_file_may_have_names(tmp_path):
    from dataclasses import replace

    named = ecg(PEAKS, ['"'] * len(PEAKS), ["Lunch"] + ["x"] * (len(PEAKS) - 1))
    path = write_edf(named, tmp_path / "a.edf")
    # a comment that could be taken for a beat comes back as a comment
    assert set(read_edf(path).annotations.symbol) == {'"'}
    import pyedflib

    file = pyedflib.EdfWriter(str(tmp_path / "b.edf"), 1, file_type=pyedflib.FILETYPE_EDFPLUS)
    file.setSignalHeader(
        0,
        {"label": "II", "dimension": "mV", "sample_frequency": 250, "physical_min": -5, "physical_max": 5,
         "digital_min": -32768, "digital_max": 32767},
    )  # fmt: skip
    file.writeSamples([ecg().signal[:, 0].astype(float)])
    for at, text in ((0.4, "Normal"), (2.0, "PVC"), (3.0, "patient coughs")):
        file.writeAnnotation(at, -1, text)
    file.close()
    found = read_edf(tmp_path / "b.edf")
    assert found.annotations.symbol.tolist() == ["N", "V", '"']
    assert found.annotations.text.tolist() == ["", "", "patient coughs"]
    assert replace(found).notes[-1] == "marks are understood: 'Normal' as N, 'PVC' as V"


@pytest.mark.parametrize(
    ("symbols", "stretches"),
    [
        ("[]", [(100, 200)]),
        ("][]", [(200, 300)]),
        ("[[]", [(100, 300)]),
        ("[]][]", [(100, 200), (400, 500)]),
        ("[N", [(100, int(SECONDS * FS))]),
        ("N]", []),
    ],
)
def test_brackets_of_flutter_are_paired_by_time(symbols, stretches):
    assert flutter(ecg(100 * np.arange(1, len(symbols) + 1), list(symbols))) == stretches


def test_stretches_that_the_reference_could_not_read_are_those_of_bxb():
    window = round(0.15 * FS)

    def of(*marks):
        return shutdown(ecg([m[0] for m in marks], [m[1] for m in marks], [m[2] for m in marks]))

    # one change of quality begins it, the next that is readable ends it
    assert of((1000, "N", ""), (1500, "~", "uu"), (2000, "~", "cu"), (2100, "N", "")) == [(1500, 2000)]
    assert of((1000, "N", ""), (1500, "~", "uuuu"), (2000, "N", "")) == [(1000 + window, 2000 - window)]
    assert of((1500, "~", "uuuu")) == [(1500, int(SECONDS * FS))]
    # one lead can still be read
    assert of((1500, "~", "cu"), (2000, "~", "nn")) == []
