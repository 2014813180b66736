"""The metrics table and the comparisons table keep their contract, also where there is little or nothing to measure."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score
from tests.evaluation.numpy_bootstrap import numpy_bootstrap

from medanomaly.core.errors import InputError
from medanomaly.evaluation.comparison import COMPARISON_COLUMNS, compare_models
from medanomaly.evaluation.metrics import METRIC_COLUMNS, evaluate
from medanomaly.evaluation.params import EvaluationParams

PARAMS = EvaluationParams(n_resamples=200)
WHOLE = {
    "auroc", "auroc_delong", "auprc", "prevalence", "sensitivity", "specificity", "ppv", "npv", "f1",
    "false_alarm_rate", "flagged_share",
}  # fmt: skip


def pick(table, metric, subgroup="", model="model"):
    rows = table[(table["metric"] == metric) & (table["subgroup"] == subgroup) & (table["model"] == model)]
    assert len(rows) == 1
    return rows.iloc[0]


@pytest.fixture
def cases(cases_of):
    cases = cases_of()
    cases["sex"] = np.where(np.arange(len(cases)) % 2 == 0, "F", "M")
    cases["site"] = np.where(np.arange(len(cases)) < 20, "small", "large")
    return cases


def test_every_metric_of_every_model_stands_there_once(cases, scores_of):
    scores = pd.concat([scores_of(cases), scores_of(cases, 0.5, 1, "weak")])
    table = evaluate(cases, scores, "tabular", PARAMS)
    assert list(table.columns) == list(METRIC_COLUMNS)
    assert set(table["split"]) == {"test"}
    for model in ("model", "weak"):
        for subgroup in ("", "sex=F", "sex=M", "site=large"):
            rows = table[(table["model"] == model) & (table["subgroup"] == subgroup)]
            assert set(rows["metric"]) == WHOLE
            assert len(rows) == len(WHOLE)
    measured = table[table["metric"] != "suppressed"]
    assert (measured["ci_low"] <= measured["value"]).all()
    assert (measured["value"] <= measured["ci_high"]).all()
    assert (measured["ci_low"] < measured["ci_high"]).all()


def test_only_test_cases_count(cases, scores_of):
    scores = scores_of(cases)
    table = evaluate(cases, scores, "tabular", PARAMS)
    inside = (cases["split"] == "test").to_numpy()
    y, s = cases["label"].to_numpy(int)[inside], scores["score"].to_numpy()[inside]
    assert pick(table, "auroc")["value"] == pytest.approx(roc_auc_score(y, s), abs=1e-12)
    assert pick(table, "auprc")["value"] == pytest.approx(average_precision_score(y, s), abs=1e-12)
    assert pick(table, "auroc")["n"] == inside.sum()
    assert pick(table, "auroc")["n_positive"] == y.sum()
    scores.loc[~inside, "score"] = 0.0
    pd.testing.assert_frame_equal(evaluate(cases, scores, "tabular", PARAMS), table)


def test_a_subgroup_is_measured_as_if_it_were_alone(cases, scores_of):
    scores = scores_of(cases)
    whole = evaluate(cases, scores, "tabular", PARAMS)
    alone = evaluate(cases[cases["sex"] == "F"], scores, "tabular", PARAMS)
    for metric in WHOLE:
        a, b = pick(whole, metric, "sex=F"), pick(alone, metric)
        for column in ("value", "ci_low", "ci_high", "n"):
            assert a[column] == b[column], (metric, column)


def test_a_group_that_is_too_small_is_named_but_not_measured(cases, scores_of):
    table = evaluate(cases, scores_of(cases), "tabular", PARAMS)
    small = table[table["subgroup"] == "site=small"]
    assert small["metric"].tolist() == ["suppressed"]
    assert small["n"].tolist() == [6]
    rare = table[table["subgroup"] == "kind=rare"]
    assert rare["metric"].tolist() == ["suppressed"]


def test_a_column_that_is_no_grouping_is_suppressed_as_a_whole(cases, scores_of):
    cases["ward"] = [f"w{i}" for i in range(len(cases))]
    table = evaluate(cases, scores_of(cases), "tabular", PARAMS)
    wards = table[table["subgroup"].str.startswith("ward=")]
    assert wards["subgroup"].tolist() == ["ward=(400 levels)"]
    assert wards["metric"].tolist() == ["suppressed"]


def test_a_missing_level_is_a_group_of_its_own(cases, scores_of):
    cases["sex"] = pd.array(np.where(np.arange(len(cases)) % 4 == 0, None, "F"), dtype="string")
    table = evaluate(cases, scores_of(cases), "tabular", PARAMS)
    assert pick(table, "false_alarm_rate", "sex=unknown")["n"] == 100


def test_a_kind_of_anomaly_is_held_against_all_normals(cases, scores_of):
    scores = scores_of(cases)
    table = evaluate(cases, scores, "tabular", PARAMS)
    kind = table[table["subgroup"] == "kind=common"]
    assert set(kind["metric"]) == {"auroc", "sensitivity"}
    test = cases[cases["split"] == "test"]
    those, normals = (test["kind"] == "common").sum(), (test["label"] == 0).sum()
    assert kind["n"].unique().tolist() == [those + normals]
    assert kind["n_positive"].unique().tolist() == [those]


def test_the_order_of_rows_does_not_matter(cases, scores_of):
    scores = scores_of(cases)
    table = evaluate(cases, scores, "tabular", PARAMS)
    mixed = evaluate(
        cases.sample(frac=1, random_state=1), scores.sample(frac=1, random_state=2), "tabular", PARAMS
    )
    pd.testing.assert_frame_equal(mixed, table)


def test_the_bootstrap_in_numpy_gives_the_same_table(cases, scores_of, monkeypatch):
    scores = pd.concat([scores_of(cases), scores_of(cases, 0.5, 1, "weak")])
    params = EvaluationParams(n_resamples=200)
    fast = evaluate(cases, scores, "tabular", params)
    monkeypatch.setattr("medanomaly.evaluation.metrics.bootstrap", numpy_bootstrap)
    pd.testing.assert_frame_equal(evaluate(cases, scores, "tabular", params), fast, check_exact=True)


def test_other_models_do_not_change_a_model_s_figures(cases, scores_of):
    alone = evaluate(cases, scores_of(cases), "tabular", PARAMS)
    both = evaluate(cases, pd.concat([scores_of(cases, 0.1, 1, "a"), scores_of(cases)]), "tabular", PARAMS)
    of_model = both[both["model"] == "model"].reset_index(drop=True)
    pd.testing.assert_frame_equal(of_model, alone[alone["model"] == "model"].reset_index(drop=True))


def test_six_of_six_found_is_not_certainty(cases_of, scores_of):
    cases = cases_of(prevalence=0)
    cases.loc[cases.index[2:20:3], "label"] = 1
    table = evaluate(cases, scores_of(cases, 50.0), "tabular", PARAMS)
    sensitivity, area, precision = (pick(table, m) for m in ("sensitivity", "auroc", "auprc"))
    assert sensitivity["value"] == area["value"] == precision["value"] == 1
    # Clopper-Pearson, 6 of 6
    assert sensitivity["ci_low"] == pytest.approx(0.5407, abs=1e-4)
    assert area["ci_low"] == precision["ci_low"] == pytest.approx(0.5407, abs=1e-4)
    assert area["ci_high"] == 1
    assert np.isnan(pick(table, "auroc_delong")["ci_low"])


def test_no_false_alarm_among_few_normals_is_not_certainty(cases_of, scores_of):
    cases = cases_of(300)
    scores = scores_of(cases)
    scores["flagged"] = pd.array(cases["label"] == 1, dtype="boolean")
    table = evaluate(cases, scores, "tabular", PARAMS)
    normals = int((cases["label"][cases["split"] == "test"] == 0).sum())
    assert pick(table, "false_alarm_rate")["value"] == 0
    assert pick(table, "false_alarm_rate")["ci_high"] == pytest.approx(1 - 0.025 ** (1 / normals))
    assert pick(table, "f1")["value"] == 1
    assert 0.5 < pick(table, "f1")["ci_low"] < 1


def test_a_single_positive_patient_leaves_no_interval_for_the_ranking(cases_of, scores_of):
    cases = cases_of(prevalence=0)
    cases.loc[cases.index[2], "label"] = 1
    table = evaluate(cases, scores_of(cases, 1.0), "tabular", PARAMS)
    assert np.isfinite(pick(table, "auroc")["value"])
    assert np.isnan(pick(table, "auroc")["ci_low"])
    assert pick(table, "sensitivity")["ci_high"] - pick(table, "sensitivity")["ci_low"] > 0.9


def test_one_class_alone_gives_nan_with_its_n(cases_of, scores_of):
    cases = cases_of(prevalence=0)
    table = evaluate(cases, scores_of(cases), "tabular", PARAMS)
    for metric in ("auroc", "auprc", "sensitivity"):
        row = pick(table, metric)
        assert np.isnan(row["value"])
        assert np.isnan(row["ci_low"])
        assert row["n"] == 400
        assert row["n_positive"] == 0
    assert np.isfinite(pick(table, "false_alarm_rate")["value"])


def test_missing_flags_leave_the_metrics_of_flags_undefined(cases, scores_of):
    scores = scores_of(cases)
    scores["flagged"] = pd.array([pd.NA] * len(scores), dtype="boolean")
    table = evaluate(cases, scores, "tabular", PARAMS)
    assert np.isnan(pick(table, "sensitivity")["value"])
    assert np.isnan(pick(table, "flagged_share")["value"])
    assert np.isfinite(pick(table, "auroc")["value"])


def test_without_labels_only_the_flagged_share_is_reported(cases, scores_of):
    scores = scores_of(cases)
    cases["label"] = pd.array([pd.NA] * len(cases), dtype="Int8")
    table = evaluate(cases, scores, "tabular", PARAMS)
    measured = table[table["metric"] != "suppressed"]
    assert set(measured["metric"]) == {"flagged_share"}
    assert measured["n_positive"].isna().all()
    assert pick(table, "flagged_share")["n"] == 400
    assert len(compare_models(cases, scores, "tabular", PARAMS)) == 0


def test_cases_with_an_unknown_label_are_left_out(cases, scores_of):
    scores = scores_of(cases)
    cases.loc[cases.index[2:302:3], "label"] = pd.NA
    assert pick(evaluate(cases, scores, "tabular", PARAMS), "auroc")["n"] == 300


def test_without_test_cases_the_table_is_empty(cases, scores_of):
    scores = scores_of(cases)
    cases = cases[cases["split"] != "test"]
    table = evaluate(cases, scores, "tabular", PARAMS)
    assert len(table) == 0
    assert list(table.columns) == list(METRIC_COLUMNS)
    assert len(compare_models(cases, scores, "tabular", PARAMS)) == 0


def test_probabilities_add_brier_and_calibration_error_for_their_model_alone(cases, scores_of):
    scores = pd.concat([scores_of(cases), scores_of(cases, 0.5, 1, "weak")])
    probability = 1 / (1 + np.exp(-scores_of(cases)["score"].to_numpy()))
    given = pd.DataFrame({"case_id": cases["case_id"], "model": "model", "probability": probability})
    table = evaluate(cases, scores, "tabular", PARAMS, given)
    assert set(table["model"][table["metric"].isin(["brier", "ece"])]) == {"model"}
    test = (cases["split"] == "test").to_numpy()
    expected = np.mean((probability - cases["label"].to_numpy(float))[test] ** 2)
    for metric in ("brier", "ece"):
        row = pick(table, metric)
        assert row["ci_low"] < row["value"] < row["ci_high"]
    assert pick(table, "brier")["value"] == pytest.approx(expected, abs=1e-12)
    with pytest.raises(InputError):
        evaluate(cases, scores, "tabular", PARAMS, given.assign(probability=2.0))


def test_two_scores_of_one_case_are_refused(cases, scores_of):
    scores = scores_of(cases)
    with pytest.raises(InputError, match="two scores"):
        evaluate(cases, pd.concat([scores, scores]), "tabular", PARAMS)


def test_a_paired_difference_is_surer_than_the_two_intervals(cases, scores_of):
    a = scores_of(cases)
    b = a.assign(model="noisier", score=a["score"] + np.random.default_rng(0).normal(0, 0.5, len(a)))
    both = pd.concat([a, b])
    row = compare_models(cases, both, "tabular", PARAMS).query("metric == 'auroc'").iloc[0]
    table = evaluate(cases, both, "tabular", PARAMS)
    one, other = pick(table, "auroc"), pick(table, "auroc", model="noisier")
    assert row["difference"] == one["value"] - other["value"]
    unpaired = np.hypot(one["ci_high"] - one["ci_low"], other["ci_high"] - other["ci_low"])
    assert row["ci_high"] - row["ci_low"] < 0.8 * unpaired


def test_every_pair_is_compared_in_both_rank_metrics(cases, scores_of):
    scores = pd.concat([scores_of(cases, k, k, f"m{k}") for k in (1, 2, 3)])
    table = compare_models(cases, scores, "tabular", PARAMS)
    assert list(table.columns) == list(COMPARISON_COLUMNS)
    assert len(table) == 6
    assert (table["ci_low"] <= table["difference"]).all()
    assert (table["difference"] <= table["ci_high"]).all()


def test_a_model_does_not_differ_from_itself(cases, scores_of):
    both = pd.concat([scores_of(cases), scores_of(cases, model="copy")])
    table = compare_models(cases, both, "tabular", PARAMS)
    assert (table[["difference", "ci_low", "ci_high"]] == 0).all(axis=None)


def test_two_perfect_models_are_not_certainly_equal(cases, scores_of):
    both = pd.concat([scores_of(cases, 50.0), scores_of(cases, 60.0, 1, "other")])
    row = compare_models(cases, both, "tabular", PARAMS).iloc[0]
    assert row["difference"] == 0
    assert row["ci_low"] < -0.01
    assert row["ci_high"] > 0.01


def test_models_that_scored_different_cases_are_compared_on_what_both_scored(cases, scores_of):
    scores = scores_of(cases)
    other = scores_of(cases, 1.0, 1, "other").iloc[300:]
    table = compare_models(cases, pd.concat([scores, other]), "tabular", PARAMS)
    assert table["n"].unique().tolist() == [300]
    assert pick(evaluate(cases, pd.concat([scores, other]), "tabular", PARAMS), "auroc")["n"] == 400


def test_a_group_with_three_anomalies_is_not_measured_as_if_it_told_something(cases_of, scores_of):
    cases = cases_of()
    test = np.flatnonzero((cases["split"] == "test") & (cases["label"] == 1))
    normal = np.flatnonzero((cases["split"] == "test") & (cases["label"] == 0))
    cases["site"] = "large"
    cases.loc[cases.index[[*test[:3], *normal[:20]]], "site"] = "few"
    table = evaluate(cases, scores_of(cases), "tabular", PARAMS)
    for metric in ("auroc", "auprc", "sensitivity"):
        few = pick(table, metric, "site=few")
        assert np.isnan([few["value"], few["ci_low"], few["ci_high"]]).all()
        assert (few["n"], few["n_positive"]) == (23, 3)
        assert np.isfinite(pick(table, metric, "site=large")["value"])
    # 20 normal cases are enough for the share that is flagged
    assert np.isfinite(pick(table, "false_alarm_rate", "site=few")["value"])
    told = evaluate(cases, scores_of(cases), "tabular", PARAMS.model_copy(update={"min_class_size": 3}))
    assert np.isfinite(pick(told, "auroc", "site=few")["value"])
