"""Models that are trained in a moment, and a table with a history of patients, as the tests of batches share them."""

import numpy as np
import pandas as pd

from medanomaly.core.bundle import make_bundle, write_bundle
from medanomaly.core.models import FitContext, ModelInput, kind
from medanomaly.core.recipe import open_recipe
from medanomaly.core.scores import score_table
from medanomaly.monitoring.drift_reference import reference_of, seal_reference
from medanomaly.monitoring.facts import with_facts
from medanomaly.scoring.model_answers import OpenModel
from medanomaly.scoring.models import Models
from medanomaly.tabular.features.record_facts import record_facts
from medanomaly.tabular.features.record_features import feature_units, fit_features, record_features
from medanomaly.tabular.table.cleaning import clean_table
from medanomaly.tabular.table.description import TableSpec

SPEC = {"case_id": "id", "patient_id": "patient", "label": "outcome", "normal_labels": ["well"]}


def visits(n, seed=0):
    """A raw table of n visits, two per patient."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "id": [f"{seed:03d}{i:05d}" for i in range(n)],
            "patient": [f"p{seed}-{i // 2}" for i in range(n)],
            "when": pd.Series(pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(n), "D")).astype(str),
            "potassium": rng.normal(4.2, 0.4, n).round(2).astype(str),
            "sodium": rng.normal(140, 3, n).round(1).astype(str),
            "outcome": "well",
        }
    )


def patients(n, seed, ill=0.15):
    """Visits of n patients, some of whom are ill; a column says from which ward they come."""
    rng = np.random.default_rng(seed)
    table = visits(n, seed).assign(patient=[f"p{seed}-{i}" for i in range(n)])
    sick = rng.random(n) < ill
    table["potassium"] = rng.normal(4.2 + 0.9 * sick, 0.4).round(2).astype(str)
    table["ward"] = rng.choice(["north", "south"], n)
    return table.assign(outcome=np.where(sick, "ill", "well"))


def trained_with_reference(folder, raw, names=("ecdf", "mahalanobis")):
    """Recipe, models of raw visits of :func:`patients`, and the reference that a run seals; returns the folder."""
    described = TableSpec.model_validate(
        SPEC | {"columns": {"when": {"kind": "time"}, "potassium": {"kind": "number", "unit": "mmol/L"}},
                "subgroups": {"ward": "ward"}}
    )  # fmt: skip
    clean = clean_table(raw, described)
    split = np.array(["train", "calibration", "calibration"])[np.arange(len(clean.cases)) % 3]
    cases = clean.cases.assign(split=pd.array(split, dtype="string"))
    recipe = fit_features(clean.records, cases, described, learned=clean.learned)
    write_bundle(folder / "tabular" / "recipe", recipe)
    features = record_features(clean.records, cases, described, recipe)
    about = {"units": feature_units(described, clean.summary["columns"])}
    data = ModelInput(cases, features, about, record_facts(cases, features))
    bundles, scores = {}, {}
    for name in names:
        of = kind(name)
        context = FitContext(name, "tabular", stamp={"recipe": recipe.bundle_hash})
        bundles[name] = with_facts(of.fit(data, of.params.model_validate({}), context)[0], data)
        scores[name] = score_table(cases, of.open(bundles[name]).score(features), name, None)
        write_bundle(folder / "tabular" / name, bundles[name])
    reference = reference_of(cases, {"features": data}, scores, bundles)
    write_bundle(folder / "tabular" / "reference", seal_reference(reference, "tabular", "visits"))
    return folder


def trained(folder, names=("ecdf", "mahalanobis"), **spec):
    """Recipe and models of visits, written to a folder as a run does; returns the folder."""
    raw = visits(400)
    columns = {"when": {"kind": "time"}, "potassium": {"kind": "number", "unit": "mmol/L"}}
    described = TableSpec.model_validate(SPEC | {"columns": columns} | spec)
    clean = clean_table(raw, described)
    split = np.array(["train", "calibration"])[np.arange(len(clean.cases)) // 2 % 2]
    cases = clean.cases.assign(split=pd.array(split, dtype="string"))
    recipe = fit_features(clean.records, cases, described, learned=clean.learned)
    write_bundle(folder / "tabular" / "recipe", recipe)
    features = record_features(clean.records, cases, described, recipe)
    about = {"units": feature_units(described, clean.summary["columns"])}
    for name in names:
        of = kind(name)
        context = FitContext(name, "tabular", stamp={"recipe": recipe.bundle_hash})
        bundle, _ = of.fit(ModelInput(cases, features, about), of.params.model_validate({}), context)
        write_bundle(folder / "tabular" / name, bundle)
    return folder


class _Brightness:
    """A model of images or beats that needs no training: how far the mean is from nought."""

    explains = False

    def __init__(self, reads):
        self.reads = reads

    def scores(self, scorer, data, left):
        return np.array([np.mean(one) for one in np.asarray(data.inputs, dtype=np.float64)]), {}


class _Scorer:
    calibration = np.linspace(0, 1, 40)

    def __init__(self, bundle):
        self.bundle = bundle


def sealed_with_facts(folder, raw, in_train):
    """Recipe and one detector of visits with the facts of its calibration records, in a folder; returns the folder."""
    spec = TableSpec.model_validate(SPEC | {"columns": {"when": {"kind": "time"}}})
    clean = clean_table(raw, spec)
    cases = clean.cases.assign(split=np.where(in_train, "train", "calibration"))
    recipe = fit_features(clean.records, cases, spec, learned=clean.learned)
    features = record_features(clean.records, cases, spec, recipe)
    data = ModelInput(cases, features, {}, record_facts(cases, features))
    of = kind("ecdf")
    context = FitContext("ecdf", "tabular", stamp={"recipe": recipe.bundle_hash})
    bundle, _ = of.fit(data, of.params.model_validate({}), context)
    write_bundle(folder / "tabular" / "recipe", recipe)
    write_bundle(folder / "tabular" / "ecdf", with_facts(bundle, data))
    return folder


def sealed_with_illness(folder):
    """As :func:`sealed_with_facts`, with 100 normal and 100 abnormal calibration records; returns the folder."""
    raw = visits(800).assign(outcome=np.where(np.arange(800) % 4 < 2, "well", "ill"))
    raw.loc[raw["outcome"].eq("ill"), "potassium"] = (
        raw["potassium"].astype(float).add(2).round(2).astype(str)
    )
    return sealed_with_facts(folder, raw, np.arange(800) // 4 % 2)


def without_training(recipe, reads):
    """A model on what a recipe of images or signals reads."""
    modality = recipe.manifest.modality
    about = {"kind": "ecdf", "name": "mean", "modality": modality, "recipe": recipe.bundle_hash}
    bundle = make_bundle(about | {"thresholds": {"alpha": 0.05}}, {})
    return Models([OpenModel(_Brightness(reads), _Scorer(bundle))], {recipe.bundle_hash: open_recipe(recipe)})
