"""Denoising autoencoder: a row that a narrow layer cannot represent is unusual."""

from typing import Any

import numpy as np
from numba import njit

from medanomaly.core.errors import ConfigurationError
from medanomaly.detectors.onnx.graph import Graph, node
from medanomaly.detectors.reconstruction import ReconstructionDetector

_PATIENCE = 20
_LEARNING_RATE = 3e-3


class AutoencoderDetector(ReconstructionDetector):
    """Residuals of a small perceptron ``d - hidden - bottleneck - hidden - d`` (Hawkins et al. 2002).

    It is trained to reconstruct rows from damaged copies (Vincent et al. 2010), because a network that learns to copy
    usual rows copies unusual ones too.

    With ``epsilon`` the weights are trained with differential privacy (:mod:`medanomaly.detectors.networks.private`): for
    ``max_epochs`` passes, without stopping by the held-out rows, and each fit gives other weights. The promise covers the
    weights alone. Means, spreads and calibration scores are taken from the rows as always.

    Args:
        hidden: width of the hidden layers.
        bottleneck: width in the middle, at most one less than the varying columns; None for a third of the columns.
        max_epochs: most passes over the training rows; training stops earlier when the held-out loss no longer falls.
        contamination: share of the training rows below the threshold of ``predict``.
        random_state: of initial weights, order and damage.
        epsilon: of differential privacy, above 0; smaller is more private. None trains without.
        delta: chance that epsilon is not kept, below 1 / training rows.

    Attributes:
        privacy_: what was promised of the weights; empty without ``epsilon``, and where no network was trained.
    """

    label = "denoising autoencoder"

    def __init__(
        self,
        hidden: int = 64,
        bottleneck: int | None = None,
        max_epochs: int = 100,
        contamination: float = 0.1,
        random_state: object = None,
        epsilon: float | None = None,
        delta: float = 1e-5,
    ):
        self.hidden = hidden
        self.bottleneck = bottleneck
        self.max_epochs = max_epochs
        self.contamination = contamination
        self.random_state = random_state
        self.epsilon = epsilon
        self.delta = delta

    def _fit(self, X: np.ndarray) -> None:
        for name, size in (("hidden", self.hidden), ("bottleneck", self.bottleneck)):
            if size is not None and size < 1:
                raise ConfigurationError(f"{name} is {size}", remedy="Give 1 or more.")
        self.privacy_ = {}
        super()._fit(X)

    def about_training_rows(self) -> dict[str, Any]:
        """What was promised of the weights."""
        return {"differential_privacy": self.privacy_} if self.privacy_ else {}

    def _train(self, rows: np.ndarray, held_out: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        from medanomaly.detectors.networks.autoencoder import Autoencoder
        from medanomaly.detectors.networks.losses import denoising_loss
        from medanomaly.detectors.networks.reconstruction import trained_weights

        d = rows.shape[1]
        bottleneck = min(self.bottleneck or -(-d // 3), d - 1)
        how = {"learning_rate": _LEARNING_RATE, "max_epochs": self.max_epochs, "seed": seed}
        if self.epsilon is None:
            weights = trained_weights(
                lambda: Autoencoder(d, self.hidden, bottleneck),
                denoising_loss,
                rows,
                held_out,
                patience=_PATIENCE,
                **how,
            )
        else:
            from medanomaly.detectors.networks.private import private_weights

            weights, self.privacy_ = private_weights(
                lambda: Autoencoder(d, self.hidden, bottleneck),
                denoising_loss,
                rows,
                epsilon=self.epsilon,
                delta=self.delta,
                **how,
            )
        # (inputs, outputs) matrices: rows times matrix
        named = {}
        for layer in range(4):
            named[f"weight_{layer}"] = np.ascontiguousarray(weights[f"layers.{layer}.weight"].T)
            named[f"bias_{layer}"] = weights[f"layers.{layer}.bias"]
        return named

    def _reconstruct(self, z: np.ndarray) -> np.ndarray:
        for layer in range(4):
            z = _linear(z, self.weights_[f"weight_{layer}"], self.weights_[f"bias_{layer}"], layer < 3)
        return z

    def _network_graph(self) -> Graph:
        nodes, constants, rows = [], {}, "seen"
        for layer in range(4):
            constants |= {f"{kind}_{layer}": self.weights_[f"{kind}_{layer}"] for kind in ("weight", "bias")}
            nodes += [
                node("MatMul", [rows, f"weight_{layer}"], [f"product_{layer}"]),
                node("Add", [f"product_{layer}", f"bias_{layer}"], [f"sum_{layer}"]),
            ]
            rows = f"rectified_{layer}"
            if layer < 3:
                nodes.append(node("Relu", [f"sum_{layer}"], [rows]))
        return [*nodes, node("Identity", ["sum_3"], ["reconstruction"])], constants


@njit(nogil=True, cache=True)
def _linear(rows, weight, bias, rectified):
    """``rows @ weight + bias``, added in the order of the inputs; a matrix product would round with the number of rows."""
    out = np.empty((rows.shape[0], weight.shape[1]))
    for i in range(rows.shape[0]):
        out[i] = bias
        for k in range(weight.shape[0]):
            for j in range(weight.shape[1]):
                out[i, j] += rows[i, k] * weight[k, j]
        if rectified:
            for j in range(weight.shape[1]):
                out[i, j] = max(out[i, j], 0.0)
    return out


DETECTOR = AutoencoderDetector
