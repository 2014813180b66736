"""Training of the convolutional autoencoder."""

import torch
from torch import Tensor

from medanomaly.imaging.networks.autoencoder.loss import reconstruction_loss
from medanomaly.imaging.networks.autoencoder.network import Autoencoder
from medanomaly.imaging.networks.autoencoder.params import AutoencoderParams
from medanomaly.imaging.networks.image_module import ImageModule


class AutoencoderModule(ImageModule):
    """Reconstruction of normal images; ``params.variance`` adds the prediction of variances."""

    def __init__(self, params: AutoencoderParams, image_size: int, **training):
        super().__init__(params, **training)
        self.network = Autoencoder(image_size, params.latent, params.width, params.hidden, params.variance)

    def loss(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
        """Mean squared error, or the Gaussian likelihood."""
        seen = self.contrast(batch[0])
        return reconstruction_loss(seen, *self.network(seen))
