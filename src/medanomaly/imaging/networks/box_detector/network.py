"""The network: the encoder of the classifier, a finer map from two of its stages, and one head for heat and geometry."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from medanomaly.imaging.networks.blocks import DoubleConvolution
from medanomaly.imaging.networks.classifier.network import SmallResNet

# probability that an untrained network gives each cell, so that the many empty ones do not drown the first steps
FIRST_HEAT = 0.01


class CentrePointNetwork(nn.Module):
    """Images to a heat map of centres per label, and to the geometry of the box whose centre a cell is.

    Args:
        width: channels of the first stage of the encoder.
        n_labels: kinds of boxes.
    """

    def __init__(self, width: int, n_labels: int):
        super().__init__()
        encoder = SmallResNet(width, dropout=0.0)
        self.stem, self.stages = encoder.stem, encoder.stages
        self.fine, self.coarse = nn.Conv2d(2 * width, 4 * width, 1), nn.Conv2d(8 * width, 4 * width, 1)
        self.merge = DoubleConvolution(4 * width, 4 * width)
        self.heat, self.geometry = nn.Conv2d(4 * width, n_labels, 1), nn.Conv2d(4 * width, 4, 1)
        nn.init.constant_(self.heat.bias, float(torch.logit(torch.tensor(FIRST_HEAT))))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Heat and geometry of images.

        Args:
            x: (n, 1, H, W), H and W multiples of 8.

        Returns:
            ``(logits, geometry)``: (n, labels, H / 4, W / 4), and (n, 4, H / 4, W / 4) with the place of the centre in the
            cell (x, y; 0 to 1, or beyond where it lies in the next cell) and the logarithms of width and height in cells.
        """
        fine = self.stages[1](self.stages[0](self.stem(x)))
        coarse = self.stages[3](self.stages[2](fine))
        merged = self.fine(fine) + functional.interpolate(
            self.coarse(coarse), scale_factor=2.0, mode="nearest"
        )
        shared = self.merge(merged)
        return self.heat(shared), self.geometry(shared)
