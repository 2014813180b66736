"""What a long training says while it runs: epoch, loss, and at most how much time is left."""

import logging
import time
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl

logger = logging.getLogger(__name__)

# a training that ends sooner says nothing, and a longer one speaks so often at most
EVERY_S = 5.0


class EpochProgress(pl.Callback):
    """A line every few seconds.

    Args:
        max_epochs: of the training; it may stop earlier.
        clock: seconds.
    """

    def __init__(self, max_epochs: int, clock: Callable[[], float] = time.monotonic):
        self._max, self._clock = max_epochs, clock

    def on_train_start(self, trainer: Any, module: Any) -> None:
        """Take the time."""
        self._began = self._said = self._clock()
        # a resumed training did not run its first epochs now
        self._first = trainer.current_epoch

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Say how far the training is."""
        now = self._clock()
        if now - self._said < EVERY_S or not trainer.is_global_zero:
            return
        self._said = now
        done = trainer.current_epoch - self._first + (batch_idx + 1) / max(1, trainer.num_training_batches)
        left = (now - self._began) / done * (self._max - self._first - done)
        losses = {name: float(value) for name, value in trainer.callback_metrics.items() if "loss" in name}
        name = "validation_loss" if "validation_loss" in losses else next(iter(losses), None)
        logger.info(
            "epoch %d of at most %d%s, at most %s left",
            trainer.current_epoch + 1,
            self._max,
            "" if name is None else f", {name.replace('_', ' ')} {losses[name]:.4g}",
            _duration(left),
        )


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
