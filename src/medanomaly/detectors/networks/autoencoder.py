"""A perceptron that passes a row through a narrow layer."""

from itertools import pairwise

import torch
from torch import nn


class Autoencoder(nn.Module):
    """Encoder and decoder of one hidden layer each: ``d - hidden - bottleneck - hidden - d``, rectified linear units.

    Args:
        n_features: d.
        hidden: width of the hidden layers.
        bottleneck: width in the middle; below d, or the network could copy its input.
    """

    def __init__(self, n_features: int, hidden: int, bottleneck: int):
        super().__init__()
        sizes = (n_features, hidden, bottleneck, hidden, n_features)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """(n, d) standardised rows to (n, d) reconstructions."""
        for layer in self.layers[:-1]:
            z = torch.relu(layer(z))
        return self.layers[-1](z)
