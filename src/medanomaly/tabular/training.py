"""Fit a detector on the train normals, calibrate it, and seal both with their preprocessing into a bundle."""

import hashlib
import importlib
import inspect
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from medanomaly.core.bundle import Bundle, array_bytes, make_bundle
from medanomaly.core.cases import reference_cases
from medanomaly.core.conformal import score_threshold
from medanomaly.core.errors import ConfigurationError
from medanomaly.tabular.preprocessing import Preprocessor

# name in parameters and catalog -> class, given as text so that parameters validate without importing scikit-learn
DETECTORS = {
    "isolation_forest": "medanomaly.tabular.detectors.isolation_forest:IsolationForest",
    "ecdf": "medanomaly.tabular.detectors.ecdf:ECDFDetector",
    "nearest_neighbours": "medanomaly.tabular.detectors.nearest_neighbours:NearestNeighbours",
    "mahalanobis": "medanomaly.tabular.detectors.mahalanobis:MahalanobisDetector",
    "pca": "medanomaly.tabular.detectors.pca:PCADetector",
    "one_class_svm": "medanomaly.tabular.detectors.one_class_svm:OneClassSVMDetector",
    "local_outlier_factor": "medanomaly.tabular.detectors.local_outlier_factor:LocalOutlierFactor",
    "extended_isolation_forest": "medanomaly.tabular.detectors.extended_isolation_forest:ExtendedIsolationForest",
    "autoencoder": "medanomaly.tabular.detectors.autoencoder:AutoencoderDetector",
    "transformer_autoencoder": "medanomaly.tabular.detectors.transformer_autoencoder:TransformerAutoencoderDetector",
    "four_member_ensemble": "medanomaly.tabular.detectors.ensembles:FourMemberEnsemble",
    "two_view_ensemble": "medanomaly.tabular.detectors.ensembles:TwoViewEnsemble",
}
MIN_REFERENCE = 10


def detector_class(name: str) -> type:
    """The estimator class of a detector's name."""
    module, _, attribute = DETECTORS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def detector_for(params: "DetectorParams", seed: int, options: Mapping[str, Any] | None = None) -> Any:
    """An unfitted detector with its options; ``options`` go before those of ``params``, ``seed`` where none is given."""
    estimator = detector_class(params.detector)
    together = {**params.options, **(options or {})}
    if "random_state" in inspect.signature(estimator).parameters:
        together.setdefault("random_state", seed)
    return estimator(**together)


