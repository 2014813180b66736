"""Whether scores and predictions tell who was in training, per model."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from medanomaly.evaluation.membership import COLUMNS, label_membership, membership, remarkable


@pytest.fixture
def cases():
    n = 300
    return pd.DataFrame(
        {
            "case_id": [f"c{i}" for i in range(n)],
            "patient_id": [f"p{i // 2}" for i in range(n)],
            "label": pd.array([int(i % 10 == 0) for i in range(n)], dtype="Int8"),
            "split": np.repeat(["train", "calibration", "test"], n // 3),
        }
    )


def scored(cases, score, model="a", role="model"):
    return pd.DataFrame({"case_id": cases["case_id"], "model": model, "role": role, "score": score})


def test_the_auroc_is_that_of_normal_train_cases_against_other_normal_cases(cases):
    rng = np.random.default_rng(0)
    score = rng.normal(size=len(cases)) - 0.7 * cases["split"].eq("train")
    # what anomalies score plays no part
    score[cases["label"].eq(1).to_numpy()] = 99
    told = membership(cases, scored(cases, score))
    normal = cases["label"].eq(0).to_numpy()
    assert list(told.columns) == COLUMNS
    assert told["auroc"][0] == pytest.approx(
        roc_auc_score(cases["split"].eq("train")[normal], -score[normal])
    )
    assert 0.5 < told["ci_low"][0] < told["auroc"][0] < told["ci_high"][0] < 0.8
    assert (told["n_members"][0], told["n_others"][0]) == (90, 180)


def test_every_model_has_a_row_and_baselines_and_models_of_one_group_alone_have_none(cases):
    one = scored(cases, np.arange(300.0))
    same = scored(cases, np.zeros(300), "b")
    trivial = scored(cases, np.zeros(300), "c", "baseline")
    only_test = scored(cases, np.where(cases["split"] == "test", 1.0, np.nan), "d")
    told = membership(cases, pd.concat([one, same, trivial, only_test])).set_index("model")
    assert list(told.index) == ["a", "b"]
    # all of train scores lower: no interval, and it is remarkable all the same
    assert told.loc["a", "auroc"] == 1
    assert math.isnan(told.loc["a", "ci_high"])
    assert told.loc["b", "auroc"] == 0.5


def test_without_labels_every_case_counts(cases):
    cases["label"] = pd.array([pd.NA] * len(cases), dtype="Int8")
    told = membership(cases, scored(cases, np.arange(300.0)))
    assert (told["n_members"][0], told["n_others"][0]) == (100, 200)


@pytest.mark.parametrize(
    ("auroc", "high", "said"),
    [(0.5, 0.55, False), (0.5, 0.56, True), (1, float("nan"), True), (0.2, float("nan"), False)],
)
def test_what_is_remarkable(auroc, high, said):
    assert remarkable(auroc, high) is said


# models that learned from labels


def predicted(cases, probability, model="a"):
    return pd.DataFrame({"case_id": cases["case_id"], "model": model, "probability": probability})


def test_the_right_label_counts_and_cases_are_compared_with_those_of_their_label(cases):
    rng = np.random.default_rng(1)
    label = cases["label"].to_numpy(dtype=int)
    inside = cases["split"].ne("test").to_numpy()
    # how sure the model is of the right label; of members more
    right = np.clip(rng.uniform(0.2, 0.7, len(cases)) + 0.15 * inside, 0, 1)
    told = label_membership(cases, cases["label"], predicted(cases, np.where(label == 1, right, 1 - right)))
    place = np.empty(len(cases))
    for of in (0, 1):
        chosen = label == of
        place[chosen] = pd.Series(-right[chosen]).rank(pct=True)
    assert list(told.columns) == COLUMNS
    assert told["auroc"][0] == pytest.approx(roc_auc_score(inside, -place), abs=0.003)
    assert 0.55 < told["ci_low"][0] < told["auroc"][0] < told["ci_high"][0]
    # train and calibration were learned from
    assert (told["n_members"][0], told["n_others"][0]) == (200, 100)


def test_a_rarer_label_in_test_is_no_memory(cases):
    rng = np.random.default_rng(2)
    test = cases["split"].eq("test").to_numpy()
    label = (rng.random(len(cases)) < np.where(test, 0.5, 0.1)).astype(int)
    known = pd.Series(label, dtype="Int8")
    # the model says 10 % of everybody, so every case with label 1 has a large loss, and remembers nobody
    probability = 0.1 + rng.uniform(-0.05, 0.05, len(cases))
    right = np.where(label == 1, probability, 1 - probability)
    assert roc_auc_score(~test, right) > 0.6
    told = label_membership(cases, known, predicted(cases, probability))
    assert told["ci_low"][0] < 0.5 < told["ci_high"][0]


def test_of_classes_the_probability_of_the_right_one_counts(cases):
    known = pd.Series(np.resize(["well", "anaemia", "sepsis"], len(cases)), dtype="string")
    # a class that test alone has, and cases whose class nobody knows
    known[290:295], known[295:] = "gout", pd.NA
    inside = cases["split"].ne("test").to_numpy()
    tables = [
        predicted(cases, np.where(known.eq(name).fillna(False), np.where(inside, 0.9, 0.4), 0.05)).assign(
            **{"class": name}
        )
        for name in ("well", "anaemia", "sepsis", "gout")
    ]
    told = label_membership(cases, known, pd.concat(tables))
    assert told["auroc"][0] == 1
    assert (told["n_members"][0], told["n_others"][0]) == (200, 90)


def test_without_labels_outside_or_inside_test_nothing_is_said(cases):
    said = predicted(cases, np.linspace(0.1, 0.9, len(cases)))
    for part in (cases["split"].eq("test"), cases["split"].ne("test")):
        assert label_membership(cases, cases["label"].mask(part), said).empty
