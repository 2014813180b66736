"""Node that tunes a model of films."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from medanomaly.core.cases import reference_cases
from medanomaly.core.errors import ConfigurationError
from medanomaly.imaging.image_models import LBEParams, NetworkModelParams
from medanomaly.imaging.sources.image_array import ImageArray
from medanomaly.parameters import RunParams
from medanomaly.tracking.params import TrackingParams
from medanomaly.tuning.study import TuningParams

DENSITY = "lbe"


def tune_films(
    images: np.ndarray,
    manifest: pd.DataFrame,
    cases: pd.DataFrame,
    models: dict,
    params: TuningParams,
    tracking: TrackingParams,
    run: RunParams,
) -> tuple[dict, pd.DataFrame, pd.DataFrame, dict]:
    """Search the options of a model of films; ``models`` are the blocks of ``imaging_models``."""
    from medanomaly.imaging.objective import image_objective
    from medanomaly.pipelines.tuning.nodes import search

    films, base = ImageArray(images, manifest["row"]), searched_model(models, params)
    objective = image_objective(films, cases, base, n_folds=params.n_folds, seed=run.seed)
    train = cases[reference_cases(cases, "train")]
    about = {
        "model": base.model_dump(mode="json"),
        "train": hashlib.sha256("\n".join(train["case_id"]).encode()).hexdigest(),
        "size": films.shape[1],
    }
    return search(objective, params, tracking, run, about)


def searched_model(models: Mapping[str, Any], params: TuningParams) -> LBEParams | NetworkModelParams:
    """The block of the target's model.

    Raises:
        ConfigurationError: there is no such block, or it does not fit.
    """
    model = params.target.partition(".")[2]
    if model not in models:
        raise ConfigurationError(
            f"'{params.target}' has no block that describes it", remedy=f"There are {sorted(models)}."
        )
    try:
        return (LBEParams if model == DENSITY else NetworkModelParams).model_validate(models[model])
    except ValidationError as error:
        raise ConfigurationError(f"imaging_models.{model}: {error.errors()[0]['msg']}") from error
