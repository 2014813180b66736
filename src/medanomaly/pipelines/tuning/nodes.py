"""Nodes of the tuning."""

import logging
from typing import Any

import pandas as pd

from medanomaly.core.errors import ConfigurationError
from medanomaly.core.models import ModelInput, ModelKind, ModelParams
from medanomaly.parameters import RunParams
from medanomaly.tracking.params import TrackingParams
from medanomaly.tuning.study import TuningParams

logger = logging.getLogger(__name__)


def search(
    kind: ModelKind,
    data: ModelInput,
    params: ModelParams | None,
    tuning: TuningParams,
    tracking: TrackingParams,
    run: RunParams,
) -> tuple[dict, pd.DataFrame, pd.DataFrame, dict]:
    """Run the study of one model.

    Args:
        kind: of the model.
        data: its cases, as the kind reads them.
        params: its block; None takes the defaults of the kind.
        tuning: target, search space, number of trials, storage.
        tracking: where trials are logged.
        run: data set and seed.

    Returns:
        The best parameters, which the model's pipeline reads from now on; the trials; importances of the parameters;
        figures, name to SVG.

    Raises:
        ConfigurationError: an option that is searched does not exist.
    """
    from medanomaly.reporting.figures.tuning import parameter_importance, tuning_history
    from medanomaly.tracking.wandb_runs import log_trial
    from medanomaly.tuning.search_space import example
    from medanomaly.tuning.study import best_parameters, importances, open_study, run_study, trials_table

    params = kind.params.model_validate({}) if params is None else params
    try:
        kind.with_options(params, example(tuning.space))
    except ConfigurationError as error:
        raise ConfigurationError(
            f"tuning.search.{tuning.target}: {error.problem}", remedy="Search options that the model has."
        ) from error
    objective, about = kind.objective(data, params, tuning.n_folds, run.seed)
    study = open_study(tuning, run.dataset, run.seed, about)
    run_study(study, objective, tuning, lambda trial: log_trial(tracking.wandb, study.study_name, trial))
    best, trials, importance = best_parameters(study), trials_table(study), importances(study, run.seed)
    logger.info("Best of %d trials: %.4f with %s", best["n_trials"], best["value"], best["options"])
    figures: dict[str, Any] = {"history": tuning_history(trials)}
    if len(importance):
        figures["importance"] = parameter_importance(importance)
    return best, trials, importance, figures
