import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from medanomaly.core.bundle import read_bundle, write_bundle
from medanomaly.core.errors import BundleError, ConfigurationError
from medanomaly.core.models import ModelInput
from medanomaly.core.onnx_session import open_session
from medanomaly.core.scores import check_scores
from medanomaly.detectors.scorer import TabularScorer
from medanomaly.evaluation.metrics import evaluate
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.reporting.model_card import render_card
from medanomaly.tabular.risk.fitting.design_matrices import LinearDesign
from medanomaly.tabular.risk.kind import TabularRisk
from medanomaly.tabular.risk.params import RiskParams
from medanomaly.tabular.risk.scorer import RiskScorer, probability_tables
from medanomaly.tabular.risk.training import check_labels, train_risk

BOOSTING = {"model": "gradient_boosting", "options": {"max_iter": 20, "min_samples_leaf": 10}}


@pytest.fixture(scope="module")
def bundle(cases, table):
    params = RiskParams(members=({"model": "logistic"}, BOOSTING))
    return train_risk(
        cases, table[0], params, name="mortality", seed=0, outcome="died", units={"a": "mmol/L"}
    )


@pytest.fixture(scope="module")
def logistic(cases, table):
    params = RiskParams(members=({"model": "logistic", "options": {"C": 1.0}},))
    return train_risk(cases, table[0], params, name="logistic", seed=0)


def test_bundle_gives_the_same_probabilities_after_writing_and_reading(bundle, table, tmp_path):
    write_bundle(tmp_path / "risk", bundle)
    again = RiskScorer(read_bundle(tmp_path / "risk"))
    expected = RiskScorer(bundle).probabilities(table[0])
    pd.testing.assert_frame_equal(again.probabilities(table[0]), expected)


def test_no_label_or_value_of_test_reaches_the_bundle(bundle, cases, table):
    in_test = (cases["split"] == "test").to_numpy()
    other_cases = cases.assign(label=cases["label"].mask(in_test, 1 - cases["label"]))
    other = table[0].assign(a=np.where(in_test, 99.0, table[0]["a"]))
    params = RiskParams(members=({"model": "logistic"}, BOOSTING))
    again = train_risk(
        other_cases, other, params, name="mortality", seed=0, outcome="died", units={"a": "mmol/L"}
    )
    assert again.bundle_hash == bundle.bundle_hash


def test_label_check_lists_cases_outside_test_alone(cases, table):
    truth = table[3]
    clear = (truth > 0.9) & (cases["label"] == 1) | (truth < 0.05) & (cases["label"] == 0)
    turned = np.flatnonzero(clear & (cases["split"] == "train"))[::4]
    wrong = cases.copy()
    wrong.loc[turned, "label"] = 1 - wrong.loc[turned, "label"]
    found = check_labels(wrong, table[0], RiskParams(members=({"model": "logistic"},)), seed=0)
    assert set(found["case_id"]) <= set(cases["case_id"][cases["split"] != "test"])
    assert cases["case_id"].iloc[turned].isin(found["case_id"]).mean() > 0.7
    assert len(found) < 0.2 * len(cases)


def test_card_says_what_is_predicted_and_that_it_is_no_anomaly_score(bundle):
    card = render_card(bundle.manifest)
    assert "Label 1 means: died." in card
    assert "not an anomaly score" in card
    assert "Threshold: none" not in card
    data, threshold = bundle.manifest["training_data"], bundle.manifest["risk_threshold"]
    assert f"Cases with label 1: {data['n_positive']:,} (" in card
    assert f"Threshold: {threshold['probability']:.4g}, chosen on out-of-fold predictions." in card
    assert "Unusual is not the same" not in card


def test_unlabelled_cases_are_left_out(cases, table):
    some = np.arange(len(cases)) % 7 == 0
    unknown = cases.assign(label=cases["label"].mask(some))
    params = RiskParams(members=({"model": "logistic"},), calibration="platt")
    found = train_risk(unknown, table[0], params, name="x", seed=0).manifest["training_data"]["n_cases"]
    assert found == int(((cases["split"] != "test").to_numpy() & ~some).sum())


def test_a_scorer_of_anomalies_refuses_a_risk_model(bundle):
    with pytest.raises(BundleError, match="tabular_risk"):
        TabularScorer(bundle)


