"""What turns the answers of the autoencoder into scores and maps."""

from torch import Tensor, nn

from medanomaly.imaging.networks.autoencoder.loss import normalised_error
from medanomaly.imaging.networks.autoencoder.params import AutoencoderParams
from medanomaly.imaging.networks.score_head import ScoreHead


class AutoencoderHead(ScoreHead):
    """Squared error, divided by the predicted variance if the network predicts one."""

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """The map of the residual."""
        seen = self.contrast(images)
        return {"residual": normalised_error(seen, *self.network(seen))}

    def answer(self, seen: Tensor) -> Tensor:
        """The reconstruction without its variance."""
        return self.network(seen)[0]


def build_head(network: nn.Module, params: AutoencoderParams, image_size: int, n_reference: int) -> ScoreHead:
    """The head of a trained network."""
    return AutoencoderHead(network, params)
