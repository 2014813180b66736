"""Detectors that reconstruct a row with a network: the residuals are the score."""

from abc import abstractmethod

import numpy as np
from sklearn.utils import check_random_state

from medanomaly.core.errors import ConfigurationError
from medanomaly.detectors.base import BaseDetector
from medanomaly.detectors.onnx.graph import Graph, node
from medanomaly.detectors.views.standardise import Standardise
from medanomaly.training.hold_out import hold_out

# beyond it a network only sees "very high" or "very low": it would pass outliers on to its output
INPUT_LIMIT = 4.0
# fewer rows cannot be split into a part to learn from and a part to stop by
MIN_ROWS = 30
HELD_OUT = 0.2
SMALLEST_SPREAD = 0.1


class ReconstructionDetector(BaseDetector):
    """Mean over the features of ``((z_j - reconstruction_j) / spread_j)^2``; each term is a contribution.

    z is the standardised row. The network sees it clipped to +-4. The residual is taken from the value before clipping,
    so an extreme value is never reconstructed well. ``spread_j`` is the root mean square of the residual on rows held out
    of training, at least 0.1. An error therefore counts more for a feature that is usually reconstructed exactly. A fifth
    of the patients is held out, for early stopping and for the spreads.

    The reconstruction of a column that is constant in training is that constant. With fewer than 30 rows, or fewer than
    two columns that vary, no network is trained, and the reconstruction of every value is its mean.

    Training draws random numbers from ``random_state`` only. Scoring is float64 and uses the row alone.

    Attributes:
        standardise_: the fitted standardisation.
        weights_: arrays by name, empty where no network was trained.
        varying_: (v,) int, columns that the network sees.
        spread_: (d,) float64.
    """

    @abstractmethod
    def _train(self, rows: np.ndarray, held_out: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        """Weights from (n, v) and (m, v) float64 standardised rows."""

    @abstractmethod
    def _reconstruct(self, z: np.ndarray) -> np.ndarray:
        """(n, v) reconstructions of (n, v) float64 rows within the limit, each from its own row alone."""

    @abstractmethod
    def _network_graph(self) -> Graph:
        """Nodes from "seen", the (n, v) rows within the limit, to "reconstruction" (n, v), as :meth:`_reconstruct`."""

    def _fit(self, X: np.ndarray) -> None:
        if self.max_epochs < 1:
            raise ConfigurationError(f"max_epochs is {self.max_epochs}", remedy="Give 1 or more.")
        random = check_random_state(self.random_state)
        self.standardise_ = Standardise()._fit(X)
        self.varying_ = np.flatnonzero(~self.standardise_.constant_)
        self.weights_, self.spread_ = {}, np.ones(X.shape[1])
        if len(X) < MIN_ROWS or len(self.varying_) < 2:
            return
        z = np.clip(self.standardise_._z(X)[:, self.varying_], -INPUT_LIMIT, INPUT_LIMIT)
        aside = hold_out(len(z), self._groups, HELD_OUT, random)
        held_out = z[aside]
        self.weights_ = self._train(z[~aside], held_out, int(random.randint(np.iinfo(np.int32).max)))
        residual = held_out - self._reconstruct(held_out)
        self.spread_[self.varying_] = np.maximum(np.sqrt((residual**2).mean(axis=0)), SMALLEST_SPREAD)

    def _contributions(self, X: np.ndarray) -> np.ndarray:
        residual = self.standardise_._z(X)
        if self.weights_:
            seen = np.clip(residual[:, self.varying_], -INPUT_LIMIT, INPUT_LIMIT)
            residual[:, self.varying_] -= self._reconstruct(np.ascontiguousarray(seen))
        return (residual / self.spread_) ** 2 / X.shape[1]

    def _onnx_graph(self) -> Graph:
        nodes, constants = self._network_graph() if self.weights_ else ([], {})
        d = self.n_features_in_
        start, start_constants = self.standardise_._onnx_graph("z")
        residual = "z"
        if nodes:
            # the reconstruction of columns that the network does not see is 0
            placed = np.zeros((len(self.varying_), d))
            placed[np.arange(len(self.varying_)), self.varying_] = 1.0
            start += [
                node("Gather", ["z", "varying"], ["varying_z"], axis=1),
                node("Clip", ["varying_z", "lowest_seen", "highest_seen"], ["seen"]),
            ]
            nodes = [
                *nodes,
                node("MatMul", ["reconstruction", "placed"], ["all_reconstructed"]),
                node("Sub", ["z", "all_reconstructed"], ["residual"]),
            ]
            residual = "residual"
            start_constants |= {
                "varying": self.varying_,
                "lowest_seen": np.float64(-INPUT_LIMIT),
                "highest_seen": np.float64(INPUT_LIMIT),
                "placed": placed,
            }
        nodes = [
            *start,
            *nodes,
            node("Div", [residual, "spread"], ["in_spreads"]),
            node("Mul", ["in_spreads", "in_spreads"], ["squares"]),
            node("MatMul", ["squares", "shares"], ["score"]),
        ]
        shares = np.full(d, 1.0 / d)
        return nodes, constants | start_constants | {"spread": self.spread_, "shares": shares}
