"""Training of the detector of boxes."""

import torch
from torch import Tensor

from medanomaly.imaging.networks.blocks import check_size
from medanomaly.imaging.networks.box_detector.loss import (
    geometry_loss,
    heat_loss,
    quality_loss,
    targets,
)
from medanomaly.imaging.networks.box_detector.network import CentrePointNetwork
from medanomaly.imaging.networks.box_detector.params import BoxDetectorParams
from medanomaly.imaging.networks.image_module import ImageModule


class BoxDetectorModule(ImageModule):
    """Heat and geometry on batches ``(images, boxes)``, (n, 1, H, W) and (n, k, 5); the learning rate rises, then falls.

    Args:
        params: of the network.
        n_labels: kinds of boxes.
        image_size: side of the images, px.
        steps: optimiser steps of the whole training, for the schedule; 0 for a constant learning rate.
        training: learning rate, weight decay, seed.
    """

    def __init__(self, params: BoxDetectorParams, n_labels: int, image_size: int, steps: int = 0, **training):
        super().__init__(params, **training)
        check_size(image_size, 3)
        self.steps = steps
        self.network = CentrePointNetwork(params.width, n_labels)

    def augmented(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
        """The batch with changed images, and boxes that moved with them."""
        if self.params.augmentation is None:
            return batch
        from medanomaly.imaging.augmentation import augment_with_boxes

        return augment_with_boxes(*batch, self.params.augmentation, generator)

    def loss(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
        """Both losses of the heat map, and the mean absolute error of the geometry."""
        images, boxes = batch
        logits, geometry = self.network(self.contrast(images))
        wanted = targets(boxes, *logits.shape[1:])
        of_heat = sum(loss(logits, wanted.heat, wanted.n_boxes) for loss in (heat_loss, quality_loss))
        return of_heat + self.params.size_weight * geometry_loss(geometry, wanted.geometry, wanted.weight)

    def configure_optimizers(self):
        """AdamW, with a schedule if the number of steps is known."""
        return self.rise_and_fall(self.steps)
