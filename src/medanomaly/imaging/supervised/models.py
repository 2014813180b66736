"""Supervised image models: a calibrated classifier and a segmenter, with the interface of the detectors."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.evaluation.calibrators import fit_calibrator
from medanomaly.imaging.networks.classifier.head import ClassifierHead
from medanomaly.imaging.networks.classifier.lightning import ClassifierModule
from medanomaly.imaging.networks.classifier.params import ClassifierParams
from medanomaly.imaging.networks.detector import VALIDATION_SHARE, as_batch, fingerprint, in_parts
from medanomaly.imaging.networks.segmenter.head import SegmenterHead
from medanomaly.imaging.networks.segmenter.lightning import SegmenterModule
from medanomaly.imaging.networks.segmenter.params import SegmenterParams
from medanomaly.training.export import onnx_bytes
from medanomaly.training.fit import fit
from medanomaly.training.hold_out import hold_out
from medanomaly.training.params import TrainingParams
from medanomaly.training.seeding import seeded
from medanomaly.training.weights import load_weights, weights_bytes


class _Supervised:
    """What both models share: training on pairs, with some patients held out to choose the epoch."""

    def __init__(self, params, training: TrainingParams | None = None, seed: int = 0):
        self.params, self.training, self.seed = params, training or TrainingParams(), seed

    def _train(self, build, images: Tensor, target: Tensor, groups, folder, loggers):
        random = np.random.default_rng(self.seed)
        held_out = torch.from_numpy(hold_out(len(images), groups, VALIDATION_SHARE, random))
        n_train = int((~held_out).sum())
        if n_train < 2:
            raise InputError(f"{len(images)} images are too few to learn from")
        with seeded(self.seed):
            module = build(
                self.training.max_epochs * math.ceil(n_train / self.training.batch_size),
                {
                    "learning_rate": self.training.learning_rate,
                    "weight_decay": self.training.weight_decay,
                    "seed": self.seed,
                },
            )
        self.run_ = fit(
            module,
            TensorDataset(images[~held_out], target[~held_out]),
            TensorDataset(images[held_out], target[held_out]),
            self.training,
            seed=self.seed,
            folder=None if folder is None else Path(folder),
            # a path does not identify the weights in a file
            fingerprint=fingerprint(images, target, *module.state_dict().values()),
            loggers=loggers,
        )
        return module

    def _fitted(self) -> nn.Module:
        if not hasattr(self, "head_"):
            raise ConfigurationError("the model is not fitted", remedy="Call fit() first.")
        return self.head_

    def _example(self) -> Tensor:
        with seeded(0):
            return torch.rand(2, 1, self.image_size_, self.image_size_)

    def weights(self) -> bytes:
        """Weights as safetensors."""
        return weights_bytes(self._fitted())

    def spec(self) -> dict:
        """What ``from_weights`` needs besides the weights; JSON types only."""
        self._fitted()
        return {
            "params": self.params.model_dump(mode="json"),
            "seed": self.seed,
            "image_size": self.image_size_,
        }


class ImageClassifier(_Supervised):
    """Classifies normal and anomalous images; probabilities are calibrated on images outside the training.

    Args:
        params: architecture, weights, calibration.
        training: how it is trained.
        seed: of weights, order and augmentation.
    """

    params: ClassifierParams

    def fit(
        self,
        images: np.ndarray,
        label: np.ndarray,
        groups: np.ndarray | None = None,
        *,
        folder: Path | None = None,
        loggers: Sequence = (),
    ) -> "ImageClassifier":
        """Train; the best epoch is chosen on 15 % of the images, by patient.

        Args:
            images: (n, H, W) or (n, 1, H, W) float32 in [0, 1].
            label: (n,) 0 or 1; both must occur.
            groups: (n,) patient of each image.
            folder: for checkpoints; an interrupted training continues from there.
            loggers: for Lightning.

        Raises:
            InputError: labels other than 0 and 1, or only one of them.
        """
        batch, label = as_batch(images), np.asarray(label)
        if len(label) != len(batch) or not np.array_equal(np.unique(label), [0, 1]):
            raise InputError(
                "labels must be 0 and 1, one per image, and both must occur",
                remedy="Leave out images whose label is unknown.",
            )
        self.image_size_ = batch.shape[2]
        target = torch.from_numpy(label.astype(np.float32))
        module = self._train(
            lambda steps, training: ClassifierModule(self.params, steps, **training),
            batch,
            target,
            groups,
            folder,
            loggers,
        )
        self.head_ = ClassifierHead(module.network, self.params.contrast).eval()
        return self

    def calibrate(self, images: np.ndarray, label: np.ndarray) -> "ImageClassifier":
        """Fit the map from logit to probability on calibration images; it replaces an earlier one."""
        head = self._fitted()
        head.slope.fill_(1.0)
        head.offset.fill_(0.0)
        fitted = fit_calibrator(self.params.calibration, self.logit(images), label)
        head.slope.fill_(fitted.a)
        head.offset.fill_(fitted.c)
        return self

    def logit(self, images: np.ndarray) -> np.ndarray:
        """(n,) float64 calibrated log-odds of being anomalous."""
        head = self._fitted()
        batch = as_batch(images, self.image_size_)
        return in_parts(lambda x: head.classify(head.features(x)), batch).double().numpy()

    def score(self, images: np.ndarray) -> np.ndarray:
        """(n,) float64 calibrated probability of being anomalous."""
        return in_parts(self._fitted(), as_batch(images, self.image_size_)).double().numpy()

    def to_onnx(self) -> bytes:
        """``image`` (n, 1, H, W) to ``score`` (n,), the calibrated probability."""
        return onnx_bytes(self._fitted(), (self._example(),), ["image"], ["score"])

    @classmethod
    def from_weights(cls, spec: dict, content: bytes) -> "ImageClassifier":
        """The classifier that ``spec`` and ``weights`` came from; it needs no file of pretrained weights."""
        params = ClassifierParams.model_validate(spec["params"] | {"weights": None})
        model = cls(params, seed=spec["seed"])
        model.image_size_ = spec["image_size"]
        network = ClassifierModule(params).network
        model.head_ = load_weights(ClassifierHead(network, params.contrast), content).eval()
        return model


class ImageSegmenter(_Supervised):
    """Outlines what the masks of its training images outline.

    Args:
        params: of the U-Net.
        training: how it is trained.
        seed: of weights, order and augmentation.
    """

    params: SegmenterParams

    def fit(
        self,
        images: np.ndarray,
        masks: np.ndarray,
        groups: np.ndarray | None = None,
        *,
        folder: Path | None = None,
        loggers: Sequence = (),
    ) -> "ImageSegmenter":
        """Train; the best epoch is chosen on 15 % of the images, by patient.

        Args:
            images: (n, H, W) or (n, 1, H, W) float32 in [0, 1].
            masks: the same shape, 0 and 1; all 0 where there is nothing to outline.
            groups: (n,) patient of each image.
            folder: for checkpoints; an interrupted training continues from there.
            loggers: for Lightning.
        """
        batch = as_batch(images)
        self.image_size_ = batch.shape[2]
        mask = as_batch(masks, self.image_size_)
        if len(mask) != len(batch) or not bool(((mask == 0) | (mask == 1)).all()):
            raise InputError("masks must be 0 and 1, one per image")
        module = self._train(
            lambda _, training: SegmenterModule(self.params, self.image_size_, **training),
            batch,
            mask,
            groups,
            folder,
            loggers,
        )
        self.head_ = SegmenterHead(module.network, self.params.contrast).eval()
        return self

    def probability(self, images: np.ndarray) -> np.ndarray:
        """(n, H, W) float32 probability that a pixel is inside the outline."""
        return in_parts(self._fitted(), as_batch(images, self.image_size_)).numpy()

    def segment(self, images: np.ndarray, threshold: float = 0.5) -> np.ndarray:
        """(n, H, W) bool: probability of at least ``threshold``."""
        return self.probability(images) >= threshold

    def to_onnx(self) -> bytes:
        """``image`` (n, 1, H, W) to ``probability`` (n, H, W)."""
        return onnx_bytes(self._fitted(), (self._example(),), ["image"], ["probability"])

    @classmethod
    def from_weights(cls, spec: dict, content: bytes) -> "ImageSegmenter":
        """The segmenter that ``spec`` and ``weights`` came from."""
        params = SegmenterParams.model_validate(spec["params"])
        model = cls(params, seed=spec["seed"])
        model.image_size_ = spec["image_size"]
        network = SegmenterModule(params, spec["image_size"]).network
        model.head_ = load_weights(SegmenterHead(network, params.contrast), content).eval()
        return model
