"""Classifier of normal and anomalous images: a small residual network, or ResNet-18 of torchvision with local weights."""

import zipfile
from pathlib import Path
from pickle import UnpicklingError

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.imaging.networks.blocks import ResidualBlock, group_norm


class SmallResNet(nn.Module):
    """Four stages of two residual blocks, mean over the image, one logit (after He et al. 2016).

    Args:
        width: channels of the first stage; each later stage has twice as many.
        dropout: before the last layer.
    """

    def __init__(self, width: int, dropout: float):
        super().__init__()
        widths = [width, 2 * width, 4 * width, 8 * width]
        self.stem = nn.Sequential(
            nn.Conv2d(1, width, 5, stride=2, padding=2, bias=False), group_norm(width), nn.LeakyReLU(0.2)
        )
        stages = []
        for stage, (i, o) in enumerate(zip([width, *widths[:-1]], widths, strict=True)):
            # the last stage keeps its resolution, so that a Grad-CAM map is fine enough
            stages.append(
                nn.Sequential(ResidualBlock(i, o, stride=2 if stage in (1, 2) else 1), ResidualBlock(o, o))
            )
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(widths[-1], 1))

    def features(self, x: Tensor) -> Tensor:
        """(n, 1, H, W) to (n, 8 width, H / 8, W / 8), the layer that Grad-CAM uses."""
        return self.stages(self.stem(x))

    def classify(self, features: Tensor) -> Tensor:
        """Features to logits (n,)."""
        return self.head(features.mean(dim=(2, 3)))[:, 0]

    def forward(self, x: Tensor) -> Tensor:
        """(n, 1, H, W) to logits (n,), above 0 for anomalous."""
        return self.classify(self.features(x))


class ResNet18(nn.Module):
    """ResNet-18 of torchvision for grey images and one logit.

    The first convolution is summed over its colours. The result is that of three equal channels.

    Args:
        weights: local file, or None to train from scratch.
        dropout: before the last layer.
    """

    def __init__(self, weights: Path | None, dropout: float):
        super().__init__()
        from torchvision.models import resnet18

        body = resnet18(weights=None)
        if weights is not None:
            _load_backbone(body, Path(weights))
        first = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
        first.weight.data = body.conv1.weight.data.sum(dim=1, keepdim=True)
        body.conv1 = first
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(body.fc.in_features, 1))
        body.fc = nn.Identity()
        self.body = body

    def features(self, x: Tensor) -> Tensor:
        """(n, 1, H, W) to (n, 512, H / 32, W / 32)."""
        body = self.body
        x = body.maxpool(body.relu(body.bn1(body.conv1(x))))
        return body.layer4(body.layer3(body.layer2(body.layer1(x))))

    def classify(self, features: Tensor) -> Tensor:
        """Features to logits (n,)."""
        return self.head(features.mean(dim=(2, 3)))[:, 0]

    def forward(self, x: Tensor) -> Tensor:
        """(n, 1, H, W) to logits (n,)."""
        return self.classify(self.features(x))


def _load_backbone(body: nn.Module, path: Path) -> None:
    """Weights from a local file, without its last layer."""
    if not path.is_file():
        raise DataNotFoundError(
            "the file of weights does not exist",
            remedy="Save torchvision's resnet18 state dict to this file, or leave 'weights' out to train from scratch.",
            source=path,
        )
    try:
        if path.suffix == ".safetensors":
            state = safetensors.torch.load_file(path)
        else:
            # weights_only constructs nothing but tensors and plain containers
            state = torch.load(path, map_location="cpu", weights_only=True)
        state = {name: value for name, value in state.items() if not name.startswith("fc.")}
        missing, unexpected = body.load_state_dict(state, strict=False)
    except (
        OSError,
        RuntimeError,
        AttributeError,
        UnpicklingError,
        SafetensorError,
        zipfile.BadZipFile,
    ) as error:
        raise InputError(f"these are not weights of a resnet18: {error}", source=path) from error
    missing = [name for name in missing if not name.startswith("fc.")]
    if missing or unexpected:
        raise InputError(
            f"these are not weights of a resnet18: {len(missing)} tensors missing, {len(unexpected)} unknown",
            remedy="Save the state dict of torchvision.models.resnet18.",
            source=path,
        )
