from contextlib import suppress

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_recordings import data, needs_data, recording, same_annotations

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.signals.readers.annotation_files import read_annotations_csv, write_annotations_csv, write_atr
from medanomaly.signals.readers.atr import decode_atr
from medanomaly.signals.readers.edf import read_edf, write_edf
from medanomaly.signals.readers.wfdb import read_atr, read_mitbih
from medanomaly.signals.recordings.annotated_intervals import (
    interval_annotations,
    interval_mask,
    intervals,
    runs,
)
from medanomaly.signals.recordings.annotation_order import in_time_order
from medanomaly.signals.recordings.annotation_text import (
    CODE_NUMBERS,
    WFDB_CODES,
    from_text,
    quality_subtype,
    quality_text,
    to_text,
)

TEXTS = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)
MARKS = st.lists(
    st.tuples(st.integers(0, 3599), st.sampled_from(sorted(WFDB_CODES)), TEXTS), min_size=1, max_size=40
)


def marks_of(rows):
    columns = list(zip(*rows, strict=True))
    return in_time_order(*columns)[0]


@needs_data
@pytest.mark.parametrize("record", ["203", "208"])
def test_a_record_of_mit_bih_survives_every_format(tmp_path, record):
    original = read_mitbih(data("mitdb"), record)
    marks = original.annotations
    write_atr(marks, tmp_path / f"{record}.qrs", original.fs)
    assert same_annotations(read_atr(tmp_path / record, "qrs")[0], marks)
    path = write_annotations_csv(marks, tmp_path / "a.csv", original.fs)
    assert same_annotations(read_annotations_csv(path, original.fs), marks)
    got = read_edf(write_edf(original, tmp_path / "a.edf"))
    assert same_annotations(got.annotations, marks)


@settings(max_examples=40)
@given(MARKS)
def test_any_marks_survive_atr_and_csv(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("marks")
    marks = marks_of(rows)
    write_atr(marks, folder / "r.atr", 360.0)
    assert same_annotations(read_atr(folder / "r", "atr")[0], marks)
    write_annotations_csv(marks, folder / "r.csv", 360.0)
    assert same_annotations(read_annotations_csv(folder / "r.csv", 360.0), marks)


@needs_data
@pytest.mark.parametrize("record", ["203", "207", "208"])
def test_decoded_marks_are_those_of_the_wfdb_package(record):
    path = data("mitdb", f"{record}.atr")
    ours, theirs = decode_atr(path), wfdb.rdann(str(path.with_suffix("")), "atr")
    assert ours.sample == theirs.sample.tolist()
    assert ours.symbol == theirs.symbol
    assert ours.subtype == list(theirs.subtype)
    assert ours.text == [t.rstrip("\x00").strip() for t in theirs.aux_note]


def test_code_numbers_are_those_of_the_wfdb_package():
    from wfdb.io.annotation import ann_label_table

    theirs = {r.symbol: r.label_store for r in ann_label_table.itertuples() if r.symbol.strip()}
    assert theirs == CODE_NUMBERS


def test_positions_may_lie_days_apart(tmp_path):
    marks = in_time_order([0, 5, 31_104_000, 31_104_001], ["N", "V", "N", "F"], [""] * 4)[0]
    assert same_annotations(read_atr(write_atr(marks, tmp_path / "r.atr", 360.0).with_suffix(""))[0], marks)


@given(st.binary(max_size=60))
def test_any_bytes_as_annotations_give_marks_or_a_clear_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("atr") / "r.atr"
    path.write_bytes(content)
    with suppress(InputError):
        marks = read_atr(path)[0]
        assert len(marks.sample) == len(marks.symbol) <= 30


@given(st.sampled_from(sorted(WFDB_CODES)), TEXTS)
def test_a_mark_is_its_line_of_text_and_back(symbol, text):
    assert from_text(to_text(symbol, text)) == (symbol, text)


@given(MARKS.filter(lambda rows: len({r[0] for r in rows}) == len(rows)))
def test_marks_survive_edf_in_time_order(tmp_path_factory, rows):
    marks = marks_of(rows)
    folder = tmp_path_factory.mktemp("edf")
    from dataclasses import replace

    original = replace(recording(leads=("II",), marks=False), annotations=marks)
    assert same_annotations(read_edf(write_edf(original, folder / "r.edf")).annotations, marks)


def test_positions_may_come_as_seconds(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("Time_s,Symbol\n1.5,N\n0.5,V\n")
    marks = read_annotations_csv(path, fs=250)
    assert marks.sample.tolist() == [125, 375]
    assert marks.symbol.tolist() == ["V", "N"]


def test_no_marks_are_no_marks_in_every_format(tmp_path):
    none = in_time_order([], [], [])[0]
    write_atr(none, tmp_path / "r.atr", 360.0)
    assert len(read_atr(tmp_path / "r")[0].sample) == 0
    assert (
        len(read_annotations_csv(write_annotations_csv(none, tmp_path / "r.csv", 360.0), 360.0).sample) == 0
    )


def test_a_symbol_or_text_that_does_not_fit_is_an_error_not_a_loss(tmp_path):
    with pytest.raises(InputError, match="'PVC' at sample 5 is not a WFDB code"):
        write_atr(in_time_order([5], ["PVC"], [""])[0], tmp_path / "r.atr", 360.0)
    from dataclasses import replace

    long = replace(recording(), annotations=in_time_order([5], ['"'], ["x" * 60])[0])
    with pytest.raises(InputError, match="longer than 40 bytes"):
        write_edf(long, tmp_path / "r.edf")


def test_a_broken_file_is_named(tmp_path):
    with pytest.raises(DataNotFoundError, match=r"r\.atr"):
        read_atr(tmp_path / "r")
    path = tmp_path / "a.csv"
    path.write_text("sample,symbol\n10,N\nten,N\n")
    with pytest.raises(InputError, match="line 3, column 'sample': 'ten' is not a number"):
        read_annotations_csv(path, 250)
    path.write_text("when,what\n1,N\n")
    with pytest.raises(InputError, match="Expected sample, time_s, symbol, text"):
        read_annotations_csv(path, 250)


@pytest.mark.parametrize("subtype", [0, 1, 2, 3, 17, 34, 51, -1])
def test_quality_of_each_lead_survives_as_letters(subtype):
    assert quality_subtype(quality_text(subtype)) == subtype


@given(st.lists(st.booleans(), min_size=1, max_size=200))
def test_stretches_are_the_mask_they_came_from(flags):
    flags = np.array(flags)
    found = runs(flags)
    marks = interval_annotations(found[:, 0], found[:, 1], ["noise"] * len(found))
    np.testing.assert_array_equal(interval_mask(marks, len(flags)), flags)


def test_stretches_of_different_kinds_may_overlap():
    marks = interval_annotations([10, 20, 50], [40, 60, 55], ["AF", "noise", "AF"])
    table = intervals(marks, 100)
    assert table.to_numpy().tolist() == [[10, 40, "AF"], [20, 60, "noise"], [50, 55, "AF"]]
    with pytest.raises(InputError, match="ends before it begins"):
        interval_annotations([5], [5], ["x"])
