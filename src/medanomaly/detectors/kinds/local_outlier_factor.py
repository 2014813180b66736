"""Local outlier factor: how much lower the density of training rows is around a row than around its neighbours."""

from typing import Any

import numpy as np
from numba import njit

from medanomaly.core.errors import ConfigurationError
from medanomaly.detectors.occlusion import OcclusionDetector
from medanomaly.detectors.onnx.graph import Graph, node, squared_distances
from medanomaly.detectors.prototypes import about_rows, rows_or_prototypes

_NO_NEIGHBOUR = -1
_FEWEST_MEANS = 10
# columns that are added up between two looks at whether a row is still near
_STRIDE = 16


class LocalOutlierFactor(OcclusionDetector):
    """Local outlier factor of new rows against the training rows (Breunig et al. 2000, definitions 5 to 7).

    With ``r(x, t) = max(k-distance(t), |x - t|)`` and ``lrd(x) = 1 / (mean r over the k nearest + 1e-10)``, the score is
    the mean lrd of the neighbours over lrd(x), about 1 inside a cluster of any density. As in scikit-learn, exactly k
    neighbours count. Neighbours are counted among the distinct training rows, as the paper proposes below definition 6.
    More than k copies of a row have distance 0 to each other, and every row near such a point of infinite density would
    be an outlier. Of several at the same distance the first in lexicographic order counts, so that the score is defined
    for ties. Every training row is compared, which costs less than a search tree does with 50 neighbours or many
    features. Distances depend on the units of the features, so standardise them first.

    A fitted detector holds its training rows, and so does its bundle. With ``prototypes`` it holds means of them instead.
    A neighbourhood is then to be as large as it is among rows: ``n_neighbors / prototypes`` means are its neighbours, but
    10 at least, below which the densities fluctuate (section 6.2 of the paper), and never more than ``n_neighbors``.

    Args:
        n_neighbors: k >= 1, at most the number of distinct training rows minus one.
        contamination: share of the training rows below the threshold of ``predict``.
        prototypes: patients behind each mean that stands for training rows, 2 or more (5 to 10 are usual); None keeps the
            rows.

    Attributes:
        train_: (n, d) float64, the distinct training rows, or the means that stand for them.
        k_: the number of neighbours used.
        k_distance_: (n,) distance of each of them to its k-th neighbour.
        density_: (n,) their lrd.
    """

    label = "local outlier factor"

    def __init__(self, n_neighbors: int = 50, contamination: float = 0.1, prototypes: int | None = None):
        self.n_neighbors = n_neighbors
        self.contamination = contamination
        self.prototypes = prototypes

    def _fit(self, X: np.ndarray) -> None:
        if self.n_neighbors < 1:
            raise ConfigurationError(f"n_neighbors is {self.n_neighbors}", remedy="Give 1 or more.")
        self.train_ = np.unique(rows_or_prototypes(X, self.prototypes, self._groups), axis=0)
        k = self.n_neighbors
        if self.prototypes is not None:
            k = max(k // self.prototypes, min(k, _FEWEST_MEANS))
        self.k_ = max(1, min(k, len(self.train_) - 1))
        if len(self.train_) == 1:
            # the only row is its own neighbour
            self.k_distance_ = np.zeros(1)
            self.density_ = np.full(1, 1e10)
            return
        neighbours, distances = _nearest(self.train_, self.train_, self.k_, True)
        self.k_distance_ = distances[:, -1].copy()
        self.density_ = self._density(neighbours, distances)

    def about_training_rows(self) -> dict[str, Any]:
        """The distinct rows, or the means that stand for them."""
        return about_rows(len(self.train_), self.prototypes)

    def _density(self, neighbours: np.ndarray, distances: np.ndarray) -> np.ndarray:
        reach = np.zeros(len(neighbours))
        for nearest, distance in zip(neighbours.T, distances.T, strict=True):
            reach += np.maximum(self.k_distance_[nearest], distance)
        return 1.0 / (reach / self.k_ + 1e-10)

    def _scores(self, X: np.ndarray) -> np.ndarray:
        neighbours, distances = _nearest(X.astype(np.float64, order="C"), self.train_, self.k_, False)
        around = np.zeros(len(X))
        for nearest in neighbours.T:
            around += self.density_[nearest]
        return around / self.k_ / self._density(neighbours, distances)

    def _onnx_graph(self) -> Graph:
        nodes, constants = squared_distances(self.train_)
        nodes += [
            # of equal distances the first row wins, in ONNX as in the self
            node("TopK", ["squares", "k"], ["nearest_squares", "nearest"], axis=1, largest=0),
            node("Sqrt", ["nearest_squares"], ["distances"]),
            node("Gather", ["k_distance", "nearest"], ["neighbour_distance"]),
            node("Max", ["neighbour_distance", "distances"], ["reach"]),
            node("MatMul", ["reach", "shares"], ["mean_reach"]),
            node("Add", ["mean_reach", "tiny"], ["thinness"]),
            node("Gather", ["density", "nearest"], ["neighbour_density"]),
            node("MatMul", ["neighbour_density", "shares"], ["mean_density"]),
            node("Mul", ["mean_density", "thinness"], ["score"]),
        ]
        return nodes, constants | {
            "k": np.array([self.k_]),
            "k_distance": self.k_distance_,
            "density": self.density_,
            "shares": np.full(self.k_, 1.0 / self.k_),
            "tiny": np.float64(1e-10),
        }


@njit(nogil=True, cache=True)
def _nearest(X, train, k, leave_self_out):
    """(n, k) training rows nearest to each row, and their distances, nearest first, earlier rows first in a tie."""
    n, d = X.shape
    neighbours = np.full((n, k), _NO_NEIGHBOUR)
    squares = np.full((n, k), np.inf)
    for i in range(n):
        worst = np.inf
        for t in range(train.shape[0]):
            if leave_self_out and t == i:
                continue
            square = 0.0
            # a row that is already too far away is left; the order of the sum is that of all columns in one go
            for start in range(0, d, _STRIDE):
                for j in range(start, min(start + _STRIDE, d)):
                    difference = X[i, j] - train[t, j]
                    square += difference * difference
                if square >= worst:
                    break
            if square >= worst:
                continue
            place = k - 1
            while place > 0 and squares[i, place - 1] > square:
                squares[i, place] = squares[i, place - 1]
                neighbours[i, place] = neighbours[i, place - 1]
                place -= 1
            squares[i, place], neighbours[i, place] = square, t
            worst = squares[i, k - 1]
    return neighbours, np.sqrt(squares)


DETECTOR = LocalOutlierFactor
