"""Trivial baselines learn from train normals alone and tell what a model has to beat."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score

from medanomaly.core.errors import InputError
from medanomaly.core.scores import check_scores
from medanomaly.evaluation.audit.baselines import (
    MISSING,
    NEAREST,
    RANDOM,
    single_feature_table,
    trivial_baselines,
)
from medanomaly.evaluation.metrics import evaluate
from medanomaly.evaluation.params import EvaluationParams

PARAMS = EvaluationParams(n_resamples=100)


def test_baselines_are_score_tables_that_stand_beside_the_models(cases_of, features_of, scores_of):
    cases = cases_of(600)
    features = features_of(cases)
    features.loc[::7, "x1"] = np.nan
    baselines = check_scores(trivial_baselines(cases, features, PARAMS))
    assert set(baselines["model"]) == {NEAREST, MISSING, RANDOM}
    assert baselines["role"].eq("baseline").all()
    table = evaluate(cases, pd.concat([scores_of(cases), baselines]), "tabular", PARAMS)
    area = table[(table["metric"] == "auroc") & (table["subgroup"] == "")].set_index("model")
    assert area.loc[NEAREST, "value"] > 0.8
    assert area.loc[RANDOM, "ci_low"] < 0.5 < area.loc[RANDOM, "ci_high"]


def test_nearest_distance_equals_brute_force_on_train_statistics(cases_of, features_of):
    cases = cases_of(240)
    features = features_of(cases, 4)
    features.loc[::5, "x2"] = np.nan
    baselines = trivial_baselines(cases, features, PARAMS)
    train = ((cases["split"] == "train") & (cases["label"] == 0)).to_numpy()
    x = features.drop(columns="case_id")
    x = x.fillna(x[train].median())
    z = ((x - x[train].mean()) / x[train].std(ddof=0)).to_numpy()
    distance = cdist(z, z[train])
    distance[np.flatnonzero(train), np.arange(train.sum())] = np.inf
    ours = baselines[baselines["model"] == NEAREST].set_index("case_id")["score"].loc[cases["case_id"]]
    np.testing.assert_allclose(ours, distance.min(axis=1), atol=1e-9)


def test_test_cases_do_not_change_each_other_s_baselines(cases_of, features_of):
    cases = cases_of(300)
    features = features_of(cases)
    whole = trivial_baselines(cases, features, PARAMS).set_index(["model", "case_id"])["score"]
    kept = cases[(cases["split"] != "test") | (cases.index % 2 == 0)]
    part = trivial_baselines(kept, features, PARAMS).set_index(["model", "case_id"])["score"]
    pd.testing.assert_series_equal(part, whole.loc[part.index])


def test_baselines_that_the_data_does_not_allow_are_left_out(cases_of):
    cases = cases_of(90)
    features = pd.DataFrame({"case_id": cases["case_id"], "ward": "a", "empty": np.nan})
    assert set(trivial_baselines(cases, features, PARAMS)["model"]) == {MISSING, RANDOM}
    assert set(trivial_baselines(cases, features.assign(empty=1.0), PARAMS)["model"]) == {NEAREST, RANDOM}


def test_without_calibration_normals_a_baseline_still_ranks(cases_of, features_of):
    cases = cases_of(90)
    cases["split"] = cases["split"].replace("calibration", "train")
    baselines = trivial_baselines(cases, features_of(cases), PARAMS)
    assert baselines["flagged"].isna().all()
    assert baselines["score"].notna().all()


def test_single_features_are_ranked_by_their_better_direction(cases_of, features_of):
    cases = cases_of(600)
    features = features_of(cases, 3, strength=0.0)
    features["x2"] -= 3 * cases["label"].to_numpy(float)
    features["constant"], features["ward"] = 1.0, "a"
    table = single_feature_table(cases, features, PARAMS)
    assert table["feature"].tolist()[0] == "x2"
    assert table["direction"].iloc[0] == "low"
    assert set(table["feature"]) == {"x0", "x1", "x2"}
    test = (cases["split"] == "test").to_numpy()
    expected = roc_auc_score(cases["label"].to_numpy(int)[test], features["x2"][test])
    assert table["auroc"].iloc[0] == pytest.approx(expected)
    assert table["best"].iloc[0] == pytest.approx(1 - expected)
    assert (table["ci_low"] < table["best"]).all()
    assert table["best"].is_monotonic_decreasing


def test_single_features_need_both_classes(cases_of, features_of):
    cases = cases_of(90, prevalence=0)
    assert len(single_feature_table(cases, features_of(cases), PARAMS)) == 0


def test_a_case_without_features_is_named(cases_of, features_of):
    cases = cases_of(30)
    with pytest.raises(InputError, match="c000029"):
        trivial_baselines(cases, features_of(cases).iloc[:29], PARAMS)
