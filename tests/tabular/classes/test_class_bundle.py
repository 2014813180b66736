"""A model of classes as a bundle: what it learned from, what it answers, and what it refuses."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from tests.tabular.classes.small_class_models import PARAMS, prepared

from medanomaly.core.bundle import read_bundle, write_bundle
from medanomaly.core.cases import class_of
from medanomaly.core.errors import BundleError, ConfigurationError, InputError
from medanomaly.core.models import ModelInput, kind
from medanomaly.core.open_bundle import open_bundle
from medanomaly.detectors.scorer import TabularScorer
from medanomaly.reporting.model_card import render_card
from medanomaly.tabular.classes.params import CLASS_MODELS, ClassMember, ClassParams
from medanomaly.tabular.classes.scorer import ANSWER_COLUMNS, TRUSTED_TYPES, ClassScorer, class_explanations
from medanomaly.tabular.classes.training import train_classes, usual_values


@pytest.fixture(scope="module")
def table():
    return prepared()


@pytest.fixture(scope="module")
def bundle(table):
    _, cases, _, features = table
    return train_classes(cases, features, PARAMS, name="trees", seed=0, units={"sodium": "mmol/L"})


@pytest.fixture(scope="module")
def scorer(bundle):
    return ClassScorer(bundle)


@pytest.fixture(scope="module")
def answers(table, scorer):
    _, cases, _, features = table
    return scorer.probabilities(features[cases["split"].eq("test").to_numpy(dtype=bool)])


def test_the_class_of_a_case_is_its_kind_and_normal_without_one(table):
    _, cases, _, _ = table
    assert class_of(cases).value_counts().to_dict() == {
        "normal": 200, "low potassium": 120, "low sodium": 60, "both low": 12,
    }  # fmt: skip
    unknown = cases.assign(label=pd.array([pd.NA] * len(cases), dtype="Int8"))
    assert class_of(unknown)[cases["label"].eq(0)].isna().all()


def test_most_test_records_get_their_class_and_answers_have_their_columns(table, answers):
    _, cases, _, _ = table
    assert answers.columns.tolist() == list(ANSWER_COLUMNS)
    by = answers.groupby("case_id", sort=False)
    np.testing.assert_allclose(by["probability"].sum(), 1)
    assert by["decided"].sum().eq(1).all()
    assert by["in_set"].sum().ge(1).all()
    assert by["probability"].apply(lambda p: p.is_monotonic_decreasing).all()
    true = class_of(cases).set_axis(cases["case_id"])
    named = answers[answers["decided"]].set_index("case_id")["class"]
    assert (named == true[named.index]).mean() > 0.9
    held = answers[answers["in_set"]].groupby("case_id")["class"].agg(set)
    assert np.mean([true[case] in of for case, of in held.items()]) > 0.85


def test_a_bundle_answers_the_same_after_writing_and_reading(bundle, table, answers, tmp_path):
    _, cases, _, features = table
    write_bundle(tmp_path / "trees", bundle)
    again = open_bundle(read_bundle(tmp_path / "trees"))
    in_test = cases["split"].eq("test").to_numpy(dtype=bool)
    pd.testing.assert_frame_equal(again.probabilities(features[in_test]), answers)
    # a record alone is told what it is told among others
    alone = again.probabilities(features[in_test].iloc[[3]]).reset_index(drop=True)
    case = alone["case_id"].iloc[0]
    pd.testing.assert_frame_equal(alone, answers[answers["case_id"] == case].reset_index(drop=True))


def test_nothing_of_test_reaches_the_bundle(bundle, table):
    _, cases, _, features = table
    in_test = cases["split"].eq("test").to_numpy(dtype=bool)
    other = cases.assign(
        kind=cases["kind"].mask(in_test, "another disease"), label=cases["label"].mask(in_test, 1)
    )
    moved = features.assign(potassium=features["potassium"].mask(in_test, 99.0))
    again = train_classes(other, moved, PARAMS, name="trees", seed=0, units={"sodium": "mmol/L"})
    assert again.bundle_hash == bundle.bundle_hash
    inside = cases["split"].eq("train").to_numpy(dtype=bool)
    moved = features.assign(potassium=features["potassium"].mask(inside, features["potassium"] + 0.5))
    assert train_classes(cases, moved, PARAMS, name="trees", seed=0).bundle_hash != bundle.bundle_hash


def test_cases_of_unknown_class_are_left_out(table):
    _, cases, _, features = table
    unknown = cases["kind"].eq("both low").fillna(False).to_numpy(dtype=bool)
    without = cases.assign(label=cases["label"].mask(unknown), kind=cases["kind"].mask(unknown))
    found = train_classes(without, features, PARAMS, name="trees", seed=0).manifest
    assert [of["name"] for of in found["classes"]] == ["low potassium", "low sodium", "normal"]
    outside = (~unknown & cases["split"].ne("test")).sum()
    assert found.training_data["n_cases"] == sum(of["n_cases"] for of in found["classes"]) == outside


def test_no_class_is_named_of_a_record_that_looks_like_none(scorer, table):
    _, _, _, features = table
    strange = features.iloc[[0, 0]].assign(
        case_id=["usual", "strange"], potassium=[4.2, 30.0], sodium=[140.0, 20.0]
    )
    said = scorer.probabilities(strange).drop_duplicates("case_id").set_index("case_id")
    assert said["abstains"].to_dict() == {"usual": False, "strange": True}
    # 79 calibration cases allow no p-value of .01: the smallest possible one takes its place
    smallest = 1 / (scorer.known.calibration.size + 1)
    assert PARAMS.unlike_at < smallest == scorer.bundle.manifest["unlike_at"]
    assert said.loc["strange", "p_value"] == pytest.approx(smallest)
    assert said.loc["usual", "p_value"] > 0.1


def test_p_values_of_known_records_hold(table, answers, scorer):
    _, cases, _, _ = table
    p = answers.drop_duplicates("case_id")["p_value"]
    assert len(scorer.known.calibration) == cases["split"].eq("calibration").sum()
    assert (p <= 0.2).mean() == pytest.approx(0.2, abs=0.1)


def test_what_speaks_for_a_class_is_the_value_that_makes_it(scorer, table):
    _, _, _, features = table
    row = features.iloc[[0]].assign(case_id="x", potassium=2.3, sodium=140.0, ward="A")
    terms = scorer.contributions(row, np.array(["low potassium"])).iloc[0]
    assert terms.idxmax() == "potassium"
    assert terms["potassium"] > 1 > abs(terms["ward"])
    against = scorer.contributions(row, np.array(["normal"])).iloc[0]
    assert against["potassium"] < -1
    listed = class_explanations(scorer, row)
    assert listed["feature"].iloc[0] == "potassium"
    assert listed["contribution"].is_monotonic_decreasing
    assert not listed["exact"].any()
    assert listed.set_index("feature").loc["sodium", "unit"] == "mmol/L"
    with pytest.raises(InputError, match="'measles' is no class"):
        scorer.contributions(row, np.array(["measles"]))


def test_a_contribution_is_the_log_odds_with_the_value_minus_those_without_it(scorer, table):
    _, _, _, features = table
    row = features.iloc[[5]]
    at = scorer.classes.index("low potassium")

    def odds(p):
        return np.log(p / (1 - p))

    with_it = scorer.class_probabilities(row)[0, at]
    without = np.mean(
        [
            scorer.class_probabilities(row.assign(potassium=value))[0, at]
            for value in scorer.usual["potassium"]
        ]
    )
    found = scorer.contributions(row, np.array(["low potassium"]))["potassium"].iloc[0]
    assert found == pytest.approx(odds(np.clip(with_it, 1e-6, 1 - 1e-6)) - odds(without))


def test_usual_values_stand_for_the_column_and_for_no_record():
    table = pd.DataFrame(
        {"case_id": range(80), "x": np.arange(80.0), "w": ["a"] * 60 + ["b"] * 20, "none": np.nan}
    )
    table.loc[:19, "x"] = np.nan
    found = usual_values(table)
    assert found["x"].count(None) == 2
    assert found["w"] == ["a"] * 6 + ["b"] * 2
    assert "none" not in found
    assert found["x"][:6] == pytest.approx(np.quantile(np.arange(20.0, 80), (np.arange(6) + 0.5) / 6))


def test_the_score_table_puts_the_least_sure_first_and_explains_every_class(bundle, scorer, table):
    _, cases, _, features = table
    of = kind("tabular_classes")
    data = ModelInput(cases, features)
    scores, made = of.score_table(scorer, data, {}, None, 100)
    in_test = cases["split"].eq("test")
    assert scores["case_id"].tolist() == cases.loc[in_test, "case_id"].tolist()
    first = made["probabilities"].drop_duplicates("case_id")
    np.testing.assert_allclose(scores["score"], 1 - first["probability"])
    assert scores["p_value"].isna().all()
    assert scores["flagged"].isna().all()
    chosen = of.most_notable(data, scores, 4)
    assert set(class_of(cases).iloc[chosen]) == set(scorer.classes)
    assert cases["split"].iloc[chosen].eq("test").all()


def test_every_member_can_be_sealed(table):
    _, cases, _, features = table
    assert {path.replace(":", ".") for path in CLASS_MODELS.values()} <= set(TRUSTED_TYPES)
    small = {
        "hist_boosting": {"max_iter": 5},
        "lightgbm": {"n_estimators": 5},
        "random_forest": {"n_estimators": 5},
    }
    # the fifth would import torch
    members = [{"model": model, "options": small.get(model, {})} for model in (*small, "bayes")]
    params = ClassParams.model_validate(PARAMS.model_dump() | {"members": members, "n_folds": 2})
    made = train_classes(cases, features, params, name="all", seed=0)
    assert made.manifest["members"] == [*small, "bayes"]
    np.testing.assert_allclose(ClassScorer(made).class_probabilities(features.head(5)).sum(axis=1), 1)


def test_wrong_settings_are_refused_with_the_right_ones():
    with pytest.raises(ValidationError, match=r"unknown model of classes 'svm'; known are \['bayes'"):
        ClassMember(model="svm")
    with pytest.raises(
        ValidationError, match=r"model of classes 'bayes' has no option \['trees'\]; it has \['bins'"
    ):
        ClassMember(model="bayes", options={"trees": 3})
    with pytest.raises(ValidationError, match="at least 1"):
        ClassParams(members=())


def test_a_single_class_is_refused(table):
    _, cases, _, features = table
    one = cases.assign(
        label=pd.array([0] * len(cases), dtype="Int8"), kind=pd.array([pd.NA] * len(cases), dtype="string")
    )
    with pytest.raises(ConfigurationError, match="1 classes outside test; 'trees' tells at least two apart"):
        train_classes(one, features, PARAMS, name="trees", seed=0)


def test_bundles_of_other_kinds_are_refused_both_ways(bundle):
    with pytest.raises(BundleError, match="a detector of rows"):
        TabularScorer(bundle)
    with pytest.raises(BundleError, match="a model of classes of tables"):
        ClassScorer(ClassScorer(bundle).known.bundle)


def test_the_card_lists_classes_and_promises_no_score(bundle):
    card = render_card(dict(bundle.manifest))
    assert "normal (140)" in card
    assert "It names one of them, a set of them, and none where a case looks like no known one." in card
    assert "cases of a known class, of all classes" in card
    assert "It is not an anomaly score: it learned" not in card
    assert "Smallest possible p-value" not in card
