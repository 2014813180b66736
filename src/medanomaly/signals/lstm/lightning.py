"""Training of the LSTM autoencoder."""

import pytorch_lightning as pl
import torch

from medanomaly.signals.lstm.loss import reconstruction_loss
from medanomaly.signals.lstm.network import LSTMAutoencoder

# gradients through many steps explode now and then (Pascanu et al. 2013)
LARGEST_GRADIENT = 1.0


class LSTMAutoencoderTraining(pl.LightningModule):
    """Adam with clipped gradients on batches of windows.

    Args:
        network: arguments of :class:`LSTMAutoencoder`.
        learning_rate: of Adam.
        weight_decay: of Adam, decoupled (Loshchilov & Hutter 2019).
    """

    def __init__(self, network: dict, learning_rate: float, weight_decay: float):
        super().__init__()
        self.save_hyperparameters()
        self.network = LSTMAutoencoder(**network)

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        """Loss of a batch of (n, n_samples, n_leads) windows."""
        loss = reconstruction_loss(self.network, batch[0])
        self.log("training_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        """Log the loss of a batch."""
        self.log("validation_loss", reconstruction_loss(self.network, batch[0]))

    def configure_gradient_clipping(self, optimizer, gradient_clip_val=None, gradient_clip_algorithm=None):
        """Clip the norm of all gradients together."""
        self.clip_gradients(optimizer, LARGEST_GRADIENT, "norm")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW."""
        rates = {"lr": self.hparams.learning_rate, "weight_decay": self.hparams.weight_decay}
        return torch.optim.AdamW(self.parameters(), **rates)
