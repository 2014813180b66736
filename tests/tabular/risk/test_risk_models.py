import importlib.util

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logit
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.tabular.risk.bayesian_logistic import BayesianLogisticRisk
from medanomaly.tabular.risk.boosting_libraries import LightGBMRisk, XGBoostRisk
from medanomaly.tabular.risk.combined_models import MeanLogit, OnColumns
from medanomaly.tabular.risk.fitting.design_matrices import LinearDesign, TreeDesign
from medanomaly.tabular.risk.fitting.feature_selection import SelectedFeatures
from medanomaly.tabular.risk.fitting.imbalance import Rebalanced
from medanomaly.tabular.risk.logistic import LogisticRisk
from medanomaly.tabular.risk.scorer import TRUSTED_TYPES
from medanomaly.tabular.risk.sklearn_trees import BoostingRisk, ForestRisk

LOGISTIC = LogisticRisk(C=1.0)
MODELS = {
    "logistic": LOGISTIC,
    "bayesian": BayesianLogisticRisk(),
    "boosting": BoostingRisk(max_iter=40, min_samples_leaf=10),
    "forest": ForestRisk(n_estimators=30),
    "mean": MeanLogit((LOGISTIC, BoostingRisk(max_iter=20))),
    "columns": OnColumns(LOGISTIC, exclude=("noise_*",)),
    "selected": SelectedFeatures(LOGISTIC, n_features=3),
    "weighted": Rebalanced(LOGISTIC, "class_weight"),
    "smote": Rebalanced(LOGISTIC, "smote"),
    "xgboost": XGBoostRisk(n_estimators=40),
    "lightgbm": LightGBMRisk(n_estimators=40, learning_rate=0.1, colsample_bytree=0.5),
}
INSTALLED = {
    "xgboost": importlib.util.find_spec("xgboost"),
    "lightgbm": importlib.util.find_spec("lightgbm"),
}


@pytest.fixture(scope="module", params=MODELS)
def fitted(request, table):
    if request.param in INSTALLED and INSTALLED[request.param] is None:
        pytest.skip(f"{request.param} is not installed")
    features, y, patient, _ = table
    return clone(MODELS[request.param]).fit(features, y, patient)


@pytest.fixture(scope="module")
def fresh(new_table):
    return new_table(n=800, seed=1)


def test_every_model_ranks_new_cases_nearly_as_well_as_the_truth(fitted, fresh):
    features, y, _, truth = fresh
    assert roc_auc_score(y, fitted.predict_proba(features)) > roc_auc_score(y, truth) - 0.06


def test_probability_is_the_same_alone_and_in_a_batch(fitted, fresh):
    features = fresh[0].iloc[:20]
    alone = np.concatenate([fitted.predict_proba(features.iloc[[i]]) for i in range(20)])
    np.testing.assert_allclose(alone, fitted.predict_proba(features), rtol=1e-12)


def test_log_odds_stay_finite_for_empty_and_absurd_records(fitted, fresh):
    features = fresh[0].iloc[:4].copy()
    features.loc[:, "a"] = [np.nan, 1e300, -1e300, 0.0]
    features.loc[:, ["b", "noise_0"]] = np.nan
    features["ward"] = pd.array([pd.NA, "never seen", "A", pd.NA], dtype="string")
    probability = fitted.predict_proba(features)
    assert np.isfinite(fitted.predict_logit(features)).all()
    assert ((probability > 0) & (probability < 1)).all()


def test_contributions_add_up_to_the_output(fitted, fresh):
    features = fresh[0].iloc[:50]
    found = fitted.contributions(features)
    output = fitted.predict_proba(features) if found.unit == "probability" else fitted.predict_logit(features)
    total = found.base + found.terms.sum(axis=1).to_numpy()
    if isinstance(fitted, BayesianLogisticRisk):
        output = fitted._posterior_logit(features)[0]
    np.testing.assert_allclose(total, output, atol=1e-4 if isinstance(fitted, XGBoostRisk) else 1e-9)
    assert set(found.terms.columns) <= set(features.columns)


def test_a_model_survives_skops_with_the_listed_types_alone(fitted, fresh):
    loaded = skops.io.loads(skops.io.dumps(fitted), trusted=list(TRUSTED_TYPES))
    np.testing.assert_array_equal(loaded.predict_logit(fresh[0]), fitted.predict_logit(fresh[0]))


def test_columns_may_come_in_another_order_and_with_others(fitted, fresh):
    features = fresh[0].iloc[:50]
    other = features[features.columns[::-1]].assign(unknown="x")
    np.testing.assert_allclose(fitted.predict_logit(other), fitted.predict_logit(features), rtol=1e-12)


def test_fitting_twice_gives_the_same_model(fitted, table, fresh):
    again = clone(fitted).fit(*table[:3])
    np.testing.assert_array_equal(again.predict_logit(fresh[0]), fitted.predict_logit(fresh[0]))