def test_onnx_gives_the_calibrated_probability(logistic, table):
    scorer = RiskScorer(logistic)
    # as a service without scikit-learn would: matrix from the manifest, probability from the graph
    matrix = LinearDesign.from_dict(logistic.manifest["preprocessing"]).transform(table[0])
    served = open_session(logistic.files["model.onnx"]).run(None, {"X": matrix})[0]
    np.testing.assert_allclose(served, scorer.fitted.predict_proba(table[0]), rtol=1e-12)


@pytest.mark.parametrize(("calibration", "exported"), [("platt", True), ("none", True), ("isotonic", False)])
def test_onnx_is_there_where_it_is_simple(cases, table, calibration, exported):
    params = RiskParams(members=({"model": "logistic"},), calibration=calibration)
    made = train_risk(cases, table[0], params, name="x", seed=0)
    assert ("model.onnx" in made.files) == exported
    if exported:
        scorer = RiskScorer(made)
        matrix = scorer.fitted.model.design_.transform(table[0])
        served = open_session(made.files["model.onnx"]).run(None, {"X": matrix})[0]
        np.testing.assert_allclose(served, scorer.fitted.predict_proba(table[0]), rtol=1e-12)


def test_tables_are_what_the_evaluation_reads(bundle, cases, table):
    probabilities, scores = probability_tables(RiskScorer(bundle), cases, table[0])
    check_scores(scores)
    assert set(scores["case_id"]) == set(cases["case_id"][cases["split"] == "test"])
    metrics = evaluate(cases, scores, "tabular_risk", EvaluationParams(n_resamples=200), probabilities)
    values = metrics.set_index("metric")["value"]
    assert values["auroc"] > 0.75
    assert values["ece"] < 0.12
    assert {"brier", "sensitivity", "ppv"} <= set(values.dropna().index)


def test_threshold_is_the_out_of_fold_one(bundle, cases, table):
    _, scores = probability_tables(RiskScorer(bundle), cases, table[0])
    stated = bundle.manifest["risk_threshold"]
    assert (scores["flagged"] == (scores["score"] >= stated["probability"])).all()
    assert 0.3 < stated["out_of_fold"]["sensitivity"] < 1


def test_bayesian_model_brings_its_interval(cases, table):
    params = RiskParams(members=({"model": "bayesian_logistic"},), interval=0.9)
    found, _ = probability_tables(
        RiskScorer(train_risk(cases, table[0], params, name="b", seed=0)), cases, table[0]
    )
    assert ((found["low"] <= found["probability"]) & (found["probability"] <= found["high"])).all()
    assert found["high"].sub(found["low"]).between(0.001, 0.9).all()


def test_explanations_name_values_units_and_add_up(bundle, cases, table):
    scorer = RiskScorer(bundle)
    probabilities, scores = probability_tables(scorer, cases, table[0])
    kind, data = TabularRisk(), ModelInput(cases, table[0])
    found = kind.explain(scorer, data, kind.most_notable(data, scores, 3), {})
    assert found["case_id"].nunique() == 3
    assert set(found.loc[found["feature"] == "a", "unit"]) == {"mmol/L"}
    highest = probabilities.nlargest(3, "probability")["case_id"].tolist()
    assert found["case_id"].drop_duplicates().tolist() == highest
    row = table[0][table[0]["case_id"] == highest[0]]
    total = found.loc[found["case_id"] == highest[0], "contribution"].sum()
    expected = scorer.fitted.model.predict_logit(row)[0] - scorer.contributions(row).base
    assert total == pytest.approx(expected, abs=1e-9)


def test_anomalies_kept_for_test_alone_leave_nothing_to_learn_from(cases, table):
    only_test = cases.assign(label=cases["label"].mask(cases["split"] != "test", 0))
    with pytest.raises(ConfigurationError, match="anomalous_patients"):
        train_risk(only_test, table[0], RiskParams(), name="x", seed=0)


@pytest.mark.parametrize(
    "given",
    [
        {"members": ()},
        {"members": ({"model": "oracle"},)},
        {"members": ({"model": "logistic", "options": {"c": 1}},)},
        {"n_folds": 1},
        {"calibration": "temperature"},
    ],
)
def test_parameters_that_cannot_work_are_refused_before_anything_runs(given):
    with pytest.raises(ValidationError):
        RiskParams(**given)


def test_every_kind_of_imbalance_handling_can_be_bundled(cases, table):
    for imbalance in ("class_weight", "smote"):
        params = RiskParams(
            members=({"model": "logistic", "exclude": ("noise_*",)},), imbalance=imbalance, n_features=3
        )
        scorer = RiskScorer(train_risk(cases, table[0], params, name="x", seed=0))
        assert scorer.probabilities(table[0])["probability"].between(0, 1).all()
