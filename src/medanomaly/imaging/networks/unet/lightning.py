"""Training of the U-Nets that reconstruct: plain, denoising, inpainting."""

import torch
from torch import Tensor
from torch.nn import functional

from medanomaly.imaging.networks.blocks import check_size
from medanomaly.imaging.networks.image_module import ImageModule
from medanomaly.imaging.networks.unet.corruption import coarse_noise, hole_masks, random_holes
from medanomaly.imaging.networks.unet.loss import hidden_error
from medanomaly.imaging.networks.unet.network import UNet
from medanomaly.imaging.networks.unet.params import UNetParams


class UNetModule(ImageModule):
    """Learns the task ``params.task`` on normal images."""

    def __init__(self, params: UNetParams, image_size: int, **training):
        super().__init__(params, **training)
        check_size(image_size, params.levels - 1)
        inpainting = params.task == "inpainting"
        if inpainting:
            hole_masks(image_size, image_size, params.hole)
        # a network that fills holes needs their places: a hidden pixel and a pixel of value 0 look the same
        self.network = UNet(2 if inpainting else 1, 1, params.width, params.levels)

    def loss(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
        """Mean squared error from the clean image."""
        params, seen = self.params, self.contrast(batch[0])
        if params.task == "inpainting":
            hidden = random_holes(seen, params.hole, generator)
            return hidden_error(seen, self.network(torch.cat([seen * (1 - hidden), hidden], dim=1)), hidden)
        corrupted = seen
        if params.task == "denoising":
            corrupted = seen + coarse_noise(seen, params.noise_sigma, params.noise_scale, generator)
        return functional.mse_loss(self.network(corrupted), seen)
