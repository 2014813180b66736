"""Two-sided tail probabilities of the empirical distribution of each feature, fixed on the training rows."""

import numpy as np

from medanomaly.core.errors import ConfigurationError
from medanomaly.detectors.base import BaseDetector
from medanomaly.detectors.onnx.graph import Graph, cell_search, node

TAILS = ("exponential", "flat")


class ECDFDetector(BaseDetector):
    """Sums, over the features, minus the log of the smaller tail probability among the training rows.

    For feature j of a row, ``t_j = -log((min(#{train <= x_j}, #{train >= x_j}) + 1/2) / (n + 1))`` and the anomaly
    score is ``sum_j t_j``. It is the idea of ECOD (Li et al. 2022, "ECOD: Unsupervised outlier detection using
    empirical cumulative distribution functions", section 3.2) with both tails for every feature and the distribution
    fixed at training, so that the score of a row does not depend on the rows that happen to be scored with it.
    Monotone changes of a feature leave t_j inside the training range as it is. It cannot find what is unusual only
    in combination, where each value is usual by itself.

    Beyond the training extremes ``tail="flat"`` stops at ``log(2 (n + 1))`` however far out a value lies.
    ``tail="exponential"`` continues with an exponential tail: it adds the distance to the extreme over the mean excess of
    the outer ``k = min(max(3, 0.05 n), n - 1)`` training values above the next one (the maximum-likelihood scale of
    exponential exceedances). Where these are all equal, the tail stays flat.

    Args:
        tail: "exponential" or "flat".
        contamination: share of the training rows below the threshold of ``predict``.

    Attributes:
        edges_: d arrays of float32, ascending; x lies in cell ``#{edges < x}``.
        cells_: d arrays of float64, the t of each cell, one longer than the edges.
        extremes_: (2, d) float64, smallest and largest training value.
        rates_: (2, d) float64, 1 / mean excess below and above, 0 where the tail is flat.
    """

    label = "ECDF"

    def __init__(self, tail: str = "exponential", contamination: float = 0.1):
        self.tail = tail
        self.contamination = contamination

    def _fit(self, X: np.ndarray) -> None:
        if self.tail not in TAILS:
            raise ConfigurationError(f"tail is '{self.tail}'", remedy=f"Choose one of {TAILS}.")
        self.edges_, self.cells_ = [], []
        for column in X.T:
            edges, cells = _tail_cells(column)
            self.edges_.append(edges)
            self.cells_.append(cells)
        ordered = np.sort(X.astype(np.float64), axis=0)
        self.extremes_ = ordered[[0, -1]]
        self.rates_ = np.zeros_like(self.extremes_)
        if self.tail == "exponential" and len(X) > 1:
            outer = min(max(3, int(0.05 * len(X))), len(X) - 1)
            mean_excess = np.stack(
                [
                    (ordered[outer] - ordered[:outer]).mean(axis=0),
                    (ordered[-outer:] - ordered[-outer - 1]).mean(axis=0),
                ]
            )
            np.divide(1.0, mean_excess, out=self.rates_, where=mean_excess > 0)

    def _contributions(self, X: np.ndarray) -> np.ndarray:
        terms = np.empty(X.shape)
        for j, column in enumerate(np.ascontiguousarray(X.T)):
            t = self.cells_[j][np.searchsorted(self.edges_[j], column)]
            if self.tail == "exponential":
                (low, high), (below, above) = self.extremes_[:, j], self.rates_[:, j]
                t += np.maximum(low - column, 0.0) * below + np.maximum(column - high, 0.0) * above
            terms[:, j] = t
        return terms

    def _onnx_graph(self) -> Graph:
        (low, high), (below_rate, above_rate) = self.extremes_, self.rates_
        nodes = [
            cell_search("sum", self.edges_, np.concatenate(self.cells_)),
            node("Squeeze", ["sum", "columns"], ["inside"]),
            node("Sub", ["low", "x"], ["short"]),
            node("Relu", ["short"], ["shortfall"]),
            node("MatMul", ["shortfall", "below_rate"], ["below"]),
            node("Sub", ["x", "high"], ["over"]),
            node("Relu", ["over"], ["excess"]),
            node("MatMul", ["excess", "above_rate"], ["above"]),
            node("Sum", ["inside", "below", "above"], ["score"]),
        ]
        constants = {"low": low, "high": high, "below_rate": below_rate, "above_rate": above_rate}
        return nodes, constants | {"columns": np.array([1])}


def _tail_cells(column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut the line where the smaller tail count changes: (m,) float32 edges, (m + 1,) t of the cells."""
    values, counts = np.unique(column, return_counts=True)
    n, up_to = len(column), np.cumsum(counts)
    # the cells are, in turn, the gap below a value and the value itself, and last the gap above all
    smaller = np.zeros(2 * len(values) + 1, dtype=np.int64)
    smaller[1::2] = np.minimum(up_to, n - up_to + counts)
    smaller[2::2] = np.minimum(up_to, n - up_to)
    edges = np.empty(2 * len(values), dtype=np.float32)
    edges[0::2] = np.nextafter(values, np.float32(-np.inf))
    edges[1::2] = values
    changes = np.diff(smaller) != 0
    kept = smaller[np.concatenate([[True], changes])]
    return edges[changes], -np.log((kept + 0.5) / (n + 1.0))


DETECTOR = ECDFDetector
