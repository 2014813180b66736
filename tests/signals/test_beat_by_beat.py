"""The EC57 comparator: hand-made records, and a printed report of the reference program."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medanomaly.core.errors import InputError
from medanomaly.signals.beats.beat_by_beat import (
    ROWS,
    TEST_COLUMNS,
    as_text,
    compare_beats,
    counts,
    match_beats,
    record_table,
)

FS = 360


def compare(reference, reference_class, test, test_class, **options):
    return compare_beats(
        np.array(reference),
        list(reference_class),
        np.array(test),
        list(test_class),
        FS,
        **{"start_s": 0} | options,
    )


def test_beats_match_up_to_150_ms_and_not_beyond():
    assert compare([1000], "N", [1054], "N").matrix.loc["N", "n"] == 1
    apart = compare([1000], "N", [1055], "N").matrix
    assert apart.loc["N", "o"] == 1
    assert apart.loc["O", "n"] == 1


def test_a_test_beat_goes_to_the_nearer_reference_beat():
    matrix = compare([1000, 1060], "NV", [1050], "V").matrix
    assert matrix.loc["V", "v"] == 1
    assert matrix.loc["N", "o"] == 1


def test_the_nearer_of_two_test_beats_is_taken():
    matrix = compare([1000], "V", [960, 1010], "NV").matrix
    assert matrix.loc["V", "v"] == 1
    assert matrix.loc["O", "n"] == 1


def test_the_first_five_minutes_are_left_out_by_default():
    matrix = compare_beats(
        np.array([1000, 300 * FS]), ["N", "N"], np.array([1000, 300 * FS]), ["N", "N"], FS
    ).matrix
    assert matrix.to_numpy().sum() == 1


def test_every_statistic_by_hand():
    matrix = pd.DataFrame(0, index=list(ROWS), columns=list(TEST_COLUMNS))
    cells = {
        "Nn": 90, "Ns": 3, "Nv": 2, "No": 1, "Ss": 7, "Sn": 2, "Sv": 1, "Vv": 17, "Vn": 1, "Vs": 1, "Vx": 1,
        "Fv": 4, "Fs": 1, "Fn": 2, "Qv": 1, "Qs": 2, "On": 2, "Ov": 1, "Os": 1, "Xn": 1,
    }  # fmt: skip
    for cell, count in cells.items():
        matrix.loc[cell[0], cell[1]] = count
    found = counts(matrix)
    assert found["qrs_sensitivity"] == (134, 136)
    assert found["qrs_ppv"] == (134, 139)
    assert found["veb_sensitivity"] == (17, 20)
    # F and Q beats called V are not false positives: Nv + Sv + Ov
    assert found["veb_ppv"] == (17, 17 + 4)
    assert found["sveb_sensitivity"] == (7, 10)
    # Q beats called S are none either: Ns + Vs + Fs + Os
    assert found["sveb_ppv"] == (7, 7 + 6)
    assert found["veb_false_positive_rate"] == (4, 4 + 90 + 3 + 2 + 7 + 2 + 1 + 2 + 2 + 1 + 1)


def test_beats_missed_in_shutdown_are_told_apart():
    """Record 118e00 from 5:00 to 6:00, test = reference but for five seconds of shutdown.

    The reference program prints 68 Nn and 6 Nx, QRS sensitivity 91.89 % (68/74), PPV 100 % (68/68), 8.11 % missed in
    shutdown, 5 s in total (bemoody/wfdb on GitHub, thread 15).
    """
    beats = np.linspace(300.1 * FS, 359.9 * FS, 74).astype(int)
    silent = (beats[20] - 10, beats[20] - 10 + 5 * FS)
    inside = (beats >= silent[0]) & (beats <= silent[1])
    assert inside.sum() in (6, 7)
    kept = beats[~inside]
    found = compare_beats(beats, ["N"] * 74, kept, ["N"] * len(kept), FS, test_shutdown=[silent], end_s=360)
    missed = int(inside.sum())
    assert found.matrix.loc["N", "x"] == missed
    assert found.matrix.loc["N", "n"] == 74 - missed
    assert found.shutdown_s == pytest.approx(5)
    assert counts(found.matrix)["qrs_sensitivity"] == (74 - missed, 74)
    assert counts(found.matrix)["qrs_ppv"] == (74 - missed, 74 - missed)
    printed = pd.DataFrame(0, index=list(ROWS), columns=list(TEST_COLUMNS))
    printed.loc["N", ["n", "x"]] = 68, 6
    share = {name: 100 * a / b for name, (a, b) in counts(printed).items() if b}
    assert f"{share['qrs_sensitivity']:.2f}" == "91.89"
    assert f"{share['qrs_ppv']:.2f}" == "100.00"
    assert f"{share['veb_false_positive_rate']:.3f}" == "0.000"


def test_test_beats_where_the_reference_could_not_be_read_go_to_row_x():
    matrix = compare([1000], "N", [1000, 2000], "NV", reference_shutdown=[(1900, 2100)]).matrix
    assert matrix.loc["X", "v"] == 1
    assert matrix.loc["O"].sum() == 0


def test_test_beats_in_fibrillation_do_not_count():
    matrix = compare([1000], "N", [1000, 2000], "NV", fibrillation=[(1900, 2100)]).matrix
    assert matrix.to_numpy().sum() == 1


positions = st.lists(st.integers(0, 3000), min_size=0, max_size=40).map(
    lambda x: np.array(sorted(set(x)), dtype=int)
)


@given(positions, positions)
def test_each_beat_is_counted_once(reference, test):
    matrix = compare_beats(reference, ["N"] * len(reference), test, ["V"] * len(test), FS, start_s=0).matrix
    assert matrix.loc["N"].sum() == len(reference)
    assert matrix["v"].sum() == len(test)


@given(positions, positions)
def test_pairs_are_within_the_window_and_in_time_order(reference, test):
    i, j = match_beats(reference, test, 54)
    assert (np.abs(test[j] - reference[i]) <= 54).all()
    assert (np.diff(i) > 0).all()
    assert (np.diff(j) > 0).all()
    # and no pair could be added to them
    left, right = np.setdiff1d(np.arange(len(reference)), i), np.setdiff1d(np.arange(len(test)), j)
    if (
        len(reference)
        and len(test)
        and min(np.diff(reference).min(initial=999), np.diff(test).min(initial=999)) > 108
    ):
        assert (np.abs(reference[left][:, None] - test[right][None]) > 54).all()


@given(positions)
def test_a_record_compared_with_itself_is_perfect(beats):
    matrix = compare_beats(beats, ["S"] * len(beats), beats, ["S"] * len(beats), FS, start_s=0).matrix
    assert matrix.loc["S", "s"] == len(beats) == matrix.to_numpy().sum()


def test_gross_and_average_rows():
    def matrix(hit, missed):
        m = pd.DataFrame(0, index=list(ROWS), columns=list(TEST_COLUMNS))
        m.loc["V", ["v", "n"]] = hit, missed
        return m

    lines, gross = record_table({"a": matrix(90, 10), "b": matrix(1, 9), "c": matrix(0, 0)})
    lines = lines.set_index("record")
    assert lines.loc["gross", "veb_sensitivity"] == pytest.approx(91 / 110)
    assert lines.loc["average", "veb_sensitivity"] == pytest.approx((0.9 + 0.1) / 2)
    assert np.isnan(lines.loc["c", "veb_sensitivity"])
    veb = gross.set_index("statistic").loc["veb_sensitivity"]
    assert veb.ci_low < veb.value < veb.ci_high
    assert veb.n == 110


def test_two_records_of_one_patient_are_drawn_together():
    def matrix(hit, missed):
        m = pd.DataFrame(0, index=list(ROWS), columns=list(TEST_COLUMNS))
        m.loc["V", ["v", "n"]] = hit, missed
        return m

    matrices = {"a": matrix(10, 0), "b": matrix(0, 10)}
    _, gross = record_table(matrices, {"a": "same patient", "b": "same patient"})
    veb = gross.set_index("statistic").loc["veb_sensitivity"]
    assert veb.ci_low == veb.ci_high == 0.5


def test_the_page_shows_the_matrix():
    page = as_text(compare([1000, 2000], "NV", [1000, 2000], "NV"), "100")
    assert "record 100" in page
    assert "veb sensitivity:  100.00 % (1/1)" in page


@pytest.mark.parametrize(
    ("reference", "classes", "message"),
    [([5, 1], "NN", "time order"), ([1], "x", "class 'x'"), ([1, 2], "N", "positions")],
)
def test_bad_input_is_named(reference, classes, message):
    with pytest.raises(InputError, match=message):
        compare(reference, classes, [1], "N")
