"""Ranks with ties against the answer, figures over groups, paired gains, selective accuracy."""

import numpy as np
import pytest

from medanomaly.core.errors import InputError
from medanomaly.evaluation.ranked_answers import (
    macro_top,
    paired_gain,
    rank_figures,
    rank_of,
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
