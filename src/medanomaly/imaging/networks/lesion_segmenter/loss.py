"""Loss of the network that finds pasted lesions."""

from torch import Tensor
from torch.nn import functional

# lesions cover a few percent of the pixels
POSITIVE_WEIGHT = 3.0


def pasted_lesion_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy between each pixel and the amount by which it was changed, in [0, 1]."""
    weight = logits.new_tensor(POSITIVE_WEIGHT)
    return functional.binary_cross_entropy_with_logits(logits, target, pos_weight=weight)
