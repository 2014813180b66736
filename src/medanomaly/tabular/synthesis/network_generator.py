"""What generators that are networks share: rows and classes in, one training, rows of a class out."""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import TensorDataset

from medanomaly.tabular.synthesis.coding import CodedRows
from medanomaly.tabular.synthesis.generator import TableGenerator
from medanomaly.tabular.synthesis.network_rows import NetworkRows
from medanomaly.training.fit import fit
from medanomaly.training.params import TrainingParams
from medanomaly.training.seeding import seeded


class NetworkGenerator(TableGenerator):
    """A network that is trained on rows and their classes.

    Args:
        training_steps: batches that are learned from.
        batch_size: rows of each.
        hidden: width of the networks.
        learning_rate: of Adam.
        seed: of weights, order and noise of the training.
    """

    def __init__(self, training_steps: int, batch_size: int, hidden: int, learning_rate: float, seed: int):
        super().__init__(seed)
        self.training_steps = training_steps
        self.batch_size = batch_size
        self.hidden = hidden
        self.learning_rate = learning_rate

    @abstractmethod
    def _module(self, n_classes: int) -> Any:
        """What Lightning trains, for ``self._form``; its ``network`` draws rows."""

    @abstractmethod
    def _rows(self, of: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
        """(n, width) rows of (n, n_classes) classes, by ``self._network``."""

    def _fit(self, rows: CodedRows, rng: np.random.Generator) -> None:
        self._form = NetworkRows(rows, self.seed)
        matrix = torch.from_numpy(self._form.encode(rows.matrix))
        of = nn.functional.one_hot(torch.from_numpy(rows.classes), rows.n_classes).float()
        order = _training_order(rows.classes, self.training_steps * self.batch_size, rng)
        # a network this small is faster on a CPU than on a GPU
        params = TrainingParams(
            max_epochs=1, batch_size=self.batch_size, accelerator="cpu", threads=1, patience=0
        )
        with seeded(self.seed):
            module = self._module(rows.n_classes)
        fit(module, TensorDataset(matrix[order], of[order]), None, params, seed=self.seed)
        self._network, self._n_classes = module.network, rows.n_classes

    def _draw(self, n: int, code: int, rng: np.random.Generator) -> np.ndarray:
        noise = torch.Generator().manual_seed(int(rng.integers(2**31)))
        of = torch.zeros(n, self._n_classes)
        of[:, code] = 1.0
        with torch.inference_mode():
            return self._form.decode(self._rows(of, noise).numpy())


def _training_order(classes: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """(n,) positions of rows to learn from; a rare class comes more often than it is, by the root of its frequency."""
    weight = np.bincount(classes)[classes] ** -0.5
    return rng.choice(len(classes), n, p=weight / weight.sum())
