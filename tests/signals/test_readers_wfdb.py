import shutil

import numpy as np
import pytest
import wfdb
from sample_recordings import data, needs_data
from scipy.signal import resample_poly

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.signals.beats.aami import DS1, DS2, PACED, aami_class, is_beat, label_of_class
from medanomaly.signals.readers.wfdb import read_mitbih, read_wfdb
from medanomaly.signals.recordings.resampling import _ratio


@pytest.fixture
def write(tmp_path):
    """Write a WFDB record: two leads, any format."""

    def written(name="r", values=None, fmt="16", fs=360, **more):
        values = np.random.default_rng(0).normal(0, 0.5, (500, 2)) if values is None else values
        n = values.shape[1]
        wfdb.wrsamp(
            name,
            fs,
            ["mV"] * n,
            [f"L{j}" for j in range(n)],
            values,
            fmt=[fmt] * n,
            write_dir=str(tmp_path),
            **more,
        )
        return tmp_path / name

    return written


@needs_data
@pytest.mark.parametrize("name", ["100_3chan", "a103l", "v102s", "flacformats"])
def test_a_record_reads_as_the_wfdb_package_reads_it(name):
    path = data("wfdb_formats", f"{name}.hea")
    ours, theirs = read_wfdb(path), wfdb.rdrecord(str(path.with_suffix("")))
    np.testing.assert_allclose(ours.signal, theirs.p_signal, rtol=1e-5, atol=1e-6)
    assert list(ours.leads) == theirs.sig_name
    assert list(ours.units) == theirs.units
    assert ours.fs == theirs.fs
    assert ours.signal.dtype == np.float32


@needs_data
def test_leads_of_different_rates_come_at_the_highest_and_the_fast_ones_are_untouched():
    path = data("wfdb_formats", "mixedsignals.hea")
    ours = read_wfdb(path)
    theirs = wfdb.rdrecord(str(path.with_suffix("")), smooth_frames=False)
    assert ours.fs == pytest.approx(4 * 62.4725)
    assert len({len(c) for c in theirs.e_p_signal}) == 3
    np.testing.assert_allclose(ours.signal[:, 0], theirs.e_p_signal[0], rtol=1e-5)
    slow = theirs.e_p_signal[5]
    # inside, where the ends of the filter do not reach
    expected = resample_poly(slow, 4, 1, padtype="line")
    np.testing.assert_allclose(ours.signal[400:-400, 5], expected[400:-400], atol=2e-3)
    assert any("Resp resampled from 62.4725 to 249.89 Hz" in note for note in ours.notes)


@needs_data
def test_a_lead_can_be_read_alone_at_its_own_rate():
    alone = read_wfdb(data("wfdb_formats", "mixedsignals.hea"), ["Resp"])
    assert alone.fs == pytest.approx(62.4725)
    assert alone.leads == ("Resp",)
    assert alone.signal.shape == (14400, 1)


@needs_data
def test_skew_is_taken_out_and_said():
    recording = read_wfdb(data("wfdb_formats", "03700181.hea"))
    assert any("RESP: a skew of 4 frames" in note for note in recording.notes)


def test_a_skewed_lead_is_moved_back_by_its_skew(write, tmp_path):
    values = np.random.default_rng(1).normal(0, 0.5, (500, 2))
    path = write("s", values)
    header = (tmp_path / "s.hea").read_text().splitlines()
    header[2] = header[2].replace("s.dat 16 ", "s.dat 16:3 ")
    (tmp_path / "s.hea").write_text("\n".join(header) + "\n")
    recording = read_wfdb(path)
    np.testing.assert_allclose(recording.signal[:-3, 1], values[3:, 1], atol=1e-3)
    assert np.isnan(recording.signal[-3:, 1]).all()
    np.testing.assert_allclose(recording.signal[:, 0], values[:, 0], atol=1e-3)


