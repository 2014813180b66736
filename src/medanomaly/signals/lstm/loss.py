"""Loss of the LSTM autoencoder."""

import torch

from medanomaly.signals.lstm.network import LSTMAutoencoder


def reconstruction_loss(network: LSTMAutoencoder, windows: torch.Tensor) -> torch.Tensor:
    """Mean of the scores of the windows, so the network is trained on what it is used for."""
    return network(windows)[0].mean()
