"""Augmentation of images: small rotations, shifts, sizes, gamma and noise. No flip, because it would move the heart."""

import math

import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from medanomaly.core.errors import InputError
from medanomaly.imaging.networks.params import AugmentationParams


class RandomGamma(v2.Transform):
    """``image ** gamma`` with log(gamma) uniform within ``+-spread``; masks stay unchanged."""

    def __init__(self, spread: float):
        super().__init__()
        self.spread = spread

    def make_params(self, flat_inputs: list) -> dict:
        """One gamma per call."""
        return {"gamma": math.exp(self.spread * (2 * torch.rand(()).item() - 1))}

    def transform(self, inpt: Tensor, params: dict) -> Tensor:
        """Apply it; called by torchvision."""
        return self._call_kernel(v2.functional.adjust_gamma, inpt, gamma=params["gamma"])


def transforms(params: AugmentationParams) -> v2.Compose:
    """The recipe as one torchvision transform of a single (1, H, W) image in [0, 1], or of an image and its mask."""
    steps: list[v2.Transform] = [
        v2.RandomAffine(
            degrees=params.degrees,
            translate=(params.shift, params.shift),
            scale=(1 - params.scale, 1 + params.scale),
            interpolation=v2.InterpolationMode.BILINEAR,
        )
    ]
    if params.gamma:
        steps.append(RandomGamma(params.gamma))
    if params.noise:
        steps.append(v2.GaussianNoise(sigma=params.noise, clip=True))
    return v2.Compose(steps)


def augment(
    images: Tensor,
    params: AugmentationParams,
    generator: torch.Generator,
    mask: Tensor | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """Change each image of a batch in its own way.

    Args:
        images: (n, 1, H, W) in [0, 1].
        params: how much.
        generator: random numbers; the same state gives the same batch.
        mask: (n, 1, H, W) of 0 and 1, which moves with its image; or None.

    Returns:
        Images of the same shape in [0, 1], and the masks if there were any.
    """
    change = transforms(params)
    seed = int(torch.randint(0, 2**62, (1,), generator=generator, device=generator.device))
    devices = [images.device] if images.is_cuda else []
    # torchvision's transforms draw from the global generator
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        if mask is None:
            return torch.stack([change(image) for image in images])
        pairs = [
            change(tv_tensors.Image(image), tv_tensors.Mask(one))
            for image, one in zip(images, mask, strict=True)
        ]
    return (
        torch.stack([pair[0].as_subclass(Tensor) for pair in pairs]),
        torch.stack([pair[1].as_subclass(Tensor) for pair in pairs]),
    )


def augment_with_boxes(
    images: Tensor, boxes: Tensor, params: AugmentationParams, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Change each image of a batch in its own way; boxes move with it.

    Args:
        images: (n, 1, H, W) in [0, 1].
        boxes: (n, k, 5) label, x0, y0, x1, y1 in px; rows of NaN are no box.
        params: how much, without rotation: a turned box would be drawn too large.
        generator: random numbers; the same state gives the same batch.

    Returns:
        Images and boxes of the same shapes. A box is cut at the border of the image, and becomes NaN where its centre has
        left the image: what is left shows no lesion that a person would mark.
    """
    change, (height, width) = transforms(params), images.shape[2:]
    seed = int(torch.randint(0, 2**62, (1,), generator=generator, device=generator.device))
    moved, changed = torch.full_like(boxes, float("nan")), []
    with torch.random.fork_rng(devices=[images.device] if images.is_cuda else []):
        torch.manual_seed(seed)
        for row, (image, own) in enumerate(zip(images, boxes, strict=True)):
            there = torch.isfinite(own[:, 1])
            drawn = tv_tensors.BoundingBoxes(
                own[there, 1:], format="XYXY", canvas_size=(height, width), clamping_mode=None
            )
            seen, drawn = change(tv_tensors.Image(image), drawn)
            drawn = drawn.as_subclass(Tensor)
            centre = (drawn[:, :2] + drawn[:, 2:]) / 2
            limit = torch.tensor([width, height], dtype=drawn.dtype, device=drawn.device)
            kept = ((centre >= 0) & (centre < limit)).all(dim=1)
            cut = torch.minimum(drawn.clamp(min=0), limit.repeat(2))
            moved[row, : int(kept.sum())] = torch.cat([own[there, :1], cut], dim=1)[kept]
            changed.append(seen.as_subclass(Tensor))
    return torch.stack(changed), moved


def contact_sheet(
    images: np.ndarray, params: AugmentationParams, seed: int, versions: int = 6, gap: int = 2
) -> np.ndarray:
    """What a recipe does: each row shows an image, then augmented versions of it.

    Args:
        images: (n, H, W) float32 in [0, 1].
        params: the recipe.
        seed: of the versions.
        versions: augmented images per row.
        gap: white pixels between images.

    Returns:
        (n (H + gap) - gap, (versions + 1) (W + gap) - gap) float32 in [0, 1].

    Raises:
        InputError: there is no image, or the array is not (n, H, W).
    """
    if images.ndim != 3 or not len(images):
        raise InputError(f"images of shape {images.shape}", remedy="Give one or more as (n, H, W).")
    generator = torch.Generator().manual_seed(seed)
    n, height, width = images.shape
    sheet = np.ones(
        (n * (height + gap) - gap, (versions + 1) * (width + gap) - gap),
        dtype=np.float32,
    )
    batch = torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32))[:, None]
    columns = [batch, *(augment(batch, params, generator) for _ in range(versions))]
    for column, tiles in enumerate(columns):
        left = column * (width + gap)
        for row, tile in enumerate(tiles[:, 0].numpy()):
            top = row * (height + gap)
            sheet[top : top + height, left : left + width] = tile
    return sheet
