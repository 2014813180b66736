"""What can be set about a network; validated without importing torch."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from medanomaly.core.params import Params

Contrast = Literal["none", "zscore", "local"]


class AugmentationParams(Params):
    """Small changes of an image that leave a normal image normal. There is no flip: it would move the heart.

    Attributes:
        degrees: largest rotation to either side, in degrees.
        shift: largest shift, as a share of the side.
        scale: largest change of size, as a share.
        gamma: largest change of the logarithm of gamma.
        noise: standard deviation of pixel noise, in units of the image's range [0, 1].
    """

    degrees: float = Field(5.0, ge=0, le=30)
    shift: float = Field(0.04, ge=0, le=0.25)
    scale: float = Field(0.08, ge=0, le=0.5)
    gamma: float = Field(0.2, ge=0, le=1)
    noise: float = Field(0.01, ge=0, le=0.2)


class NetworkParams(Params):
    """What every network has.

    Attributes:
        contrast: what the network sees of an image in [0, 1]: the image (``none``), each image at mean 0 and standard
            deviation 1 (``zscore``), or each pixel against its surroundings (``local``). It is part of the exported graph.
        augmentation: applied to training images; None for none.
        region: pixels whose mean is the score: ``all``, or the ``central`` three quarters of rows and columns, without
            markers, arms and collimator edges.
    """

    contrast: Contrast = "none"
    augmentation: AugmentationParams | None = None
    region: Literal["all", "central"] = "central"


class AutoencoderParams(NetworkParams):
    """A convolutional autoencoder with a narrow bottleneck, in the shape of MedIAnomaly (Cai et al. 2024).

    Attributes:
        latent: size of the bottleneck; the smaller, the less of an anomaly passes it.
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


class UNetParams(NetworkParams):
    """A U-Net that gives back its input, undoes noise, or fills in holes.

    Attributes:
        task: ``plain`` gives back its input: skip connections copy it, so it is a negative control and no detector;
            ``denoising`` takes coarse noise away (Kascenas et al. 2022); ``inpainting`` fills holes, and each pixel is
            scored where it was hidden (Zavrtanik et al. 2021).
        width: channels at full resolution.
        levels: resolutions, each half of the one before.
        noise_sigma: standard deviation of the coarse noise, in units of what the network sees.
        noise_scale: pixels from one noise value to the next.
        hole: side of a hole in pixels; its middle half is scored, so that nothing within a quarter of it was seen.
    """

    network: Literal["unet"] = "unet"
    task: Literal["plain", "denoising", "inpainting"] = "denoising"
    width: int = Field(8, ge=4, multiple_of=4)
    levels: int = Field(4, ge=2, le=6)
    noise_sigma: float = Field(0.2, gt=0)
    noise_scale: int = Field(8, ge=1)
    hole: int = Field(16, ge=4, multiple_of=4)


class ReversedAutoencoderParams(NetworkParams):
    """A soft-introspective VAE with the reversed embedding loss (Bercea et al. 2023; Daniel & Tamar 2021).

    Attributes:
        latent: size of the latent vector.
        widths: channels of each resolution, from the finest; each is half of the one before.
        beta_reconstruction: weight of the reconstruction error.
        beta_kl: weight of the divergence from the prior.
        beta_negative: weight b of the divergence of reconstructions and samples inside the exponentials; None for a quarter
            of the image's pixels. An encoder can lower its loss by moving the codes of all images alike, real ones too,
            until their divergence is ``pixels log(b / beta_kl) / (sharpness b)``: 14 nats at 64 px with a quarter of the
            pixels, which leaves room for a code, but 77 with b = 128, at which the code is lost.
        gamma: weight of the reconstruction of reconstructions and samples in the decoder's loss.
        embedding_weight: weight of the reversed embedding loss.
        sharpness: of the soft exponential, 2 in the paper.
        warm_up_epochs: epochs as a plain VAE before the introspective ones, with the divergence's weight rising from 0;
            none of them is taken for the best. Without them the encoder soon gives every image one code, and the decoder
            answers with the mean image.
        introspective_rate: learning rate of the introspective epochs, as a share of that of the warm-up.
        score: the detector's score: ``residual``, ``clahe_residual`` or ``embedding_distance``.
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


class LesionSegmenterParams(NetworkParams):
    """A U-Net that finds lesions which were pasted into normal images, without ever seeing a real one.

    Attributes:
        width: channels at full resolution.
        levels: resolutions.
        score: ``map`` is the mean of the predicted lesion probability; ``neighbours`` is the distance to the nearest
            training normals in the network's own embedding.
        pasted: share of the training images that get a lesion.
        neighbours: how many nearest training normals are averaged.
    """

    network: Literal["lesion_segmenter"] = "lesion_segmenter"
    contrast: Contrast = "local"
    width: int = Field(8, ge=4, multiple_of=4)
    levels: int = Field(4, ge=2, le=6)
    score: Literal["map", "neighbours"] = "neighbours"
    pasted: float = Field(0.5, gt=0, lt=1)
    neighbours: int = Field(3, ge=1)


class ClassifierParams(NetworkParams):
    """A supervised classifier: normal against anomalous.

    Attributes:
        architecture: ``small``, a residual network trained from scratch, or ``resnet18`` of torchvision.
        width: channels of the first stage of ``small``.
        weights: a local file of resnet18 weights (.safetensors, or .pth read with ``weights_only``); nothing is downloaded.
        dropout: before the last layer.
        calibration: map of the logit that is fitted on calibration cases.
    """

    network: Literal["classifier"] = "classifier"
    contrast: Contrast = "zscore"
    architecture: Literal["small", "resnet18"] = "small"
    width: int = Field(16, ge=4, multiple_of=4)
    weights: Path | None = None
    dropout: float = Field(0.2, ge=0, lt=1)
    calibration: Literal["temperature", "platt"] = "platt"

    @model_validator(mode="after")
    def _weights_fit_architecture(self):
        if self.weights is not None and self.architecture != "resnet18":
            raise ValueError("weights are for architecture 'resnet18'; 'small' is trained from scratch")
        return self


class SegmenterParams(NetworkParams):
    """A supervised U-Net segmenter.

    Attributes:
        width: channels at full resolution.
        levels: resolutions.
        dice_weight: share of the soft Dice loss, the rest is cross-entropy.
    """

    network: Literal["segmenter"] = "segmenter"
    contrast: Contrast = "zscore"
    width: int = Field(16, ge=4, multiple_of=4)
    levels: int = Field(4, ge=2, le=6)
    dice_weight: float = Field(0.5, ge=0, le=1)


# every network that learns from normal images alone; ``network`` says which
DetectorNetworkParams = Annotated[
    AutoencoderParams | UNetParams | ReversedAutoencoderParams | LesionSegmenterParams,
    Field(discriminator="network"),
]
