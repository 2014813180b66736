"""Training of the supervised classifier."""

import torch
from torch import Tensor
from torch.nn import functional

from medanomaly.imaging.networks.classifier.network import ResNet18, SmallResNet
from medanomaly.imaging.networks.classifier.params import ClassifierParams
from medanomaly.imaging.networks.image_module import ImageModule


class ClassifierModule(ImageModule):
    """Cross-entropy on batches ``(images, labels)``; the learning rate rises, then falls (Smith & Topin 2019).

    Args:
        params: of the network.
        steps: optimiser steps of the whole training, for the schedule; 0 for a constant learning rate.
        training: learning rate, weight decay, seed.
    """

    def __init__(self, params: ClassifierParams, steps: int = 0, **training):
        super().__init__(params, **training)
        self.steps = steps
        self.network = (
            SmallResNet(params.width, params.dropout)
            if params.architecture == "small"
            else ResNet18(params.weights, params.dropout)
        )

    def loss(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
        """Binary cross-entropy without class weights, so that probabilities stay close to calibrated."""
        images, label = batch
        return functional.binary_cross_entropy_with_logits(
            self.network(self.contrast(images)), label.to(images.dtype)
        )

    def configure_optimizers(self):
        """AdamW, with a schedule if the number of steps is known."""
        return self.rise_and_fall(self.steps)