def test_segments_are_joined_and_what_lies_between_them_is_missing(write, tmp_path):
    a, b = np.random.default_rng(2).normal(0, 0.5, (2, 300, 2))
    write("seg1", a)
    write("seg2", b)
    (tmp_path / "multi.hea").write_text("multi/3 2 360 700\nseg1 300\n~ 100\nseg2 300\n")
    recording = read_wfdb(tmp_path / "multi")
    assert recording.signal.shape == (700, 2)
    assert np.isnan(recording.signal[300:400]).all()
    np.testing.assert_allclose(recording.signal[:300], a, atol=1e-3)
    np.testing.assert_allclose(recording.signal[400:], b, atol=1e-3)


def test_leads_of_a_variable_layout_are_found_by_name(tmp_path):
    a, b = np.random.default_rng(4).normal(0, 0.5, (2, 300, 2))
    options = {"fs": 360, "fmt": ["16", "16"], "write_dir": str(tmp_path)}
    wfdb.wrsamp("one", units=["mV", "mV"], sig_name=["II", "V"], p_signal=a, **options)
    wfdb.wrsamp("two", units=["mmHg", "mV"], sig_name=["ABP", "II"], p_signal=b, **options)
    layout = "layout 3 360 0\n" + "".join(
        f"~ 0 200/{u} 16 0 0 0 0 {n}\n" for n, u in zip(("II", "V", "ABP"), ("mV", "mV", "mmHg"), strict=True)
    )
    (tmp_path / "layout.hea").write_text(layout)
    (tmp_path / "var.hea").write_text("var/4 3 360 700\nlayout 0\none 300\n~ 100\ntwo 300\n")
    recording = read_wfdb(tmp_path / "var")
    assert recording.leads == ("II", "V", "ABP")
    assert recording.units == ("mV", "mV", "mmHg")
    np.testing.assert_allclose(recording.signal[:300, :2], a, atol=1e-3)
    np.testing.assert_allclose(recording.signal[400:, [2, 0]], b, atol=1e-3)
    assert np.isnan(recording.signal[:400, 2]).all()
    assert np.isnan(recording.signal[300:, 1]).all()
    only = read_wfdb(tmp_path / "var", ["ABP"], start_s=0.5)
    np.testing.assert_array_equal(only.signal[:, 0], recording.signal[180:, 2])


def test_samples_stored_as_missing_become_gaps(write):
    values = np.random.default_rng(3).normal(0, 0.5, (500, 2))
    values[100:140, 1] = np.nan
    recording = read_wfdb(write("gap", values))
    np.testing.assert_array_equal(recording.missing, np.isnan(values))


def test_annotations_of_another_time_resolution_move_to_the_signal(write, tmp_path):
    path = write("res", fs=250)
    wfdb.wrann("res", "atr", np.array([500, 1500]), symbol=["N", "V"], fs=1000, write_dir=str(tmp_path))
    assert read_wfdb(path).annotations.sample.tolist() == [125, 375]


def test_a_part_is_the_part_of_the_whole(write, tmp_path):
    path = write("part")
    wfdb.wrann(
        "part", "atr", np.array([50, 200, 400]), symbol=["N", "V", "N"], fs=360, write_dir=str(tmp_path)
    )
    whole, part = read_wfdb(path), read_wfdb(path, ["L1"], start_s=0.5, stop_s=1.0)
    np.testing.assert_array_equal(part.signal, whole.signal[180:360, 1:])
    assert part.annotations.sample.tolist() == [20]
    with pytest.raises(InputError, match="record part: seconds 5 to 6"):
        read_wfdb(path, start_s=5, stop_s=6)


@needs_data
def test_age_and_sex_come_from_the_comments():
    recording = read_mitbih(data("mitdb"), "201")
    assert recording.attributes["age"] == "68"
    assert recording.attributes["sex"] == "M"
    assert recording.annotations.text[0] == "(AFIB"


