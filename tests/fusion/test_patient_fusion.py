"""Fused p-values: right by hand, valid whatever goes together, and clear about what they rest on."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from medanomaly.core.conformal import leave_one_out_p_values, p_values
from medanomaly.core.errors import InputError
from medanomaly.fusion.patient_fusion import MORE, SAME, TABLE, PatientFusion, approximation, fused_table
from medanomaly.fusion.patient_p_values import (
    SEVERAL_PARTS,
    case_p_values,
    patients_by_part,
    smallest_p_values,
)
from medanomaly.fusion.statistics import cauchy_statistic, cauchy_table, fisher_table

TWO = ("tabular", "signals")


def correlated(n, k, rho, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    return np.sqrt(1 - rho) * rng.standard_normal((n, k)) + np.sqrt(rho) * rng.standard_normal((n, 1)) + shift


def small_p(calibration, new):
    known = np.column_stack([leave_one_out_p_values(column) for column in calibration.T])
    asked = [p_values(ours, theirs) for ours, theirs in zip(new.T, calibration.T, strict=True)]
    return known, np.column_stack(asked)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_p_value_is_the_rank_among_the_calibration_patients_and_the_new_one(k):
    """By brute force: all m + 1 patients are ranked together in each modality, and then by their Cauchy statistic."""
    calibration, new = correlated(12, k, 0.4, 1), correlated(6, k, 0.4, 2, 0.8)
    known, asked = small_p(calibration, new)
    found = PatientFusion(known, tuple("abc"[:k]), min_joint=5).fuse(asked)
    for i in range(len(new)):
        together = np.vstack([calibration, new[i]])
        ranks = (together[None] >= together[:, None]).sum(axis=1)
        statistic = cauchy_statistic(ranks / 13)
        expected = (statistic >= statistic[-1] - 1e-9 * (1 + abs(statistic[-1]))).sum() / 13
        assert found.p_value[i] == pytest.approx(expected, abs=1e-12)
        assert found.by_modality[i] == pytest.approx(ranks[-1] / 13, abs=1e-12)


def test_every_patient_of_a_set_may_be_the_new_one():
    """Each of 6 patients is left out in turn: the p-values are 1/6 ... 6/6 where no two are equal, so the rate is exact."""
    scores = correlated(6, 2, 0.6, 3)
    found = []
    for out in range(6):
        known, asked = small_p(np.delete(scores, out, axis=0), scores[[out]])
        found.append(PatientFusion(known, TWO, min_joint=2).fuse(asked).p_value[0])
    # ties of the statistic make p-values larger, never smaller
    assert all((np.array(found) <= j / 6 + 1e-12).sum() <= j for j in range(1, 7))
    assert min(found) == pytest.approx(1 / 6)


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_the_rate_holds_where_modalities_go_together(rho):
    rates = []
    for seed in range(12):
        known, asked = small_p(correlated(400, 4, rho, seed), correlated(400, 4, rho, 100 + seed))
        rates.append((PatientFusion(known, tuple("abcd")).fuse(asked).p_value <= 0.05).mean())
    # the mean of 12 sets varies by 0.0045 (1 sd)
    assert 0.038 <= np.mean(rates) <= 0.062


def test_fisher_is_wrong_where_modalities_go_together_and_right_where_not():
    apart = np.random.default_rng(0).uniform(size=(20_000, 4))
    assert (fisher_table(apart) <= 0.05).mean() == pytest.approx(0.05, abs=0.006)
    _, asked = small_p(correlated(2000, 4, 0.5, 1), correlated(4000, 4, 0.5, 2))
    assert (fisher_table(asked) <= 0.05).mean() > 0.09
    assert fisher_table(np.array([[0.04, np.nan]]))[0] == pytest.approx(0.04)


def test_the_table_gives_a_single_p_value_back_and_combines_equal_ones_to_the_same():
    p = np.array([[0.03, np.nan], [0.2, 0.2], [0.7, 0.7]])
    assert cauchy_table(cauchy_statistic(p)) == pytest.approx([0.03, 0.2, 0.7])


def test_each_pattern_of_modalities_is_compared_with_its_own_patients():
    """Patients with both modalities are unlike those with one; the p-value of each kind follows its own."""
    rng = np.random.default_rng(5)
    both, one = rng.uniform(0.001, 0.5, (150, 2)), rng.uniform(0.5, 1, (150, 1))
    calibration = np.vstack([both, np.column_stack([one, np.full(150, np.nan)])])
    found = PatientFusion(calibration, TWO).fuse(np.array([[0.5, np.nan], [0.002, 0.002], [np.nan, 0.3]]))
    assert found.basis.tolist() == [SAME, SAME, MORE]
    assert found.n_joint.tolist() == [150, 150, 150]
    assert found.p_value[0] == pytest.approx(1 / 151)
    assert found.by_modality[0, 0] > 0.4, "among all patients with a table it is not unusual"
    assert found.patterns() == [("tabular",), TWO, ("signals",)]


def test_few_joint_patients_leave_the_table_and_say_so():
    known, asked = small_p(correlated(60, 2, 0.3, 1), correlated(5, 2, 0.3, 2, 2.0))
    few = PatientFusion(known, TWO).fuse(np.vstack([asked, [[0.03, np.nan]]]))
    assert few.basis.tolist() == [TABLE] * 5 + [MORE]
    assert few.n_joint.tolist() == [0] * 5 + [60]
    assert few.p_value[:5] == pytest.approx(cauchy_table(cauchy_statistic(few.by_modality[:5])), rel=1e-6)
    assert few.p_value[5] == few.by_modality[5, 0], (
        "a single modality is ranked, however few the patients are"
    )


def test_a_modality_that_looks_most_usual_does_not_silence_the_others():
    known, _ = small_p(correlated(400, 2, 0.0, 1), np.zeros((1, 2)))
    for fusion in (PatientFusion(known, TWO), PatientFusion(known, TWO, min_joint=1000)):
        assert fusion.fuse(np.array([[1 / 401, 1.0]])).p_value[0] < 0.02


def test_who_speaks():
    known, asked = small_p(correlated(400, 3, 0.3, 1), np.array([[4.5, 0, 0.2], [0, 0.1, 0.2], [9, 9, 0]]))
    found = PatientFusion(known, ("a", "b", "c")).fuse(asked)
    assert found.speaking(0.05) == [("a",), (), ("a", "b")]


def test_p_values_go_up_with_the_p_value_of_any_modality():
    known, _ = small_p(correlated(200, 3, 0.3, 1), np.zeros((1, 3)))
    fusion = PatientFusion(known, ("a", "b", "c"))
    rising = np.column_stack([np.linspace(0.005, 1, 60), np.full(60, 0.2), np.full(60, 0.6)])
    for order in permutations(range(3)):
        p = fusion.fuse(rising[:, order]).p_value
        assert (np.diff(p) >= -1e-12).all()


def test_the_order_of_patients_and_the_size_of_the_batch_do_not_matter():
    known, asked = small_p(correlated(150, 2, 0.3, 1), correlated(30, 2, 0.3, 2))
    fusion = PatientFusion(known, TWO)
    together = fusion.fuse(asked).p_value
    assert [fusion.fuse(asked[[i]]).p_value[0] for i in range(30)] == together.tolist()
    assert fusion.fuse(asked[::-1]).p_value.tolist() == together[::-1].tolist()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([[0.1, 0.2, 0.3]], "shape"),
        ([[0.0, 0.2]], "a p-value is 0"),
        ([[np.nan, np.nan]], "no p-value of any modality"),
    ],
)
def test_what_cannot_be_fused_is_refused(values, said):
    fusion = PatientFusion(np.full((5, 2), 0.5), TWO)
    with pytest.raises(InputError, match=said):
        fusion.fuse(np.array(values))


def test_a_modality_without_a_calibration_patient_is_named():
    with pytest.raises(InputError, match="no normal calibration patient has signals cases"):
        PatientFusion(np.array([[0.5, np.nan]]), TWO)


def test_the_table_of_patients_says_what_each_answer_rests_on():
    known, asked = small_p(correlated(120, 2, 0.3, 1), np.array([[4.0, 0.0], [0.0, 0.0]]))
    fused = PatientFusion(known, TWO).fuse(np.vstack([asked, [[np.nan, 0.4]]]))
    table = fused_table(pd.Series(["x", "y", "z"]), fused, 0.05)
    assert table["pattern"].tolist() == ["tabular + signals", "tabular + signals", "signals"]
    assert table["speaks"].tolist() == ["tabular", "", ""]
    assert table["flagged"].tolist() == [True, False, False]
    assert np.isnan(table["p_tabular"][2])
    assert table["p_signals"][2] == fused.by_modality[2, 1]
    assert table["approximation"].tolist() == ["", "", approximation(MORE, 120)]


def test_sentences_about_what_is_assumed():
    assert approximation(SAME, 400) == ""
    assert approximation(MORE, 1200).startswith("Compared with 1,200 patients who have these modalities")
    assert "too few calibration patients" in approximation(TABLE, 0)


CASES = pd.DataFrame(
    {
        "case_id": ["a1", "a2", "b1", "c1", "d1"],
        "patient_id": ["a", "a", "b", "c", "d"],
        "label": pd.array([0, 1, 0, 0, 0], dtype="Int8"),
        "kind": "",
        "split": ["calibration", "calibration", "calibration", "test", "train"],
    }
)
SCORES = pd.DataFrame(
    {"case_id": CASES["case_id"], "model": "m", "role": "model", "score": 1.0, "p_value": [0.4, 0.01, 0.6, 0.2, np.nan],
     "flagged": False}
)  # fmt: skip


def test_cases_of_a_patient_become_the_smallest_p_value():
    table = case_p_values(CASES, SCORES, "signals", "m")
    assert table["reference"].tolist() == [True, False, True, False, False]
    wide = smallest_p_values(table, ("tabular", "signals"))
    assert wide["signals"].to_dict() == {"a": 0.01, "b": 0.6, "c": 0.2}
    assert wide["tabular"].isna().all()
    assert smallest_p_values(table[table["reference"]], ("signals",))["signals"].to_dict() == {
        "a": 0.4,
        "b": 0.6,
    }


def test_tables_that_cannot_be_fused_are_refused():
    with pytest.raises(InputError, match="no score of 'other'"):
        case_p_values(CASES, SCORES, "signals", "other")
    table = case_p_values(CASES, SCORES, "signals", "m")
    with pytest.raises(InputError, match="p-values of 2 models"):
        smallest_p_values(pd.concat([table, table.assign(model="n")]), ("signals",))
    with pytest.raises(InputError, match="'signals' cannot be fused"):
        smallest_p_values(table, ("tabular",))
    with pytest.raises(InputError, match="record b.*a p-value is 7"):
        smallest_p_values(table.replace({"p_value": {0.6: 7.0}}), ("signals",))


def test_a_patient_in_several_parts_is_found_across_modalities():
    signals = CASES[["patient_id", "split"]]
    tabular = pd.DataFrame({"patient_id": ["b", "c", "e"], "split": ["test", "test", "train"]})
    parts = patients_by_part({"signals": signals, "tabular": tabular})
    assert parts.to_dict() == {
        "a": "calibration",
        "b": SEVERAL_PARTS,
        "c": "test",
        "d": "train",
        "e": "train",
    }
