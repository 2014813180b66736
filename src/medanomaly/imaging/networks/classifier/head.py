"""From the logit of the classifier to a calibrated probability: the module that is exported."""

import torch
from torch import Tensor, nn

from medanomaly.imaging.networks.contrast import ContrastLayer


class ClassifierHead(nn.Module):
    """Images in [0, 1] to calibrated probabilities; what is exported.

    Args:
        network: :class:`SmallResNet` or :class:`ResNet18`.
        contrast: what it sees.
    """

    def __init__(self, network: nn.Module, contrast: str):
        super().__init__()
        self.network = network
        self.contrast = ContrastLayer(contrast)
        self.register_buffer("slope", torch.ones(()))
        self.register_buffer("offset", torch.zeros(()))

    def features(self, images: Tensor) -> Tensor:
        """(n, 1, H, W) to the last feature maps."""
        return self.network.features(self.contrast(images))

    def classify(self, features: Tensor) -> Tensor:
        """Last feature maps to calibrated logits (n,)."""
        return self.slope * self.network.classify(features) + self.offset

    def forward(self, images: Tensor) -> Tensor:
        """(n, 1, H, W) to probabilities (n,)."""
        return torch.sigmoid(self.classify(self.features(images)))
