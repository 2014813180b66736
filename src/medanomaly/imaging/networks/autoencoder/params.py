"""What can be set about the autoencoder."""

from typing import Literal

from pydantic import Field

from medanomaly.imaging.networks.params import Contrast, NetworkParams


class AutoencoderParams(NetworkParams):
    """A convolutional autoencoder with a narrow bottleneck, in the shape of MedIAnomaly (Cai et al. 2024).

    Attributes:
        latent: size of the bottleneck; a smaller one lets less of an anomaly pass.
        width: channels of the first block.
        hidden: units of the layer on either side of the bottleneck.
        variance: a second output predicts the logarithm of each pixel's error variance (AE-U, Mao et al. 2020).
    """

    network: Literal["autoencoder"] = "autoencoder"
    contrast: Contrast = "zscore"
    latent: int = Field(16, ge=1)
    width: int = Field(16, ge=2)
    hidden: int = Field(512, ge=4)
    variance: bool = False
