"""Fit a model of classes on cases outside test whose class is known, and make a bundle of it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from medanomaly.core import skops_io
from medanomaly.core.bundle import Bundle, make_bundle
from medanomaly.core.calibrated_bundle import CALIBRATION
from medanomaly.core.cases import class_of
from medanomaly.core.errors import ConfigurationError
from medanomaly.core.folds import stratified_folds
from medanomaly.detectors.training import train_bundle
from medanomaly.evaluation.probability_calibration import expected_calibration_error
from medanomaly.tabular.classes.mean_of_models import fit_classes
from medanomaly.tabular.classes.params import NAME, ClassParams
from medanomaly.tabular.labelled_cases import development_cases, input_contract, learned_from

# a scorer of anomalies refuses the bundle, and tables of the two are never mixed
MODALITY = "tabular_classes"
MEANING = "probability of each class, calibrated on out-of-fold predictions; not an anomaly score"
MODEL = "model.skops"
# files of the detector of known records -> their names in a bundle of a detector
KNOWN = {"known.onnx": "model.onnx", "known.skops": "model.skops", "known_calibration.npy": CALIBRATION}
# so many values stand for what is usual of a feature
USUAL_VALUES = 8


def train_classes(
    cases: pd.DataFrame,
    features: pd.DataFrame,
    params: ClassParams,
    *,
    name: str,
    seed: int,
    units: Mapping[str, str] | None = None,
    stamp: Mapping[str, Any] | None = None,
) -> Bundle:
    """Train one model of classes.

    Everything comes from cases of ``train`` and ``calibration`` whose class is known; test is never used. The detector of
    records that look like none it knows is fitted on train and calibrated on calibration, so its p-values hold.

    Args:
        cases: case table with the split; the class is what :func:`medanomaly.core.cases.class_of` says.
        features: feature table of the same cases, in the same order.
        params: members, calibration, decision, sets.
        name: the model's name.
        seed: of folds, and of models with random numbers that have no ``random_state`` among their options.
        units: unit of each feature, for explanations.
        stamp: what to add to the manifest.

    Returns:
        A bundle of ``model.skops`` (members and usual values), and ``known.onnx``, ``known.skops`` and
        ``known_calibration.npy`` (the detector).

    Raises:
        ConfigurationError: too few cases, or fewer than two classes, outside test.
    """
    of = class_of(cases)
    inside = development_cases(cases, of)
    y = of[inside].to_numpy(dtype=object).astype(str)
    table = features[inside].reset_index(drop=True)
    patient = cases.loc[inside, "patient_id"].to_numpy(dtype=object)
    classes, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    if len(classes) < 2:
        raise ConfigurationError(
            f"{len(classes)} classes outside test; '{name}' tells at least two apart",
            remedy="Name the column of classes: label with normal_labels, or kind, in data_processing.tables.",
        )
    # rarest class last: a patient with two classes counts for the rarer one
    rank = np.argsort(np.lexsort((classes, -counts)), kind="stable")
    fold = stratified_folds(patient, rank[codes], params.n_folds, seed, rare_classes=True)
    fitted, held_out = fit_classes(params, table, y, fold, seed)
    known = _known_records(cases, features, inside, params, name, seed)
    most_likely = held_out.argmax(axis=1)
    manifest = {
        "name": name,
        "modality": MODALITY,
        "meaning": MEANING,
        "kind": NAME,
        "members": [member.model for member in params.members],
        "options": params.model_dump(mode="json", exclude={"kind"}),
        "population": "classes",
        "seed": seed,
        "training_data": learned_from(cases[inside], features[inside]),
        "input_contract": input_contract(table, units or {}),
        "calibration": {
            "name": params.calibration,
            "temperature": fitted.temperature,
            "out_of_fold_ece": expected_calibration_error(held_out.max(axis=1), most_likely == codes),
        },
        "classes": [
            {"name": str(c), "n_cases": int(n), "in_set_from": float(threshold)}
            for c, n, threshold in zip(classes, counts, fitted.thresholds, strict=True)
        ],
        "decision": {"name": params.decision, "strength": fitted.strength},
        "coverage": params.coverage,
        "known": dict(known.manifest),
        "unlike_at": max(params.unlike_at, known.manifest["p_value_floor"]),
    }
    content = {"members": list(fitted.members), "usual": usual_values(table)}
    files = {MODEL: skops_io.dumps(content)} | {own: known.files[name] for own, name in KNOWN.items()}
    return make_bundle(manifest | dict(stamp or {}), files)


def _known_records(
    cases: pd.DataFrame, features: pd.DataFrame, inside: np.ndarray, params: ClassParams, name: str, seed: int
) -> Bundle:
    """A detector that knows the records of all classes: none is normal, none is an anomaly."""
    own = (
        cases[inside].assign(label=pd.array([pd.NA] * int(inside.sum()), dtype="Int8")).reset_index(drop=True)
    )
    return train_bundle(own, features[inside].reset_index(drop=True), params.known, name=name, seed=seed)


def usual_values(features: pd.DataFrame) -> dict[str, list]:
    """Feature -> values at equal shares of the cases: quantiles of a number, levels by frequency, None for a missing one.

    They stand for a record of which this feature is not known, and for no single patient.
    """
    out: dict[str, list] = {}
    for name in features.columns.drop("case_id"):
        values = features[name]
        n_missing = int(np.round(USUAL_VALUES * float(values.isna().mean())))
        known, n = values.dropna(), USUAL_VALUES - n_missing
        if not len(known):
            continue
        shares = (np.arange(n) + 0.5) / max(n, 1)
        if pd.api.types.is_numeric_dtype(values):
            chosen = np.quantile(known.to_numpy(dtype=np.float64), shares).tolist()
        else:
            frequent = (
                known.astype(str)
                .value_counts(normalize=True)
                .sort_index()
                .sort_values(ascending=False, kind="stable")
            )
            chosen = [str(frequent.index[i]) for i in np.searchsorted(frequent.cumsum().to_numpy(), shares)]
        out[str(name)] = [*chosen, *[None] * n_missing]
    return out
