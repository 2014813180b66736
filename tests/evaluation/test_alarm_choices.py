import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control

from medanomaly.core.scores import case_thresholds, score_table
from medanomaly.evaluation.alarm_choices import alarm_choices
from medanomaly.evaluation.params import EvaluationParams

PARAMS = EvaluationParams(n_resamples=200, alpha=0.05)


def scored(n=3000, shift=3.0, labelled=True, seed=0):
    random = np.random.default_rng(seed)
    split = np.repeat(["train", "calibration", "test"], n // 3)
    label = ((random.random(n) < 0.1) & (split == "test")).astype(int)
    cases = pd.DataFrame(
        {
            "case_id": pd.array([f"c{i}" for i in range(n)], dtype="string"),
            "patient_id": pd.array([f"p{i // 2}" for i in range(n)], dtype="string"),
            "label": pd.array(label if labelled else [pd.NA] * n, dtype="Int8"),
            "kind": pd.array([""] * n, dtype="string"),
            "split": pd.array(split, dtype="string"),
            "site": pd.array(random.choice(["north", "south"], n), dtype="string"),
        }
    )
    return cases, score_table(cases, random.normal(size=n) + shift * label, "m", 0.05), label


def choices(cases, scores, **options):
    options = {"fdr": 0.1, "per_day": 20} | options
    return alarm_choices(cases, scores, "tabular", PARAMS, **options).set_index("way")


def test_each_way_flags_what_it_says_and_measures_it_against_the_labels():
    cases, scores, label = scored()
    table = choices(cases, scores)
    test = (cases["split"] == "test").to_numpy()
    p, score, positive = (
        scores["p_value"][test].to_numpy(),
        scores["score"][test].to_numpy(),
        label[test] == 1,
    )
    flagged = {
        "alpha": p <= 0.05 + 1e-12,
        "budget": np.isin(np.arange(test.sum()), np.argsort(-score)[:20]),
        "fdr": false_discovery_control(p) <= 0.1 + 1e-12,
    }
    for way, mask in flagged.items():
        row = table.loc[way]
        assert row["n_flagged"] == mask.sum()
        assert row["fdp"] == pytest.approx((mask & ~positive).sum() / mask.sum())
        assert row["power"] == pytest.approx((mask & positive).sum() / positive.sum())
        assert row["fdp_low"] <= row["fdp"] <= row["fdp_high"]
        assert row["power_low"] <= row["power"] <= row["power_high"]
    assert table.loc["budget", "implied_alpha"] == pytest.approx(20 / test.sum())
    assert table.loc["fdr", "implied_alpha"] == pytest.approx(p[flagged["fdr"]].max())


def test_a_budget_is_kept_on_every_day():
    cases, scores, _ = scored()
    row = choices(cases, scores, per_day=3, cases_per_day=100).loc["budget"]
    assert (row["n_days"], row["n_flagged"]) == (10, 30)
    assert row["implied_alpha"] == pytest.approx(0.03)


def test_the_share_of_wrong_alarms_is_controlled_on_average():
    rates = [choices(*scored(shift=4.0, seed=seed)[:2], per_day=None).loc["fdr", "fdp"] for seed in range(20)]
    assert np.mean(np.nan_to_num(rates)) <= 0.11


def test_a_list_can_be_empty_and_has_then_no_share_of_wrong_alarms():
    cases, scores, _ = scored(shift=0.0)
    row = choices(cases, scores, fdr=0.0005).loc["fdr"]
    assert row["n_flagged"] == 0
    assert np.isnan(row["fdp"])
    assert np.isnan(row["implied_alpha"])
    assert row["power"] == 0


def test_without_labels_it_says_only_what_is_flagged():
    cases, scores, _ = scored(labelled=False)
    table = choices(cases, scores)
    assert table[["fdp", "power"]].isna().all(axis=None)
    assert (table["n_flagged"] > 0).any()


@pytest.mark.parametrize("group_by", [None, "site"])
def test_a_case_is_flagged_exactly_above_its_threshold(group_by):
    cases, _, label = scored()
    score = (
        np.random.default_rng(1).normal(size=len(cases))
        + 2 * label
        + (cases["site"] == "north").to_numpy(dtype=float)
    )
    table = score_table(cases, score, "m", 0.05, group_by=group_by)
    threshold = case_thresholds(cases, score, 0.05, group_by)
    test = (cases["split"] == "test").to_numpy()
    np.testing.assert_array_equal(table["flagged"][test].to_numpy(dtype=bool), (score > threshold)[test])


def test_how_many_alarms_can_be_false_is_said_of_single_cases_of_patients_alone():
    cases, scores, label = scored(shift=4.0)
    assert choices(cases, scores)["false_at_most"].isna().all(), "two cases of a patient"
    single = cases.assign(patient_id=cases["case_id"])
    table = choices(single, scores)
    assert (table["false_at_most"] <= table["n_flagged"]).all()
    test = (cases["split"] == "test").to_numpy()
    flagged = scores["flagged"][test].to_numpy(dtype=bool)
    assert (flagged & (label[test] == 0)).sum() <= table.loc["alpha", "false_at_most"] < flagged.sum()
    grouped = alarm_choices(
        single, scores, "tabular", PARAMS.model_copy(update={"group_by": "site"}), fdr=0.1, per_day=20
    )
    assert grouped["false_at_most"].isna().all()
