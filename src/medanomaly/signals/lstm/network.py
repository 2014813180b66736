"""LSTM autoencoder: one LSTM reads a window into a few numbers, another writes the window from them."""

import torch
from torch import nn


class LSTMAutoencoder(nn.Module):
    """Encoder-decoder of long short-term memories (Malhotra et al. 2016), with a linear bottleneck between them.

    Each step takes ``samples_per_step`` consecutive samples of all leads. Fewer steps make the LSTM faster and let it
    learn over a longer time. The decoder gets the bottleneck at every step, plus a learned clock that tells the step. It
    writes the window backwards, beginning with what was read last.

    Args:
        n_samples: length of a window.
        n_leads: leads of a window.
        hidden: units of each LSTM.
        latent: numbers in the bottleneck.
        samples_per_step: samples per step; the window is padded with zeros to a multiple of it.
        normalise: True scales each lead of each window to mean 0 and standard deviation 1; False scales all windows by
            ``centre`` and ``scale`` only.

    The buffers ``centre`` and ``scale`` are set before training: (n_leads,) mean and standard deviation of training
        windows.
    """

    def __init__(
        self, n_samples: int, n_leads: int, hidden: int, latent: int, samples_per_step: int, normalise: bool
    ):
        super().__init__()
        self.n_samples, self.n_leads, self.normalise = n_samples, n_leads, normalise
        self.n_steps = -(-n_samples // samples_per_step)
        self.step_width = samples_per_step * n_leads
        self.padding = self.n_steps * samples_per_step - n_samples
        self.encoder = nn.LSTM(self.step_width, hidden, batch_first=True)
        self.squeeze, self.widen = nn.Linear(hidden, latent), nn.Linear(latent, hidden)
        self.decoder = nn.LSTM(hidden, hidden, batch_first=True)
        self.write = nn.Linear(hidden, self.step_width)
        self.clock = nn.Parameter(0.1 * torch.randn(self.n_steps, hidden))
        self.register_buffer("centre", torch.zeros(n_leads))
        self.register_buffer("scale", torch.ones(n_leads))

    def normalised(self, windows: torch.Tensor) -> torch.Tensor:
        """Normalise (n, n_samples, n_leads) windows in physical units, as the network reads and reconstructs them."""
        windows = (windows - self.centre) / self.scale
        if not self.normalise:
            return windows
        windows = windows - windows.mean(dim=1, keepdim=True)
        # a flat line stays flat instead of becoming noise
        return windows / windows.square().mean(dim=1, keepdim=True).sqrt().clamp(min=1e-3)

    def reconstruct(self, normalised: torch.Tensor) -> torch.Tensor:
        """(n, n_samples, n_leads) normalised windows to their reconstructions."""
        steps = nn.functional.pad(normalised, (0, 0, 0, self.padding))
        steps = steps.reshape(-1, self.n_steps, self.step_width)
        _, (last, _) = self.encoder(steps)
        given = torch.tanh(self.widen(self.squeeze(last[0])))
        states, _ = self.decoder(given[:, None] + self.clock)
        written = self.write(states).flip(1).reshape(-1, self.n_steps * self.step_width)
        return written.reshape(-1, self.n_samples + self.padding, self.n_leads)[:, : self.n_samples]

    def forward(self, windows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Score windows.

        Args:
            windows: (n, n_samples, n_leads) float32 in physical units.

        Returns:
            (n,) mean squared reconstruction errors, and (n, n_samples) the errors per sample, averaged over the leads.
        """
        normalised = self.normalised(windows)
        errors = (self.reconstruct(normalised) - normalised).square().mean(dim=2)
        return errors.mean(dim=1), errors
