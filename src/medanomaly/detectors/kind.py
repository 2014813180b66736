"""Detectors of rows as kinds of models: every file of ``detectors.kinds`` is one."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError, create_model

from medanomaly.core.bundle import Bundle
from medanomaly.core.errors import ConfigurationError
from medanomaly.core.models import FitContext, ModelInput, ModelKind
from medanomaly.detectors.kinds import detector_class, detector_names
from medanomaly.detectors.training import DetectorParams


class RowDetector(ModelKind):
    """A detector of rows of features, for any modality.

    Args:
        name: name of a file of ``detectors.kinds``.
    """

    reads = "features"
    explains = tunable = True

    def __init__(self, name: str):
        self.name = name
        self.params = _params(name)

    @property
    def label(self) -> str:
        """What people read: the detector says it itself."""
        return detector_class(self.name).label

    def fit(self, data: ModelInput, params: DetectorParams, context: FitContext) -> tuple[Bundle, Mapping]:
        """Fit on train, export to ONNX, calibrate the exported model."""
        from medanomaly.detectors.training import train_bundle

        return train_bundle(
            data.cases,
            data.inputs,
            params,
            name=context.name,
            seed=context.seed,
            units=data.about.get("units"),
            group_by=context.group_by,
            stamp=dict(context.stamp),
            modality=context.modality,
        ), {}

    def open(self, bundle: Bundle) -> Any:
        """A :class:`medanomaly.detectors.scorer.TabularScorer`."""
        from medanomaly.detectors.scorer import TabularScorer

        return TabularScorer(bundle)

    def explain(self, scorer: Any, data: ModelInput, chosen: np.ndarray, left: Mapping) -> pd.DataFrame:
        """What each feature adds to the score."""
        from medanomaly.detectors.scorer import explanation_table

        return explanation_table(scorer, data.cases, data.inputs, chosen)

    def with_options(self, params: DetectorParams, options: Mapping[str, Any]) -> DetectorParams:
        """Options are those of the estimator."""
        try:
            return type(params).model_validate(
                params.model_dump() | {"options": params.options | dict(options)}
            )
        except ValidationError as error:
            raise ConfigurationError(error.errors()[0]["msg"].removeprefix("Value error, ")) from error

    def objective(
        self, data: ModelInput, params: DetectorParams, n_folds: int, seed: int
    ) -> tuple[Callable, dict]:
        """How well it ranks train cases that were left out."""
        from medanomaly.core.calibrated_bundle import training_fingerprint
        from medanomaly.detectors.objective import detector_objective

        train = data.cases["split"].eq("train").to_numpy()
        about = {
            "detector": {"detector": self.name} | params.model_dump(exclude={"kind"}),
            "train": training_fingerprint(data.cases[train], data.inputs[train]),
            "labels": data.cases.loc[train, "label"].astype("string").fillna("").str.cat(),
        }
        return detector_objective(data.cases, data.inputs, params, n_folds=n_folds, seed=seed), about


@cache
def _params(name: str) -> type[DetectorParams]:
    return create_model(f"{name}_params", __base__=DetectorParams, kind=(str, name))


def kinds() -> dict[str, Callable[[], ModelKind]]:
    """Every detector of rows."""
    return {name: partial(RowDetector, name) for name in detector_names()}
