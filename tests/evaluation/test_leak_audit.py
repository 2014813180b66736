"""Every planted leak is caught, and a clean data set passes."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestNeighbors

from medanomaly.core.scores import score_table
from medanomaly.core.splits import SplitParams, split_by_patient
from medanomaly.evaluation.audit.baselines import trivial_baselines
from medanomaly.evaluation.audit.report import audit
from medanomaly.evaluation.audit.shift import domain_classifier
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.evaluation.resampling.ranking import auroc

PARAMS = EvaluationParams(n_resamples=200)
CHECKS = {
    "patients_across_split", "exact_duplicates", "near_duplicates", "threshold_from_calibration", "calibration_size",
    "false_alarms", "new_patients", "beats_baselines", "single_feature", "missingness", "drift",
}  # fmt: skip


def verdicts(cases, features, scores, params=PARAMS):
    result = audit(cases, features, scores, "tabular", params)
    json.dumps(result)
    return {check["name"]: check for check in result["checks"]}


@pytest.fixture
def cases(cases_of):
    return cases_of(3000)


@pytest.fixture
def features(cases, features_of):
    return features_of(cases)


@pytest.fixture
def scores(cases, scores_of):
    return scores_of(cases, 6.0)


def copy_rows(cases, features, share, noise=0.0):
    """Overwrite some test normals with train normals."""
    rng = np.random.default_rng(0)
    train, test = (
        np.flatnonzero((cases["split"] == part) & (cases["label"] == 0)) for part in ("train", "test")
    )
    chosen = rng.choice(test, int(share * test.size), replace=False)
    x = features.drop(columns="case_id").to_numpy().copy()
    x[chosen] = x[rng.choice(train, chosen.size)] + noise * rng.normal(size=(chosen.size, x.shape[1]))
    return pd.DataFrame(x, columns=features.columns[1:]).assign(case_id=features["case_id"])


def test_a_clean_set_passes_every_check(cases, features, scores):
    found = verdicts(cases, features, scores)
    assert set(found) == CHECKS
    assert {c["name"]: c["verdict"] for c in found.values() if c["verdict"] != "pass"} == {
        "missingness": "not_applicable",
        "new_patients": "not_applicable",
    }
    assert all(not c["what_to_do"] for c in found.values())


@pytest.mark.parametrize("seed", range(6))
def test_a_clean_set_never_fails(seed, cases_of, features_of, scores_of):
    cases = cases_of(600, seed=seed, patients=400)
    found = verdicts(cases, features_of(cases, seed=seed), scores_of(cases, seed=seed))
    assert "fail" not in {c["verdict"] for c in found.values()}


def test_the_audit_is_deterministic_and_blind_to_the_order_of_rows(cases, features, scores):
    first = audit(cases, features, scores, "tabular", PARAMS)
    mixed = audit(
        cases.sample(frac=1, random_state=1),
        features.sample(frac=1, random_state=2),
        scores,
        "tabular",
        PARAMS,
    )
    blind = CHECKS - {"drift"}
    assert [c for c in mixed["checks"] if c["name"] in blind] == [
        c for c in first["checks"] if c["name"] in blind
    ]
    assert audit(cases, features, scores, "tabular", PARAMS) == first


def test_copied_test_rows_are_caught(cases, features, scores):
    check = verdicts(cases, copy_rows(cases, features, 0.05), scores)["exact_duplicates"]
    assert check["verdict"] == "fail"
    assert check["value"] == pytest.approx(0.045, abs=0.01)
    assert "without" in check["figure"]


def test_a_single_copied_row_warns(cases, features, scores):
    assert verdicts(cases, copy_rows(cases, features, 0.002), scores)["exact_duplicates"]["verdict"] == "warn"


def test_twins_in_coarse_features_only_warn(cases, features, scores):
    coarse = features[["case_id"]].assign(x=np.arange(len(features)) % 7, y=np.arange(len(features)) % 5)
    assert verdicts(cases, coarse, scores)["exact_duplicates"]["verdict"] == "warn"


def test_rows_without_any_value_are_no_twins(cases, features, scores):
    empty = features.copy()
    empty.iloc[::50, 1:] = np.nan
    assert verdicts(cases, empty, scores)["exact_duplicates"]["value"] == 0


def test_copies_with_noise_are_caught(cases, features, scores):
    found = verdicts(cases, copy_rows(cases, features, 0.05, 1e-3), scores)
    assert found["exact_duplicates"]["verdict"] == "pass"
    assert found["near_duplicates"]["verdict"] == "fail"


def test_resampling_before_the_split_with_noise_warns(cases, features, scores):
    rng = np.random.default_rng(0)
    x = features.drop(columns="case_id").to_numpy()
    x = x[rng.integers(0, len(x) // 4, len(x))] + 1e-4 * rng.normal(size=x.shape)
    copies = pd.DataFrame(x, columns=features.columns[1:]).assign(case_id=features["case_id"])
    assert verdicts(cases, copies, scores)["near_duplicates"]["verdict"] == "warn"


def test_a_dense_low_dimensional_space_is_no_leak(cases, scores, features_of):
    found = verdicts(cases, features_of(cases, 1), scores)
    assert found["near_duplicates"]["verdict"] == "pass"


def test_a_patient_in_two_parts_is_caught(cases, features, scores):
    cases.loc[2, "patient_id"] = cases.loc[0, "patient_id"]
    check = verdicts(cases, features, scores)["patients_across_split"]
    assert check["verdict"] == "fail"
    assert check["value"] == 1


def test_flags_chosen_on_test_are_caught(cases, features, scores):
    test = (cases["split"] == "test").to_numpy()
    best = max(
        np.quantile(scores["score"][test], np.linspace(0.5, 0.99, 50)),
        key=lambda t: ((scores["score"][test] > t) == (cases["label"][test] == 1)).mean(),
    )
    scores.loc[test, "flagged"] = scores.loc[test, "score"] > best
    assert verdicts(cases, features, scores)["threshold_from_calibration"]["verdict"] == "fail"


def test_p_values_against_test_normals_are_caught(cases, features, scores):
    test = cases["split"] == "test"
    swapped = cases.assign(
        split=cases["split"].mask(test, "calibration").mask(cases["split"] == "calibration", "test")
    )
    wrong = score_table(swapped, scores["score"].to_numpy(), "model", 0.05)
    assert verdicts(cases, features, wrong)["threshold_from_calibration"]["verdict"] == "fail"


def test_another_alpha_is_caught(cases, features, scores):
    params = EvaluationParams(n_resamples=200, alpha=0.01)
    assert verdicts(cases, features, scores, params)["threshold_from_calibration"]["verdict"] == "fail"


def test_group_conditional_p_values_are_recomputed_by_group(cases, features, scores):
    cases["sex"] = np.where(np.arange(len(cases)) % 2 == 0, "F", "M")
    grouped = score_table(cases, scores["score"].to_numpy(), "model", 0.05, "sex")
    params = EvaluationParams(n_resamples=200, group_by="sex")
    assert verdicts(cases, features, grouped, params)["threshold_from_calibration"]["verdict"] == "pass"
    assert verdicts(cases, features, grouped)["threshold_from_calibration"]["verdict"] == "fail"


def test_a_shift_between_calibration_and_test_shows_in_the_false_alarms(cases, features, scores):
    raw = scores["score"].to_numpy() + 1.5 * (cases["split"] == "test").to_numpy()
    check = verdicts(cases, features, score_table(cases, raw, "model", 0.05))["false_alarms"]
    assert check["verdict"] == "fail"
    assert check["value"] > 0.2


def test_too_few_calibration_normals_are_named(cases, features, scores_of):
    some = cases[(cases["split"] != "calibration") | (cases.index < 30)].reset_index(drop=True)
    params = EvaluationParams(n_resamples=200, alpha=0.05)
    check = verdicts(some, features, scores_of(some), params)["calibration_size"]
    assert check["verdict"] == "fail"
    assert "19 normals" in check["what_to_do"]
    params = EvaluationParams(n_resamples=200, alpha=0.002)
    assert (
        verdicts(cases, features, scores_of(cases, alpha=0.002), params)["calibration_size"]["verdict"]
        == "warn"
    )


def test_a_model_that_adds_nothing_is_named(cases, features, scores_of):
    check = verdicts(cases, features, scores_of(cases, 0.3))["beats_baselines"]
    assert check["verdict"] == "warn"
    assert check["value"] < 0
    assert "1-NN" in check["figure"]


def test_a_weak_model_beside_a_strong_one_is_named(cases, features, scores, scores_of):
    both = pd.concat([scores, scores_of(cases, 0.3, model="weak")])
    check = verdicts(cases, features, both)["beats_baselines"]
    assert check["verdict"] == "warn"
    assert "weak" in check["what_to_do"]


def test_baselines_that_are_in_the_scores_already_are_used(cases, features, scores):
    given = pd.concat([scores, trivial_baselines(cases, features, PARAMS)])
    assert verdicts(cases, features, given) == verdicts(cases, features, scores)


def test_a_feature_that_gives_the_label_away_is_caught(cases, features, scores):
    features["icd_code_count"] = cases["label"].to_numpy(float) + 0.01 * features["x0"]
    check = verdicts(cases, features, scores)["single_feature"]
    assert check["verdict"] == "warn"
    assert "icd_code_count" in check["figure"]


@pytest.mark.parametrize("perfect", [True, False])
def test_missingness_that_goes_with_the_label_is_caught(perfect, cases, features, scores):
    gone = (cases["label"] == 0).to_numpy()
    if not perfect:
        gone &= np.random.default_rng(0).random(len(cases)) < 0.6
    features.loc[gone, "x3"] = np.nan
    check = verdicts(cases, features, scores)["missingness"]
    assert check["verdict"] == "warn"


def test_missingness_at_random_is_no_leak(cases, features, scores):
    x = features.drop(columns="case_id")
    x = x.mask(np.random.default_rng(0).random(x.shape) < 0.2)
    assert verdicts(cases, x.assign(case_id=features["case_id"]), scores)["missingness"]["verdict"] == "pass"


@pytest.mark.parametrize("what", ["mean", "category", "missing", "correlation"])
def test_drift_is_caught(what, cases, features, scores):
    test = (cases["split"] == "test").to_numpy()
    if what == "mean":
        features.loc[test, "x1"] += 0.7
    elif what == "category":
        features["unit"] = np.where(test & (np.arange(len(test)) % 4 == 2), "mg", "ug")
    elif what == "missing":
        features.loc[test & (np.arange(len(test)) % 3 == 2), "x1"] = np.nan
    else:
        features.loc[test, "x1"] = features.loc[test, "x0"]
    assert verdicts(cases, features, scores)["drift"]["verdict"] == "warn"


def test_a_domain_classifier_cannot_tell_two_halves_apart():
    x = np.random.default_rng(0).normal(size=(1500, 8))
    _, low, high = domain_classifier(x[:700], x[700:], 0)
    assert low < 0.5 < high


def test_an_audit_without_features_says_what_it_could_not_look_at(cases, scores):
    found = verdicts(cases, None, scores)
    assert set(found) == CHECKS
    for name in ("exact_duplicates", "near_duplicates", "beats_baselines", "single_feature", "drift"):
        assert found[name]["verdict"] == "not_applicable"
    assert found["threshold_from_calibration"]["verdict"] == "pass"


@pytest.mark.parametrize("n", [3, 6, 12, 40])
def test_tiny_sets_and_odd_columns_raise_nothing(n, cases_of, scores_of):
    cases = cases_of(n, prevalence=0.3)
    cases.loc[cases["split"] == "calibration", "label"] = 0
    features = pd.DataFrame(
        {
            "case_id": cases["case_id"],
            "constant": 1.0,
            "empty": np.nan,
            "infinite": np.where(np.arange(n) % 2, np.inf, 1.0),
            "flag": np.arange(n) % 2 == 0,
            "word": pd.array(["a", None, "b"] * n, dtype="string")[:n],
            "whole": pd.array(np.arange(n), dtype="Int64"),
        }
    )
    found = verdicts(cases, features, scores_of(cases, 1.0))
    assert set(found) == CHECKS


def test_unlabelled_data_is_audited_for_what_needs_no_label(cases, features, scores):
    cases["label"] = pd.array([pd.NA] * len(cases), dtype="Int8")
    scores = score_table(cases, scores["score"].to_numpy(), "model", 0.05)
    found = verdicts(cases, features, scores)
    assert found["false_alarms"]["verdict"] == "not_applicable"
    assert found["single_feature"]["verdict"] == "not_applicable"
    assert found["near_duplicates"]["verdict"] == "pass"
    assert found["threshold_from_calibration"]["verdict"] == "pass"


def one_class(x, y, copy_before_split=False):
    """ADBench arrays as tables, split half and half; with copies made before the split, as some protocols do."""
    rng = np.random.default_rng(0)
    if copy_before_split:
        rows = rng.integers(0, len(x), max(len(x), 1000))
        x, y = x[rows], y[rows]
    ids = pd.Series([f"c{i}" for i in range(len(x))], dtype="string")
    cases = pd.DataFrame({"case_id": ids, "patient_id": ids, "label": pd.array(y, dtype="Int8"), "kind": ""})
    cases["split"] = split_by_patient(cases["patient_id"], cases["label"], SplitParams())
    features = pd.DataFrame(x, columns=[f"x{j}" for j in range(x.shape[1])]).assign(case_id=ids)
    train = ((cases["split"] == "train") & (cases["label"] == 0)).to_numpy()
    distance = NearestNeighbors(n_neighbors=6).fit(x[train]).kneighbors(x)[0][:, 1:].mean(axis=1)
    return cases, features, score_table(cases, distance, "knn", 0.05)


@pytest.mark.skipif("MEDANOMALY_DATA" not in os.environ, reason="MEDANOMALY_DATA is not set")
def test_the_leak_of_a_published_protocol_is_caught_and_costs_what_it_costs():
    """Rows resampled with replacement before the split: 1-NN looks far better than it is, and the audit says so."""
    path = Path(os.environ["MEDANOMALY_DATA"]) / "adbench" / "29_Pima.npz"
    if not path.exists():
        pytest.skip("ADBench's Pima is not there")
    data = np.load(path)
    x, y = data["X"].astype(float), data["y"].astype(int)
    clean = verdicts(*one_class(x, y))
    assert clean["exact_duplicates"]["verdict"] == "pass"
    assert "fail" not in {c["verdict"] for c in clean.values()}
    cases, features, scores = one_class(x, y, copy_before_split=True)
    leaking = verdicts(cases, features, scores)
    assert leaking["exact_duplicates"]["verdict"] == "fail"
    assert leaking["exact_duplicates"]["value"] > 0.5
    areas = []
    for table in (one_class(x, y)[:2], (cases, features)):
        nearest = trivial_baselines(*table, PARAMS).query("model == '1-NN'")
        test = (table[0]["split"] == "test").to_numpy()
        areas.append(auroc(nearest["score"].to_numpy()[test], (table[0]["label"] == 1).to_numpy(bool)[test]))
    assert areas[1] > areas[0] + 0.03


@pytest.mark.skipif("MEDANOMALY_DATA" not in os.environ, reason="MEDANOMALY_DATA is not set")
def test_the_copies_in_mammography_are_found():
    path = Path(os.environ["MEDANOMALY_DATA"]) / "adbench" / "23_mammography.npz"
    if not path.exists():
        pytest.skip("ADBench's mammography is not there")
    data = np.load(path)
    found = verdicts(*one_class(data["X"].astype(float), data["y"].astype(int)))
    assert found["exact_duplicates"]["verdict"] == "fail"
    assert found["exact_duplicates"]["value"] > 0.2
    assert found["threshold_from_calibration"]["verdict"] == "pass"


def many_cases_each(spread):
    """20 cases of each of 30 patients, ten per part, whose scores differ between patients."""
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(30), 20)
    cases = pd.DataFrame(
        {
            "case_id": [f"c{i}" for i in range(600)],
            "patient_id": patient.astype(str),
            "split": np.repeat(["train", "calibration", "test"], 200),
            "kind": pd.NA,
        }
    ).astype("string")
    cases["label"] = pd.array((np.arange(600) % 20 == 0) & (patient >= 20), dtype="Int8")
    score = (
        spread * rng.standard_normal(30)[patient]
        + rng.standard_normal(600)
        + 6.0 * cases["label"].to_numpy(int)
    )
    return cases, score_table(cases, score, "m", alpha=0.1)


def test_a_rate_that_single_patients_break_is_told_with_a_threshold_that_holds_and_its_cost():
    cases, scores = many_cases_each(spread=2.0)
    check = verdicts(cases, None, scores, EvaluationParams(n_resamples=200, alpha=0.1))["new_patients"]
    assert check["verdict"] == "warn"
    assert "of 10 test patients" in check["figure"]
    assert "a threshold for a new patient" in check["figure"]
    assert "of the anomalies in place of" in check["figure"]


def test_few_calibration_patients_give_no_threshold_for_a_new_one(cases, scores):
    assert verdicts(cases, None, scores)["new_patients"]["verdict"] == "not_applicable"
    some, table = many_cases_each(spread=2.0)
    few = some["split"].ne("calibration") | some["patient_id"].isin(["10", "11", "12"])
    check = verdicts(some[few], None, table[table["case_id"].isin(some.loc[few, "case_id"])])["new_patients"]
    assert "3 calibration patients are too few" in check["figure"]
