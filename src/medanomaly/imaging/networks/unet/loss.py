"""Losses of the U-Nets that reconstruct."""

from torch import Tensor


def hidden_error(x: Tensor, answer: Tensor, hidden: Tensor) -> Tensor:
    """Mean squared error over the hidden pixels only (Zavrtanik et al. 2021): visible pixels are no achievement."""
    return ((x - answer).square() * hidden).sum() / hidden.sum().clamp(min=1)