def test_logistic_regression_is_scikit_learns(table, fresh):
    features, y, *_ = table
    design = LinearDesign.fit(features)
    peer = LogisticRegression(C=1.0, max_iter=5000, tol=1e-8).fit(design.transform(features), y)
    ours = clone(LOGISTIC).fit(features, y)
    expected = peer.predict_proba(design.transform(fresh[0]))[:, 1]
    np.testing.assert_allclose(ours.predict_proba(fresh[0]), expected, atol=1e-4)


def test_boosting_with_native_categories_is_scikit_learns(table, fresh):
    features, y, *_ = table
    design = TreeDesign.fit(features, one_hot=False)
    model = BoostingRisk(max_iter=40, min_samples_leaf=10)
    peer = HistGradientBoostingClassifier(
        categorical_features=design.is_category, early_stopping=False, **model.get_params()
    ).fit(design.transform(features), y)
    model.fit(features, y)
    assert (model.trees_.category >= 0).any()
    unseen = fresh[0].assign(ward=fresh[0]["ward"].where(fresh[0].index % 3 > 0, "unseen"))
    np.testing.assert_allclose(
        model.predict_logit(unseen), peer.decision_function(design.transform(unseen)), atol=1e-9
    )


def test_forest_is_scikit_learns(table, fresh):
    features, y, *_ = table
    design = TreeDesign.fit(features, one_hot=True)
    model = ForestRisk(n_estimators=30).fit(features, y)
    peer = RandomForestClassifier(**model.get_params())
    peer.fit(design.transform(features), y)
    expected = np.clip(peer.predict_proba(design.transform(fresh[0]))[:, 1], 1e-3, 1 - 1e-3)
    np.testing.assert_allclose(model.predict_proba(fresh[0]), expected, atol=1e-9)


def test_a_typing_error_moves_a_linear_model_no_further_than_the_outermost_training_values(table):
    features, y, *_ = table
    model = clone(LOGISTIC).fit(features, y)
    row = features.iloc[[0]]
    extreme = row.assign(a=np.quantile(features["a"], 0.999))
    np.testing.assert_array_equal(model.predict_logit(row.assign(a=7.35e5)), model.predict_logit(extreme))


def test_a_feature_that_is_never_known_in_training_is_left_out(table, fresh):
    features, y, *_ = table
    for model in (LOGISTIC, BoostingRisk(max_iter=5), ForestRisk(n_estimators=3)):
        fitted = clone(model).fit(features.assign(never=np.nan), y)
        known = fitted.predict_logit(fresh[0].assign(never=7.0))
        np.testing.assert_array_equal(known, fitted.predict_logit(fresh[0].assign(never=np.nan)))


def test_mean_of_log_odds_is_that(table, fresh):
    features, y, patient, _ = table
    a, b = clone(LOGISTIC).fit(features, y), ForestRisk(n_estimators=10).fit(features, y)
    mean = MeanLogit((LOGISTIC, ForestRisk(n_estimators=10))).fit(features, y, patient)
    expected = (logit(a.predict_proba(fresh[0])) + logit(b.predict_proba(fresh[0]))) / 2
    np.testing.assert_allclose(mean.predict_logit(fresh[0]), expected, atol=1e-9)


def test_a_mean_with_a_forest_refuses_to_explain(table):
    features, y, *_ = table
    mean = MeanLogit((LOGISTIC, ForestRisk(n_estimators=10))).fit(features, y)
    with pytest.raises(ConfigurationError, match="log-odds"):
        mean.contributions(features)


def test_selection_keeps_what_was_planted(table):
    features, y, *_ = table
    assert set(clone(MODELS["selected"]).fit(features, y).kept_) == {"a", "b", "ward"}


def test_pattern_without_a_feature_is_refused(table):
    with pytest.raises(ConfigurationError, match="no feature matches"):
        OnColumns(LOGISTIC, columns=("x_*",)).fit(table[0], table[1])


def test_an_absent_optional_package_is_named(table, monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr("medanomaly.tabular.risk.boosting_libraries.importlib.import_module", absent)
    with pytest.raises(ConfigurationError, match="xgboost-cpu"):
        XGBoostRisk().fit(table[0], table[1])


@pytest.mark.parametrize(
    ("y", "error"),
    [(np.zeros(600), ConfigurationError), (np.full(600, 2), InputError), (np.ones(5), InputError)],
)
def test_labels_that_cannot_be_learned_are_refused(table, y, error):
    with pytest.raises(error):
        clone(LOGISTIC).fit(table[0], y)


def test_text_among_numbers_is_refused_with_its_row(table):
    features, y, *_ = table
    model = clone(LOGISTIC).fit(features, y)
    wrong = features.iloc[:3].astype({"a": object})
    wrong.loc[1, "a"] = "high"
    with pytest.raises(InputError, match=r"record 2, column 'a': 'high'"):
        model.predict_proba(wrong)


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_linear_design_survives_json(new_table, seed):
    features = new_table(n=40, seed=seed)[0]
    design = LinearDesign.fit(features)
    again = LinearDesign.from_dict(design.to_dict())
    np.testing.assert_array_equal(again.transform(features), design.transform(features))
