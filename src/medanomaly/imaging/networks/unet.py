"""U-Net (Ronneberger et al. 2015): an encoder and a decoder, joined at every resolution."""

import torch
from torch import Tensor, nn

from medanomaly.imaging.networks.blocks import DoubleConvolution


class UNet(nn.Module):
    """Two convolutions a resolution, mean pooling down, nearest-neighbour up.

    Args:
        inputs: channels of the input.
        outputs: channels of the output, without activation.
        width: channels at full resolution, doubled at each coarser one up to eight times.
        levels: resolutions.
    """

    def __init__(self, inputs: int, outputs: int, width: int, levels: int):
        super().__init__()
        widths = [width * min(2**level, 8) for level in range(levels)]
        self.widths = tuple(widths)
        self.down = nn.ModuleList(
            DoubleConvolution(i, o) for i, o in zip([inputs, *widths[:-1]], widths, strict=True)
        )
        self.up = nn.ModuleList(
            DoubleConvolution(coarse + fine, fine)
            for coarse, fine in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.pool = nn.AvgPool2d(2)
        self.grow = nn.Upsample(scale_factor=2, mode="nearest")
        self.head = nn.Conv2d(width, outputs, 1)

    def encode(self, x: Tensor) -> list[Tensor]:
        """Feature maps from the finest to the coarsest resolution, (n, widths[l], H / 2^l, W / 2^l)."""
        features = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else self.pool(x))
            features.append(x)
        return features

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, H, W) to (n, outputs, H, W); H and W are multiples of 2^(levels - 1)."""
        *skips, x = self.encode(x)
        for block, skip in zip(self.up, reversed(skips), strict=True):
            x = block(torch.cat([self.grow(x), skip], dim=1))
        return self.head(x)
