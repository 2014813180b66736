import hashlib
import logging
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from tests.training.small_networks import NETWORKS, Regression, TwoOptimisers, rows
from torch.utils.data import TensorDataset

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.training import checkpoints
from medanomaly.training.fit import fit
from medanomaly.training.params import TrainingParams
from medanomaly.training.seeding import seeded

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("small_networks.py")
PARAMS = TrainingParams(max_epochs=4, batch_size=8, patience=0, accelerator="cpu")


def built(network=Regression, **options):
    with seeded(0):
        return network(**options)


def trained(module=None, params=PARAMS, train=None, validation="same", **options):
    module = built() if module is None else module
    validation = rows(32, seed=1) if isinstance(validation, str) else validation
    run = fit(module, rows() if train is None else train, validation, params, **({"seed": 3} | options))
    return module, run


def bits(module):
    return {name: value.numpy().tobytes() for name, value in module.state_dict().items()}


def started(*arguments):
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, PROGRAM, *map(str, arguments)],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


class Interrupted(Exception):
    pass


def interrupted_in(module, epoch):
    def hook(batch, index):
        if module.current_epoch == epoch and index == 2:
            raise Interrupted

    module.on_train_batch_start = hook
    return module


class FixedLosses(pl.LightningModule):
    """Validation losses as told, and one weight that counts the epochs."""

    def __init__(self, losses):
        super().__init__()
        self.losses = losses
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch, index):
        return self.weight.sum()

    def validation_step(self, batch, index):
        self.log("validation_loss", torch.tensor(self.losses[self.current_epoch]))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)


# --- same seed, same weights ---


@pytest.mark.parametrize("network", NETWORKS)
def test_a_killed_and_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(network, tmp_path):
    killed = started("--network", network, "--folder", tmp_path, "--epochs", 4, "--kill-in-epoch", 1)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with pytest.raises(Interrupted):
        trained(interrupted_in(built(NETWORKS[network]), 3), folder=tmp_path)
    resumed, run = trained(built(NETWORKS[network]), folder=tmp_path)
    whole, whole_run = trained(built(NETWORKS[network]))
    assert (run.resumed_from_epoch, run.epochs_run) == (3, 4)
    assert bits(resumed) == bits(whole)
    assert run.history.equals(whole_run.history)
    assert run.best_epoch == whole_run.best_epoch


def test_another_seed_gives_other_weights():
    assert bits(trained()[0]) != bits(trained(seed=4)[0])


def test_the_callers_random_numbers_are_left_alone():
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    expected = torch.rand(3), np.random.rand(3)  # noqa: NPY002
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    trained()
    assert (torch.rand(3) == expected[0]).all()
    assert (np.random.rand(3) == expected[1]).all()  # noqa: NPY002
    assert not torch.are_deterministic_algorithms_enabled()


def test_each_epoch_sees_every_row_once_in_another_order():
    seen = []

    class Watching(Regression):
        def training_step(self, batch, index):
            seen.append(batch[0][:, 0].clone())
            return super().training_step(batch, index)

    data = rows(64)
    trained(Watching(), train=data)
    epochs = torch.cat(seen).reshape(4, 64)
    assert (epochs.sort(dim=1).values == data.tensors[0][:, 0].sort().values).all()
    assert len({tuple(epoch.tolist()) for epoch in epochs}) == 4


# --- the end of a run ---


def test_the_best_epochs_weights_are_kept_and_patience_ends_the_run():
    module, run = trained(
        FixedLosses([3.0, 1.0, 2.0, 2.0, 0.5]), PARAMS.model_copy(update={"max_epochs": 5, "patience": 2})
    )
    assert (run.epochs_run, run.best_epoch) == (4, 2)
    # 8 steps an epoch, each lowers the weight by 1
    assert module.weight.item() == -16


def test_epochs_of_warm_up_are_never_the_best():
    module = FixedLosses([0.1, 0.2, 3.0, 2.0])
    module.warm_up_epochs = 2
    module, run = trained(module)
    assert (run.best_epoch, module.weight.item()) == (4, -32)


def test_a_run_that_would_end_in_its_warm_up_is_refused():
    module = built()
    module.warm_up_epochs = PARAMS.max_epochs
    with pytest.raises(ConfigurationError, match="the first 4 are warm-up"):
        trained(module)


def test_without_validation_data_the_last_weights_are_kept():
    module, run = trained(FixedLosses([]), PARAMS.model_copy(update={"patience": 1}), validation=None)
    assert (run.epochs_run, run.best_epoch, module.weight.item()) == (4, 4, -32)


def test_the_module_ends_ready_to_use():
    module, run = trained()
    assert not module.training
    assert all(not value.is_cuda for value in module.state_dict().values())
    assert set(run.history["metric"]) == {"training_loss", "validation_loss"}
    assert list(run.history["epoch"].unique()) == [1, 2, 3, 4]


def test_two_optimisers_learn():
    _, run = trained(TwoOptimisers(), PARAMS.model_copy(update={"max_epochs": 8}))
    losses = run.history.query("metric == 'validation_loss'")["value"].to_numpy()
    assert losses[-1] < 0.8 * losses[0]


def test_a_last_batch_of_one_does_not_stop_batch_normalisation():
    assert trained(train=rows(33))[1].epochs_run == 4


# --- the folder ---


