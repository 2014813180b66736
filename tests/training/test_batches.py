"""Batches from tensors on a device: rows and order of a DataLoader, and the same network in the end."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.training.small_networks import NETWORKS, rows
from torch.utils.data import DataLoader, Dataset, TensorDataset

from medanomaly.imaging.networks.autoencoder.lightning import AutoencoderModule
from medanomaly.imaging.networks.autoencoder.params import AutoencoderParams
from medanomaly.imaging.networks.unet.lightning import UNetModule
from medanomaly.imaging.networks.unet.params import UNetParams
from medanomaly.training import fit as fitting
from medanomaly.training.batches import DeviceBatches, batches, fits_on_gpu
from medanomaly.training.params import TrainingParams
from medanomaly.training.seeding import EpochShuffle, seeded

CPU = torch.device("cpu")
PARAMS = TrainingParams(max_epochs=3, batch_size=8, patience=0, accelerator="cpu")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def numbered(n: int) -> TensorDataset:
    return TensorDataset(torch.arange(n), torch.arange(2.0 * n).reshape(n, 2))


def trained(network, params=PARAMS, seed=3, epochs=None, **options):
    with seeded(0):
        module = NETWORKS[network]()
    params = params if epochs is None else params.model_copy(update={"max_epochs": epochs})
    run = fitting.fit(module, rows(61), rows(32, seed=1), params, seed=seed, **options)
    return {name: value.numpy().tobytes() for name, value in module.state_dict().items()}, run


@given(
    n=st.integers(1, 40), size=st.integers(1, 12), shuffled=st.booleans(), drop=st.booleans(), epoch=st.integers(0, 3)
)  # fmt: skip
def test_rows_come_as_from_a_dataloader(n, size, shuffled, drop, epoch):
    data = numbered(n)
    loaders = [
        batches(data, size, device, sampler=EpochShuffle(data, 5) if shuffled else None, drop_last=drop)
        for device in (CPU, None)
    ]
    assert isinstance(loaders[0], DeviceBatches)
    assert isinstance(loaders[1], DataLoader)
    assert len(loaders[0]) == len(loaders[1])
    for loader in loaders:
        if shuffled:
            loader.sampler.set_epoch(epoch)
    one, other = (list(loader) for loader in loaders)
    assert len(one) == len(other) == len(loaders[0])
    for a, b in zip(one, other, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_a_batch_that_is_changed_leaves_the_data_alone():
    data = numbered(6)
    for batch in DeviceBatches(data.tensors, 3, CPU):
        batch[1].zero_()
    assert torch.equal(data.tensors[1], numbered(6).tensors[1])


@pytest.mark.parametrize("network", NETWORKS)
def test_training_on_resident_rows_gives_the_same_bits(network, monkeypatch):
    expected, _ = trained(network)
    monkeypatch.setattr(fitting, "_resident", lambda *_: CPU)
    assert trained(network)[0] == expected


def test_a_run_on_resident_rows_resumes_to_the_same_bits(monkeypatch, tmp_path):
    monkeypatch.setattr(fitting, "_resident", lambda *_: CPU)
    expected, _ = trained("regression")
    monkeypatch.setattr(
        NETWORKS["regression"], "on_train_batch_start", dies_in_the_third_epoch, raising=False
    )
    with pytest.raises(Killed):
        trained("regression", folder=tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(fitting, "_resident", lambda *_: CPU)
    weights, run = trained("regression", folder=tmp_path)
    assert run.resumed_from_epoch == 2
    assert weights == expected


class Killed(Exception):
    pass


def dies_in_the_third_epoch(module, batch, index):
    if module.current_epoch == 2 and index == 1:
        raise Killed


def test_a_third_of_the_free_memory_is_the_most_that_stays_on_a_gpu(monkeypatch):
    data = TensorDataset(torch.zeros(100, dtype=torch.uint8))
    for free, fits in ((600, True), (599, False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda free=free: (free, 10 * free))
        assert fits_on_gpu([data, data]) is fits


def test_only_plain_tensors_stay_on_a_gpu(monkeypatch):
    class Changing(TensorDataset):
        """Could give something else than its rows."""

    class Rows(Dataset):
        def __len__(self):
            return 3

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (10**9, 10**9))
    assert fits_on_gpu([numbered(3)])
    assert not fits_on_gpu([numbered(3), Changing(torch.zeros(3))])
    assert not fits_on_gpu([Rows()])


def test_rows_are_resident_on_one_gpu_alone(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (10**9, 10**9))
    data = numbered(3)

    def resident(**changes):
        return fitting._resident(data, None, TrainingParams(**changes))

    assert resident() == torch.device("cuda", 0)
    assert resident(accelerator="cpu") is None
    assert resident(devices=2, strategy="ddp") is None


def test_channels_last_is_for_convolutions_without_group_normalisation():
    assert fitting._gains_from_channels_last(AutoencoderModule(AutoencoderParams(width=2, hidden=4), 16))
    assert not fitting._gains_from_channels_last(UNetModule(UNetParams(width=4, levels=2), 16))
    assert not fitting._gains_from_channels_last(NETWORKS["regression"]())


@needs_gpu
@pytest.mark.parametrize("network", NETWORKS)
def test_a_gpu_gives_the_same_bits_from_resident_rows_as_from_a_dataloader(network, monkeypatch):
    params = PARAMS.model_copy(update={"accelerator": "gpu"})
    resident, _ = trained(network, params)
    assert trained(network, params)[0] == resident
    monkeypatch.setattr(fitting, "_resident", lambda *_: None)
    assert trained(network, params)[0] == resident


@needs_gpu
def test_an_image_network_on_a_gpu_learns_with_one_kernel_a_step_and_resumes(tmp_path):
    images = TensorDataset(torch.rand(40, 1, 32, 32, generator=torch.Generator().manual_seed(0)))
    params = TrainingParams(max_epochs=4, batch_size=8, patience=0, accelerator="gpu")

    def run(epochs, folder=None):
        with seeded(0):
            module = AutoencoderModule(AutoencoderParams(latent=4, width=4, hidden=16), 32)
        seen = []
        make = module.adamw
        module.adamw = lambda parameters: seen.append(make(parameters)) or seen[-1]
        given = params.model_copy(update={"max_epochs": epochs})
        result = fitting.fit(module, images, images, given, seed=0, folder=folder)
        return module, result, seen

    module, result, optimisers = run(4)
    assert all(group["fused"] for optimiser in optimisers for group in optimiser.param_groups)
    losses = result.history.query("metric == 'train_loss'")["value"].to_numpy()
    assert losses[-1] < losses[0]
    again, _, _ = run(4, tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), again.parameters(), strict=True))
    assert run(4, tmp_path)[1].resumed_from_epoch == 4
