"""Mean distance to the nearest training rows."""

from typing import Any

import numpy as np
from scipy.spatial import KDTree

from medanomaly.core.errors import ConfigurationError
from medanomaly.detectors.base import BaseDetector
from medanomaly.detectors.onnx.graph import Graph, node
from medanomaly.detectors.prototypes import about_rows, rows_or_prototypes


class NearestNeighbours(BaseDetector):
    """Mean Euclidean distance to the k nearest training rows (Angiulli & Pizzuti 2002, there as a sum).

    Distances depend on the units of the features, so standardise them first. The search is exact, with a k-d tree. Below
    about 20 features a row costs microseconds. With hundreds of unrelated features it costs as much as a comparison with
    every training row.

    The distance to neighbour t splits as ``d = sum_j (x_j - t_j)^2 / d``; the contribution of feature j is the mean of
    its part over the neighbours, 0 for a neighbour at distance 0. Scored training rows count as their own neighbour.

    A fitted detector holds its training rows, and so does its bundle. With ``prototypes`` it holds means of them instead.

    Args:
        n_neighbors: k >= 1, at most the number of training rows.
        prototypes: patients behind each mean that stands for training rows, 2 or more (5 to 10 are usual); None keeps the
            rows.
        contamination: share of the training rows below the threshold of ``predict``.

    Attributes:
        train_: (n, d) float64, the training rows or the means that stand for them.
        k_: the number of neighbours used.
    """

    label = "nearest neighbours"

    def __init__(self, n_neighbors: int = 5, contamination: float = 0.1, prototypes: int | None = None):
        self.n_neighbors = n_neighbors
        self.contamination = contamination
        self.prototypes = prototypes

    def _fit(self, X: np.ndarray) -> None:
        if self.n_neighbors < 1:
            raise ConfigurationError(f"n_neighbors is {self.n_neighbors}", remedy="Give 1 or more.")
        self.train_ = rows_or_prototypes(X, self.prototypes, self._groups)
        self.k_ = min(self.n_neighbors, len(self.train_))
        self._plant()

    def about_training_rows(self) -> dict[str, Any]:
        """The rows, or the means that stand for them."""
        return about_rows(len(self.train_), self.prototypes)

    def _plant(self) -> None:
        # median splits are slow where many rows are equal, as counts and yes/no columns make them
        self._tree = KDTree(self.train_, balanced_tree=False)

    def _contributions(self, X: np.ndarray) -> np.ndarray:
        X = X.astype(np.float64)
        _, neighbours = self._tree.query(X, k=np.arange(1, self.k_ + 1))
        terms = np.zeros(X.shape)
        for nearest in neighbours.T:
            squares = (X - self.train_[nearest]) ** 2
            distance = np.zeros(len(X))
            for column in squares.T:
                distance += column
            distance = np.sqrt(distance)[:, None]
            terms += np.divide(squares, distance, out=np.zeros_like(squares), where=distance > 0)
        return terms / self.k_

    def __getstate__(self) -> dict:
        """The state without the search tree, which is rebuilt from the training rows."""
        state = dict(super().__getstate__())
        state.pop("_tree", None)
        return state

    def __setstate__(self, state: dict) -> None:
        """Restore the state and the search tree."""
        super().__setstate__(state)
        if hasattr(self, "train_"):
            self._plant()

    def _onnx_graph(self) -> Graph:
        train = self.train_
        nodes = [
            # |t|^2 - 2 x.t orders the training rows t as |x - t|^2 does; it only chooses the neighbours, because the
            # distance itself would lose half of its digits to cancellation
            node("Gemm", ["x", "train", "squares"], ["order"], alpha=-2.0, transB=1),
            node("TopK", ["order", "k"], ["nearest_order", "nearest"], axis=1, largest=0),
            node("Gather", ["train", "nearest"], ["neighbours"]),
            node("Unsqueeze", ["x", "columns"], ["row"]),
            node("Sub", ["row", "neighbours"], ["differences"]),
            node("ReduceSumSquare", ["differences", "features"], ["squared"], keepdims=0),
            node("Sqrt", ["squared"], ["distances"]),
            # with ReduceMean the last bit of a row would depend on its place in the batch
            node("MatMul", ["distances", "shares"], ["score"]),
        ]
        constants = {"train": train, "squares": (train**2).sum(axis=1), "k": np.array([self.k_])}
        shares = np.full(self.k_, 1.0 / self.k_)
        return nodes, constants | {"shares": shares, "columns": np.array([1]), "features": np.array([2])}


DETECTOR = NearestNeighbours
