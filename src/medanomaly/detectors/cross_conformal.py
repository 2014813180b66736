"""A p-value for every record of a table without labels: each is judged by detectors that never saw its patient.

Records are divided into folds by patient. For each pair of folds a detector is fitted on the rest, and compares the records
of these two folds with each other; for the records of one fold, a detector that is fitted on all others does. The p-value
of a record is the share of records that are at least as anomalous where the two were compared:
``p_i = (1 + #{j != i: s_j >= s_i}) / n``.

At most a share ``2 alpha`` of the records has ``p <= alpha``, whatever the data are: in a tournament of n players, at most
that many win against ``(1 - alpha) n`` others. So a record that is exchangeable with the others is flagged with a
probability of at most ``2 alpha``; measured, it is about ``alpha``. The argument is that of the jackknife+ (Barber, Candes,
Ramdas & Tibshirani 2021); folds in place of single records are cross-conformal prediction (Vovk 2015).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from medanomaly.core.errors import ConfigurationError
from medanomaly.core.folds import hashed_folds
from medanomaly.core.models import EXPLANATION_COLUMNS
from medanomaly.detectors.occlusion import OcclusionDetector
from medanomaly.detectors.preprocessing import Preprocessor
from medanomaly.detectors.scorer import described_contributions, summed_by_feature
from medanomaly.detectors.training import DetectorParams, fitted_detector, input_contract

# a detector learns from so many rows at most: with neighbours, time and memory grow with the square of their number
MOST_ROWS = 10_000
FEWEST_RECORDS = 30


@dataclass(frozen=True)
class FoldDetector:
    """A detector that never saw the records of a fold."""

    preprocessor: Preprocessor
    detector: object

    def score(self, features: pd.DataFrame) -> np.ndarray:
        """(n,) scores of feature rows, higher = more anomalous."""
        return -self.detector.score_samples(self.preprocessor.transform(features))


@dataclass(frozen=True)
class CrossConformal:
    """Every record with its p-value.

    Attributes:
        score: (n,) of the detector that was fitted on all other folds, higher = more anomalous.
        p_value: (n,) in [1 / n, 1].
        fold: (n,) of each record.
        detectors: by fold: the one that was fitted on all others.
    """

    score: np.ndarray
    p_value: np.ndarray
    fold: np.ndarray
    detectors: tuple[FoldDetector, ...]


def cross_conformal(
    features: pd.DataFrame,
    patient_id: pd.Series,
    params: DetectorParams,
    *,
    n_folds: int = 5,
    seed: int = 0,
    most_rows: int = MOST_ROWS,
) -> CrossConformal:
    """Judge every record by detectors that did not see its patient.

    ``n_folds * (n_folds + 1) / 2`` detectors are fitted, 15 by default.

    Args:
        features: (n, ...) feature table with ``case_id``.
        patient_id: (n,) whose record it is; all records of a patient lie in one fold.
        params: detector and its options.
        n_folds: 3 or more.
        seed: of folds, of the choice of rows and of detectors.
        most_rows: rows that a detector learns from at most; of more, these are drawn.

    Raises:
        ConfigurationError: too few records or patients.
    """
    n = len(features)
    fold = _folds(patient_id, n_folds, seed)
    if n < FEWEST_RECORDS or np.bincount(fold, minlength=n_folds).min() == 0:
        raise ConfigurationError(
            f"{n} records of {patient_id.nunique()} patients are too few for {n_folds} folds",
            remedy=f"Bring {FEWEST_RECORDS} records or more, of {2 * n_folds} patients or more.",
        )
    features, score, detectors = features.reset_index(drop=True), np.empty(n), []
    stranger = np.zeros(n, dtype=np.int64)
    inside = [np.flatnonzero(fold == k) for k in range(n_folds)]
    for a in range(n_folds):
        for b in range(a, n_folds):
            rows = np.flatnonzero((fold != a) & (fold != b))
            of = _fitted(features, patient_id, rows, params, seed, most_rows)
            first = of.score(features.iloc[inside[a]])
            if a == b:
                score[inside[a]] = first
                detectors.append(of)
                # each is at least as anomalous as itself
                stranger[inside[a]] += _at_least(first, first) - 1
                continue
            second = of.score(features.iloc[inside[b]])
            stranger[inside[a]] += _at_least(second, first)
            stranger[inside[b]] += _at_least(first, second)
    return CrossConformal(score, (1.0 + stranger) / n, fold, tuple(detectors))


def explain_first(
    found: CrossConformal, features: pd.DataFrame, units: Mapping[str, str], model: str, top: int
) -> pd.DataFrame:
    """What makes up the scores of the ``top`` most anomalous records, each by the detector that never saw it.

    Args:
        found: of these records.
        features: (n, ...) feature table with ``case_id``, as the detectors learned from it.
        units: unit of each feature.
        model: name that explanations carry.
        top: how many are explained.

    Returns:
        Rows of ``EXPLANATION_COLUMNS``, the most anomalous record first.
    """
    first = most_anomalous_first(found)[:top]
    parts = []
    for k, of in enumerate(found.detectors):
        rows = features.iloc[first[found.fold[first] == k]]
        if not len(rows):
            continue
        terms = summed_by_feature(of.detector.explain(of.preprocessor.transform(rows)), of.preprocessor)
        contract = {entry["name"]: entry for entry in input_contract(features, of.preprocessor, dict(units))}
        exact = not isinstance(of.detector, OcclusionDetector)
        parts.append(described_contributions(terms, rows["case_id"], rows, contract, model, exact))
    if not parts:
        return pd.DataFrame(columns=list(EXPLANATION_COLUMNS))
    place = pd.Series(np.arange(len(first)), index=features["case_id"].iloc[first])
    together = pd.concat(parts, ignore_index=True)
    order = np.argsort(together["case_id"].map(place).to_numpy(), kind="stable")
    return together.iloc[order].reset_index(drop=True)


def most_anomalous_first(found: CrossConformal) -> np.ndarray:
    """(n,) positions of records by p-value, equal ones by score."""
    return np.lexsort((-found.score, found.p_value))


def _folds(patient_id: pd.Series, n_folds: int, seed: int) -> np.ndarray:
    if n_folds < 3:
        raise ConfigurationError(
            f"{n_folds} folds", remedy="Give 3 or more: a detector leaves out two of them."
        )
    return hashed_folds(patient_id.astype("string").reset_index(drop=True), n_folds, seed)


def _fitted(
    features: pd.DataFrame,
    patient_id: pd.Series,
    rows: np.ndarray,
    params: DetectorParams,
    seed: int,
    most: int,
) -> FoldDetector:
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    train = features.iloc[rows]
    preprocessor = Preprocessor.fit(train)
    matrix = preprocessor.transform(train)
    return FoldDetector(preprocessor, fitted_detector(params, matrix, patient_id.iloc[rows], seed))


def _at_least(others: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Number of ``others`` that are at least as high as each score."""
    return len(others) - np.searchsorted(np.sort(others), scores, side="left")
