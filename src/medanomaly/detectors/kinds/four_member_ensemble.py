"""Ensemble of one detector of each family, on standardised columns."""

from medanomaly.detectors.base import BaseDetector
from medanomaly.detectors.kinds.ecdf import ECDFDetector
from medanomaly.detectors.kinds.extended_isolation_forest import ExtendedIsolationForest
from medanomaly.detectors.kinds.nearest_neighbours import NearestNeighbours
from medanomaly.detectors.kinds.one_class_svm import OneClassSVMDetector
from medanomaly.detectors.percentile_ensemble import PercentileEnsemble


class FourMemberEnsemble(PercentileEnsemble):
    """Isolation forest, 5 nearest neighbours, tail probabilities and one-class SVM, all on standardised columns.

    One detector of each family that does well alone: partition, distance, marginal tails, kernel.

    Args:
        n_estimators: trees of the forest.
        n_folds: parts of the training rows for the out-of-fold scores, >= 2.
        contamination: share of the training rows below the threshold of ``predict``.
        random_state: seed or generator.
        prototypes: patients behind each mean that stands for training rows, 2 or more (5 to 10 are usual); None keeps the
            rows.
    """

    label = "four-member ensemble"

    def _members(self) -> list[tuple[str, BaseDetector]]:
        return [
            ("standardised", ExtendedIsolationForest(n_estimators=self.n_estimators, ndim=1)),
            ("standardised", NearestNeighbours(n_neighbors=5)),
            ("standardised", ECDFDetector(tail="flat")),
            ("standardised", OneClassSVMDetector(nu=0.5)),
        ]


DETECTOR = FourMemberEnsemble
