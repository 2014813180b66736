"""P-values of raw records within groups: the same as those of the run."""

import numpy as np
import pandas as pd
import pytest

from medanomaly.core.models import kind
from medanomaly.core.recipe import open_recipe
from medanomaly.core.scores import score_table
from medanomaly.detectors.training import DetectorParams, train_bundle
from medanomaly.scoring.model_answers import OpenModel
from medanomaly.scoring.models import Models
from medanomaly.tabular.features.record_features import fit_features, record_features
from medanomaly.tabular.table.cleaning import clean_table
from medanomaly.tabular.table.description import TableSpec

N = 900


@pytest.fixture(scope="module")
def trained():
    rng = np.random.default_rng(0)
    site = rng.choice(["north", "south", "tiny"], N, p=[0.5, 0.47, 0.03])
    raw = pd.DataFrame(
        {"site": site, "a": rng.normal(size=N) * np.where(site == "north", 1, 3), "b": rng.normal(size=N)}
    )
    raw.loc[::50, "site"] = None
    spec = TableSpec(subgroups={"site": "site"}, ignore=("site",))
    clean = clean_table(raw, spec)
    cases = clean.cases.assign(label=0, split=np.resize(["train", "calibration", "test"], N))
    cases = cases[["case_id", "patient_id", "label", "kind", "split", "site"]]
    recipe = fit_features(clean.records, cases, spec, learned=clean.learned)
    features = record_features(clean.records, cases, spec)
    bundle = train_bundle(
        cases,
        features,
        DetectorParams(kind="mahalanobis"),
        name="m",
        seed=0,
        group_by="site",
        stamp={"recipe": recipe.bundle_hash, "groups": {"column": "site", "min_group_size": 50}},
    )
    of = kind("mahalanobis")
    models = Models([OpenModel(of, of.open(bundle), 0.1)], {recipe.bundle_hash: open_recipe(recipe)})
    return (
        raw,
        cases,
        models,
        score_table(cases, of.open(bundle).score(features), "m", 0.1, group_by="site", min_group_size=50),
    )


def test_p_values_within_groups_are_those_of_the_run(trained):
    raw, cases, models, known = trained
    answers = models.score(raw, explain=False)
    test = (cases["split"] == "test").to_numpy()
    np.testing.assert_allclose(answers.scores["p_value"][test].astype(float), known["p_value"][test])
    assert (answers.scores["flagged"][test].astype(bool) == known["flagged"][test].astype(bool)).all()


def test_a_record_of_a_new_or_unknown_group_is_compared_with_all(trained):
    models = trained[2]
    record = {"a": 2.5, "b": 0.0}
    p = [
        models.score(record | site).scores["p_value"].iloc[0]
        for site in ({}, {"site": "west"}, {"site": "tiny"}, {"site": "north"}, {"site": "south"})
    ]
    assert p[0] == p[1] == p[2]
    assert p[3] < p[0] < p[4]
