"""The state of a training run: metrics of each epoch, best weights, early stopping, checkpoints."""

from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint

from medanomaly.core.errors import ConfigurationError
from medanomaly.training.checkpoints import restore_training_state, training_state, write_checkpoint

METRIC = "validation_loss"
_KEPT = ("history", "best_loss", "best_epoch", "best_weights", "epochs", "finished")


def _warm_up(module: pl.LightningModule) -> int:
    return getattr(module, "warm_up_epochs", 0)


class RunKeeper(Checkpoint):
    """Records metrics, keeps the best weights, stops early, refuses numbers that are not finite, saves checkpoints.

    The checkpoint holds its whole state, so a resumed run equals one that was never interrupted. The first
    ``warm_up_epochs`` of a module, if any, cannot be the best epoch.

    Args:
        run_hash: written into the checkpoint.
        patience: epochs without a better validation loss before training stops, 0 for no early stopping.
        validated: there are validation data, so the module must log ``validation_loss``.
        folder: where the checkpoint goes, or None for none.
        checkpoint: checkpoint to continue from, or None.
    """

    def __init__(
        self, run_hash: str, patience: int, validated: bool, folder: Path | None, checkpoint: dict | None
    ):
        self.run_hash, self.patience, self.validated, self.folder = run_hash, patience, validated, folder
        self.history: list[tuple[int, str, float]] = []
        self.best_loss, self.best_epoch = float("inf"), 0
        self.best_weights: dict[str, torch.Tensor] = {}
        self.epochs, self.finished = 0, False
        self._to_restore = None
        self._unsaved = False
        if checkpoint is not None:
            for name in _KEPT:
                setattr(self, name, checkpoint["run"][name])
            self._to_restore = checkpoint["training"]

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Restore the state of the checkpoint.

        Raises:
            ConfigurationError: training ends within the warm-up of the module.
        """
        if trainer.max_epochs <= _warm_up(module):
            raise ConfigurationError(
                f"{trainer.max_epochs} epochs, of which the first {_warm_up(module)} are warm-up",
                remedy="Train for more epochs, or use fewer for warm-up.",
                source=type(module).__name__,
            )
        if self._to_restore is not None:
            restore_training_state(trainer, module, self._to_restore, self.epochs)
            self._to_restore = None

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Record the epoch, and decide whether it was the best and the last."""
        self.epochs = trainer.current_epoch + 1
        metrics = self._metrics(trainer)
        if self.validated and METRIC not in metrics:
            raise ConfigurationError(
                f"{type(module).__name__} logs no '{METRIC}'",
                remedy=f"Call self.log('{METRIC}', ...) in its validation_step.",
            )
        self._refuse_infinite(metrics, module)
        self.history += [(self.epochs, name, value) for name, value in sorted(metrics.items())]
        # without validation data the last weights count as the best
        loss = metrics[METRIC] if self.validated else float("-inf")
        warming_up = self.epochs <= _warm_up(module)
        if not warming_up and (loss < self.best_loss or not self.validated):
            self.best_loss, self.best_epoch = loss, self.epochs
            self.best_weights = {
                name: value.detach().cpu().clone() for name, value in module.state_dict().items()
            }
        elif not warming_up and 0 < self.patience <= self.epochs - self.best_epoch:
            trainer.should_stop = True
        self.finished = trainer.should_stop or self.epochs >= trainer.max_epochs
        self._unsaved = True

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Save the previous epoch, now that its learning rate schedule has made its step."""
        self._save(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Save the last epoch."""
        self._save(trainer, module)

    def _save(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self.folder is None or not self._unsaved:
            return
        self._unsaved = False
        if trainer.is_global_zero:
            write_checkpoint(
                self.folder,
                {
                    "run_hash": self.run_hash,
                    "run": {name: getattr(self, name) for name in _KEPT},
                    "training": training_state(trainer, module),
                },
            )

    def _metrics(self, trainer: pl.Trainer) -> dict[str, float]:
        """Logged metrics of the epoch, averaged over the processes, so all of them stop together."""
        names = sorted(name for name in trainer.callback_metrics if not name.endswith("_step"))
        if not names:
            return {}
        values = torch.stack([trainer.callback_metrics[name].detach().float().cpu() for name in names])
        if trainer.world_size > 1:
            values = trainer.strategy.reduce(values.to(trainer.strategy.root_device), reduce_op="mean").cpu()
        return dict(zip(names, values.tolist(), strict=True))

    def _refuse_infinite(self, metrics: dict[str, float], module: pl.LightningModule) -> None:
        bad = [name for name, value in metrics.items() if not np.isfinite(value)]
        # manual optimisation may not log its losses, but the weights show their effect
        bad += [name for name, value in module.named_parameters() if not bool(torch.isfinite(value).all())]
        if bad:
            raise ConfigurationError(
                f"training diverged in epoch {self.epochs}: {', '.join(bad[:3])} not finite",
                remedy="Lower the learning rate, or bring the inputs to a common scale.",
                source=type(module).__name__,
            )
