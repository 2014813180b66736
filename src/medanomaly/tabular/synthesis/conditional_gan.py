"""A small conditional GAN of rows: one network draws rows of a class, another one tells them from real ones."""

from itertools import pairwise

import numpy as np
import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.utils.data import TensorDataset

from medanomaly.tabular.synthesis.coding import CodedRows
from medanomaly.tabular.synthesis.generator import TableGenerator
from medanomaly.tabular.synthesis.network_rows import LIMIT, NetworkRows, training_order
from medanomaly.training.fit import fit
from medanomaly.training.params import TrainingParams
from medanomaly.training.seeding import seeded

NOISE_WIDTH = 32
# of the softmax that stands for a drawn level; lower is sharper, and its gradients are noisier
TEMPERATURE = 0.5


class RowDrawer(nn.Module):
    """(n, noise) numbers and (n, classes) 0/1 to (n, width) rows.

    Args:
        form: where numbers and levels stand.
        n_classes: number of classes.
        hidden: width of the layers.
    """

    def __init__(self, form: NetworkRows, n_classes: int, hidden: int):
        super().__init__()
        self.groups = form.level_groups
        self.layers = nn.Sequential(
            nn.Linear(NOISE_WIDTH + n_classes, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, form.width),
        )

    def forward(self, noise: torch.Tensor, of: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
        """Rows; ``uniform`` (n, width) draws the levels (Gumbel-softmax, Jang, Gu & Poole 2017)."""
        answers = self.layers(torch.cat([noise, of], dim=1))
        n_numbers = self.groups[0].start if self.groups else answers.shape[1]
        parts = [LIMIT * torch.tanh(answers[:, :n_numbers] / LIMIT)]
        gumbel = -torch.log(-torch.log(uniform.clamp(1e-6, 1 - 1e-6)))
        for levels in self.groups:
            drawn = torch.softmax((answers[:, levels] + gumbel[:, levels]) / TEMPERATURE, dim=1)
            parts.append(2 * drawn - 1)
        return torch.cat(parts, dim=1)


def judge(width: int, n_classes: int, hidden: int) -> nn.Module:
    """A network from rows and classes to one number, high for real rows; its slopes are bounded (Miyato et al. 2018)."""
    sizes = (width + n_classes, hidden, hidden, 1)
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [spectral_norm(nn.Linear(a, b)), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers[:-1])


class Contest(pl.LightningModule):
    """Trains both networks in turn by the hinge loss.

    Args:
        drawer: draws rows.
        judge: tells them from real ones.
        learning_rate: of Adam; the judge learns twice as fast.
    """

    def __init__(self, drawer: RowDrawer, judge: nn.Module, learning_rate: float):
        super().__init__()
        self.automatic_optimization = False
        self.drawer, self.judge, self.learning_rate = drawer, judge, learning_rate

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        """One step of the judge, one of the drawer."""
        rows, of = batch
        of_judge, of_drawer = self.optimizers()
        drawn = self._drawn(rows, of)
        real = self.judge(torch.cat([rows, of], dim=1))
        false = self.judge(torch.cat([drawn.detach(), of], dim=1))
        of_judge.zero_grad()
        self.manual_backward(torch.relu(1 - real).mean() + torch.relu(1 + false).mean())
        of_judge.step()
        of_drawer.zero_grad()
        self.manual_backward(-self.judge(torch.cat([drawn, of], dim=1)).mean())
        of_drawer.step()

    def _drawn(self, rows: torch.Tensor, of: torch.Tensor) -> torch.Tensor:
        noise = torch.randn(len(rows), NOISE_WIDTH, device=rows.device)
        return self.drawer(noise, of, torch.rand_like(rows))

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam without momentum for both, as is usual in a contest."""
        rate = self.learning_rate
        return [
            torch.optim.Adam(self.judge.parameters(), lr=2 * rate, betas=(0.0, 0.9)),
            torch.optim.Adam(self.drawer.parameters(), lr=rate, betas=(0.0, 0.9)),
        ]


class ConditionalGAN(TableGenerator):
    """A generative adversarial network of rows with the class as input (Mirza & Osindero 2014; Xu et al. 2019 for tables).

    Args:
        training_steps: batches that are learned from.
        batch_size: rows of each.
        hidden: width of the networks.
        learning_rate: of Adam.
        seed: of weights, order and noise of the training.
    """

    def __init__(
        self,
        training_steps: int = 300,
        batch_size: int = 256,
        hidden: int = 128,
        learning_rate: float = 1e-3,
        seed: int = 0,
    ):
        super().__init__(seed)
        self.training_steps = training_steps
        self.batch_size = batch_size
        self.hidden = hidden
        self.learning_rate = learning_rate

    def _fit(self, rows: CodedRows, rng: np.random.Generator) -> None:
        self._form = NetworkRows(rows, self.seed)
        matrix = torch.from_numpy(self._form.encode(rows.matrix))
        of = torch.nn.functional.one_hot(torch.from_numpy(rows.classes), rows.n_classes).float()
        order = training_order(rows.classes, self.training_steps * self.batch_size, rng)
        # a network this small is faster on a CPU than on a GPU
        params = TrainingParams(
            max_epochs=1, batch_size=self.batch_size, accelerator="cpu", threads=1, patience=0
        )
        with seeded(self.seed):
            module = Contest(
                RowDrawer(self._form, rows.n_classes, self.hidden),
                judge(self._form.width, rows.n_classes, self.hidden),
                self.learning_rate,
            )
        fit(module, TensorDataset(matrix[order], of[order]), None, params, seed=self.seed)
        self._network, self._n_classes = module.drawer, rows.n_classes

    def _draw(self, n: int, code: int, rng: np.random.Generator) -> np.ndarray:
        noise = torch.Generator().manual_seed(int(rng.integers(2**31)))
        of = torch.zeros(n, self._n_classes)
        of[:, code] = 1.0
        with torch.inference_mode():
            rows = self._network(
                torch.randn(n, NOISE_WIDTH, generator=noise),
                of,
                torch.rand(n, self._form.width, generator=noise),
            )
        return self._form.decode(rows.numpy())
