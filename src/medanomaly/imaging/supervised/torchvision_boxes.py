"""Detectors of torchvision behind the contract of :class:`medanomaly.imaging.supervised.box_models.BoxDetector`.

Nothing is downloaded: both are trained from scratch. Batch normalisation is replaced, because it learns nothing useful from
batches of a few images. They are not exported: their suppression of overlapping boxes is part of the network, and is not
the same in ONNX.
"""

from typing import Literal

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from torch import Tensor, nn

from medanomaly.core.errors import ConfigurationError
from medanomaly.imaging.boxes.decode import FOUND_COLUMNS, LEAST_SCORE, suppressed
from medanomaly.imaging.networks.blocks import group_norm
from medanomaly.imaging.networks.detector import as_batch
from medanomaly.imaging.networks.image_module import ImageModule
from medanomaly.imaging.networks.params import AugmentationParams, NetworkParams
from medanomaly.imaging.supervised.box_models import BoxDetector
from medanomaly.training.weights import load_weights

IMAGES_AT_ONCE = 8


class TorchvisionBoxParams(NetworkParams):
    """A detector of torchvision, trained from scratch.

    Attributes:
        architecture: of torchvision.models.detection.
        size: px; images are resized to this side.
        augmentation: see :class:`medanomaly.imaging.networks.box_detector.params.BoxDetectorParams`.
        most_boxes, overlap: see there.
    """

    network: str = "torchvision_boxes"
    architecture: Literal["ssdlite320_mobilenet_v3_large", "fasterrcnn_mobilenet_v3_large_320_fpn"] = (
        "ssdlite320_mobilenet_v3_large"
    )
    size: int = Field(320, ge=32)
    augmentation: AugmentationParams | None = AugmentationParams(
        degrees=0.0, shift=0.05, scale=0.1, gamma=0.15
    )
    most_boxes: int = Field(10, ge=1, le=100)
    overlap: float = Field(0.3, gt=0, le=1)


def torchvision_network(params: TorchvisionBoxParams, n_labels: int) -> nn.Module:
    """The network of torchvision with group normalisation; its label 0 is the background."""
    from torchvision.models import detection

    network = getattr(detection, params.architecture)(
        weights=None, weights_backbone=None, num_classes=n_labels + 1
    )
    network.transform.min_size, network.transform.max_size = (params.size,), params.size
    network.transform.fixed_size = (params.size, params.size)
    # both keep boxes of low scores, as the centre-point detector does
    (network.roi_heads if hasattr(network, "roi_heads") else network).score_thresh = LEAST_SCORE
    for parent in list(network.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, nn.BatchNorm2d):
                setattr(parent, name, group_norm(layer.num_features))
    return network


class TorchvisionBoxModule(ImageModule):
    """The losses of the network on batches ``(images, boxes)``, (n, 1, H, W) and (n, k, 5).

    Args:
        params: of the network.
        n_labels: kinds of boxes.
        steps: optimiser steps of the whole training, for the schedule; 0 for a constant learning rate.
        training: learning rate, weight decay, seed.
    """

    def __init__(self, params: TorchvisionBoxParams, n_labels: int, steps: int = 0, **training):
        super().__init__(params, **training)
        self.steps = steps
        self.network = torchvision_network(params, n_labels)

    def augmented(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
        """The batch with changed images, and boxes that moved with them."""
        from medanomaly.imaging.augmentation import augment_with_boxes

        return (
            augment_with_boxes(*batch, self.params.augmentation, generator)
            if self.params.augmentation
            else batch
        )

    def loss(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
        """The sum of the losses of the network, which gives them in training mode alone."""
        images, boxes = batch
        targets = []
        for own in boxes:
            real = own[torch.isfinite(own[:, 1])]
            targets.append({"boxes": real[:, 1:], "labels": real[:, 0].long() + 1})
        before = self.network.training
        seed = int(torch.randint(0, 2**62, (1,), generator=generator, device=generator.device))
        # boxes that count are drawn from the global generator
        with torch.random.fork_rng(devices=[images.device] if images.is_cuda else []):
            torch.manual_seed(seed)
            found = self.network.train()(list(images.expand(-1, 3, -1, -1)), targets)
        self.network.train(before)
        return sum(found.values())

    def configure_optimizers(self):
        """AdamW, with a schedule if the number of steps is known."""
        return self.rise_and_fall(self.steps)


class TorchvisionDetector(BoxDetector):
    """A detector of torchvision with the interface of :class:`BoxDetector`; it cannot be exported.

    Args:
        params: architecture, and how many boxes it gives.
        training: how it is trained.
        seed: of weights, order and augmentation.
    """

    params: TorchvisionBoxParams

    def _module(self, steps: int, training: dict) -> TorchvisionBoxModule:
        return TorchvisionBoxModule(self.params, len(self.labels_), steps, **training)

    @staticmethod
    def _head(network: nn.Module, params: TorchvisionBoxParams) -> nn.Module:
        return network

    def boxes(self, images: np.ndarray) -> pd.DataFrame:
        """Found boxes: ``image`` (row), ``label``, ``x0, y0, x1, y1`` in px, ``score``; by image, the best first."""
        network, batch, rows = self._fitted(), as_batch(images, self.image_size_), []
        with torch.inference_mode():
            given = [
                one
                for part in batch.split(IMAGES_AT_ONCE)
                for one in network(list(part.expand(-1, 3, -1, -1)))
            ]
        for image, one in enumerate(given):
            found = (one[name].double().numpy() for name in ("labels", "boxes", "scores"))
            rows += [
                (image, int(label) - 1, *box, score)
                for label, box, score in zip(*found, strict=True)
                if score >= LEAST_SCORE
            ]
        table = pd.DataFrame(rows, columns=list(FOUND_COLUMNS)).astype(
            dict.fromkeys(FOUND_COLUMNS[2:], np.float64)
        )
        found = suppressed(table, self.params.overlap, self.params.most_boxes)
        return found.assign(
            label=np.array(self.labels_, dtype=object)[found["label"].to_numpy(dtype=np.int64)]
        )

    def to_onnx(self) -> bytes:
        """Refuse.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError(
            f"{self.params.architecture} is not exported",
            remedy="Use it in torch, or train the centre-point detector, which a bundle holds.",
        )

    @classmethod
    def from_weights(cls, spec: dict, content: bytes) -> "TorchvisionDetector":
        """The detector that ``spec`` and ``weights`` came from."""
        model = cls(TorchvisionBoxParams.model_validate(spec["params"]), seed=spec["seed"])
        model.image_size_, model.labels_ = spec["image_size"], tuple(spec["labels"])
        network = torchvision_network(model.params, len(model.labels_))
        model.head_ = load_weights(network, content).eval()
        return model
