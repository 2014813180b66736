"""Does training on a GPU use the GPU? The project's ``fit`` against a plain Lightning loop, same module and data.

The plain loop is that of the first pages of the Lightning documentation: 32 bits, a DataLoader with 4 workers that fetches
row by row, default settings. Both run in turn, several times. The time of an epoch is measured from the end of one epoch to
the end of the next, with validation and start of workers. The first epoch of each run is left out.

Needs a GPU, torch 2.11 or newer, and no network::

    python -m benchmarks.imaging_gpu

``--device cpu --small`` runs every line on a machine without a GPU; its figures mean nothing and are written nowhere, unless
``--output`` says where.
"""

import argparse
import logging
import statistics
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.imaging_scoring import networks
from benchmarks.record import RESULTS, Result, write
from medanomaly.imaging.networks.image_module import ImageModule
from medanomaly.imaging.networks.kinds import network_kinds
from medanomaly.training.fit import fit
from medanomaly.training.params import TrainingParams
from medanomaly.training.seeding import seeded

# network of conf/chest_xray, side of its images, images per step
WORKLOADS = {"autoencoder": (64, 64), "denoising unet": (128, 32), "reversed autoencoder": (64, 32)}
TARGET = 5
LOSS_TOLERANCE = 0.1


@dataclass(frozen=True)
class Amount:
    """Images, epochs per run, runs of each loop, workers, and sizes of the arrays that measure the limits."""

    images: int = 4096
    epochs: int = 6
    rounds: int = 3
    workers: int = 4
    matrix: int = 8192
    copied: int = 2**30


SMALL = Amount(images=8, epochs=2, rounds=1, workers=1, matrix=256, copied=2**22)


@dataclass(frozen=True)
class Work:
    """Work of one step: floating point operations of products and convolutions, and bytes that must move."""

    operations: int
    bytes: int


@dataclass(frozen=True)
class Limits:
    """Highest rates of this device: operations per second of a bf16 product, bytes per second of a copy."""

    operations: float
    bytes: float


def images(n: int, size: int, seed: int) -> TensorDataset:
    """Smooth random images (n, 1, size, size) in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 1, 8, 8, generator=generator)
    smooth = functional.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=False)
    return TensorDataset((smooth + 0.02 * torch.randn(smooth.shape, generator=generator)).clamp(0, 1))


def built(name: str, seed: int) -> ImageModule:
    params = networks()[name]
    with seeded(seed):
        return network_kinds()[params.network].build_module(params, WORKLOADS[name][0], seed=seed)


def synchronised(device: str) -> float:
    """Seconds on the clock, after the device has finished its work."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def clocked(module: ImageModule, device: str) -> list[float]:
    """A list that will hold the end of each epoch of the training."""
    ends: list[float] = []
    module.on_train_epoch_end = lambda: ends.append(synchronised(device))
    return ends


def plain_trainer(device: str, **options) -> pl.Trainer:
    return pl.Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **options,
    )


def plain(
    name: str, data: list[TensorDataset], amount: Amount, device: str, seed: int
) -> tuple[float, float]:
    """Images per second, and the last validation loss."""
    module, batch = built(name, seed), WORKLOADS[name][1]
    ends = clocked(module, device)
    loaders = [
        DataLoader(part, batch_size=batch, shuffle=part is data[0], num_workers=amount.workers)
        for part in data
    ]
    trainer = plain_trainer(device, max_epochs=amount.epochs)
    trainer.fit(module, *loaders)
    return rate(ends, len(data[0])), float(trainer.callback_metrics["validation_loss"])


def ours(name: str, data: list[TensorDataset], amount: Amount, device: str, seed: int) -> tuple[float, float]:
    """The same of the project's ``fit`` with its defaults."""
    module = built(name, seed)
    ends = clocked(module, device)
    params = TrainingParams(
        max_epochs=amount.epochs,
        batch_size=WORKLOADS[name][1],
        patience=0,
        accelerator="gpu" if device == "cuda" else "cpu",
    )
    history = fit(module, *data, params, seed=seed).history
    losses = history[history["metric"] == "validation_loss"].sort_values("epoch")["value"]
    return rate(ends, len(data[0])), float(losses.iloc[-1])


def rate(ends: list[float], n: int) -> float:
    return n * (len(ends) - 1) / (ends[-1] - ends[0])


