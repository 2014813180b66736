"""Detectors made from networks that learned normal images: fit, score, map, reconstruct, export."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.imaging.networks.image_module import ImageModule
from medanomaly.imaging.networks.kinds import network_kinds, network_params
from medanomaly.imaging.networks.params import NetworkParams
from medanomaly.imaging.networks.score_head import EnsembleHead, ScoreHead
from medanomaly.imaging.sources.image_array import ImageArray
from medanomaly.training.fit import fit
from medanomaly.training.hold_out import hold_out
from medanomaly.training.params import TrainingParams
from medanomaly.training.seeding import seeded
from medanomaly.training.weights import load_weights, weights_bytes

VALIDATION_SHARE = 0.15
LEAST_IMAGES = 8
# the inpainting network sees eight versions of each image, two at a time
IMAGES_PER_PASS = 32


def as_batch(images: np.ndarray, size: int | None = None) -> Tensor:
    """Images as (n, 1, H, W) float32.

    Args:
        images: (n, H, W) or (n, 1, H, W) in [0, 1].
        size: required side in px, or None.

    Raises:
        InputError: another shape, another size, values outside [0, 1] or not finite.
    """
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or images.shape[1] != 1 or images.shape[2] != images.shape[3]:
        raise InputError(
            f"images of shape {images.shape}", remedy="Give squares as (n, H, W) or (n, 1, H, W)."
        )
    if size is not None and images.shape[2] != size:
        raise InputError(f"images of {images.shape[2]} px; the network was trained on {size} px")
    batch = torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32))
    inside = torch.isfinite(batch) & (batch >= 0) & (batch <= 1)
    if not bool(inside.all()):
        row = int((~inside).flatten(1).any(dim=1).nonzero()[0])
        raise InputError(
            "values outside [0, 1], or not finite",
            remedy="Prepare images with the input contract, without contrast normalisation: the network does its own.",
            record=row,
        )
    return batch


class StoredImages(Dataset):
    """Images of a store, of which only those of a batch are in memory: for training sets that are larger than it.

    Args:
        images: of the store.
    """

    def __init__(self, images: ImageArray):
        self.images = images

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(n, 1, size, size)."""
        n, height, width = self.images.shape
        return n, 1, height, width

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> tuple[Tensor]:
        return self.__getitems__([row])[0]

    def __getitems__(self, rows: Sequence[int]) -> list[tuple[Tensor]]:
        """The images of a batch, read together."""
        return [(image,) for image in self.batch(np.asarray(rows))]

    def batch(self, rows: np.ndarray | slice) -> Tensor:
        """(k, 1, size, size) images of these rows."""
        return as_batch(self.images[rows])

    def split(self, size: int) -> Iterator[Tensor]:
        """All images, ``size`` at a time."""
        return (self.batch(slice(start, start + size)) for start in range(0, len(self), size))


def fingerprint(*images: Tensor | StoredImages) -> str:
    """SHA-256 over the values; it identifies the exact training data."""
    digest = hashlib.sha256()
    for some in images:
        digest.update(str(tuple(some.shape)).encode())
        for part in some.split(IMAGES_PER_PASS) if isinstance(some, StoredImages) else (some,):
            digest.update(part.contiguous().numpy().tobytes())
    return digest.hexdigest()


def fitted_head(params: NetworkParams, network: nn.Module, train: Tensor | StoredImages) -> ScoreHead:
    """The head of a trained network, on the device of its (n, 1, H, W) training images.

    Args:
        params: of the network.
        network: trained.
        train: what it was trained on; a head that compares with training images takes its reference from them.
    """
    head = network_kinds()[params.network].build_head(network, params, train.shape[2], len(train))
    head = head.to(getattr(train, "device", "cpu")).eval()
    if head.uses_reference:
        head.fit_reference(in_parts(head.embed, train))
    return head


