"""Ensemble of forests, neighbour distances and a local outlier factor, on two views of the data."""

from medanomaly.detectors.base import BaseDetector
from medanomaly.detectors.kinds.extended_isolation_forest import ExtendedIsolationForest
from medanomaly.detectors.kinds.local_outlier_factor import LocalOutlierFactor
from medanomaly.detectors.kinds.nearest_neighbours import NearestNeighbours
from medanomaly.detectors.percentile_ensemble import PercentileEnsemble


class TwoViewEnsemble(PercentileEnsemble):
    """Two isolation forests, two nearest-neighbour distances and a local outlier factor, on two views of the data.

    Standardised columns keep how extreme a value is. Columns transformed to the normal distribution by rank prevent
    skewed columns from dominating. A forest of slanted splits and the nearest row use the second view. A forest of
    straight splits, the nearest row and the local outlier factor (k = min(50, n - 1)) use the first.

    Args:
        n_estimators: trees of each forest.
        n_folds: parts of the training rows for the out-of-fold scores, >= 2.
        contamination: share of the training rows below the threshold of ``predict``.
        random_state: seed or generator.
        prototypes: patients behind each mean that stands for training rows, 2 or more (5 to 10 are usual); None keeps the
            rows.
    """

    label = "two-view ensemble"

    def _members(self) -> list[tuple[str, BaseDetector]]:
        return [
            ("rank_gauss", ExtendedIsolationForest(n_estimators=self.n_estimators, ndim=2)),
            ("standardised", ExtendedIsolationForest(n_estimators=self.n_estimators, ndim=1)),
            ("standardised", NearestNeighbours(n_neighbors=1)),
            ("rank_gauss", NearestNeighbours(n_neighbors=1)),
            ("standardised", LocalOutlierFactor(n_neighbors=50)),
        ]


DETECTOR = TwoViewEnsemble
