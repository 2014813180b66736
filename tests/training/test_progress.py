import logging
from types import SimpleNamespace

import pytest

from medanomaly.training.progress import EpochProgress


def trainer(epoch, **metrics):
    return SimpleNamespace(
        current_epoch=epoch, num_training_batches=10, callback_metrics=metrics, is_global_zero=True
    )


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO, "medanomaly.training.progress")
    return lambda: [record.getMessage() for record in caplog.records]


def test_a_long_training_says_epoch_loss_and_the_time_that_is_left(said):
    now = [0.0]
    progress = EpochProgress(20, lambda: now[0])
    progress.on_train_start(trainer(0), None)
    now[0] = 4.0
    progress.on_train_batch_end(trainer(0), None, None, None, 5)
    assert said() == []
    now[0] = 10.0
    progress.on_train_batch_end(trainer(1, validation_loss=0.25, training_loss=3.0), None, None, None, 9)
    assert said() == ["epoch 2 of at most 20, validation loss 0.25, at most 1 min 30 s left"]
    now[0] = 12.0
    progress.on_train_batch_end(trainer(2), None, None, None, 0)
    assert len(said()) == 1


def test_a_resumed_training_counts_the_time_of_its_own_epochs(said):
    now = [0.0]
    progress = EpochProgress(20, lambda: now[0])
    progress.on_train_start(trainer(10), None)
    now[0] = 8.0
    progress.on_train_batch_end(trainer(13), None, None, None, 9)
    assert said() == ["epoch 14 of at most 20, at most 12 s left"]
