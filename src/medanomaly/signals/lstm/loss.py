"""What the LSTM autoencoder learns by."""

import torch

from medanomaly.signals.lstm.network import LSTMAutoencoder


def reconstruction_loss(network: LSTMAutoencoder, windows: torch.Tensor) -> torch.Tensor:
    """Mean of the windows' scores: the network is judged by what it was trained on."""
    return network(windows)[0].mean()