def work(name: str, data: TensorDataset, device: str) -> Work:
    """Of one step of ``fit``.

    Bytes are estimated from what autograd keeps. Each kept value is written once and read twice (by the next layer, and on
    the way back), and its gradient is written and read once. A weight, its gradient and its two moments are eight transfers.
    """
    module, kept = built(name, 0), {}

    def keep(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    half = device == "cuda" and torch.cuda.is_bf16_supported()
    trainer = plain_trainer(
        device, max_steps=-1, max_epochs=1, limit_train_batches=1, limit_val_batches=0,
        precision="bf16-mixed" if half else "32-true",
    )  # fmt: skip
    counter = FlopCounterMode(display=False)
    with counter, torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        trainer.fit(module, DataLoader(data, batch_size=WORKLOADS[name][1]))
    weights = sum(p.nbytes for p in module.parameters())
    return Work(counter.get_total_flops(), 5 * sum(kept.values()) + 8 * weights)


def limits(amount: Amount, device: str) -> Limits:
    """The limits of this device, as the best of ten measurements."""
    a, b = (torch.randn(amount.matrix, amount.matrix, device=device, dtype=torch.bfloat16) for _ in range(2))
    source = torch.zeros(amount.copied, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)

    def best(call) -> float:
        taken = []
        for _ in range(10):
            start = synchronised(device)
            call()
            taken.append(synchronised(device) - start)
        return min(taken)

    product, copy = best(lambda: a @ b), best(lambda: target.copy_(source))
    # a copy reads and writes
    return Limits(2 * amount.matrix**3 / product, 2 * amount.copied / copy)


def measured(name: str, amount: Amount, device: str, limit: Limits) -> list[Result]:
    """Rows of one network."""
    size, batch = WORKLOADS[name]
    data = [images(amount.images, size, 0), images(max(amount.images // 8, 8), size, 1)]
    runs = {plain: [], ours: []}
    for seed in range(amount.rounds):
        for loop, found in runs.items():
            found.append(loop(name, data, amount, device, seed))
    (slow, slow_loss), (fast, fast_loss) = (
        [statistics.median(values) for values in zip(*found, strict=True)] for found in runs.values()
    )
    step, steps = work(name, data[0], device), fast / batch
    where = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    note = f"{where}, torch {torch.__version__}; {amount.images:,} images of {size} px, batches of {batch}, "
    note += f"{amount.rounds} runs of {amount.epochs} epochs in turn, medians"
    title, off = f"{name}, {size} px", abs(fast_loss - slow_loss) / slow_loss
    return [
        Result(f"training, {title}", fast, "images/s", peer="plain Lightning, 32 bits, DataLoader with 4 workers",
               peer_value=slow, ratio=fast / slow, target=f">= {TARGET} times the peer",
               reached=fast / slow >= TARGET, data=note),
        Result(f"validation loss after {amount.epochs} epochs, {title}, relative difference from the peer's", off, "",
               peer="the peer's loss", peer_value=slow_loss, target=f"<= {LOSS_TOLERANCE}",
               reached=off <= LOSS_TOLERANCE, data=note),
        Result(f"share of a bf16 matrix product's rate, {title}", steps * step.operations / limit.operations, "",
               peer="operations per second of the product", peer_value=limit.operations,
               data=f"{step.operations / 1e9:.2f} billion operations per step"),
        Result(f"share of a copy's bandwidth, {title}", steps * step.bytes / limit.bytes, "",
               peer="bytes per second of the copy", peer_value=limit.bytes,
               data=f"about {step.bytes / 1e6:.0f} MB per step: 5 transfers of what autograd keeps, 8 of the weights"),
    ]  # fmt: skip


def main(arguments: tuple[str, ...] | list[str] = ()) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--small", action="store_true", help="a few images and epochs, to check that it runs")
    parser.add_argument("--output", type=Path, help="instead of benchmarks/results/imaging_gpu.json")
    given = parser.parse_args(arguments)
    if given.device == "cuda" and not torch.cuda.is_available():
        print("imaging_gpu: skipped, because there is no GPU")
        return
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    for name in ("pytorch_lightning", "lightning.pytorch", "pytorch_lightning.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    amount = SMALL if given.small else Amount()
    limit = limits(amount, given.device)
    results = [row for name in WORKLOADS for row in measured(name, amount, given.device, limit)]
    output = given.output or (
        RESULTS / "imaging_gpu.json" if given.device == "cuda" and not given.small else None
    )
    if output is None:
        print(*(f"{r.name}: {r.value:.4g} {r.unit}" for r in results), sep="\n")
    else:
        write("imaging_gpu", results, "python -m benchmarks.imaging_gpu", output)


if __name__ == "__main__":
    main(sys.argv[1:])
