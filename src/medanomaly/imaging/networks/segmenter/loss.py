"""Loss of the supervised segmenter."""

import torch
from torch import Tensor
from torch.nn import functional


def soft_dice_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """1 - soft Dice over the whole batch (Milletari et al. 2016), smoothed by one pixel for batches of empty masks."""
    probability = torch.sigmoid(logits)
    overlap = 2 * (probability * mask).sum() + 1
    return 1 - overlap / (probability.sum() + mask.sum() + 1)


def segmentation_loss(logits: Tensor, mask: Tensor, dice_weight: float) -> Tensor:
    """``dice_weight`` soft Dice plus the rest cross-entropy: Dice for small regions, cross-entropy for smooth gradients."""
    entropy = functional.binary_cross_entropy_with_logits(logits, mask)
    return dice_weight * soft_dice_loss(logits, mask) + (1 - dice_weight) * entropy
