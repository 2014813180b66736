"""Ranks with ties against the answer, figures over groups, paired gains, selective accuracy."""

import numpy as np
import pandas as pd
import pytest

from medanomaly.core.errors import InputError
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.evaluation.ranked_answers import (
    macro_interval,
    macro_top,
    named_figures,
    one_against_rest,
    paired_gain,
    rank_figures,
    rank_of,
    ranking_metrics,
    selective_accuracy,
)


def test_ties_count_against_the_answer_and_a_missing_answer_is_never_found():
    scores = np.array([3.0, 1.0, 3.0, -np.inf])
    assert rank_of(scores, 0) == 2
    assert rank_of(scores, 1) == 3
    assert rank_of(scores, 3) == np.inf
    assert rank_of(scores, -1) == np.inf


def test_figures_are_shares_of_cases_with_intervals_over_groups():
    ranks = np.array([1, 1, 2, 4, np.inf, 11])
    table = rank_figures(ranks, np.array(list("aabbcc")), n_resamples=200).set_index("figure")
    assert table["value"].round(4).to_dict() == {
        "top_1": 0.3333,
        "top_3": 0.5,
        "top_10": 0.6667,
        "mrr": round((1 + 1 + 0.5 + 0.25 + 0 + 1 / 11) / 6, 4),
    }
    assert table.loc["top_1", ["ci_low", "ci_high", "n", "n_groups"]].tolist() == [0, 1, 6, 3]


def test_macro_counts_every_disease_once():
    assert macro_top(np.array([1, 1, 1, 5]), np.array(list("aaab"))) == 0.5
    assert macro_top(np.array([1, 5, 5, 5]), np.array(list("aabb")), k=5) == 1.0


def test_gains_are_paired():
    rng = np.random.default_rng(0)
    hard = rng.integers(0, 12, 200).repeat(5)
    baseline, better = 2.0 + hard, 1.0 + hard
    gain = paired_gain(better, baseline, np.arange(200).repeat(5), n_resamples=300)
    assert (gain["value"] > 0).all()
    assert (gain["ci_low"] > 0).all()
    same = paired_gain(better, better, np.arange(1000), n_resamples=100)
    assert same[["value", "ci_low", "ci_high"]].to_numpy().tolist() == [[0, 0, 0]] * 3


def test_wrong_ranks_are_refused():
    with pytest.raises(InputError, match="below 1 or NaN"):
        rank_figures(np.array([0.0]), np.array(["a"]))
    with pytest.raises(InputError, match="below 1 or NaN"):
        macro_top(np.array([np.nan]), np.array(["a"]))


def test_selective_accuracy_answers_the_most_confident_first():
    confidence, right = np.array([0.9, 0.8, 0.7, 0.1]), np.array([True, True, False, False])
    np.testing.assert_allclose(selective_accuracy(confidence, right, [0.25, 0.5, 1.0]), [1.0, 1.0, 0.5])
    # tied answers cannot be told apart, in whatever order they come
    tied = np.array([0.5, 0.5, 0.5, 0.5])
    for order in ([0, 1, 2, 3], [3, 2, 1, 0]):
        np.testing.assert_allclose(selective_accuracy(tied, right[order], [0.25, 0.5]), [0.5, 0.5])


# --- metrics of a run ---

PARAMS = EvaluationParams(n_resamples=200)


