"""Random numbers that depend only on the seed and the epoch, so a resumed run draws the same numbers."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch.utils.data import RandomSampler


@contextmanager
def seeded(*seed: int) -> Iterator[None]:
    """Seed all global generators inside the block, and restore them afterwards.

    Build networks inside it: ``with seeded(seed): network = Network(...)``.
    """
    python, arrays = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            seed_generators(*seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(arrays)  # noqa: NPY002


def seed_generators(*seed: int) -> None:
    """Seed Python's, numpy's and torch's global generators from one or more numbers >= 0."""
    state = int(np.random.SeedSequence(seed).generate_state(1)[0])
    random.seed(state)
    # networks of other libraries draw from the global generator of numpy
    np.random.seed(state)  # noqa: NPY002
    torch.manual_seed(state)


class EpochShuffle(RandomSampler):
    """A random order of the rows that depends only on the seed and the epoch."""

    def __init__(self, data_source: object, seed: int):
        super().__init__(data_source)
        self.seed, self.epoch = seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.data_source))
        return iter(order.tolist())


class EpochSeeds(Callback):
    """Seeds the global generators, which dropout and noise draw from, at the start of each epoch.

    Validation draws the same numbers every time, so losses of different epochs can be compared.
    """

    def __init__(self, seed: int):
        self.seed = seed

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Seed from the run's seed, the epoch and the process."""
        seed_generators(self.seed, trainer.current_epoch, trainer.global_rank)

    def on_validation_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Seed from the run's seed and the process."""
        seed_generators(self.seed, 2**31, trainer.global_rank)
