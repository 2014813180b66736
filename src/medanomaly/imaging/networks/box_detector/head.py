"""The module that is exported: images to heat and geometry. Boxes are read from them outside the graph."""

import torch
from torch import Tensor, nn

from medanomaly.imaging.networks.contrast import ContrastLayer


class BoxHead(nn.Module):
    """Images in [0, 1] to the probability that a cell is a centre, and to the geometry of its box."""

    def __init__(self, network: nn.Module, contrast: str):
        super().__init__()
        self.network = network
        self.contrast = ContrastLayer(contrast)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 1, H, W) to (n, labels, H / 4, W / 4) and (n, 4, H / 4, W / 4)."""
        logits, geometry = self.network(self.contrast(images))
        return torch.sigmoid(logits), geometry
