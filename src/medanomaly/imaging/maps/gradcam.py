"""Grad-CAM of a classifier, and a check that the highlighted pixels matter to it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from medanomaly.core.errors import InputError
from medanomaly.imaging.networks.contrast import gaussian_blur
from medanomaly.imaging.networks.detector import as_batch
from medanomaly.imaging.supervised.models import ImageClassifier

PATCH = 4  # side of the squares that are removed together, px


def grad_cam(model: ImageClassifier, images: np.ndarray) -> np.ndarray:
    """Where the evidence for "anomalous" lies (Selvaraju et al. 2017, eqs. 1-2).

    The channels of the last feature maps are weighted by the mean gradient of the logit, summed, cut at 0 and interpolated.

    Args:
        model: fitted.
        images: (n, H, W) or (n, 1, H, W) float32 in [0, 1].

    Returns:
        (n, H, W) float32, each image scaled to a maximum of 1; all 0 where there is no evidence.
    """
    batch = as_batch(images, model.image_size_)
    head = model.head_
    maps = []
    for part in batch.split(32):
        with torch.no_grad():
            features = head.features(part)
        features.requires_grad_(True)
        (gradient,) = torch.autograd.grad(head.classify(features).sum(), features)
        weight = gradient.mean(dim=(2, 3), keepdim=True)
        heat = functional.relu((weight * features).sum(dim=1, keepdim=True)).detach()
        heat = functional.interpolate(heat, size=part.shape[2:], mode="bilinear", align_corners=False)
        top = heat.amax(dim=(2, 3), keepdim=True)
        maps.append(torch.where(top > 0, heat / top.clamp(min=1e-12), torch.zeros_like(heat))[:, 0])
    return torch.cat(maps).numpy()


@dataclass(frozen=True)
class DeletionInsertion:
    """Areas under the curves of probability against share of pixels (Petsiuk et al. 2018), and those of a random order.

    Attributes:
        deletion: most important pixels removed first; low is good.
        insertion: most important pixels put back first; high is good.
        random_deletion: pixels in random order.
        random_insertion: pixels in random order.
    """

    deletion: np.ndarray
    insertion: np.ndarray
    random_deletion: np.ndarray
    random_insertion: np.ndarray

    @property
    def faithful(self) -> bool:
        """Whether the maps are better than random in both, on average."""
        return bool(
            self.deletion.mean() < self.random_deletion.mean()
            and self.insertion.mean() > self.random_insertion.mean()
        )


def deletion_insertion(
    probability: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    heat: np.ndarray,
    steps: int = 16,
    seed: int = 0,
    patch: int = PATCH,
    reference: np.ndarray | None = None,
) -> DeletionInsertion:
    """Remove the highlighted pixels, then put them back, and measure what the classifier says.

    The reference replaces removed pixels. A strong blur keeps brightness and leaves no edges. Some diseases, such as
    consolidation, are a loss of sharpness, so a blur looks ill: give normal images then. The random order moves whole
    patches, because scattered pixels would be another kind of damage.

    Args:
        probability: (n, H, W) images to (n,) probabilities.
        images: (n, H, W) float32 in [0, 1], H and W multiples of ``patch``.
        heat: (n, H, W) importance.
        steps: number of shares of pixels that are measured.
        seed: of the random order.
        patch: side of the patches that are removed together, px.
        reference: (n, H, W) images that replace removed pixels; None: a blur of the image.

    Returns:
        (n,) areas of each kind.

    Raises:
        InputError: shapes differ, or images cannot be divided into patches.
    """
    images, heat = np.asarray(images, dtype=np.float32), np.asarray(heat, dtype=np.float64)
    if images.ndim != 3 or images.shape != heat.shape:
        raise InputError(f"images of shape {images.shape} with maps of shape {heat.shape}")
    n, height, width = images.shape
    if height % patch or width % patch:
        raise InputError(f"images of {height} x {width} cannot be divided into patches of {patch}")
    if reference is None:
        batch: Tensor = torch.from_numpy(images)[:, None]
        reference = gaussian_blur(batch, height / 8)[:, 0].numpy()
    elif reference.shape != images.shape:
        raise InputError(f"reference of shape {reference.shape} for images of shape {images.shape}")
    rows, columns = height // patch, width // patch
    importance = heat.reshape(n, rows, patch, columns, patch).mean(axis=(2, 4)).reshape(n, -1)
    chance = np.random.default_rng(seed).random(importance.shape)

    def areas(order_by: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # rank 0 is the most important patch
        rank = np.argsort(np.argsort(-order_by, axis=1, kind="stable"), axis=1)
        taken, put = [], []
        for step in range(steps + 1):
            first = rank < step / steps * importance.shape[1]
            chosen = first.reshape(n, rows, 1, columns, 1)
            chosen = np.broadcast_to(chosen, (n, rows, patch, columns, patch)).reshape(images.shape)
            taken.append(probability(np.where(chosen, reference, images)))
            put.append(probability(np.where(chosen, images, reference)))
        return tuple(np.trapezoid(np.stack(curve), dx=1 / steps, axis=0) for curve in (taken, put))

    return DeletionInsertion(*areas(importance), *areas(chance))


def check_grad_cam(
    model: ImageClassifier, images: np.ndarray, normal: np.ndarray, seed: int = 0
) -> DeletionInsertion:
    """Whether the pixels that Grad-CAM highlights matter more to the probability than others.

    A part of a normal image replaces removed pixels. Pneumonia blurs an image, so a blur would look ill.

    Args:
        model: fitted.
        images: (n, H, W) abnormal images.
        normal: (m, H, W) normal images, one of which is drawn for each.
        seed: of the drawn normal images and of the random order.

    Returns:
        (n,) areas of each kind.
    """
    images, normal = np.asarray(images), np.asarray(normal)
    reference = normal[np.random.default_rng(seed).integers(0, len(normal), len(images))]
    patch = math.gcd(*images.shape[1:], PATCH)
    return deletion_insertion(
        model.score, images, grad_cam(model, images), seed=seed, patch=patch, reference=reference
    )
