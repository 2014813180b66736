"""Cards of risk models: written by a run of them, with what their probabilities tell of training."""

import pandas as pd
from tests.conftest import environment

from medanomaly.parameters import AlarmParams
from medanomaly.pipeline_registry import build
from medanomaly.pipelines.evaluation.report_nodes import write_cards
from medanomaly.pipelines.tabular.label_nodes import guess_members
from medanomaly.tabular.risk.params import RiskParams
from medanomaly.tabular.risk.training import train_risk

REMEMBERS = {"model": "random_forest", "options": {"n_estimators": 50, "min_samples_leaf": 1}}


def test_a_run_of_risk_models_writes_their_cards():
    found = build(environment("wdbc"), "risk_models")
    (cards,) = (node for node in found.nodes if node.outputs == ["tabular_risk.cards"])
    models = [model.name for model in environment("wdbc").models["tabular_risk"]]
    assert models
    assert {f"tabular_risk.{name}.bundle" for name in models} < set(cards.inputs)
    assert {"tabular_risk.membership", "tabular_risk.metrics"} < set(cards.inputs)


def test_a_forest_that_remembers_says_so_and_a_line_does_not(cases, table):
    models = {"forest": REMEMBERS, "logistic": {"model": "logistic"}}
    bundles = {
        f"tabular_risk__{name}__bundle": train_risk(
            cases, table[0], RiskParams(members=(member,)), name=name, seed=0
        )
        for name, member in models.items()
    }
    told = guess_members(cases, table[0], *bundles.values())
    assert (told["n_members"] == cases["split"].ne("test").sum()).all()
    assert (told["n_others"] == cases["split"].eq("test").sum()).all()
    auroc = told.set_index("model")["auroc"]
    assert auroc["forest"] > 0.8
    assert 0.4 < auroc["logistic"] < 0.6
    cards = write_cards(pd.DataFrame(), AlarmParams(), tabular_risk__membership=told, **bundles)
    said = f"Its predictions may tell who was in training: AUROC {auroc['forest']:.3f}"
    assert said in cards["tabular_risk_forest"]
    assert f"AUROC {auroc['logistic']:.3f}" in cards["tabular_risk_logistic"]
    assert "was not measured" not in "".join(cards.values())
