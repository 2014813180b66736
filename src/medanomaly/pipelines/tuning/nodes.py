"""Nodes of the tuning."""

import logging
from collections.abc import Mapping
from typing import Any

import pandas as pd
from pydantic import ValidationError

from medanomaly.core.errors import ConfigurationError
from medanomaly.detectors.training import DetectorParams
from medanomaly.parameters import RunParams
from medanomaly.tracking.params import TrackingParams
from medanomaly.tuning.study import Objective, TuningParams

logger = logging.getLogger(__name__)


def tune_detector(
    cases: pd.DataFrame,
    features: pd.DataFrame,
    models: dict,
    params: TuningParams,
    tracking: TrackingParams,
    run: RunParams,
) -> tuple[dict, pd.DataFrame, pd.DataFrame, dict]:
    """Search the options of a detector on tables; ``models`` are the blocks of ``tabular_models``."""
    from medanomaly.core.sealing import training_fingerprint
    from medanomaly.detectors.objective import detector_objective

    base = searched_detector(models, params)
    objective = detector_objective(cases, features, base, n_folds=params.n_folds, seed=run.seed)
    train = cases["split"].eq("train").to_numpy()
    about = {
        "detector": base.model_dump(),
        "train": training_fingerprint(cases[train], features[train]),
        "labels": cases.loc[train, "label"].astype("string").fillna("").str.cat(),
    }
    return search(objective, params, tracking, run, about)


def searched_detector(models: Mapping[str, Any], params: TuningParams) -> DetectorParams:
    """The block of the target's model, after a look at whether its detector has the options that are searched.

    Raises:
        ConfigurationError: no such block, or an option that the detector has not.
    """
    space, model = params.space, params.target.partition(".")[2]
    if model not in models:
        raise ConfigurationError(
            f"'{params.target}' has no block that describes it", remedy=f"There are {sorted(models)}."
        )
    base = DetectorParams.model_validate(models[model])
    try:
        DetectorParams(detector=base.detector, options=dict.fromkeys(space))
    except ValidationError as error:
        raise ConfigurationError(
            f"tuning.search.{params.target}: {error.errors()[0]['ctx']['error']}",
            remedy="Search options that it has.",
        ) from error
    return base


def search(
    objective: Objective,
    params: TuningParams,
    tracking: TrackingParams,
    run: RunParams,
    about: Mapping[str, Any] | None = None,
) -> tuple[dict, pd.DataFrame, pd.DataFrame, dict]:
    """Run the study of a target.

    Args:
        objective: options to a value; higher is better.
        params: target, search space, number of trials, storage.
        tracking: where trials are logged.
        run: data set and seed.
        about: what else values depend on (training data, options that are not searched); a change starts a new study.

    Returns:
        The best parameters, which the model's pipeline reads from now on; the trials; importances of the parameters;
        figures, name to SVG.
    """
    from medanomaly.reporting.figures.tuning import parameter_importance, tuning_history
    from medanomaly.tracking.wandb_runs import log_trial
    from medanomaly.tuning.study import best_parameters, importances, open_study, run_study, trials_table

    study = open_study(params, run.dataset, run.seed, about)
    run_study(study, objective, params, lambda trial: log_trial(tracking.wandb, study.study_name, trial))
    best, trials, importance = best_parameters(study), trials_table(study), importances(study, run.seed)
    logger.info("Best of %d trials: %.4f with %s", best["n_trials"], best["value"], best["options"])
    figures = {"history": tuning_history(trials)}
    if len(importance):
        figures["importance"] = parameter_importance(importance)
    return best, trials, importance, figures
