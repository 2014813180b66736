"""A small diffusion model of rows: it learns to take noise out of a row, and begins with noise alone.

As TabDDPM (Kotelnikov, Baranchuk, Rubachev & Babenko 2023), with changes that keep it small: categories are numbers of -1
and 1 that are diffused like any other ("analog bits", Chen, Zhang & Hinton 2023), numbers are normal scores, and the network
answers with the velocity ``sqrt(a) noise - sqrt(1 - a) row`` (Salimans & Ho 2022), which is easy to tell at every step.
"""

import numpy as np
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import TensorDataset

from medanomaly.tabular.synthesis.coding import CodedRows
from medanomaly.tabular.synthesis.generator import TableGenerator
from medanomaly.tabular.synthesis.network_rows import NetworkRows, training_order
from medanomaly.training.fit import fit
from medanomaly.training.params import TrainingParams
from medanomaly.training.seeding import seeded

TIME_WIDTH = 16


def signal_shares(n_steps: int) -> torch.Tensor:
    """(n_steps + 1,) share of the variance that is signal after each step: 1 to about 0 (cosine, Nichol & Dhariwal 2021)."""
    t = torch.linspace(0, 1, n_steps + 1, dtype=torch.float64)
    share = torch.cos((t + 0.008) / 1.008 * torch.pi / 2) ** 2
    return torch.clamp(share / share[0], 1e-5, 1.0).float()


class Denoiser(nn.Module):
    """(n, width) noisy rows, (n,) times from 0 to 1 and (n, classes) 0/1 to the (n, width) velocities."""

    def __init__(self, width: int, n_classes: int, hidden: int):
        super().__init__()
        self.register_buffer("rates", 2.0 ** torch.arange(TIME_WIDTH // 2) * torch.pi / 2)
        self.layers = nn.Sequential(
            nn.Linear(width + n_classes + TIME_WIDTH, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, width),
        )

    def forward(self, noisy: torch.Tensor, time: torch.Tensor, of: torch.Tensor) -> torch.Tensor:
        """Velocities."""
        angle = time[:, None] * self.rates
        return self.layers(torch.cat([noisy, of, torch.sin(angle), torch.cos(angle)], dim=1))


class Denoising(pl.LightningModule):
    """Trains a denoiser on rows and their classes.

    Args:
        network: the denoiser.
        n_steps: of the diffusion.
        learning_rate: of Adam.
    """

    def __init__(self, network: Denoiser, n_steps: int, learning_rate: float):
        super().__init__()
        self.network, self.n_steps, self.learning_rate = network, n_steps, learning_rate
        self.register_buffer("shares", signal_shares(n_steps))

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        """Mean squared error of the velocity."""
        rows, of = batch
        step = torch.randint(1, self.n_steps + 1, (len(rows),), device=rows.device)
        share = self.shares[step][:, None]
        noise = torch.randn_like(rows)
        noisy = share.sqrt() * rows + (1 - share).sqrt() * noise
        velocity = share.sqrt() * noise - (1 - share).sqrt() * rows
        return nn.functional.mse_loss(self.network(noisy, step / self.n_steps, of), velocity)

    def configure_optimizers(self) -> dict:
        """Adam, whose steps shrink to 0."""
        adam = torch.optim.Adam(self.parameters(), lr=self.learning_rate)
        slower = torch.optim.lr_scheduler.CosineAnnealingLR(adam, self.trainer.estimated_stepping_batches)
        return {"optimizer": adam, "lr_scheduler": {"scheduler": slower, "interval": "step"}}


class Diffusion(TableGenerator):
    """Noise that becomes a row of a class step by step.

    Args:
        training_steps: batches that are learned from.
        batch_size: rows of each.
        n_steps: steps from noise to a row.
        hidden: width of the network.
        learning_rate: of Adam.
        seed: of weights, order and noise of the training.
    """

    def __init__(
        self,
        training_steps: int = 300,
        batch_size: int = 256,
        n_steps: int = 50,
        hidden: int = 128,
        learning_rate: float = 4e-3,
        seed: int = 0,
    ):
        super().__init__(seed)
        self.training_steps = training_steps
        self.batch_size = batch_size
        self.n_steps = n_steps
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
            network = Denoiser(self._form.width, rows.n_classes, self.hidden)
        module = Denoising(network, self.n_steps, self.learning_rate)
        fit(module, TensorDataset(matrix[order], of[order]), None, params, seed=self.seed)
        self._network, self._n_classes = module.network, rows.n_classes

    def _draw(self, n: int, code: int, rng: np.random.Generator) -> np.ndarray:
        noise = torch.Generator().manual_seed(int(rng.integers(2**31)))
        shares = signal_shares(self.n_steps)
        of = torch.zeros(n, self._n_classes)
        of[:, code] = 1.0
        rows = torch.randn(n, self._form.width, generator=noise)
        with torch.inference_mode():
            for step in range(self.n_steps, 0, -1):
                now, before = shares[step], shares[step - 1]
                velocity = self._network(rows, torch.full((n,), step / self.n_steps), of)
                behind = now.sqrt() * rows - (1 - now).sqrt() * velocity
                # mean and variance of the row one step before, given this one and what is behind it (Ho et al. 2020, eq. 7)
                kept = now / before
                mean = (before.sqrt() * (1 - kept) * behind + kept.sqrt() * (1 - before) * rows) / (1 - now)
                spread = ((1 - before) / (1 - now) * (1 - kept)).sqrt()
                rows = mean + spread * torch.randn(rows.shape, generator=noise)
        return self._form.decode(rows.numpy())
