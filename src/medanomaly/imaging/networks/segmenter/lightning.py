"""Training of the supervised segmenter."""

import torch
from torch import Tensor

from medanomaly.imaging.networks.blocks import check_size
from medanomaly.imaging.networks.image_module import ImageModule
from medanomaly.imaging.networks.segmenter.loss import segmentation_loss
from medanomaly.imaging.networks.segmenter.params import SegmenterParams
from medanomaly.imaging.networks.unet.network import UNet


class SegmenterModule(ImageModule):
    """A U-Net on batches ``(images, masks)``, both (n, 1, H, W)."""

    def __init__(self, params: SegmenterParams, image_size: int, **training):
        super().__init__(params, **training)
        check_size(image_size, params.levels - 1)
        self.network = UNet(1, 1, params.width, params.levels)

    def loss(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
        """Soft Dice and cross-entropy."""
        images, mask = batch
        return segmentation_loss(
            self.network(self.contrast(images)), mask.to(images.dtype), self.params.dice_weight
        )
