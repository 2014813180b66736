"""A search from the command line to a bundle: what it finds is what the next run trains with, and what the bundle says."""

import json
import logging
import shutil

import pandas as pd
import pytest

from medanomaly.core.errors import ConfigurationError
from medanomaly.core.models import kind
from medanomaly.parameters import RunParams
from medanomaly.pipelines.environment import Environment, Model
from medanomaly.pipelines.models import fit_model
from medanomaly.pipelines.tabular.modality import TABULAR
from medanomaly.pipelines.tuning.nodes import search
from medanomaly.pipelines.tuning.pipeline import tuning
from medanomaly.tracking.params import TrackingParams
from medanomaly.tuning.study import TuningParams
from tests.conftest import ROOT

FOREST = "tabular.isolation_forest"
SPACE = {
    "n_estimators": {"type": "int", "low": 5, "high": 40},
    "max_samples": {"type": "int", "low": 16, "high": 64},
}


def run(outputs, *, tuning=None, **what):
    from kedro.framework.session import KedroSession

    given = {"outputs": str(outputs)} | ({"tuning": tuning} if tuning else {})
    with KedroSession.create(ROOT, env="test", runtime_params=given) as session:
        session.run(**what)
        return session.load_context().catalog


@pytest.fixture(scope="module")
def outputs(finished_run, finished_outputs, tmp_path_factory):
    """Tables of the finished run in a folder of their own: what is tuned here must not reach other tests."""
    folder = tmp_path_factory.mktemp("tuned_run")
    for stage in ("02_intermediate", "03_primary", "04_feature"):
        shutil.copytree(finished_outputs / stage, folder / stage)
    recipe = "06_models/synthetic/tabular/recipe"
    shutil.copytree(finished_outputs / recipe, folder / recipe)
    return folder


@pytest.fixture(scope="module")
def tuned(outputs):
    settings = {"target": FOREST, "n_trials": 3, "n_folds": 2, "search": {FOREST: SPACE}}
    return run(outputs, tuning=settings, pipeline_names=["tuning"])


def test_a_search_leaves_best_parameters_trials_and_a_figure(tuned):
    best = tuned[f"{FOREST}.best_parameters"].load()
    trials = tuned[f"{FOREST}.trials"].load()
    assert len(trials) == best["n_trials"] == 3
    assert best["value"] == pytest.approx(trials.loc[trials["state"] == "complete", "value"].max())
    assert "<svg" in tuned[f"{FOREST}.tuning_figures"].load()["history"]


def test_the_next_run_trains_with_what_was_found_and_its_bundle_says_so(tuned, outputs, caplog):
    best = tuned[f"{FOREST}.best_parameters"].load()
    with caplog.at_level(logging.INFO, logger="medanomaly"):
        catalog = run(outputs, node_names=[f"{FOREST}.fit", "tabular.ecdf.fit"])
    manifest = json.loads(json.dumps(dict(catalog[f"{FOREST}.bundle"].load().manifest)))
    assert manifest["tuned"] == best
    assert {name: manifest["options"][name] for name in best["options"]} == best["options"]
    assert best["study"] in caplog.text
    assert "tuned" not in catalog["tabular.ecdf.bundle"].load().manifest


def test_a_study_of_other_data_is_another_study(tuned, outputs, tmp_path):
    before = tuned[f"{FOREST}.best_parameters"].load()
    shutil.copytree(outputs, tmp_path / "other")
    path = next((tmp_path / "other").glob("04_feature/*/tabular/features.parquet"))
    table = pd.read_parquet(path)
    table["heart_rate"] += 1
    table.to_parquet(path)
    # no run wrote these features, so the record of outputs would refuse them
    next((tmp_path / "other").glob("08_reporting/*/.made.json")).unlink()
    settings = {"target": FOREST, "n_trials": 1, "n_folds": 2, "search": {FOREST: SPACE}}
    again = run(tmp_path / "other", tuning=settings, pipeline_names=["tuning"])
    after = again[f"{FOREST}.best_parameters"].load()
    assert after["n_trials"] == 1
    assert after["study"] != before["study"]


def test_tuned_options_override_those_of_the_block_and_leave_the_others():
    forest = kind("isolation_forest")
    block = forest.params(options={"n_estimators": 300, "max_samples": 64})
    tuned = forest.with_options(block, {"n_estimators": 7})
    assert tuned.options == {"n_estimators": 7, "max_samples": 64}
    assert forest.with_options(block, {}) == block


def test_options_of_another_detector_are_refused():
    tuned = {"options": {"n_neighbors": 3}, "study": "s", "trial": 0, "value": 0.5}
    about = RunParams(dataset="ward", table="ward"), tuned, None
    forest, view = Model("forest", kind("isolation_forest")), TABULAR.cases["records"].views["features"]
    with pytest.raises(ConfigurationError, match=r"study s: .*n_neighbors.*forest\.tuned\.json"):
        fit_model(forest, "tabular", view, {}, None, *about)


@pytest.mark.parametrize(("target", "said"), [("tabular.ecdf", "no search space"), (FOREST, "has no option")])
def test_a_search_that_makes_no_sense_is_refused_before_it_starts(target, said):
    space = {FOREST: {"n_neighbors": {"type": "int", "low": 1, "high": 5}}}
    params = TuningParams(target=target, storage="sqlite://", search=space)
    about = TrackingParams(wandb={"folder": "logged"}), RunParams(dataset="ward", table="ward")
    with pytest.raises(ConfigurationError, match=said):
        search(kind(target.partition(".")[2]), None, None, params, *about)


def test_a_target_that_is_no_model_is_refused_when_the_tuning_runs_and_the_models_are_named():
    models = {"tabular": (Model("ecdf", kind("ecdf")), Model("forest", kind("isolation_forest")))}
    environment = Environment(("tabular",), models=models, tuning_target="tabular.absent")
    (node,) = tuning(environment).nodes
    with pytest.raises(ConfigurationError, match=r"tabular\.absent.*\['tabular\.ecdf', 'tabular\.forest'\]"):
        node.run({})
