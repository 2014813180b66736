"""Networks that the tests of training share, and a program that trains one: it can be killed and started again."""

import argparse
import os
import signal
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch.utils.data import TensorDataset

from medanomaly.training.fit import fit
from medanomaly.training.params import TrainingParams
from medanomaly.training.seeding import seeded
from medanomaly.training.weights import weights_bytes


def rows(n=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return TensorDataset(torch.randn(n, 6, generator=generator))


class Regression(pl.LightningModule):
    """Dropout, batch normalisation, momentum and a schedule: all that a resumed run has to bring back."""

    def __init__(self, learning_rate: float = 1e-2):
        super().__init__()
        self.save_hyperparameters()
        self.network = torch.nn.Sequential(
            torch.nn.Linear(6, 8),
            torch.nn.BatchNorm1d(8),
            torch.nn.ReLU(),
            torch.nn.Dropout(0.3),
            torch.nn.Linear(8, 6),
        )

    def forward(self, x):
        return self.network(x)

    def training_step(self, batch, index):
        noisy = batch[0] + 0.1 * torch.randn_like(batch[0])
        loss = torch.nn.functional.mse_loss(self(noisy), batch[0])
        self.log("training_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, index):
        noisy = batch[0] + 0.1 * torch.randn_like(batch[0])
        self.log("validation_loss", torch.nn.functional.mse_loss(self(noisy), batch[0]))

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams.learning_rate)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)]


class TwoOptimisers(Regression):
    """Encoder and decoder in turn, as adversarial networks are trained."""

    def __init__(self, learning_rate: float = 1e-2):
        super().__init__(learning_rate)
        self.automatic_optimization = False

    def training_step(self, batch, index):
        for optimizer in self.optimizers():
            loss = torch.nn.functional.mse_loss(self(batch[0]), batch[0])
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
        self.log("training_loss", loss, on_step=False, on_epoch=True)

    def configure_optimizers(self):
        first, last = self.network[0].parameters(), self.network[4].parameters()
        return [torch.optim.Adam(p, lr=self.hparams.learning_rate) for p in (first, last)]


NETWORKS = {"regression": Regression, "two_optimisers": TwoOptimisers}


def die_in(module, epoch, index):
    if module.current_epoch == epoch and index == 2:
        os.kill(os.getpid(), signal.SIGKILL)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", choices=NETWORKS, default="regression")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--kill-in-epoch", type=int, default=-1, help="killed in the middle of this epoch")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with seeded(0):
        module = NETWORKS[options.network]()
    if options.kill_in_epoch >= 0:
        module.on_train_batch_start = lambda batch, index: die_in(module, options.kill_in_epoch, index)
    params = TrainingParams(
        max_epochs=options.epochs,
        batch_size=8,
        patience=0,
        accelerator="cpu",
        devices=options.devices,
        strategy="ddp" if options.devices > 1 else "auto",
    )
    run = fit(module, rows(), rows(32, seed=1), params, seed=3, folder=options.folder)
    rank = os.environ.get("LOCAL_RANK", "0")
    (options.folder / f"weights_{rank}.safetensors").write_bytes(weights_bytes(module))
    (options.folder / f"run_{rank}.txt").write_text(
        f"{run.epochs_run} {run.best_epoch} {run.resumed_from_epoch}"
    )
    run.history.to_csv(options.folder / f"history_{rank}.csv", index=False)


if __name__ == "__main__":
    main()
