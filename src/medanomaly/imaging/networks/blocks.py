"""Building blocks that several networks share."""

import torch
from torch import Tensor, nn

from medanomaly.core.errors import ConfigurationError


def _mean(x: Tensor) -> Tensor:
    """Mean over the last three dimensions, one after the other: short sums have smaller rounding errors than a long one."""
    for dimension in (4, 3, 2):
        x = x.mean(dim=dimension, keepdim=True)
    return x


class GroupNorm(nn.GroupNorm):
    """Group normalisation (Wu & He 2018); the exported graph computes means in steps.

    onnxruntime adds up a whole group in 32 bits. On 128 px images its rounding error is ten times that of torch.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, H, W), same shape."""
        if not torch.onnx.is_in_onnx_export():
            return super().forward(x)
        # sizes as constants, or the graph would compute them again at each layer
        height, width = int(x.shape[2]), int(x.shape[3])
        grouped = x.reshape(-1, self.num_groups, self.num_channels // self.num_groups, height, width)
        weight, bias = (p.view(1, self.num_groups, -1, 1, 1) for p in (self.weight, self.bias))
        centred = grouped - _mean(grouped)
        scale = weight / (_mean(centred.square()) + self.eps).sqrt()
        return (centred * scale + bias).reshape(-1, self.num_channels, height, width)


def group_norm(channels: int) -> GroupNorm:
    """Normalisation of each image on its own, so that an image scores the same in any batch.

    Groups have eight channels or more. Smaller groups would remove the brightness of each channel, which a reconstruction
    needs.
    """
    return GroupNorm(channels // 8 if channels % 8 == 0 else 1, channels)


class DoubleConvolution(nn.Sequential):
    """Two 3x3 convolutions, each normalised and followed by SiLU."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1),
            group_norm(outputs),
            nn.SiLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            group_norm(outputs),
            nn.SiLU(),
        )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, with LeakyReLU after the sum (He et al. 2016).

    Args:
        inputs: channels in.
        outputs: channels out; the shortcut is a 1x1 convolution if they or the size differ.
        stride: of the first convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            group_norm(outputs),
            nn.LeakyReLU(0.2),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            group_norm(outputs),
        )
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
        self.activation = nn.LeakyReLU(0.2)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, H, W) to (n, outputs, H / stride, W / stride)."""
        return self.activation(self.body(x) + self.shortcut(x))


def check_size(image_size: int, halvings: int) -> int:
    """Side of the coarsest feature map, px.

    Raises:
        ConfigurationError: the image cannot be halved so often.
    """
    if image_size < 2**halvings or image_size % 2**halvings:
        raise ConfigurationError(
            f"images of {image_size} px cannot be halved {halvings} times",
            remedy=f"Use a side that is a multiple of {2**halvings}, or a network with fewer resolutions.",
        )
    return image_size // 2**halvings


def step_generator(seed: int, epoch: int, batch: int, device: torch.device) -> torch.Generator:
    """Random numbers of one training step.

    They depend only on the step, so a resumed run draws the same numbers as an uninterrupted one.
    """
    generator = torch.Generator(device=device)
    generator.manual_seed(((seed * 1_000_003 + epoch) * 1_000_003 + batch) % 2**63)
    return generator