class DetectorParams(BaseModel):
    """Which detector, on which population, with which options.

    Attributes:
        detector: a key of ``DETECTORS``.
        population: ``normals`` fits on the normal train cases (one-class), ``all`` on every train case (unsupervised).
        options: arguments of the estimator.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    detector: str
    population: Literal["normals", "all"] = "normals"
    options: dict[str, Any] = Field(default_factory=dict)

    @field_validator("detector")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in DETECTORS:
            raise ValueError(f"unknown detector '{name}'; known are {sorted(DETECTORS)}")
        return name

    @model_validator(mode="after")
    def _options_exist(self):
        if self.options:
            known = inspect.signature(detector_class(self.detector)).parameters
            unknown = sorted(set(self.options) - set(known))
            if unknown:
                raise ValueError(
                    f"detector '{self.detector}' has no option {unknown}; it has {sorted(known)}"
                )
        return self


def _given(params: DetectorParams, detector: object) -> list[str]:
    return [*params.options, *({"random_state"} & set(vars(detector)) - set(params.options))]


def training_fingerprint(cases: pd.DataFrame, features: pd.DataFrame) -> str:
    """SHA-256 over ids and values of the given cases: names the exact training data."""
    digest = hashlib.sha256()
    digest.update(",".join(features.columns).encode())
    for frame in (cases[["case_id", "patient_id"]], features):
        digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return digest.hexdigest()


def _input_contract(features: pd.DataFrame, preprocessor: Preprocessor, units: dict[str, str]) -> list[dict]:
    contract = []
    for name in preprocessor.features:
        if name in preprocessor.levels:
            contract.append({"name": name, "kind": "category", "levels": list(preprocessor.levels[name])})
            continue
        known = features[name].dropna().to_numpy(dtype=np.float64)
        low, high = np.quantile(known, [0.05, 0.95]) if known.size else (np.nan, np.nan)
        contract.append(
            {
                "name": name,
                "kind": "number",
                "unit": units.get(name, ""),
                "usual_low": float(low),
                "usual_high": float(high),
                "missing_share": float(features[name].isna().mean()),
            }
        )
    return contract


def train_bundle(
    cases: pd.DataFrame,
    features: pd.DataFrame,
    params: DetectorParams,
    *,
    name: str,
    alpha: float,
    seed: int,
    units: dict[str, str] | None = None,
    group_by: str | None = None,
    stamp: dict | None = None,
    modality: str = "tabular",
) -> Bundle:
    """Train one detector and seal it.

    Calibration scores are computed from the exported ONNX model, the one that is served, so that a p-value means the same
    in the pipeline and in a service.

    Args:
        cases: case table with the split.
        features: feature table of the same cases, in the same order.
        params: detector, population, options.
        name: the model's name.
        alpha: false-alarm rate at which the bundle's threshold is set.
        seed: for detectors that draw random numbers and are given no ``random_state``.
        units: unit of each feature, for explanations.
        group_by: recorded; a bundle calibrates on all normals together and refuses p-values within groups.
        stamp: what to add to the manifest (data set, creation time, library versions).
        modality: what the features are of.

    Returns:
        A bundle of ``model.onnx`` (matrix to score), ``model.skops``, ``calibration.npy`` (sorted scores of the
        calibration normals).

    Raises:
        ConfigurationError: too few normal cases to fit or to calibrate.
    """
    import skops.io

    from medanomaly.tabular.onnx_export import load_session, run_session, to_onnx

    in_train = cases["split"].eq("train") if params.population == "all" else reference_cases(cases, "train")
    in_train, in_calibration = in_train.to_numpy(), reference_cases(cases, "calibration").to_numpy()
    for part, mask in (("train", in_train), ("calibration", in_calibration)):
        if mask.sum() < MIN_REFERENCE:
            raise ConfigurationError(
                f"{int(mask.sum())} normal cases in {part}; '{name}' needs at least {MIN_REFERENCE}",
                remedy=f"Bring more normal cases, or raise data_processing.split.{part}.",
            )
    preprocessor = Preprocessor.fit(features[in_train])
    detector = detector_for(params, seed).fit(preprocessor.transform(features[in_train]))
    onnx_bytes = to_onnx(detector)
    session = load_session(onnx_bytes)
    calibration = np.sort(run_session(session, preprocessor.transform(features[in_calibration])))
    threshold = score_threshold(calibration, alpha)
    manifest = {
        "name": name,
        "modality": modality,
        "detector": params.detector,
        "options": {name: getattr(detector, name) for name in _given(params, detector)},
        "population": params.population,
        "seed": seed,
        "training_data": {
            "n_cases": int(in_train.sum()),
            "n_patients": int(cases.loc[in_train, "patient_id"].nunique()),
            "n_calibration": int(in_calibration.sum()),
            "fingerprint": training_fingerprint(cases[in_train], features[in_train]),
            "labelled": bool(cases["label"].notna().any()),
        },
        "preprocessing": preprocessor.to_dict(),
        "input_contract": _input_contract(features[in_train], preprocessor, units or {}),
        # an infinite threshold (alpha below the floor) is not JSON: null says that nothing can be flagged
        "thresholds": {"alpha": alpha, "score": threshold if np.isfinite(threshold) else None},
        "group_by": group_by,
        "p_value_floor": 1.0 / (len(calibration) + 1),
    } | (stamp or {})
    return make_bundle(
        manifest,
        {
            "model.onnx": onnx_bytes,
            "model.skops": skops.io.dumps(detector),
            "calibration.npy": array_bytes(calibration),
        },
    )
