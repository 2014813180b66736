"""What the networks of detectors of rows learn: to reconstruct a row from a damaged copy of it."""

import torch
from torch import nn

NOISE = 0.2
DROPPED = 0.2


def denoising_loss(network: nn.Module, z: torch.Tensor) -> torch.Tensor:
    """Mean squared error of the reconstruction from a noisy copy with some values set to the mean (Vincent et al. 2010)."""
    kept = (torch.rand_like(z) >= DROPPED).to(z.dtype)
    damaged = (z + NOISE * torch.randn_like(z)) * kept
    return nn.functional.mse_loss(network(damaged), z)


def masked_loss(network: nn.Module, z: torch.Tensor) -> torch.Tensor:
    """Mean squared error of the hidden values; each row hides a random share of its features, at least one."""
    share = torch.rand(len(z), 1, device=z.device) * 0.5
    draw = torch.rand_like(z)
    hidden = ((draw < share) | (draw == draw.amin(dim=1, keepdim=True))).to(z.dtype)
    errors = hidden * (network(z, hidden) - z) ** 2
    return errors.sum() / hidden.sum()
