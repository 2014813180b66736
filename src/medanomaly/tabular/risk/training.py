"""Fit a risk model on labelled cases outside test, calibrate it on out-of-fold predictions, and make a bundle of both."""

import numpy as np
import pandas as pd

from medanomaly.core import skops_io
from medanomaly.core.bundle import Bundle, make_bundle
from medanomaly.core.errors import ConfigurationError
from medanomaly.core.folds import stratified_folds
from medanomaly.core.thresholds import choose_threshold, flag_rates
from medanomaly.tabular.labelled_cases import development_cases, input_contract, learned_from
from medanomaly.tabular.risk.combined_models import MeanLogit, OnColumns
from medanomaly.tabular.risk.fitting.cross_fitting import cross_calibrated, fit_calibrated, out_of_fold
from medanomaly.tabular.risk.fitting.feature_selection import SelectedFeatures
from medanomaly.tabular.risk.fitting.imbalance import Rebalanced
from medanomaly.tabular.risk.fitting.label_noise import suspicious_labels
from medanomaly.tabular.risk.logistic_onnx import to_onnx
from medanomaly.tabular.risk.params import MemberParams, RiskParams
from medanomaly.tabular.risk.risk_model import RiskModel

# a separate name: a scorer of anomalies refuses the bundle, and tables of the two are never mixed
MODALITY = "tabular_risk"
MEANING = "probability of label 1, calibrated on out-of-fold predictions; not an anomaly score"
MIN_CASES_PER_CLASS_AND_FOLD = 5


def build_model(params: RiskParams, seed: int) -> RiskModel:
    """The unfitted model that ``params`` describe; feature selection and rebalancing are part of it."""
    members = [_member(member, params, seed) for member in params.members]
    return members[0] if len(members) == 1 else MeanLogit(tuple(members))


def _member(member: MemberParams, params: RiskParams, seed: int) -> RiskModel:
    model = member.unfitted(seed)
    if params.n_features is not None:
        model = SelectedFeatures(model, params.n_features)
    if params.imbalance != "none":
        model = Rebalanced(model, params.imbalance, params.correct_prevalence, seed)
    if member.columns != ("*",) or member.exclude:
        model = OnColumns(model, member.columns, member.exclude)
    return model


def _labelled(
    cases: pd.DataFrame, features: pd.DataFrame, inside: np.ndarray, n_folds: int, name: str
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Features, labels and patients of the cases to learn from."""
    y = cases.loc[inside, "label"].to_numpy(dtype=np.int64)
    fewest, needed = int(min(y.sum(), (1 - y).sum())), MIN_CASES_PER_CLASS_AND_FOLD * n_folds
    if fewest < needed:
        raise ConfigurationError(
            f"{fewest} labelled cases of the rarer class outside test; '{name}' needs at least {needed}",
            remedy="Set split.anomalous_patients: split, use fewer folds, or bring more labelled cases.",
        )
    patient = cases.loc[inside, "patient_id"].to_numpy(dtype=object)
    return features[inside].reset_index(drop=True), y, patient


def check_labels(
    cases: pd.DataFrame, features: pd.DataFrame, params: RiskParams, *, seed: int
) -> pd.DataFrame:
    """Cases outside test whose label a model that was fitted without them contradicts most strongly.

    Args:
        cases: case table with the split.
        features: feature table in the order of ``cases``.
        params: the model that predicts the labels.
        seed: of folds and models.

    Returns:
        See :func:`medanomaly.tabular.risk.fitting.label_noise.suspicious_labels`. It is for review: no label changes.
    """
    inside = development_cases(cases, cases["label"])
    table, y, patient = _labelled(cases, features, inside, params.n_folds, "label check")
    fold = stratified_folds(patient, y, params.n_folds, seed)
    logit = out_of_fold(build_model(params, seed), table, y, patient, fold)
    held_out = cross_calibrated(logit, y, fold, params.calibration)
    return suspicious_labels(held_out, y, cases.loc[inside, "case_id"])


def train_risk(
    cases: pd.DataFrame,
    features: pd.DataFrame,
    params: RiskParams,
    *,
    name: str,
    seed: int,
    outcome: str = "label 1",
    units: dict[str, str] | None = None,
    stamp: dict | None = None,
) -> Bundle:
    """Train one risk model.

    Model, calibration and threshold come from the labelled cases of ``train`` and ``calibration``; test is never used.

    Args:
        cases: case table with the split.
        features: feature table of the same cases, in the same order.
        params: members, calibration, imbalance, threshold.
        name: the model's name.
        seed: of folds, and of models with random numbers that have no ``random_state`` among their options.
        outcome: the meaning of label 1, in words.
        units: unit of each feature, for explanations.
        stamp: what to add to the manifest.

    Returns:
        A bundle of ``model.skops`` and, for a single logistic regression, ``model.onnx`` (matrix to probability). The
        manifest holds the calibration, the threshold, and the rates that this threshold has on out-of-fold predictions.

    Raises:
        ConfigurationError: too few labelled cases of a class outside test.
    """
    inside = development_cases(cases, cases["label"])
    table, y, patient = _labelled(cases, features, inside, params.n_folds, name)
    fitted, held_out = fit_calibrated(
        build_model(params, seed), table, y, patient, params.calibration, params.n_folds, seed
    )
    threshold = choose_threshold(held_out, y, params.threshold)
    manifest = {
        "name": name,
        "modality": MODALITY,
        "meaning": MEANING,
        "outcome": outcome,
        "kind": "tabular_risk",
        "members": [member.model for member in params.members],
        "options": params.model_dump(mode="json", exclude={"kind"}),
        "population": "labelled",
        "seed": seed,
        "training_data": learned_from(cases[inside], features[inside])
        | {"n_positive": int(y.sum()), "prevalence": float(y.mean())},
        "input_contract": input_contract(table, units or {}),
        "calibration": fitted.calibrator.to_dict(),
        "risk_threshold": {"probability": threshold, "out_of_fold": flag_rates(held_out, y, threshold)},
        "interval": params.interval,
    } | (stamp or {})
    files = {"model.skops": skops_io.dumps(fitted.model)}
    exported = to_onnx(fitted)
    if exported is not None:
        # from a feature table to the matrix that the graph takes; other models have this step in model.skops
        manifest["preprocessing"] = fitted.model.design_.to_dict()
        files["model.onnx"] = exported
    return make_bundle(manifest, files)
