"""U-Net (Ronneberger et al. 2015): an encoder and a decoder, joined at every resolution."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from medanomaly.imaging.networks.blocks import DoubleConvolution


class UNet(nn.Module):
    """Two convolutions per resolution; mean pooling on the way down, nearest neighbour on the way up.

    Args:
        inputs: channels of the input.
        outputs: channels of the output, without activation.
        width: channels at full resolution; each coarser one has twice as many, up to eight times.
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
            first, *rest = block
            x = self._joined(first, x, skip)
            for layer in rest:
                x = layer(x)
        return self.head(x)

    def _joined(self, first: nn.Conv2d, coarse: Tensor, skip: Tensor) -> Tensor:
        """``first`` of the enlarged coarse features and the features of the skip."""
        if not torch.onnx.is_in_onnx_export():
            return first(torch.cat([self.grow(coarse), skip], dim=1))
        # the same sums on a quarter of the pixels need half the products and no copy of the enlarged features
        weight, n_coarse = first.weight.detach(), first.in_channels - first.out_channels
        enlarged = functional.conv2d(coarse, _of_four_pixels(weight[:, :n_coarse]), padding=1)
        fine = functional.conv2d(skip, weight[:, n_coarse:], first.bias, padding=1)
        return functional.pixel_shuffle(enlarged, 2) + fine


def _of_four_pixels(weight: Tensor) -> Tensor:
    """3x3 kernels after doubling as kernels before it (Shi et al. 2016): (o, i, 3, 3) to (4 o, i, 3, 3).

    A fine pixel uses three fine rows, and two of them lie in one coarse row. Which two depends on whether the pixel is the
    upper or the lower of its pair. The same holds for columns.
    """
    places = weight.new_tensor([[[1, 0, 0], [0, 1, 1], [0, 0, 0]], [[0, 0, 0], [1, 1, 0], [0, 0, 1]]])
    kernels = torch.einsum("oiyx,ahy,bwx->oabihw", weight, places, places)
    return kernels.flatten(0, 2)
