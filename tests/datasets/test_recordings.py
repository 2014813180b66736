import os
import re
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb
from click.testing import CliRunner
from kedro.io import DatasetError

from medanomaly.commands.cli import cli
from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.datasets.ecg5000 import ECG5000Dataset
from medanomaly.datasets.recordings import BIDMCDataset, MITBIHDataset, SVDBDataset
from medanomaly.datasets.signal_folder import SignalFolderDataset
from medanomaly.datasets.synthetic_signals import SyntheticSignalsDataset
from medanomaly.datasets.ucr import UCRDataset
from medanomaly.fetch import fetch
from medanomaly.signals.beats.aami import DS1, DS2, PACED
from medanomaly.signals.readers.edf import write_edf
from medanomaly.signals.readers.npz import write_npz
from medanomaly.signals.recordings.annotated_intervals import interval_mask, intervals
from medanomaly.signals.recordings.recording import Recording

DATA = os.environ.get("MEDANOMALY_DATA")
needs_data = pytest.mark.skipif(DATA is None, reason="needs MEDANOMALY_DATA")


@contextmanager
def refused(kind, match):
    """Kedro wraps what a dataset raises; the command line shows the cause."""
    with pytest.raises(DatasetError) as raised:
        yield
    assert isinstance(raised.value.__cause__, kind)
    assert re.search(match, str(raised.value.__cause__))


def record(folder: Path, name: str, n=720, leads=("MLII", "V1"), comments=()):
    values = np.random.default_rng(int(re.sub(r"\D", "", name) or 0)).normal(0, 0.3, (n, len(leads)))
    options = {"units": ["mV"] * len(leads), "sig_name": list(leads), "fmt": ["212"] * len(leads)}
    wfdb.wrsamp(name, 360, p_signal=values, write_dir=str(folder), comments=list(comments), **options)
    wfdb.wrann(name, "atr", np.array([100, 400]), symbol=["N", "V"], write_dir=str(folder))


@pytest.fixture
def complete(tmp_path):
    """Headers of all 48 records: what a listing needs."""
    for name in (*DS1, *DS2, *PACED):
        (tmp_path / f"{name}.hea").write_text(f"{name} 2 360 650000\n")
    return tmp_path


def test_the_whole_database_has_the_published_split_without_a_shared_patient(complete):
    found = MITBIHDataset(folder=str(complete)).load()
    summary = found.summary()
    assert summary["split"] == {"test": 22, "train": 21}
    assert set(found.left_out) == {*PACED, "201"}
    assert "paced" in found.left_out["102"]
    table = found.table()
    crossing = table.dropna(subset="split_official").groupby("patient_id")["split_official"].nunique()
    assert (crossing == 1).all()
    assert len(table) == 48
    assert table.loc[table["record"] == "202", "patient_id"].item() == "201"
    assert any("201 of DS1 is left out" in note for note in found.notes)


def test_the_published_split_can_be_kept_and_the_leak_is_said(complete):
    found = MITBIHDataset(folder=str(complete), keep_shared_patient=True).load()
    assert found.summary()["split"] == {"train": 22, "test": 22}
    assert any("same patient: both are kept as published" in note for note in found.notes)


def test_without_ds2_a_split_by_patient_takes_its_place_and_it_is_said(complete):
    for name in (*DS2, *PACED):
        (complete / f"{name}.hea").unlink()
    found = MITBIHDataset(folder=str(complete)).load()
    assert found.summary()["split"] == "none of its own"
    assert any("DS2 is absent: a split by patient inside DS1" in note for note in found.notes)


def test_recordings_are_read_when_asked_for_and_a_bad_one_stops_no_other(tmp_path):
    record(tmp_path, "101")
    record(tmp_path, "106", leads=("V5", "MLII"))
    record(tmp_path, "108")
    (tmp_path / "108.dat").unlink()
    found = MITBIHDataset(folder=str(tmp_path), leads=["MLII", "V1"]).load()
    assert list(found) == ["101", "106", "108"]
    assert found["106"].leads == ("MLII", "V5")
    assert any("V5 replaces it" in note for note in found["106"].notes)
    results = dict(found.each())
    assert isinstance(results["108"], DataNotFoundError)
    assert isinstance(results["101"], Recording)
    with pytest.raises(InputError, match="there is no record 999"):
        found["999"]


