"""A small conditional GAN of rows: one network draws rows of a class, another one tells them from real ones."""

from itertools import pairwise

import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from medanomaly.tabular.synthesis.network_generator import NetworkGenerator
from medanomaly.tabular.synthesis.network_rows import LIMIT, NetworkRows

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
        self.network, self.judge, self.learning_rate = drawer, judge, learning_rate

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
        return self.network(noise, of, torch.rand_like(rows))

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam without momentum for both, as is usual in a contest."""
        rate = self.learning_rate
        return [
            torch.optim.Adam(self.judge.parameters(), lr=2 * rate, betas=(0.0, 0.9)),
            torch.optim.Adam(self.network.parameters(), lr=rate, betas=(0.0, 0.9)),
        ]


class ConditionalGAN(NetworkGenerator):
    """A generative adversarial network of rows with the class as input (Mirza & Osindero 2014; Xu et al. 2019 for tables).

    Args:
        training_steps, batch_size, hidden, learning_rate, seed: see
            :class:`medanomaly.tabular.synthesis.network_generator.NetworkGenerator`.
    """

    def __init__(
        self,
        training_steps: int = 300,
        batch_size: int = 256,
        hidden: int = 128,
        learning_rate: float = 1e-3,
        seed: int = 0,
    ):
        super().__init__(training_steps, batch_size, hidden, learning_rate, seed)

    def _module(self, n_classes: int) -> Contest:
        return Contest(
            RowDrawer(self._form, n_classes, self.hidden),
            judge(self._form.width, n_classes, self.hidden),
            self.learning_rate,
        )

    def _rows(self, of: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
        latent = torch.randn(len(of), NOISE_WIDTH, generator=noise)
        return self._network(latent, of, torch.rand(len(of), self._form.width, generator=noise))
