"""Settings of the training of a network; importable without torch."""

from typing import Literal

from pydantic import Field

from medanomaly.core.params import Params


class TrainingParams(Params):
    """Settings of :func:`medanomaly.training.fit.fit`.

    ``learning_rate`` and ``weight_decay`` are for the code that builds the module, which has its own optimisers. ``fit``
    itself uses them only in the hash that decides whether a checkpoint may be resumed.

    Attributes:
        max_epochs: maximum number of passes over the training data.
        batch_size: cases per step, on each device.
        learning_rate: step size of the optimiser.
        weight_decay: of the optimiser.
        patience: epochs without a better validation loss before training stops, 0 for no early stopping.
        precision: as Lightning names it; ``auto`` is bf16-mixed on a GPU that supports it, else 32 bits (TF32 in
            matrix products of a GPU).
        accelerator: ``auto``, ``cpu``, ``gpu`` or another of Lightning's.
        devices: number of devices, or of processes on a CPU.
        strategy: ``ddp`` for several devices.
        threads: of the processor, 0 for as many as torch takes. A small network is not faster with two, they wait for each
            other. Weights trained with another number of threads differ in their last digits.
        deterministic: use only reproducible operations; without it a GPU may be faster.
        channels_last: memory layout that convolutions prefer; for networks of images only. On a GPU it is chosen
            automatically where it helps.

    Example:
        >>> TrainingParams(max_epochs=3, accelerator="cpu").batch_size
        64
    """

    max_epochs: int = Field(default=20, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    patience: int = Field(default=5, ge=0)
    precision: Literal["auto", "32", "32-true", "bf16-mixed", "64-true"] = "auto"
    accelerator: str = "auto"
    devices: int = Field(default=1, ge=1)
    strategy: str = "auto"
    threads: int = Field(default=0, ge=0)
    deterministic: bool = True
    channels_last: bool = False
