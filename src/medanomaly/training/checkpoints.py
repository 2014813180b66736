"""A checkpoint after each epoch: all that a run needs to continue as if it had never stopped.

Lightning's own resume restarts in the middle of its epoch-end hooks: it skips a step of the learning rate schedule and the
hooks of the first epoch. Here the state is saved and restored between two epochs.
"""

import hashlib
import json
import logging
import os
import pickle
from pathlib import Path

import pytorch_lightning as pl
import torch

from medanomaly.training.params import TrainingParams

logger = logging.getLogger(__name__)

CHECKPOINT, HASHES = "last.ckpt", "last.ckpt.sha256"


def run_hash(module: pl.LightningModule, params: TrainingParams, seed: int, fingerprint: str) -> str:
    """SHA-256 over all that must be equal before a checkpoint is resumed: settings, network, seed and data."""
    content = {
        "params": params.model_dump(),
        "module": f"{type(module).__module__}.{type(module).__qualname__}",
        "hyper_parameters": dict(module.hparams),
        "shapes": {name: list(value.shape) for name, value in module.state_dict().items()},
        "seed": seed,
        "fingerprint": fingerprint,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=repr).encode()).hexdigest()


def read_checkpoint(folder: Path, wanted: str) -> dict | None:
    """The checkpoint in ``folder`` if its ``run_hash`` is ``wanted``, else None and a warning with the reason."""
    path = folder / CHECKPOINT
    if not path.is_file():
        return None
    if _sha256(path) not in _hashes(folder):
        logger.warning(
            "%s is not as it was written (%s does not hold its hash): training starts from the beginning",
            path,
            HASHES,
        )
        return None
    try:
        # weights_only: it constructs only tensors and plain containers
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        agrees = checkpoint["run_hash"] == wanted
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as error:
        logger.warning(
            "%s cannot be read (%s): training starts from the beginning", path, type(error).__name__
        )
        return None
    if not agrees:
        logger.warning("%s belongs to other settings or data: training starts from the beginning", path)
        return None
    return checkpoint


def write_checkpoint(folder: Path, checkpoint: dict) -> None:
    """Replace the checkpoint in ``folder``; if the process is killed meanwhile, that of the previous epoch remains."""
    partial = folder / f"{CHECKPOINT}.partial"
    with partial.open("wb") as file:
        torch.save(checkpoint, file)
        file.flush()
        os.fsync(file.fileno())
    # the hash of the previous epoch stays beside the new one: a kill may come between the two replacements
    hashes = folder / f"{HASHES}.partial"
    hashes.write_text("\n".join([_sha256(partial), *_hashes(folder)[:1]]) + "\n")
    os.replace(hashes, folder / HASHES)
    os.replace(partial, folder / CHECKPOINT)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hashes(folder: Path) -> list[str]:
    """Hashes that the checkpoint may have: of the last epoch that was saved, then of the one before."""
    try:
        return (folder / HASHES).read_text().split()
    except (OSError, UnicodeDecodeError):
        return []


def training_state(trainer: pl.Trainer, module: pl.LightningModule) -> dict:
    """Weights, optimisers, schedules and counters between two epochs: tensors and plain containers."""
    loop = trainer.fit_loop.epoch_loop
    own = {}
    module.on_save_checkpoint(own)
    return {
        "weights": module.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in trainer.optimizers],
        "schedulers": [config.scheduler.state_dict() for config in trainer.lr_scheduler_configs],
        "module": own,
        "steps": {
            "automatic": loop.automatic_optimization.optim_progress.state_dict(),
            "manual": loop.manual_optimization.optim_step_progress.state_dict(),
            "logged": loop._batches_that_stepped,
        },
    }


def restore_training_state(trainer: pl.Trainer, module: pl.LightningModule, state: dict, epochs: int) -> None:
    """Restore :func:`training_state` at the start of training, after ``epochs`` finished epochs."""
    module.load_state_dict(state["weights"])
    for optimizer, content in zip(trainer.optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(content)
    for config, content in zip(trainer.lr_scheduler_configs, state["schedulers"], strict=True):
        config.scheduler.load_state_dict(content)
    module.on_load_checkpoint(state["module"])
    progress = trainer.fit_loop.epoch_progress
    for counter in (progress.total, progress.current):
        counter.ready = counter.started = counter.processed = counter.completed = epochs
    loop = trainer.fit_loop.epoch_loop
    loop.automatic_optimization.optim_progress.load_state_dict(state["steps"]["automatic"])
    loop.manual_optimization.optim_step_progress.load_state_dict(state["steps"]["manual"])
    loop._batches_that_stepped = state["steps"]["logged"]
