"""A raw table of four diagnoses, and models of it that are trained in a moment."""

import numpy as np
import pandas as pd

from medanomaly.core.bundle import write_bundle
from medanomaly.core.models import FitContext, ModelInput, kind
from medanomaly.core.splits import SplitParams, split_by_patient
from medanomaly.tabular.classes.params import ClassParams
from medanomaly.tabular.features.record_features import feature_units, fit_features, record_features
from medanomaly.tabular.table.cleaning import clean_table
from medanomaly.tabular.table.description import TableSpec

MEANS = {"well": (4.2, 140), "low potassium": (2.4, 140), "low sodium": (4.2, 121), "both low": (2.4, 121)}
SIZES = {"well": 200, "low potassium": 120, "low sodium": 60, "both low": 12}
SPEC = TableSpec.model_validate(
    {
        "case_id": "id",
        "label": "diagnosis",
        "normal_labels": ["well"],
        "columns": {
            "potassium": {"unit": "mmol/L"},
            "sodium": {"unit": "mmol/L"},
            "ward": {"kind": "category"},
        },
    }
)
PARAMS = ClassParams.model_validate(
    {
        "members": [
            {"model": "hist_boosting", "options": {"max_iter": 8}},
            {"model": "random_forest", "options": {"n_estimators": 10}},
        ],
        "n_folds": 2,
        "known": {"kind": "mahalanobis", "population": "all"},
    }
)
RECORD = {"potassium": 2.3, "sodium": 141, "ward": "A"}
# no disease of the table looks like this
STRANGE = {"potassium": 30.0, "sodium": 20, "ward": "A"}


def visits(seed=0, sizes=SIZES):
    """Raw records of each diagnosis around its own means, some values missing."""
    rng = np.random.default_rng(seed)
    diagnosis = np.repeat(list(sizes), list(sizes.values()))
    means = np.array([MEANS[name] for name in diagnosis])
    table = pd.DataFrame(
        {
            "id": [f"v{seed}-{i}" for i in range(len(diagnosis))],
            "potassium": (means[:, 0] + rng.normal(0, 0.35, len(diagnosis))).round(2),
            "sodium": (means[:, 1] + rng.normal(0, 3, len(diagnosis))).round(1),
            "ward": rng.choice(["A", "B"], len(diagnosis)),
            "diagnosis": diagnosis,
        }
    )
    table.loc[rng.random(len(table)) < 0.05, "sodium"] = np.nan
    return table


def prepared(raw=None):
    """Cleaned table, cases with a stratified split, recipe and features."""
    clean = clean_table(visits() if raw is None else raw, SPEC)
    strata = clean.cases["kind"].fillna("normal")
    parts = split_by_patient(
        clean.cases["patient_id"], clean.cases["label"], SplitParams(stratify=True), strata
    )
    cases = clean.cases.assign(split=parts)
    recipe = fit_features(clean.records, cases, SPEC, learned=clean.learned)
    return clean, cases, recipe, record_features(clean.records, cases, SPEC, recipe)


def written(folder):
    """Recipe, a detector and two models of classes in a folder, as a run leaves them; returns the folder."""
    clean, cases, recipe, features = prepared()
    write_bundle(folder / "tabular" / "recipe", recipe)
    data = ModelInput(cases, features, {"units": feature_units(SPEC, clean.summary["columns"])})
    fits = (
        ("ecdf", "ecdf", "tabular", {}),
        ("trees", "tabular_classes", "tabular_classes", PARAMS),
        (
            "bayes",
            "tabular_classes",
            "tabular_classes",
            PARAMS.model_dump() | {"members": [{"model": "bayes"}]},
        ),
    )
    for name, of, modality, params in fits:
        made = kind(of)
        context = FitContext(name, modality, stamp={"recipe": recipe.bundle_hash})
        bundle, _ = made.fit(data, made.params.model_validate(params), context)
        write_bundle(folder / modality / name, bundle)
    return folder
