"""Training of a reconstructing network on standardised rows."""

from collections.abc import Callable

import numpy as np
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import TensorDataset

from medanomaly.training.fit import fit
from medanomaly.training.params import TrainingParams
from medanomaly.training.seeding import seeded


class Reconstruction(pl.LightningModule):
    """Trains a network by one loss.

    Args:
        network: the network.
        loss: takes the network and (n, d) rows.
        learning_rate: of Adam.
    """

    def __init__(self, network: nn.Module, loss: Callable, learning_rate: float):
        super().__init__()
        self.network, self.loss, self.learning_rate = network, loss, learning_rate

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        """Loss of a batch."""
        return self.loss(self.network, batch[0])

    def validation_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        """Log the loss of a batch."""
        self.log("validation_loss", self.loss(self.network, batch[0]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate)


def trained_weights(
    build: Callable[[], nn.Module],
    loss: Callable,
    rows: np.ndarray,
    held_out: np.ndarray,
    *,
    learning_rate: float,
    max_epochs: int,
    patience: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Weights by name, float64, of the epoch that reconstructs the held-out rows best.

    Args:
        build: builds the network.
        loss: of :mod:`medanomaly.detectors.networks.losses`.
        rows: (n, d) standardised.
        held_out: (m, d) likewise.
        learning_rate: of Adam.
        max_epochs: most passes over the rows.
        patience: epochs without improvement before training stops.
        seed: of initial weights, order and damage.
    """
    # a network this small is faster on a CPU than on a GPU
    params = TrainingParams(
        max_epochs=max_epochs,
        # about twenty steps per epoch, whatever the number of rows
        batch_size=int(np.clip(len(rows) // 20, 16, 256)),
        learning_rate=learning_rate,
        patience=patience,
        accelerator="cpu",
    )
    with seeded(seed):
        module = Reconstruction(build(), loss, learning_rate)
    tensors = (TensorDataset(torch.from_numpy(part.astype(np.float32))) for part in (rows, held_out))
    fit(module, *tensors, params, seed=seed)
    return {name: value.double().numpy() for name, value in module.network.state_dict().items()}
