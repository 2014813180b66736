"""What a search for settings of the LSTM autoencoder maximises: how well it ranks beats of held-out train patients."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from medanomaly.core.cases import reference_cases
from medanomaly.core.errors import ConfigurationError
from medanomaly.core.folds import hashed_folds
from medanomaly.evaluation.resampling.ranking import auroc_between
from medanomaly.signals.lstm.params import LSTMModelParams, LSTMParams

# with fewer labelled anomalies in train, usual beats are widened instead
MIN_ANOMALIES = 20
WIDER = 1.6


def lstm_objective(
    cases: pd.DataFrame, waveforms: np.ndarray, params: LSTMModelParams, *, n_folds: int, seed: int
) -> Callable[[Mapping[str, Any], Callable[[float, int], None]], float]:
    """AUROC of held-out train beats, mean over folds by patient; a poor trial can be stopped after each fold.

    Where a fold has too few labelled anomalies, half of its normal beats are widened in time, like ventricular beats.

    Args:
        cases: case table; only its train part is used.
        waveforms: (n, n_samples, n_leads) float32, row i is case i.
        params: settings that are not searched; each fold learns from at most ``max_train`` beats.
        n_folds: number of folds.
        seed: of folds, weights and order.

    Returns:
        A function of options and of a reporter (mean so far, fold) that returns the mean AUROC.

    Raises:
        ConfigurationError: a fold has too few normal beats.
    """
    train = cases["split"].eq("train").to_numpy()
    rows, waves = cases[train].reset_index(drop=True), waveforms[train]
    fold = hashed_folds(rows["patient_id"], n_folds, seed)
    normal = reference_cases(rows, "train").to_numpy()
    anomalous = rows["label"].eq(1).fillna(False).to_numpy(dtype=bool)
    patients = rows["patient_id"].to_numpy(dtype=str)
    labelled = all((anomalous & (fold == k)).sum() * n_folds >= MIN_ANOMALIES for k in range(n_folds))
    parts = []
    for k in range(n_folds):
        rng = np.random.default_rng([seed, k])
        fitted, held_out = np.flatnonzero(normal & (fold != k)), np.flatnonzero(normal & (fold == k))
        if len(fitted) < 2 or len(held_out) < 2:
            raise ConfigurationError(
                f"fold {k + 1} of {n_folds} has too few normal beats", remedy="Set tuning.n_folds lower."
            )
        if len(fitted) > params.max_train:
            fitted = np.sort(rng.choice(fitted, params.max_train, replace=False))
        if labelled:
            strange = waves[anomalous & (fold == k)]
        else:
            order = rng.permutation(held_out)
            held_out, strange = order[::2], widened(waves[order[1::2]])
        parts.append((fitted, waves[held_out], strange))

    def objective(options: Mapping[str, Any], report: Callable[[float, int], None]) -> float:
        from medanomaly.signals.lstm.detector import LSTMDetector

        settings = LSTMParams.model_validate(params.model_dump(exclude={"kind", "max_train"}) | dict(options))
        values = []
        for k, (fitted, known, strange) in enumerate(parts):
            groups = patients[fitted]
            detector = LSTMDetector(settings, seed).fit(
                waves[fitted], groups if len(set(groups)) > 1 else None
            )
            score = detector.score(np.concatenate([known, strange]))
            values.append(auroc_between(score[: len(known)], score[len(known) :]))
            report(float(np.mean(values)), k)
        return float(np.mean(values))

    return objective


def widened(waveforms: np.ndarray) -> np.ndarray:
    """(n, n_samples, n_leads) beats stretched in time around their middle."""
    n = waveforms.shape[1]
    at = (np.arange(n) - n / 2) / WIDER + n / 2
    low = np.clip(np.floor(at).astype(int), 0, n - 2)
    share = (at - low)[None, :, None]
    return ((1 - share) * waveforms[:, low] + share * waveforms[:, low + 1]).astype(np.float32)
