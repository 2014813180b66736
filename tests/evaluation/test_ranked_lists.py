"""Metrics of ranked lists against numbers that can be counted by hand."""

import numpy as np
import pandas as pd
import pytest

from medanomaly.core.errors import InputError
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.evaluation.ranked_lists import macro_interval, ranking_metrics

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
    assert value["coverage"] == pytest.approx(3 / 6)
    assert value["set_size"] == 3.0
    assert table["n"].eq(6).all()
    assert ((table["ci_low"] <= table["value"]) & (table["value"] <= table["ci_high"])).all()


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
