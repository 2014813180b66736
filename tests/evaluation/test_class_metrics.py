"""Metrics of several classes: as scikit-learn counts them, with intervals, and honest about what nobody learned."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_score, recall_score

from medanomaly.evaluation.class_metrics import (
    MOST_FREQUENT,
    by_class,
    class_groups,
    class_metrics,
    confusion,
    f1_by_class,
    judged_answers,
)
from medanomaly.evaluation.params import EvaluationParams

PARAMS = EvaluationParams(n_resamples=300)
NAMES = ["a", "b", "c", "d"]
COUNTS = {"a": 400, "b": 100, "c": 40, "d": 6}


def judged_cases(n=300, seed=0, wrong=0.2):
    """Two models of the same cases; the second is wrong twice as often."""
    rng = np.random.default_rng(seed)
    true = rng.choice(NAMES, n, p=[0.6, 0.25, 0.1, 0.05])
    tables = []
    for model, share in (("good", wrong), ("poor", 2 * wrong)):
        named = np.where(rng.random(n) < share, rng.choice(NAMES, n), true)
        right = named == true
        tables.append(
            pd.DataFrame(
                {
                    "model": model,
                    "case_id": [f"c{i}" for i in range(n)],
                    "patient_id": [f"p{i // 2}" for i in range(n)],
                    "class": true,
                    "named": named,
                    "most_likely": named,
                    "probability": np.where(right, 0.9, 0.6),
                    "in_set": right | (rng.random(n) < 0.3),
                    "set_size": 1 + (rng.random(n) < 0.3),
                    "p_value": rng.random(n),
                    "abstains": False,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def judged():
    return judged_cases()


@pytest.fixture(scope="module")
def measured(judged):
    return class_metrics(judged, COUNTS, "tabular_classes", PARAMS, rare=30)


def value(table, model, metric, subgroup=""):
    rows = table[(table["model"] == model) & (table["metric"] == metric) & (table["subgroup"] == subgroup)]
    assert len(rows) == 1
    return rows.iloc[0]


def test_macro_f1_and_accuracy_are_those_of_scikit_learn(judged, measured):
    metrics, _ = measured
    for model, of in judged.groupby("model"):
        row = value(metrics, model, "macro_f1")
        assert row["value"] == pytest.approx(f1_score(of["class"], of["named"], average="macro"), abs=1e-6)
        assert row["ci_low"] < row["value"] < row["ci_high"]
        assert value(metrics, model, "accuracy")["value"] == pytest.approx(
            accuracy_score(of["class"], of["named"])
        )
        frequent = f1_score(of["class"], of["named"], average="macro", labels=["a", "b", "c"])
        row = value(metrics, model, "macro_f1", "classes=30 cases or more")
        assert row["value"] == pytest.approx(frequent, abs=1e-6)
        assert row["n"] == of["class"].isin(["a", "b", "c"]).sum()
        rare = f1_score(of["class"], of["named"], average="macro", labels=["d"])
        assert value(metrics, model, "macro_f1", "classes=fewer than 30 cases")["value"] == pytest.approx(
            rare, abs=1e-6
        )


def test_the_baseline_names_the_most_frequent_class_of_training(judged, measured):
    metrics, _ = measured
    row = value(metrics, MOST_FREQUENT, "accuracy")
    assert row["value"] == pytest.approx((judged.loc[judged["model"] == "good", "class"] == "a").mean())
    assert set(metrics.loc[metrics["model"] == MOST_FREQUENT, "role"]) == {"baseline"}
    assert not (metrics["model"].eq(MOST_FREQUENT) & metrics["metric"].eq("class_ece")).any()
    # it is right about no rare class in any resample: resampling says nothing there
    rare = value(metrics, MOST_FREQUENT, "macro_f1", "classes=fewer than 30 cases")
    assert rare["value"] == 0
    assert np.isnan(rare["ci_low"])


def test_differences_are_paired_and_have_the_sign_of_the_first_model(measured):
    metrics, differences = measured
    row = differences[(differences["model_b"] == "poor") & (differences["subgroup"] == "")].iloc[0]
    both = [value(metrics, model, "macro_f1") for model in ("good", "poor")]
    assert row["difference"] == pytest.approx(both[0]["value"] - both[1]["value"])
    assert 0 < row["ci_low"] < row["difference"] < row["ci_high"]
    # pairing makes it narrower than two intervals that know nothing of each other
    apart = np.hypot(*(of["ci_high"] - of["ci_low"] for of in both))
    assert row["ci_high"] - row["ci_low"] < 1.1 * apart


def test_other_figures_are_means_over_cases(judged, measured):
    metrics, _ = measured
    good = judged[judged["model"] == "good"]
    assert value(metrics, "good", "coverage")["value"] == pytest.approx(good["in_set"].mean())
    assert value(metrics, "good", "set_size")["value"] == pytest.approx(good["set_size"].mean())
    assert value(metrics, "good", "abstained")["value"] == 0
    assert value(metrics, "good", "abstained")["ci_high"] > 0
    right = good["named"] == good["class"]
    gap = right.mean() * abs(0.9 - 1) + (1 - right.mean()) * 0.6
    assert value(metrics, "good", "class_ece")["value"] == pytest.approx(gap, abs=0.03)


def test_each_class_has_the_figures_of_scikit_learn(judged):
    table = by_class(judged, COUNTS, PARAMS)
    for model, of in judged.groupby("model"):
        rows = table[table["model"] == model].set_index("class")
        assert rows.index.tolist() == ["a", "b", "c", "d"]
        for metric, count in (
            ("sensitivity", recall_score),
            ("precision", precision_score),
            ("f1", f1_score),
        ):
            np.testing.assert_allclose(
                rows[metric], count(of["class"], of["named"], labels=NAMES, average=None)
            )
            assert (rows[f"{metric}_low"] <= rows[metric]).all()
            assert (rows[f"{metric}_high"] >= rows[metric]).all()
        assert rows["n_test"].tolist() == of["class"].value_counts()[NAMES].tolist()
        assert rows["n_learned"].tolist() == [400, 100, 40, 6]


def test_a_class_that_is_always_right_gets_no_interval_without_width():
    judged = judged_cases(wrong=0.0)
    rows = by_class(judged, COUNTS, PARAMS).set_index(["model", "class"])
    d = rows.loc[("good", "d")]
    assert d["sensitivity"] == d["f1"] == 1
    patients = judged[judged["class"].eq("d") & judged["model"].eq("good")]["patient_id"].nunique()
    assert d["sensitivity_low"] == pytest.approx(0.025 ** (1 / patients))
    assert d["sensitivity_high"] == 1
    assert d["sensitivity_low"] < d["f1_low"] < 1


def test_a_class_that_nobody_learned_counts_as_missed(judged):
    counts = {name: n for name, n in COUNTS.items() if name != "d"}
    said = judged.assign(named=judged["named"].replace("d", "a"))
    metrics, _ = class_metrics(said, counts, "tabular_classes", PARAMS, rare=30)
    of = said[said["model"] == "good"]
    expected = f1_score(of["class"], of["named"], average="macro", labels=NAMES, zero_division=0)
    assert value(metrics, "good", "macro_f1")["value"] == pytest.approx(expected, abs=1e-6)
    row = by_class(said, counts, PARAMS).set_index(["model", "class"]).loc[("good", "d")]
    assert (row["n_learned"], row["sensitivity"]) == (0, 0)
    assert np.isnan(row["precision"])


def test_groups_are_named_only_where_there_are_both():
    assert list(class_groups(COUNTS, 30)) == ["", "classes=30 cases or more", "classes=fewer than 30 cases"]
    assert list(class_groups({"a": 50, "b": 40}, 30)) == [""]
    assert list(class_groups({"a": 5, "b": 4}, 30)) == [""]


def test_f1_of_a_class_without_a_case_is_unknown():
    found = f1_by_class(
        np.array([0, 0, 1]), np.array([0, -1, 1]), 3, np.array([[1, 1, 1], [1, 1, 0]], dtype=float)
    )
    np.testing.assert_allclose(found, [[2 / 3, 1, np.nan], [2 / 3, np.nan, np.nan]])


def test_confusion_counts_as_scikit_learn_does(judged):
    of = judged[judged["model"] == "good"]
    found = confusion(of, NAMES)
    np.testing.assert_array_equal(
        found.iloc[:-1, :-1], confusion_matrix(of["class"], of["named"], labels=NAMES)
    )
    few = confusion(of, ["a", "b"])
    assert few.to_numpy().sum() == len(of)
    assert few.loc["another class", "a"] == (of["class"].isin(["c", "d"]) & of["named"].eq("a")).sum()


def test_answers_of_every_class_become_one_row_per_case():
    cases = pd.DataFrame({"case_id": ["1", "2"], "patient_id": ["p", "q"], "class": ["b", "z"]})
    answers = pd.DataFrame(
        {
            "case_id": ["1", "1", "2", "2", "3", "3"],
            "model": "m",
            "class": ["a", "b", "a", "b", "a", "b"],
            "probability": [0.7, 0.3, 0.8, 0.2, 0.9, 0.1],
            "decided": [False, True, True, False, True, False],
            "in_set": [True, True, True, False, True, False],
            "p_value": [0.5, 0.5, 0.01, 0.01, 0.4, 0.4],
            "abstains": [False, False, True, True, False, False],
        }
    )
    found = judged_answers(cases, answers).set_index("case_id")
    assert found.index.tolist() == ["1", "2"]
    assert found.loc["1", ["named", "most_likely", "probability", "in_set", "set_size"]].tolist() == [
        "b",
        "a",
        0.7,
        True,
        2,
    ]
    # no set holds a class that training lacks
    assert found.loc["2", ["in_set", "set_size", "abstains"]].tolist() == [False, 1, True]
