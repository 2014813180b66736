"""From the logits of the segmenter to the probability of each pixel: the module that is exported."""

import torch
from torch import Tensor, nn

from medanomaly.imaging.networks.contrast import ContrastLayer


class SegmenterHead(nn.Module):
    """Images in [0, 1] to the probability of each pixel."""

    def __init__(self, network: nn.Module, contrast: str):
        super().__init__()
        self.network = network
        self.contrast = ContrastLayer(contrast)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 1, H, W) to (n, H, W)."""
        return torch.sigmoid(self.network(self.contrast(images)))[:, 0]