class NetworkDetector:
    """A network trained on normal images, or a small ensemble of them.

    Args:
        params: of one of the kinds in :mod:`medanomaly.imaging.networks.kinds`.
        training: how it is trained.
        seed: of weights, order and random numbers; member i of an ensemble has ``seed + i``.
        members: number of networks whose standardised scores are averaged.

    Attributes:
        head_: the module that is exported.
        runs_: one :class:`TrainingRun` per member.
    """

    def __init__(
        self,
        params: NetworkParams,
        training: TrainingParams | None = None,
        seed: int = 0,
        members: int = 1,
    ):
        if members < 1:
            raise ConfigurationError(f"an ensemble of {members} networks", remedy="Give 1 or more members.")
        self.params, self.training = params, training or TrainingParams()
        self.seed, self.members = seed, members

    def fit(
        self,
        images: np.ndarray | ImageArray,
        validation: np.ndarray | None = None,
        groups: np.ndarray | None = None,
        *,
        folder: Path | None = None,
        loggers: Sequence = (),
    ) -> "NetworkDetector":
        """Train on normal images; only healthy images choose the best epoch.

        Args:
            images: (n, H, W) or (n, 1, H, W) float32 in [0, 1], H = W, n >= 8. Those of a store are read batch by batch
                and need not fit into memory; the weights are the same, on a GPU the training is slower.
            validation: healthy images of other patients; None: 15 % of ``images`` are held out.
            groups: (n,) patient of each image, for that hold-out.
            folder: for checkpoints; an interrupted training continues from there.
            loggers: for Lightning.

        Raises:
            InputError: too few images, or images that break the contract.
            ConfigurationError: the network does not fit the size, or training diverged.
        """
        train = StoredImages(images) if isinstance(images, ImageArray) else as_batch(images)
        if len(train) < LEAST_IMAGES:
            raise InputError(f"{len(train)} images", remedy=f"Give {LEAST_IMAGES} or more, better hundreds.")
        size = train.shape[2]
        if validation is None:
            random = np.random.default_rng(self.seed)
            held_out = hold_out(len(train), groups, VALIDATION_SHARE, random)
            train, healthy = (_rows_of(train, rows) for rows in (~held_out, held_out))
        else:
            healthy = as_batch(validation, size)
        digest = fingerprint(train, healthy)
        self.image_size_, self.n_reference_ = size, len(train)
        heads, self.runs_ = [], []
        for member in range(self.members):
            seed = self.seed + member
            module = self._module(seed)
            run = fit(
                module,
                _dataset(train),
                _dataset(healthy),
                self.training,
                seed=seed,
                folder=None if folder is None else Path(folder) / f"member_{member}",
                fingerprint=digest,
                loggers=loggers,
            )
            self.runs_.append(run)
            heads.append(fitted_head(self.params, module.network, train))
        self.head_ = heads[0]
        if self.members > 1:
            self.head_ = EnsembleHead(heads).eval()
            self.head_.standardise(torch.stack([in_parts(lambda x, h=h: h(x)[0], healthy) for h in heads]))
        return self

    def _module(self, seed: int) -> ImageModule:
        with seeded(seed):
            return network_kinds()[self.params.network].build_module(
                self.params,
                self.image_size_,
                learning_rate=self.training.learning_rate,
                weight_decay=self.training.weight_decay,
                seed=seed,
            )

    def _check_fitted(self) -> nn.Module:
        if not hasattr(self, "head_"):
            raise ConfigurationError(
                "the detector is not fitted", remedy="Call fit() with normal images first."
            )
        return self.head_

    def score(self, images: np.ndarray) -> np.ndarray:
        """(n,) float64 anomaly score of (n, H, W) or (n, 1, H, W) images in [0, 1]; higher = more anomalous."""
        head = self._check_fitted()
        batch = as_batch(images, self.image_size_)
        return in_parts(lambda x: head(x)[0], batch).double().numpy()

    def scores(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Every score that the network gives, by name: (n,) float64 each."""
        head = self._check_fitted()
        batch = as_batch(images, self.image_size_)
        with torch.inference_mode():
            parts = [head.scores(part) for part in batch.split(IMAGES_PER_PASS)]
        return {name: torch.cat([part[name] for part in parts]).double().numpy() for name in parts[0]}

    def error_map(self, images: np.ndarray) -> np.ndarray:
        """(n, H, W) float32: where each image is unusual."""
        head = self._check_fitted()
        return in_parts(lambda x: head(x)[1], as_batch(images, self.image_size_)).numpy()

    @property
    def reconstructs(self) -> bool:
        """Whether the network gives back an image."""
        return network_kinds()[self.params.network].reconstructs

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """(n, H, W) float32: the reconstruction of each image.

        Raises:
            ConfigurationError: this network does not reconstruct.
        """
        head = self._check_fitted()
        if not self.reconstructs:
            raise ConfigurationError(
                f"the {network_kinds()[self.params.network].label} does not reconstruct images",
                remedy="Use its error map.",
            )
        return in_parts(head.reconstruct, as_batch(images, self.image_size_))[:, 0].numpy()

    def to_onnx(self) -> bytes:
        """One graph from an image to its score: ``image`` (n, 1, H, W) to ``score`` and ``error_map``."""
        # the ONNX packages are for who exports
        from medanomaly.training.export import onnx_bytes

        head = self._check_fitted()
        with seeded(0):
            example = torch.rand(2, 1, self.image_size_, self.image_size_)
        return onnx_bytes(head, (example,), ["image"], ["score", "error_map"])

    def spec(self) -> dict:
        """What :meth:`from_weights` needs besides the weights; JSON types only."""
        self._check_fitted()
        return {
            "params": self.params.model_dump(mode="json"),
            "seed": self.seed,
            "members": self.members,
            "image_size": self.image_size_,
            "n_reference": self.n_reference_,
        }

    def weights(self) -> bytes:
        """Weights and reference embeddings as safetensors."""
        return weights_bytes(self._check_fitted())

    @classmethod
    def from_weights(cls, spec: dict, content: bytes) -> "NetworkDetector":
        """The detector that :meth:`spec` and :meth:`weights` came from, without its training history.

        Raises:
            BundleError: the weights belong to another network.
        """
        params = network_params(spec["params"])
        detector = cls(params, seed=spec["seed"], members=spec["members"])
        detector.image_size_, detector.n_reference_ = spec["image_size"], spec["n_reference"]
        build_head = network_kinds()[params.network].build_head
        heads = [
            build_head(
                detector._module(spec["seed"]).network, params, spec["image_size"], spec["n_reference"]
            )
            for _ in range(spec["members"])
        ]
        head = heads[0] if spec["members"] == 1 else EnsembleHead(heads)
        detector.head_ = load_weights(head, content).eval()
        return detector


def in_parts(function: Callable[[Tensor], Tensor], batch: Tensor | StoredImages) -> Tensor:
    """``function`` of a batch, computed in parts of some images."""
    with torch.inference_mode():
        return torch.cat([function(part) for part in batch.split(IMAGES_PER_PASS)])


def _rows_of(images: Tensor | StoredImages, chosen: np.ndarray) -> Tensor | StoredImages:
    """The images where ``chosen`` (n,) is true."""
    if isinstance(images, StoredImages):
        return StoredImages(images.images.at(chosen))
    return images[torch.from_numpy(chosen)]


def _dataset(images: Tensor | StoredImages) -> Dataset:
    return images if isinstance(images, StoredImages) else TensorDataset(images)
