"""Losses of the U-Nets that reconstruct."""

from torch import Tensor


def hidden_error(x: Tensor, answer: Tensor, hidden: Tensor) -> Tensor:
    """Mean squared error over the pixels that were hidden alone (Zavrtanik et al. 2021): those seen are no achievement."""
    return ((x - answer).square() * hidden).sum() / hidden.sum().clamp(min=1)
