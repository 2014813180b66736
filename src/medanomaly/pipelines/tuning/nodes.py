"""Nodes of the tuning."""

import logging

import pandas as pd

from medanomaly.parameters import RunParams
from medanomaly.tabular.training import DetectorParams
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
    from medanomaly.tabular.objective import detector_objective

    model = params.target.partition(".")[2]
    base = DetectorParams(**models[model])
    objective = detector_objective(cases, features, base, n_folds=params.n_folds, seed=run.seed)
    return search(objective, params, tracking, run)


def search(
    objective: Objective, params: TuningParams, tracking: TrackingParams, run: RunParams
) -> tuple[dict, pd.DataFrame, pd.DataFrame, dict]:
    """Run the study of a target.

    Returns:
        The best parameters, which the model's pipeline reads from now on; the trials; importances of the parameters;
        figures, name to SVG.
    """
    from medanomaly.reporting.figures.tuning import parameter_importance, tuning_history
    from medanomaly.tracking.wandb_runs import log_trial
    from medanomaly.tuning.study import best_parameters, importances, open_study, run_study, trials_table

    study = open_study(params, run.dataset, run.seed)
    run_study(study, objective, params, lambda trial: log_trial(tracking.wandb, study.study_name, trial))
    best, trials, importance = best_parameters(study), trials_table(study), importances(study, run.seed)
    logger.info("Best of %d trials: %.4f with %s", best["n_trials"], best["value"], best["options"])
    figures = {"history": tuning_history(trials)}
    if len(importance):
        figures["importance"] = parameter_importance(importance)
    return best, trials, importance, figures
