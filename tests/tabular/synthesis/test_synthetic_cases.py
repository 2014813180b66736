"""Synthetic cases in the training of risk models and of models of classes."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from medanomaly.core.errors import ConfigurationError
from medanomaly.tabular.classes import mean_of_models
from medanomaly.tabular.classes.params import ClassParams
from medanomaly.tabular.risk.fitting import imbalance
from medanomaly.tabular.risk.fitting.cross_fitting import out_of_fold
from medanomaly.tabular.risk.fitting.imbalance import Rebalanced
from medanomaly.tabular.risk.logistic import LogisticRisk
from medanomaly.tabular.risk.params import RiskParams
from medanomaly.tabular.risk.training import build_model
from medanomaly.tabular.synthesis.balance import with_synthetic


def make_cases(n=400, seed=0):
    rng = np.random.default_rng(seed)
    y = np.repeat(["usual", "seldom", "rare", "single"], [n - 50, 40, 9, 1]).astype(object)
    shift = np.select([y == "seldom", y == "rare"], [2.0, 4.0], 0.0)
    table = pd.DataFrame({"case_id": [f"c{i}" for i in range(n)], "a": rng.normal(size=n) + shift})
    table["b"] = rng.normal(size=n)
    table["c"] = pd.array(rng.choice(["yes", "no"], n), dtype="string")
    table.loc[rng.random(n) < 0.1, "b"] = np.nan
    return table, y


def test_rare_classes_are_filled_up_and_single_cases_left():
    table, y = make_cases()
    both, labels = with_synthetic(table, y, "smote", up_to=0.2)
    counts = dict(zip(*np.unique(labels.astype(str), return_counts=True), strict=True))
    assert counts == {"usual": 350, "seldom": 70, "rare": 70, "single": 1}
    pd.testing.assert_frame_equal(both[:400], table)
    assert both["case_id"][400:].tolist() == [f"synthetic-{i + 1}" for i in range(91)]
    assert both["b"][400:].isna().any()


def test_nothing_is_added_where_no_class_is_rare_and_names_are_checked_all_the_same():
    table, y = make_cases()
    both, labels = with_synthetic(table, y, "smote", up_to=0.01)
    assert len(both) == len(labels) == 400
    with pytest.raises(ConfigurationError, match="unknown generator"):
        with_synthetic(table, y, "smoted", up_to=0.01)


def test_synthetic_cases_come_from_training_folds_alone(monkeypatch):
    table, y = make_cases()
    y = (y != "usual").astype(int)
    patient, fold = np.arange(400), np.arange(400) % 4
    seen = []

    def spy(features, labels, name, **options):
        seen.append(set(features["case_id"]))
        return with_synthetic(features, labels, name, **options)

    monkeypatch.setattr(imbalance, "with_synthetic", spy)
    logit = out_of_fold(Rebalanced(LogisticRisk(), "copula"), table, y, patient, fold)
    assert np.isfinite(logit).all()
    assert len(logit) == 400
    ids = table["case_id"].to_numpy()
    assert seen == [set(ids[fold != k]) for k in range(4)]


def test_a_class_model_learns_from_synthetic_cases_of_its_fold_alone(monkeypatch):
    table, y = make_cases()
    seen = []

    def spy(features, labels, *options):
        seen.append((set(features["case_id"]), options))
        return with_synthetic(features, labels, *options)

    monkeypatch.setattr(mean_of_models, "with_synthetic", spy)
    params = ClassParams(members=({"model": "bayes"},), imbalance="copula", up_to=0.2)
    fold = np.arange(400) % 2
    fitted, held_out = mean_of_models.fit_classes(params, table, y, fold, seed=3)
    ids = table["case_id"].to_numpy()
    assert [ids for ids, _ in seen] == [set(ids[fold != 0]), set(ids[fold != 1]), set(ids)]
    assert seen[0][1] == ("copula", 0.2, 3)
    # priors of decisions are those of real cases
    assert fitted.counts.tolist() == [9, 40, 1, 350]
    assert held_out.shape == (400, 4)


def test_without_the_option_nothing_is_drawn(monkeypatch):
    def never(*_, **__):
        raise AssertionError("drawn")

    monkeypatch.setattr(mean_of_models, "with_synthetic", never)
    monkeypatch.setattr(imbalance, "with_synthetic", never)
    table, y = make_cases()
    params = ClassParams(members=({"model": "bayes"},))
    mean_of_models.fit_classes(params, table, y, np.arange(400) % 2, seed=0)
    model = build_model(RiskParams(members=({"model": "logistic"},)), 0)
    assert isinstance(model, LogisticRisk)


def test_parameters_know_the_generators():
    assert RiskParams(imbalance="adversarial_forest").imbalance == "adversarial_forest"
    with pytest.raises(ValidationError):
        RiskParams(imbalance="ctgan")
    with pytest.raises(ValidationError):
        ClassParams(imbalance="class_weight")
