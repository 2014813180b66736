"""Parameters of the LSTM autoencoder; importable without torch."""

from pydantic import Field

from medanomaly.core.models import ModelParams
from medanomaly.core.params import Params
from medanomaly.training.params import TrainingParams


class LSTMParams(Params):
    """Settings of :class:`medanomaly.signals.lstm.detector.LSTMDetector`.

    Attributes:
        hidden: units of encoder and decoder.
        latent: numbers in the bottleneck.
        samples_per_step: samples per step of the LSTM; None chooses the fewest that give at most 36 steps per window.
        normalise: True scales each lead of each window to mean 0 and standard deviation 1, so that amplitude does not
            count.
        held_out: share of the windows (of the groups, where given) that is held out for early stopping.
        training: parameters of the training loop.
    """

    hidden: int = Field(64, ge=1)
    latent: int = Field(16, ge=1)
    samples_per_step: int | None = Field(None, ge=1)
    normalise: bool = True
    held_out: float = Field(0.15, gt=0, lt=0.5)
    training: TrainingParams = TrainingParams(max_epochs=200, batch_size=32, learning_rate=3e-3, patience=30)


class LSTMModelParams(LSTMParams, ModelParams):
    """The LSTM autoencoder as a model of beats.

    Attributes:
        max_train: largest number of normal train beats that it learns from.
    """

    max_train: int = Field(4000, ge=50)
