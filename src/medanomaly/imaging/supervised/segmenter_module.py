"""Training of the supervised segmenter, and the loss that it lowers."""

import torch
from torch import Tensor
from torch.nn import functional

from medanomaly.imaging.networks.blocks import check_size
from medanomaly.imaging.networks.image_module import ImageModule
from medanomaly.imaging.networks.params import SegmenterParams
from medanomaly.imaging.networks.unet.network import UNet


def soft_dice_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """1 - soft Dice over the whole batch (Milletari et al. 2016), smoothed by one pixel for batches of empty masks."""
    probability = torch.sigmoid(logits)
    overlap = 2 * (probability * mask).sum() + 1
    return 1 - overlap / (probability.sum() + mask.sum() + 1)


def segmentation_loss(logits: Tensor, mask: Tensor, dice_weight: float) -> Tensor:
    """``dice_weight`` soft Dice plus the rest cross-entropy: Dice for small regions, cross-entropy for smooth gradients."""
    entropy = functional.binary_cross_entropy_with_logits(logits, mask)
    return dice_weight * soft_dice_loss(logits, mask) + (1 - dice_weight) * entropy


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
