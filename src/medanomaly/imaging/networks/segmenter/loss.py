"""Loss of the supervised segmenter."""

import torch
from torch import Tensor
from torch.nn import functional


def soft_dice_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """1 minus soft Dice over the whole batch (Milletari et al. 2016); one extra pixel keeps it finite for empty masks."""
    probability = torch.sigmoid(logits)
    overlap = 2 * (probability * mask).sum() + 1
    return 1 - overlap / (probability.sum() + mask.sum() + 1)


def segmentation_loss(logits: Tensor, mask: Tensor, dice_weight: float) -> Tensor:
    """``dice_weight`` of soft Dice, which suits small regions; the rest is cross-entropy, which has smooth gradients."""
    entropy = functional.binary_cross_entropy_with_logits(logits, mask)
    return dice_weight * soft_dice_loss(logits, mask) + (1 - dice_weight) * entropy