def test_an_absent_or_damaged_file_is_named(write, tmp_path):
    with pytest.raises(DataNotFoundError, match=r"nothing.hea: the header file does not exist"):
        read_wfdb(tmp_path / "nothing")
    path = write("cut")
    body = (tmp_path / "cut.dat").read_bytes()
    (tmp_path / "cut.dat").write_bytes(body[: len(body) // 2])
    with pytest.raises(InputError, match="record cut: the signal cannot be read"):
        read_wfdb(path)
    (tmp_path / "cut.dat").unlink()
    with pytest.raises(DataNotFoundError, match="names 'cut.dat', which does not exist"):
        read_wfdb(path)
    (tmp_path / "odd.hea").write_text("not a header\n")
    with pytest.raises(InputError, match="odd.hea"):
        read_wfdb(tmp_path / "odd")
    shutil.copy(tmp_path / "cut.hea", tmp_path / "bad.hea")
    with pytest.raises(InputError, match="there is no lead"):
        read_wfdb(path, ["MLII"])


@pytest.mark.parametrize("name", ["../secret.dat", "/etc/hostname", "s3://bucket/x.dat", "..\\x.dat"])
def test_a_header_opens_no_file_outside_its_folder(tmp_path, name):
    (tmp_path / "x.hea").write_text(f"x 1 360 10\n{name} 16 200 16 0 0 0 0 I\n")
    with pytest.raises(InputError, match="The files of a record lie in the folder of its header"):
        read_wfdb(tmp_path / "x")


@pytest.mark.parametrize(("table", "escape"), [("ec57", "S"), ("de_chazal", "N")])
def test_aami_classes_are_those_of_the_standard_or_of_de_chazal(table, escape):
    symbols = ["N", "L", "R", "B", "A", "a", "J", "S", "V", "E", "r", "F", "/", "f", "Q", "?", "+", "~", "zz"]
    classes = aami_class(symbols, table)
    assert classes[:16].tolist() == list("NNNNSSSSVVVFQQQQ")
    assert classes[16:].isna().all()
    assert label_of_class(classes)[:12].tolist() == [0] * 4 + [1] * 8
    assert label_of_class(classes)[12:].isna().all()
    assert is_beat(symbols).tolist() == [True] * 16 + [False] * 3
    # escape beats of the atria and the node: bxb of the WFDB software counts them as supraventricular
    assert aami_class(["e", "j", "n"], table).tolist() == [escape] * 3
    assert is_beat(["e", "j", "n"]).all()


def test_the_standard_is_the_default():
    assert aami_class(["e", "j", "n"]).tolist() == ["S"] * 3


def test_the_record_lists_cover_the_database_without_overlap():
    assert len(DS1) == len(DS2) == 22
    assert len({*DS1, *DS2, *PACED}) == 48


@needs_data
def test_beat_counts_of_ds1_are_the_published_ones():
    """de Chazal et al. 2004, table II, DS1: 45,844 N, 943 S, 3,788 V, 415 F, 8 Q."""
    counts = dict.fromkeys("NSVFQ", 0)
    folder = data("mitdb")
    if not all((folder / f"{r}.atr").is_file() for r in DS1):
        pytest.skip("DS1 is not complete")
    for record in DS1:
        found = aami_class(wfdb.rdann(str(folder / record), "atr").symbol, "de_chazal").value_counts()
        for name, n in found.items():
            counts[name] += int(n)
    published = {"N": 45844, "S": 943, "V": 3788, "F": 415, "Q": 8}
    for name, n in published.items():
        # the marks were corrected here and there since
        assert abs(counts[name] - n) <= max(25, 0.002 * n), (name, counts[name], n)


@pytest.mark.parametrize("fs", [62.4725, 249.89, 128.0, 360.0, 1 / 0.008])
@pytest.mark.parametrize("target", [50.0, 125.0, 250.0, 1000.0])
def test_a_rate_that_is_no_whole_number_keeps_time_over_a_day(fs, target):
    n = round(86400 * fs)
    assert abs(float(_ratio(fs, target, n)) - target / fs) * n < 0.3
