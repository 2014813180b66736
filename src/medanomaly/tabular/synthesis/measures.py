"""How much synthetic rows are like real ones, and how much they give away of the rows that a generator learned from.

All distances are Euclidean among standardised values, with indicators of categories and of missing values, as detectors see
them. Rows are compared in equal numbers, because a nearest row is nearer where there are more.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import NearestNeighbors

from medanomaly.core.errors import InputError
from medanomaly.detectors.preprocessing import Preprocessor
from medanomaly.evaluation.resampling.ranking import auroc_between
from medanomaly.tabular.synthesis.coding import Coding

N_FOLDS = 5


def propensity_error(
    real: pd.DataFrame, synthetic: pd.DataFrame, model: BaseEstimator | None = None, seed: int = 0
) -> float:
    """pMSE: mean squared distance of the propensity of being synthetic from the share of synthetic rows (Snoke et al. 2018).

    Propensities are cross-fitted, so that a model cannot learn single rows by heart.

    Args:
        real: feature table of rows that the generator has not seen.
        synthetic: the same columns; others are ignored.
        model: classifier with ``predict_proba`` that takes numbers with NaN; None: gradient boosting.
        seed: of folds and model.

    Returns:
        0 where nothing tells them apart, ``c (1 - c)`` with the share ``c`` of synthetic rows where everything does: .25 for
        equal numbers. Chance alone gives a little more than 0.
    """
    coding = Coding.fit(real)
    x = np.vstack([coding.encode(real), coding.encode(synthetic)])
    y = np.repeat([0, 1], [len(real), len(synthetic)])
    if model is None:
        model = HistGradientBoostingClassifier(max_iter=50, max_leaf_nodes=15, random_state=seed)
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)
    propensity = cross_val_predict(clone(model), x, y, cv=folds, method="predict_proba")[:, 1]
    return float(np.mean((propensity - y.mean()) ** 2))


@dataclass(frozen=True)
class Nearness:
    """How near synthetic rows lie to those that were learned from, compared with rows that were not.

    Attributes:
        copies: synthetic rows that equal a row that was learned from.
        accuracy: nearest-neighbour adversarial accuracy against held-out rows: .5 is ideal, 1 means that the rows are unlike
            real ones, below .5 that they lie nearer to real rows than these do to each other (Yale et al. 2020).
        distance_ratio: median distance of a synthetic row to the nearest row learned from, as a share of that to the nearest
            held-out row: about 1 where nothing was learned by heart.
        membership: AUROC of the guess that a row was learned from because a synthetic row is near: .5 is chance.
    """

    copies: int
    accuracy: float
    distance_ratio: float
    membership: float


def nearness(train: pd.DataFrame, held_out: pd.DataFrame, synthetic: pd.DataFrame, seed: int = 0) -> Nearness:
    """Compare synthetic rows with those that were learned from and with held-out ones.

    Args:
        train: rows that the generator learned from.
        held_out: rows that it has not seen, from the same source; patients are in one of both.
        synthetic: rows that it drew.
        seed: of the draws that make the numbers equal.

    Raises:
        InputError: fewer than 2 rows of one of them.
    """
    n = min(len(train), len(held_out), len(synthetic))
    if n < 2:
        raise InputError(f"{n} rows to compare", remedy="Give at least 2 of each kind.")
    prepared = Preprocessor.fit(train.assign(case_id=""))
    rng = np.random.default_rng(seed)
    a, b, s = (
        prepared.transform(table.iloc[np.sort(rng.permutation(len(table))[:n])]).astype(np.float64)
        for table in (train, held_out, synthetic)
    )
    to_train, to_held_out = _nearest(s, a), _nearest(s, b)
    real_alone = _nearest(b, s) > _nearest(b)
    drawn_alone = to_held_out > _nearest(s)
    middle = float(np.median(to_held_out))
    return Nearness(
        copies=exact_copies(train, synthetic),
        accuracy=float((real_alone.mean() + drawn_alone.mean()) / 2),
        distance_ratio=float(np.median(to_train)) / middle if middle else float("nan"),
        membership=auroc_between(-_nearest(b, s), -_nearest(a, s)),
    )


def exact_copies(train: pd.DataFrame, synthetic: pd.DataFrame) -> int:
    """Number of synthetic rows that equal a training row in every feature, missing values included."""
    coding = Coding.fit(train)
    # NaN equals NaN as text does
    known = {row.tobytes() for row in coding.encode(train)}
    return sum(row.tobytes() in known for row in coding.encode(synthetic))


def _nearest(rows: np.ndarray, among: np.ndarray | None = None) -> np.ndarray:
    """(n,) distance of each row to the nearest one of ``among``; without it to the nearest other row."""
    search = NearestNeighbors(n_neighbors=1).fit(rows if among is None else among)
    return search.kneighbors(None if among is None else rows)[0][:, 0]
