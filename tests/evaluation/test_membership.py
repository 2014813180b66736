"""Whether scores tell who was in training: members and others are the normal cases, per model."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from medanomaly.evaluation.membership import COLUMNS, membership, remarkable


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