def test_a_finished_run_is_not_repeated(tmp_path):
    module, run = trained(folder=tmp_path)
    again, run_again = trained(interrupted_in(built(), 0), folder=tmp_path)
    assert bits(module) == bits(again)
    assert run_again.resumed_from_epoch == run.epochs_run == 4


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 4},
        {"fingerprint": "other data"},
        {"params": PARAMS.model_copy(update={"batch_size": 16})},
        {"module": Regression(learning_rate=0.1)},
    ],
    ids=["seed", "data", "settings", "network"],
)
def test_a_checkpoint_of_something_else_is_not_resumed_and_that_is_said(change, tmp_path, caplog):
    trained(folder=tmp_path)
    with caplog.at_level(logging.WARNING):
        _, run = trained(folder=tmp_path, **change)
    assert run.resumed_from_epoch is None
    assert "belongs to other settings or data: training starts from the beginning" in caplog.text


def flipped(content):
    # a bit of a stored number, which torch reads without complaint
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("last.ckpt", lambda content: b""),
        ("last.ckpt", lambda content: content[:500]),
        ("last.ckpt", flipped),
        ("last.ckpt.sha256", lambda content: b"\xff"),
        ("last.ckpt.sha256", None),
    ],
    ids=["empty", "cut short", "one bit", "damaged hash", "no hash"],
)
def test_a_checkpoint_that_was_altered_is_not_resumed_and_that_is_said(name, change, tmp_path, caplog):
    trained(folder=tmp_path)
    path = tmp_path / name
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change(path.read_bytes()))
    assert trained(folder=tmp_path)[1].resumed_from_epoch is None
    assert "is not as it was written" in caplog.text
    # and the next one is sound again
    assert trained(folder=tmp_path)[1].resumed_from_epoch == 4


def test_a_kill_between_hash_and_checkpoint_leaves_the_epoch_before(tmp_path, monkeypatch):
    replace = os.replace

    def killed(source, target):
        if Path(target).name == "last.ckpt" and Path(target).exists():
            raise Interrupted
        replace(source, target)

    monkeypatch.setattr(checkpoints.os, "replace", killed)
    with pytest.raises(Interrupted):
        trained(folder=tmp_path)
    monkeypatch.undo()
    resumed, run = trained(folder=tmp_path)
    assert run.resumed_from_epoch == 1
    assert bits(resumed) == bits(trained()[0])


@pytest.mark.parametrize("sealed", [False, True])
def test_a_checkpoint_cannot_carry_code(sealed, tmp_path, caplog):
    class Code:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "last.ckpt"
    torch.save({"run_hash": Code()}, path)
    if sealed:
        # by somebody who replaces the hash too
        (tmp_path / "last.ckpt.sha256").write_text(hashlib.sha256(path.read_bytes()).hexdigest())
    assert trained(folder=tmp_path)[1].resumed_from_epoch is None
    assert ("cannot be read" if sealed else "is not as it was written") in caplog.text
    assert not (tmp_path / "ran").exists()


def test_nothing_is_printed_warned_or_written_elsewhere(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained(folder=tmp_path / "run")
        trained()
    assert capfd.readouterr() == ("", "")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["last.ckpt", "last.ckpt.sha256", "run"]


def test_a_callers_logger_gets_the_metrics(tmp_path):
    logger = pl.loggers.CSVLogger(tmp_path)
    trained(loggers=[logger])
    text = (Path(logger.log_dir) / "metrics.csv").read_text()
    assert "validation_loss" in text
    assert "training_loss" in text


# --- what cannot be trained ---


def test_a_loss_that_is_not_finite_ends_the_run():
    broken = TensorDataset(torch.full((64, 6), torch.nan))
    with pytest.raises(ConfigurationError, match="epoch 1: training_loss.*Lower the learning rate"):
        trained(train=broken)


def test_a_module_that_logs_no_validation_loss_is_refused():
    class Silent(Regression):
        def validation_step(self, batch, index):
            pass

    with pytest.raises(ConfigurationError, match="Silent logs no 'validation_loss'"):
        trained(Silent())


def test_empty_data_are_refused():
    with pytest.raises(InputError, match="training data are empty"):
        trained(train=rows(0))


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_half_precision_needs_a_gpu():
    with pytest.raises(ConfigurationError, match="'bf16-mixed' without a GPU"):
        trained(params=PARAMS.model_copy(update={"precision": "bf16-mixed", "accelerator": "auto"}))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_trains_in_bf16_and_hands_back_finite_weights_on_the_cpu():
    module, run = trained(params=PARAMS.model_copy(update={"accelerator": "gpu"}))
    assert run.epochs_run == 4
    assert all(np.isfinite(value.numpy()).all() for value in module.state_dict().values())


def test_settings_can_be_read_without_torch():
    code = "import sys, medanomaly.training.params; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT / "src").returncode == 0


@pytest.mark.slow
def test_two_processes_train_one_network_together(tmp_path):
    finished = started("--folder", tmp_path, "--epochs", 2, "--devices", 2)
    assert finished.returncode == 0, finished.stderr
    first, second = ((tmp_path / f"weights_{rank}.safetensors").read_bytes() for rank in (0, 1))
    assert first == second
    assert (tmp_path / "run_1.txt").read_text() == "2 2 None"
    alone, _ = trained(params=PARAMS.model_copy(update={"max_epochs": 2}))
    assert first != b"".join(bits(alone).values())
