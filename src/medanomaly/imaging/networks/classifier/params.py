"""What can be set about the classifier."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from medanomaly.imaging.networks.params import Contrast, NetworkParams


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