def test_metrics_are_means_over_cases_and_over_diseases():
    rank = np.array([1, 2, 4, 11, np.inf, 1])
    disease = ["a", "a", "a", "b", "c", "c"]
    table = ranking_metrics(rank, disease, list("uvwxyz"), PARAMS, rank <= 2, np.array([1, 2, 3, 4, 5, 3]))
    value = table.set_index("metric")["value"]
    assert value["top_1"] == pytest.approx(2 / 6)
    assert value["top_3"] == pytest.approx(3 / 6)
    assert value["top_10"] == pytest.approx(4 / 6)
    assert value["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 4 + 1 / 11 + 0 + 1) / 6)
    assert value["macro_top_1"] == pytest.approx((1 / 3 + 0 + 1 / 2) / 3)
    assert value["coverage"] == value["publication_coverage"] == pytest.approx(3 / 6)
    assert value["set_size"] == 3.0
    assert table["n"].eq(6).all()
    assert ((table["ci_low"] <= table["value"]) & (table["value"] <= table["ci_high"])).all()


def test_of_a_publication_with_many_cases_coverage_counts_all_or_their_mean():
    inside = np.array([True, False, False, False])
    table = ranking_metrics(np.ones(4), list("abcd"), list("xyyy"), PARAMS, inside).set_index("metric")
    assert table.loc[["coverage", "publication_coverage"], "value"].tolist() == [0.25, 0.5]


def test_intervals_are_wider_where_cases_come_from_few_publications():
    rng = np.random.default_rng(0)
    rank = np.repeat(rng.choice([1.0, 20.0], size=20), 10)
    disease = np.repeat(np.arange(10), 20)

    def width(publication, metric):
        row = ranking_metrics(rank, disease, publication, PARAMS).set_index("metric").loc[metric]
        return row["ci_high"] - row["ci_low"]

    for metric in ("top_1", "macro_top_1"):
        assert width(np.repeat(np.arange(20), 10), metric) > 1.5 * width(np.arange(200), metric)


def test_one_publication_and_no_case_have_no_interval():
    value, low, high = macro_interval(np.array([1.0, 0.0]), ["a", "b"], ["p", "p"], PARAMS)
    assert value == 0.5
    assert np.isnan([low, high]).all()
    empty = ranking_metrics(np.array([]), [], [], PARAMS)
    assert empty["value"].isna().all()
    assert isinstance(empty, pd.DataFrame)


@pytest.mark.parametrize("rank", [[0.0], [np.nan]])
def test_a_rank_that_is_none_is_refused(rank):
    with pytest.raises(InputError, match="below 1 or NaN"):
        ranking_metrics(np.array(rank), ["a"], ["p"], PARAMS)


def test_each_answer_against_the_rest_agrees_with_scikit_learn():
    from sklearn.metrics import f1_score, recall_score, roc_auc_score

    rng = np.random.default_rng(0)
    true = rng.integers(0, 4, 200)
    scores = np.round(rng.normal(size=(200, 5)), 1) + 2 * (true[:, None] == np.arange(5))
    scores[true == 3, 3] = -np.inf
    expected = [roc_auc_score(true == k, np.maximum(scores[:, k], -99)) for k in range(4)]
    assert one_against_rest(scores, true) == pytest.approx(np.mean(expected))
    # a case without its answer among the columns counts against the others alone
    without = np.where(true == 0, -1, true)
    assert one_against_rest(scores, without) == pytest.approx(np.mean(expected[1:]))
    assert np.isnan(one_against_rest(scores, np.full(200, -1)))
    named = scores.argmax(axis=1)
    found = named_figures(true.astype(str), named.astype(str).astype(object))
    labels = [0, 1, 2, 3]
    assert found["macro_f1"] == pytest.approx(f1_score(true, named, average="macro", labels=labels))
    assert found["sensitivity"] == pytest.approx(recall_score(true, named, average="macro", labels=labels))
    others = [recall_score(true != k, named != k) for k in labels]
    assert found["specificity"] == pytest.approx(np.mean(others))
    assert found["precision"] == pytest.approx((true == named).mean())
    assert found["named"] == 1


def test_where_nothing_is_named_nothing_is_wrong():
    found = named_figures(["a", "a", "b", "c"], ["a", None, "a", "x"])
    assert found == pytest.approx(
        {"macro_f1": 2 / 4 / 3, "sensitivity": 0.5 / 3, "specificity": (0.5 + 1 + 1) / 3, "precision": 1 / 3, "named": 0.75}
    )  # fmt: skip
    nothing = named_figures(["a", "b"], [None, None])
    assert (nothing["sensitivity"], nothing["specificity"], nothing["named"]) == (0, 1, 0)
    assert np.isnan(nothing["precision"])
