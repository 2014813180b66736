"""What a search for a detector's options maximises: how well it ranks train cases, never calibration or test cases."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from medanomaly.core.cases import reference_cases
from medanomaly.core.errors import ConfigurationError
from medanomaly.core.folds import hashed_folds
from medanomaly.detectors.preprocessing import Preprocessor
from medanomaly.detectors.training import DetectorParams, fitted_detector
from medanomaly.evaluation.resampling.ranking import auroc_between

# fewer labelled anomalies than this in train say nothing; anomalies are planted instead
MIN_ANOMALIES = 20
PLANTED_SHIFT = 3.0


def detector_objective(
    cases: pd.DataFrame, features: pd.DataFrame, params: DetectorParams, *, n_folds: int, seed: int
) -> Callable[[Mapping[str, Any], Callable[[float, int], None]], float]:
    """AUROC of train cases left out, mean over folds by patient.

    Where train has too few labelled anomalies, anomalies are planted in half of the normals left out. One value is
    moved by three standard deviations, and one is replaced by another record's, which breaks its correlations. The
    result then does not depend on labels of anomalies.

    Args:
        cases: case table; only its train part is used.
        features: feature table of the same cases.
        params: the detector and the options that are not searched.
        n_folds: folds.
        seed: of the folds, of detectors that draw random numbers, and of the planted anomalies.

    Returns:
        Function of options and of a reporter (mean so far, fold) to the mean AUROC.

    Raises:
        ConfigurationError: a fold has no normal case.
    """
    train = cases["split"].eq("train").to_numpy()
    cases, features = cases[train].reset_index(drop=True), features[train].reset_index(drop=True)
    fold = hashed_folds(cases["patient_id"], n_folds, seed)
    normal = reference_cases(cases, "train").to_numpy()
    anomalous = cases["label"].eq(1).fillna(False).to_numpy()
    labelled = all((anomalous & (fold == k)).sum() * n_folds >= MIN_ANOMALIES for k in range(n_folds))
    parts = []
    for k in range(n_folds):
        fitted, held_out = normal & (fold != k), normal & (fold == k)
        if not fitted.any() or not held_out.any():
            raise ConfigurationError(
                f"fold {k + 1} of {n_folds} has no normal case", remedy="Set tuning.n_folds lower."
            )
        preprocessor = Preprocessor.fit(features[fitted])
        known = preprocessor.transform(features[held_out])
        if labelled:
            strange = preprocessor.transform(features[anomalous & (fold == k)])
        else:
            known, strange = _half_spoiled(known, np.random.default_rng([seed, k]))
        patients = cases.loc[fitted, "patient_id"]
        parts.append((preprocessor.transform(features[fitted]), patients, known, strange))

    def objective(options: Mapping[str, Any], report: Callable[[float, int], None]) -> float:
        values = []
        for k, (fitted, patients, known, strange) in enumerate(parts):
            detector = fitted_detector(params, fitted, patients, seed, options)
            score = -detector.score_samples(np.concatenate([known, strange]))
            values.append(auroc_between(score[: len(known)], score[len(known) :]))
            report(float(np.mean(values)), k)
        return float(np.mean(values))

    return objective


def _half_spoiled(rows: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    order = rng.permutation(len(rows))
    kept, spoiled = rows[order[::2]], rows[order[1::2]].copy()
    n, d = spoiled.shape
    here = np.arange(n)
    spoiled[here, rng.integers(0, d, n)] += PLANTED_SHIFT * rng.choice([-1.0, 1.0], n)
    column = rng.integers(0, d, n)
    spoiled[here, column] = rows[rng.integers(0, len(rows), n), column]
    return kept, spoiled
