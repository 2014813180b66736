"""What turns the answers of the U-Nets that reconstruct into scores and maps."""

import torch
from torch import Tensor, nn

from medanomaly.imaging.networks.score_head import ScoreHead
from medanomaly.imaging.networks.unet.corruption import hole_masks
from medanomaly.imaging.networks.unet.params import UNetParams


class InpaintingHead(ScoreHead):
    """Each pixel as the network filled it in while it was hidden; complementary holes cover the image."""

    def __init__(self, network: nn.Module, params: UNetParams, image_size: int):
        super().__init__(network, params)
        hidden, scored = hole_masks(image_size, image_size, params.hole)
        self.register_buffer("hidden", hidden[:, 0], persistent=False)
        self.register_buffer("scored", scored[:, 0], persistent=False)

    def answer(self, seen: Tensor) -> Tensor:
        """The filling of each pixel, made without that pixel."""
        # two boards per pass: the feature maps of all eight would not fit into the cache of a core
        parts = zip(self.hidden.split(2), self.scored.split(2), strict=True)
        return sum(self._filled(seen, hidden, scored) for hidden, scored in parts)

    def _filled(self, seen: Tensor, hidden: Tensor, scored: Tensor) -> Tensor:
        """(n, 1, H, W) fillings where ``scored``, 0 elsewhere; ``hidden`` and ``scored`` are (boards, H, W)."""
        visible = seen * (1 - hidden)
        both = torch.stack([visible, hidden.expand_as(visible)], dim=2)
        filled = self.network(both.flatten(0, 1)).reshape(-1, *hidden.shape)
        return (filled * scored).sum(dim=1, keepdim=True)


def build_head(network: nn.Module, params: UNetParams, image_size: int, n_reference: int) -> ScoreHead:
    """The head of a trained network, by its task."""
    if params.task == "inpainting":
        return InpaintingHead(network, params, image_size)
    return ScoreHead(network, params)
