"""Self-supervised training: find lesions that were pasted into normal images."""

import torch
from torch import Tensor

from medanomaly.imaging.networks.blocks import check_size
from medanomaly.imaging.networks.image_module import ImageModule
from medanomaly.imaging.networks.lesion_segmenter.lesion_pasting import paste_training_lesions
from medanomaly.imaging.networks.lesion_segmenter.loss import pasted_lesion_loss
from medanomaly.imaging.networks.lesion_segmenter.params import LesionSegmenterParams
from medanomaly.imaging.networks.unet.network import UNet


class LesionSegmenterModule(ImageModule):
    """Every step has new lesions; every validation has the same lesions."""

    def __init__(self, params: LesionSegmenterParams, image_size: int, **training):
        super().__init__(params, **training)
        check_size(image_size, params.levels - 1)
        self.network = UNet(1, 1, params.width, params.levels)

    def loss(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
        """Cross-entropy of each pixel."""
        changed, target = paste_training_lesions(batch[0], self.params.pasted, generator)
        return pasted_lesion_loss(self.network(self.contrast(changed)), target)
