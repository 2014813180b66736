"""Where batches come from: tensors on the GPU where they fit there, a DataLoader elsewhere."""

from collections.abc import Iterable, Iterator
from functools import partial

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, TensorDataset

# the rest is for the network, its gradients, and other processes on the GPU
LARGEST_SHARE = 1 / 3


class DeviceBatches:
    """Batches of tensors on a device: the same rows as from a DataLoader, without copies from host to device.

    Args:
        tensors: one row per case, as in a ``TensorDataset``; they are copied to ``device`` once.
        batch_size: rows per batch.
        device: where the tensors go and the batches come from.
        sampler: order of the rows in each epoch; None keeps their order.
        drop_last: leave out a last batch that is not full.
    """

    def __init__(
        self,
        tensors: tuple[Tensor, ...],
        batch_size: int,
        device: torch.device,
        sampler: Sampler | None = None,
        drop_last: bool = False,
    ):
        self.tensors = tuple(tensor.to(device) for tensor in tensors)
        self.batch_size, self.device, self.drop_last = batch_size, device, drop_last
        # Lightning looks for both names, and sets the epoch of the sampler
        self.sampler, self.batch_sampler = sampler, None

    def __len__(self) -> int:
        n = len(self.tensors[0])
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self) -> Iterator[list[Tensor]]:
        # a DataLoader also draws one number from the global generator, so later draws of a module stay the same
        torch.empty((), dtype=torch.int64).random_()
        n = len(self.tensors[0])
        order = torch.arange(n) if self.sampler is None else torch.tensor(list(self.sampler))
        batches_of_rows = order.to(self.device).split(self.batch_size)[: len(self)]
        return ([tensor[rows] for tensor in self.tensors] for rows in batches_of_rows)


def fits_on_gpu(datasets: Iterable[Dataset]) -> bool:
    """Whether all are plain TensorDatasets that together need at most a third of the free memory of the GPU."""
    tensors = [tensor for dataset in datasets for tensor in getattr(dataset, "tensors", ())]
    if any(type(dataset) is not TensorDataset for dataset in datasets):
        return False
    free, _ = torch.cuda.mem_get_info()
    return sum(tensor.nbytes for tensor in tensors) <= LARGEST_SHARE * free


def batches(
    dataset: Dataset,
    batch_size: int,
    device: torch.device | None,
    *,
    pin_memory: bool = False,
    sampler: Sampler | None = None,
    drop_last: bool = False,
) -> DeviceBatches | DataLoader:
    """Batches of ``dataset``; with a ``device``, which needs a TensorDataset, they come from there."""
    if device is not None:
        return DeviceBatches(dataset.tensors, batch_size, device, sampler, drop_last)
    collate = None
    if type(dataset) is TensorDataset:
        # all rows of a batch at once: for small networks, single rows would take most of the time
        collate, dataset = partial(_rows_at, dataset.tensors), range(len(dataset))
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        drop_last=drop_last,
        collate_fn=collate,
        pin_memory=pin_memory,
    )


def _rows_at(tensors: tuple[Tensor, ...], rows: list[int]) -> list[Tensor]:
    return [tensor[rows] for tensor in tensors]