@pytest.mark.parametrize(
    ("dataset", "folder", "said"),
    [
        (MITBIHDataset, "mitdb", "ODC-BY 1.0.*mitdb"),
        (SVDBDataset, "svdb", "ODC-BY 1.0.*svdb"),
        (UCRDataset, "ucr", "none stated: evaluation only"),
        (ECG5000Dataset, "ecg5000", "ECG5000_TRAIN.txt"),
        (BIDMCDataset, "bidmc_ppg", "ODC-BY 1.0"),
    ],
)
def test_an_absent_set_says_what_to_get_from_where_under_which_licence(tmp_path, dataset, folder, said):
    with refused(DataNotFoundError, said):
        dataset(folder=str(tmp_path / folder)).load()


@needs_data
def test_the_real_sets_load():
    ucr = UCRDataset(folder=f"{DATA}/ucr").load()
    assert len(ucr) >= 31
    for _, one in zip(range(3), ucr.each(), strict=False):
        recording = one[1]
        start, end = (int(recording.attributes[k]) for k in ("anomaly_start", "anomaly_end"))
        assert interval_mask(recording.annotations, recording.n_samples).sum() == end - start
        assert int(recording.attributes["train_end"]) <= start
    svdb = SVDBDataset(folder=f"{DATA}/svdb").load()["805"]
    assert (svdb.n_samples, svdb.fs, svdb.leads) == (230400, 128.0, ("ECG1",))
    raw = np.loadtxt(f"{DATA}/svdb/MBA_ECG805_data.out", delimiter=",")
    np.testing.assert_array_equal(interval_mask(svdb.annotations, 230400), raw[:, 1] > 0)
    beats = ECG5000Dataset(folder=f"{DATA}/ecg5000").load()
    assert beats.beats.shape[1] == 140
    assert beats.cases["label"].eq(0).sum() == beats.cases["kind"].eq("normal").sum()
    pulse = BIDMCDataset(folder=f"{DATA}/bidmc_ppg").load()["bidmc01"]
    assert pulse.fs == 125.0
    assert set(pulse.units) == {"NU"}


def test_series_of_the_archive_may_be_one_line_and_copies_share_a_patient(tmp_path):
    (tmp_path / "001_UCR_Anomaly_DISTORTEDx_20_31_35.txt").write_text(" ".join(map(str, range(60))))
    (tmp_path / "109_UCR_Anomaly_x_20_31_35.txt").write_text("\n".join(map(str, range(60))))
    (tmp_path / "110_UCR_Anomaly_y_20_31_95.txt").write_text("1\n2\n")
    (tmp_path / "111_UCR_Anomaly_odd.txt").write_text("1\n2\n")
    found = UCRDataset(folder=str(tmp_path)).load()
    assert found["001_DISTORTEDx"].n_samples == 60
    assert found.patients["001_DISTORTEDx"] == found.patients["109_x"] == "x"
    assert intervals(found["109_x"].annotations, 60).to_numpy().tolist() == [[30, 35, "anomaly"]]
    assert "111_UCR_Anomaly_odd" in found.left_out
    with pytest.raises(InputError, match="Give numbers only, and positions inside"):
        found["110_y"]


def test_a_folder_of_many_formats_is_one_set(tmp_path):
    signal = np.random.default_rng(0).normal(0, 0.3, (1000, 1)).astype(np.float32)
    one = Recording("x", "Jane", signal, 250.0, ("II",), ("mV",))
    (tmp_path / "sub").mkdir()
    record(tmp_path, "w1")
    write_edf(one, tmp_path / "e1.edf")
    write_npz(one, tmp_path / "sub" / "n1.npz")
    pd.DataFrame({"time": np.arange(500) / 250, "II [mV]": signal[:500, 0]}).to_csv(
        tmp_path / "c1.csv", index=False
    )
    (tmp_path / "c1.annotations.csv").write_text("sample,symbol\n10,V\n")
    (tmp_path / "patients.csv").write_text("record,patient_id,age\nc1,P9,71\nw1,P9,71\ngone,P8,\n")
    found = SignalFolderDataset(folder=str(tmp_path)).load()
    assert set(found) == {"w1", "e1", "sub.n1", "c1"}
    read = dict(found.each())
    for name, recording in read.items():
        assert recording.record == name
        assert recording.patient_id == found.patients[name]
    assert found.patients == {"c1": "P9", "w1": "P9", "e1": "Jane", "sub.n1": "Jane"}
    assert read["c1"].annotations.symbol.tolist() == ["V"]
    assert read["c1"].attributes["age"] == "71"
    assert any("in patients.csv, but without a file: gone" in note for note in found.notes)
    np.testing.assert_array_equal(read["sub.n1"].signal, signal)


