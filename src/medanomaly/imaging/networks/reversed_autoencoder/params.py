"""What can be set about the Reversed Autoencoder."""

from typing import Literal

from pydantic import Field

from medanomaly.imaging.networks.params import NetworkParams


class ReversedAutoencoderParams(NetworkParams):
    """A soft-introspective VAE with the reversed embedding loss (Bercea et al. 2023; Daniel & Tamar 2021).

    Attributes:
        latent: size of the latent vector.
        widths: channels of each resolution, from the finest; each resolution is half of the previous one.
        beta_reconstruction: weight of the reconstruction error.
        beta_kl: weight of the divergence from the prior.
        beta_negative: weight b of the divergence of reconstructions and samples inside the exponentials; None: a quarter of
            the pixels of the image. An encoder can lower its loss if it moves the codes of all images, also of real ones.
            Then their divergence rises to ``pixels log(b / beta_kl) / (sharpness b)``. At 64 px that is 14 nats with a
            quarter of the pixels, which leaves room for a code. With b = 128 it is 77 nats, and the code is lost.
        gamma: weight of the reconstruction of reconstructions and samples in the loss of the decoder.
        embedding_weight: weight of the reversed embedding loss.
        sharpness: of the soft exponential, 2 in the paper.
        warm_up_epochs: epochs as a plain VAE before the introspective ones; the weight of the divergence rises from 0. None
            of them can be the best epoch. Without them the encoder soon gives every image the same code, and the decoder
            answers with the mean image.
        introspective_rate: learning rate of the introspective epochs, as a share of that of the warm-up.
        score: score of the detector: ``residual``, ``clahe_residual`` or ``embedding_distance``.
    """

    network: Literal["reversed_autoencoder"] = "reversed_autoencoder"
    latent: int = Field(32, ge=1)
    widths: tuple[int, ...] = Field((16, 32, 64, 64), min_length=2)
    beta_reconstruction: float = Field(0.5, gt=0)
    beta_kl: float = Field(1.0, ge=0)
    beta_negative: float | None = Field(None, ge=0)
    gamma: float = Field(1e-8, ge=0)
    embedding_weight: float = Field(0.005, ge=0)
    sharpness: float = Field(2.0, gt=0)
    warm_up_epochs: int = Field(0, ge=0)
    introspective_rate: float = Field(1.0, gt=0, le=1)
    score: Literal["residual", "clahe_residual", "embedding_distance"] = "embedding_distance"
