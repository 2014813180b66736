"""Train a network: deterministic, resumable, and with its best weights at the end."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytorch_lightning as pl
import torch
from torch.utils.data import Dataset

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.training.batches import batches, fits_on_gpu
from medanomaly.training.checkpoints import read_checkpoint, run_hash
from medanomaly.training.params import TrainingParams
from medanomaly.training.progress import EpochProgress
from medanomaly.training.run_keeper import RunKeeper
from medanomaly.training.seeding import EpochSeeds, EpochShuffle, seeded
from medanomaly.training.strided_convolutions import pixels_picked_first

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingRun:
    """The result of a training run. Epochs count from 1.

    Attributes:
        epochs_run: number of epochs, including those before an interruption.
        best_epoch: epoch whose weights the module now has.
        resumed_from_epoch: last epoch of the checkpoint that the run continued, None if it started from the beginning.
        history: ``epoch, metric, value``, every metric that the module logged.
    """

    epochs_run: int
    best_epoch: int
    resumed_from_epoch: int | None
    history: pd.DataFrame


def fit(
    module: pl.LightningModule,
    train: Dataset,
    validation: Dataset | None,
    params: TrainingParams,
    *,
    seed: int,
    folder: Path | None = None,
    fingerprint: str = "",
    loggers: Sequence = (),
) -> TrainingRun:
    """Train ``module`` in place; at the end it is on the CPU, in evaluation mode, with the weights of its best epoch.

    The best epoch has the smallest ``validation_loss``, which the module logs in its ``validation_step``; without
    validation data it is the last one. Order of the rows, dropout and noise depend only on the seed and the epoch: the
    same call gives the same weights, bit for bit on a CPU, interrupted or not. The global random generators are restored
    afterwards. The caller sets the initial weights: build the module inside :func:`medanomaly.training.seeding.seeded`.

    With a folder, ``last.ckpt`` is written there after each epoch, and its hash beside it. It is resumed if it has that
    hash, and settings, seed, class of the module, hyper-parameters (``save_hyperparameters``) and ``fingerprint`` are
    equal; else training starts from the beginning, with a warning. A finished run is not repeated.

    Args:
        module: with ``training_step``, ``configure_optimizers`` and, for validation, ``validation_step``; manual
            optimisation is fine.
        train: map-style dataset, with 2 or more items if the module has batch normalisation.
        validation: the same kind, or None.
        params: settings.
        seed: of all random numbers, >= 0.
        folder: of the checkpoint.
        fingerprint: of the training data, and of pretrained initial weights.
        loggers: Lightning loggers; none by default.

    Raises:
        InputError: ``train`` or ``validation`` is empty.
        ConfigurationError: losses or weights are not finite, ``validation_loss`` is not logged, or the precision
            does not fit the device.
    """
    _refuse_unusable(train, validation)
    precision = _precision(params)
    wanted = run_hash(module, params, seed, fingerprint)
    checkpoint = None
    if folder is not None:
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint = read_checkpoint(folder, wanted)
    keeper = RunKeeper(wanted, params.patience, validation is not None, folder, checkpoint)
    resumed = keeper.epochs or None
    if resumed:
        logger.info("resuming after epoch %d of at most %d", resumed, params.max_epochs)
    if not keeper.finished:
        with seeded(seed), _quiet(), _torch_flags(params.threads):
            _run(module, train, validation, params, precision, seed, keeper, list(loggers))
    module.cpu().load_state_dict(keeper.best_weights)
    module.eval()
    history = pd.DataFrame(keeper.history, columns=["epoch", "metric", "value"])
    return TrainingRun(keeper.epochs, keeper.best_epoch, resumed, history)


def _run(module, train, validation, params, precision, seed, keeper, loggers) -> None:
    on_gpu = _device(params) == "cuda"
    # batch normalisation cannot learn from a batch of one case; each epoch leaves out a different case
    lonely = len(train) > params.batch_size and len(train) % params.batch_size == 1
    device = _resident(train, validation, params)
    loaders = [
        batches(
            train,
            params.batch_size,
            device,
            pin_memory=on_gpu,
            sampler=EpochShuffle(train, seed),
            drop_last=lonely,
        ),
        batches(validation, params.batch_size, device, pin_memory=on_gpu) if validation is not None else None,
    ]
    if params.channels_last or (on_gpu and _gains_from_channels_last(module)):
        module.to(memory_format=torch.channels_last)
    if on_gpu and params.precision == "auto":
        # TF32 for what autocast leaves at 32 bits; it rounds more, but is reproducible
        torch.set_float32_matmul_precision("high")
    trainer = pl.Trainer(
        max_epochs=params.max_epochs,
        accelerator=params.accelerator,
        devices=params.devices,
        strategy=params.strategy,
        precision=precision,
        deterministic=params.deterministic,
        # choosing the fastest convolution by trial may choose another one in the next run
        benchmark=True if on_gpu and not params.deterministic else None,
        callbacks=[EpochSeeds(seed), keeper, EpochProgress(params.max_epochs)],
        logger=loggers or False,
        log_every_n_steps=max(1, min(50, len(loaders[0]))),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=1.0 if validation is not None else 0,
        default_root_dir=keeper.folder,
    )
    module.train()
    with pixels_picked_first(module):
        trainer.fit(module, *loaders)
    # otherwise the module keeps data and optimisers alive
    module.trainer = None


def _refuse_unusable(train: Dataset, validation: Dataset | None) -> None:
    for name, dataset in (("training", train), ("validation", validation)):
        if dataset is not None and len(dataset) == 0:
            raise InputError(f"the {name} data are empty", remedy="Bring at least one case.")


def _device(params: TrainingParams) -> str:
    """``cuda`` if the run uses a CUDA GPU, else ``other``."""
    wants = params.accelerator in ("auto", "gpu", "cuda")
    return "cuda" if wants and torch.cuda.is_available() else "other"


def _resident(train: Dataset, validation: Dataset | None, params: TrainingParams) -> torch.device | None:
    """The GPU that holds all data, or None if batches are copied to it one by one."""
    datasets = [train] if validation is None else [train, validation]
    # a DataLoader divides the rows among several processes
    if _device(params) != "cuda" or params.devices > 1 or not fits_on_gpu(datasets):
        return None
    return torch.device("cuda", 0)


def _gains_from_channels_last(module: torch.nn.Module) -> bool:
    """Convolutional networks do, except with group normalisation, which lacks this layout on a GPU and would copy."""
    layers = list(module.modules())
    convolves = any(isinstance(layer, torch.nn.Conv2d) for layer in layers)
    return convolves and not any(isinstance(layer, torch.nn.GroupNorm) for layer in layers)


def _precision(params: TrainingParams) -> str:
    on_gpu = _device(params) == "cuda"
    if params.precision == "auto":
        return "bf16-mixed" if on_gpu and torch.cuda.is_bf16_supported() else "32-true"
    if params.precision.endswith("mixed") and not on_gpu:
        raise ConfigurationError(
            f"precision '{params.precision}' without a GPU", remedy="Set precision to 'auto' or '32'."
        )
    return params.precision


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the advice of Lightning: the returned run and errors say what matters."""
    names = ("pytorch_lightning", "lightning_fabric", "lightning.pytorch", "lightning.fabric")
    levels = {name: logging.getLogger(name).level for name in names}
    names += ("pytorch_lightning.utilities.rank_zero", "lightning_fabric.utilities.rank_zero")
    levels |= {name: logging.getLogger(name).level for name in names}
    try:
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings():
            for module in ("pytorch_lightning", "lightning_fabric"):
                warnings.filterwarnings("ignore", module=module)
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def _torch_flags(threads: int) -> Iterator[None]:
    """So many threads (0: as before), and the flags that Lightning sets for the whole process as they were afterwards."""
    before = torch.get_num_threads()
    deterministic, benchmark = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    precision = torch.get_float32_matmul_precision()
    if threads:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(deterministic)
        torch.backends.cudnn.benchmark = benchmark
        torch.set_float32_matmul_precision(precision)
