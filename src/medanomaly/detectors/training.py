"""Fit a detector on the train normals, calibrate it, and seal both and the preprocessing into a bundle."""

import inspect
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, field_validator, model_validator

from medanomaly.core import skops_io
from medanomaly.core.bundle import Bundle
from medanomaly.core.calibrated_bundle import calibrated_bundle, check_reference
from medanomaly.core.models import ModelParams
from medanomaly.core.onnx_session import open_session, run_batches
from medanomaly.detectors.kinds import detector_class, detector_names
from medanomaly.detectors.onnx.graph import BATCH_SIZE
from medanomaly.detectors.preprocessing import Preprocessor


def detector_for(params: "DetectorParams", seed: int, options: Mapping[str, Any] | None = None) -> Any:
    """An unfitted detector; ``options`` override those of ``params``, and ``seed`` applies if they have none."""
    estimator = detector_class(params.kind)
    together = {**params.options, **(options or {})}
    if "random_state" in inspect.signature(estimator).parameters:
        together.setdefault("random_state", seed)
    return estimator(**together)


def fitted_detector(
    params: "DetectorParams",
    matrix: np.ndarray,
    patients: pd.Series,
    seed: int,
    options: Mapping[str, Any] | None = None,
) -> Any:
    """A detector fitted on (n, d) rows of these (n,) patients; one that holds rows out keeps a patient's rows together."""
    detector = detector_for(params, seed, options)
    grouped = "groups" in inspect.signature(detector.fit).parameters
    return detector.fit(matrix, groups=patients.to_numpy()) if grouped else detector.fit(matrix)


class DetectorParams(ModelParams):
    """Which detector, on which population, with which options.

    Attributes:
        kind: a module of :mod:`medanomaly.detectors.kinds`.
        population: ``normals`` fits on the normal train cases (one-class), ``all`` on every train case (unsupervised).
        options: arguments of the estimator.
    """

    kind: str
    population: Literal["normals", "all"] = "normals"
    options: dict[str, Any] = Field(default_factory=dict)

    @field_validator("kind")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in detector_names():
            raise ValueError(f"unknown detector '{name}'; known are {list(detector_names())}")
        return name

    @model_validator(mode="after")
    def _options_exist(self):
        if self.options:
            known = inspect.signature(detector_class(self.kind)).parameters
            unknown = sorted(set(self.options) - set(known))
            if unknown:
                raise ValueError(f"detector '{self.kind}' has no option {unknown}; it has {sorted(known)}")
        return self


def _given(params: DetectorParams, detector: object) -> list[str]:
    return [*params.options, *({"random_state"} & set(vars(detector)) - set(params.options))]


def input_contract(features: pd.DataFrame, preprocessor: Preprocessor, units: dict[str, str]) -> list[dict]:
    """One entry per feature of training: its unit and usual range, or its levels."""
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
        seed: for detectors that draw random numbers and have no ``random_state`` among their options.
        units: unit of each feature, for explanations.
        group_by: recorded: features alone cannot tell the group of a case.
        stamp: what to add to the manifest (data set, creation time, library versions).
        modality: what the features describe.

    Returns:
        A bundle of ``model.onnx`` (matrix to score), ``model.skops``, ``calibration.npy`` (sorted scores of the
        calibration normals).

    Raises:
        ConfigurationError: there are too few normal cases to fit or to calibrate.
    """
    from medanomaly.detectors.onnx.export import to_onnx

    in_train, in_calibration = check_reference(cases, name, params.population)
    preprocessor = Preprocessor.fit(features[in_train])
    matrix = preprocessor.transform(features[in_train])
    detector = fitted_detector(params, matrix, cases.loc[in_train, "patient_id"], seed)
    onnx_bytes = to_onnx(detector)
    # scikit-learn's own forest is no BaseDetector; it holds thresholds
    about_rows = getattr(detector, "about_training_rows", dict)()
    scores = np.zeros(len(cases))
    matrix = preprocessor.transform(features[in_calibration])
    scores[in_calibration] = run_batches(open_session(onnx_bytes), matrix, batch_size=BATCH_SIZE)["score"]
    return calibrated_bundle(
        {"model.onnx": onnx_bytes, "model.skops": skops_io.dumps(detector)},
        cases,
        scores,
        name=name,
        modality=modality,
        kind=params.kind,
        options={option: getattr(detector, option) for option in _given(params, detector)},
        seed=seed,
        input_contract=input_contract(features[in_train], preprocessor, units or {}),
        population=params.population,
        stamp=stamp,
        fingerprint_of=features[in_train],
        more={"preprocessing": preprocessor.to_dict(), "group_by": group_by} | about_rows,
    )
