"""Nodes of the tuning of models on waveforms; those on features are searched as tables are."""

import hashlib

import numpy as np
import pandas as pd

from medanomaly.parameters import RunParams
from medanomaly.pipelines.tuning.nodes import search
from medanomaly.signals.beats.params import LSTMModelParams
from medanomaly.tracking.params import TrackingParams
from medanomaly.tuning.study import TuningParams


def tune_lstm(
    cases: pd.DataFrame,
    waveforms: dict[str, np.ndarray],
    models: dict,
    params: TuningParams,
    tracking: TrackingParams,
    run: RunParams,
) -> tuple[dict, pd.DataFrame, pd.DataFrame, dict]:
    """Search the settings of the LSTM autoencoder; ``models`` are the blocks of ``signal_models``."""
    from medanomaly.signals.lstm.objective import lstm_objective

    base = LSTMModelParams.model_validate(models[params.target.partition(".")[2]])
    shapes = waveforms["waveforms"]
    objective = lstm_objective(cases, shapes, base, n_folds=params.n_folds, seed=run.seed)
    train = cases["split"].eq("train").to_numpy()
    about = {
        "model": base.model_dump(),
        "train": hashlib.sha256(np.ascontiguousarray(shapes[train]).tobytes()).hexdigest(),
        "labels": cases.loc[train, "label"].astype("string").fillna("").str.cat(),
    }
    return search(objective, params, tracking, run, about)