def test_segments_of_a_record_are_no_records_of_their_own(tmp_path):
    record(tmp_path, "s1")
    record(tmp_path, "s2")
    (tmp_path / "all.hea").write_text("all/2 2 360 1440\ns1 720\ns2 720\n")
    found = SignalFolderDataset(folder=str(tmp_path)).load()
    assert list(found) == ["all"]
    assert found["all"].n_samples == 1440


def test_an_empty_or_wrong_folder_is_said(tmp_path):
    with refused(DataNotFoundError, "no files that end in"):
        SignalFolderDataset(folder=str(tmp_path)).load()
    with refused(DataNotFoundError, "the folder does not exist"):
        SignalFolderDataset(folder=str(tmp_path / "x")).load()
    record(tmp_path, "w1")
    (tmp_path / "patients.csv").write_text("name\nw1\n")
    with refused(InputError, "Give record and patient_id"):
        SignalFolderDataset(folder=str(tmp_path)).load()


@pytest.mark.parametrize("kind", ["ecg", "ppg", "vitals"])
def test_synthetic_recordings_carry_their_truth_as_annotations(kind):
    seconds = 2 * 86400 if kind == "vitals" else 180
    found = SyntheticSignalsDataset(
        kind=kind, n_patients=3, duration_s=seconds, seed=1, anomalies={"share": 1.0}
    ).load()
    assert list(found) == ["P000001", "P000002", "P000003"]
    recording = found["P000002"]
    table = intervals(recording.annotations, recording.n_samples)
    assert len(table)
    np.testing.assert_array_equal(recording.signal, found["P000002"].signal)
    if kind == "ecg":
        assert np.isin(["N"], recording.annotations.symbol).all()


def test_fetch_without_a_network_says_what_to_do_by_hand(tmp_path, monkeypatch):
    def offline(*args, **kwargs):
        raise ConnectionError("no route to physionet.org")

    monkeypatch.setattr(wfdb, "get_record_list", offline)
    with pytest.raises(DataNotFoundError, match=r"no route.*Get \*.hea.*by hand.*ODC-BY 1.0"):
        fetch("mitbih", tmp_path)
    assert list(tmp_path.iterdir()) == []
    result = CliRunner().invoke(cli, ["fetch", "mitbih", "--raw", str(tmp_path)])
    assert result.exit_code == 1
    assert "licence: ODC-BY 1.0" in result.output
    with pytest.raises(DataNotFoundError, match="cannot be downloaded by this command"):
        fetch("ucr", tmp_path)


def test_fetch_puts_the_set_where_its_environment_reads_it(tmp_path, monkeypatch):
    def download(database, folder, records, keep_subdirs):
        for name in records[:-1] if database == "svdb" else records:
            record(Path(folder), name)

    monkeypatch.setattr(wfdb, "get_record_list", lambda database: ["101", "106"])
    monkeypatch.setattr(wfdb, "dl_database", download)
    folder = fetch("mitbih", tmp_path)
    assert folder == tmp_path / "mitdb"
    assert len(MITBIHDataset(folder=str(folder)).load()) == 2
    with pytest.raises(DataNotFoundError, match="106 are missing after the download"):
        fetch("svdb", tmp_path)


def test_the_command_line_knows_fetch(capsys):
    from medanomaly.__main__ import main

    with pytest.raises(SystemExit) as ended:
        main(["fetch", "nothing"])
    assert ended.value.code == 1
    assert "cannot be downloaded by this command" in capsys.readouterr().err
