"""A small diffusion model of rows: it learns to take noise out of a row, and begins with noise alone.

As TabDDPM (Kotelnikov, Baranchuk, Rubachev & Babenko 2023), with changes that keep it small: categories are numbers of -1
and 1 that are diffused like any other ("analog bits", Chen, Zhang & Hinton 2023), numbers are normal scores, and the network
answers with the velocity ``sqrt(a) noise - sqrt(1 - a) row`` (Salimans & Ho 2022), which is easy to tell at every step.
"""

import pytorch_lightning as pl
import torch
from torch import nn

from medanomaly.tabular.synthesis.network_generator import NetworkGenerator

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


class Diffusion(NetworkGenerator):
    """Noise that becomes a row of a class step by step.

    Args:
        n_steps: steps from noise to a row.
        training_steps, batch_size, hidden, learning_rate, seed: see
            :class:`medanomaly.tabular.synthesis.network_generator.NetworkGenerator`.
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
        super().__init__(training_steps, batch_size, hidden, learning_rate, seed)
        self.n_steps = n_steps

    def _module(self, n_classes: int) -> Denoising:
        network = Denoiser(self._form.width, n_classes, self.hidden)
        return Denoising(network, self.n_steps, self.learning_rate)

    def _rows(self, of: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
        n, shares = len(of), signal_shares(self.n_steps)
        rows = torch.randn(n, self._form.width, generator=noise)
        for step in range(self.n_steps, 0, -1):
            now, before = shares[step], shares[step - 1]
            velocity = self._network(rows, torch.full((n,), step / self.n_steps), of)
            behind = now.sqrt() * rows - (1 - now).sqrt() * velocity
            # mean and variance of the row one step before, given this one and what is behind it (Ho et al. 2020, eq. 7)
            kept = now / before
            mean = (before.sqrt() * (1 - kept) * behind + kept.sqrt() * (1 - before) * rows) / (1 - now)
            spread = ((1 - before) / (1 - now) * (1 - kept)).sqrt()
            rows = mean + spread * torch.randn(rows.shape, generator=noise)
        return rows
