"""Models that draw boxes about lesions: the centre-point detector, and torchvision's detectors behind the same contract."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from medanomaly.core.errors import InputError
from medanomaly.imaging.boxes.decode import boxes_of_heat
from medanomaly.imaging.networks.box_detector.head import BoxHead
from medanomaly.imaging.networks.box_detector.lightning import BoxDetectorModule
from medanomaly.imaging.networks.box_detector.params import STRIDE, BoxDetectorParams
from medanomaly.imaging.networks.detector import IMAGES_PER_PASS, as_batch
from medanomaly.imaging.networks.image_module import ImageModule
from medanomaly.imaging.supervised.models import _Supervised
from medanomaly.training.export import onnx_bytes
from medanomaly.training.weights import load_weights


def padded_boxes(boxes: pd.DataFrame, labels: Sequence[str], n_images: int, size: int) -> Tensor:
    """A table of true boxes as the tensor that a training reads.

    Args:
        boxes: ``image`` (row of the images), ``label``, ``x0, y0, x1, y1`` in px of the network's images.
        labels: names of the kinds of boxes.
        n_images: images; those without a box are normal.
        size: side of the images, px.

    Returns:
        (n_images, k, 5) float32 label, x0, y0, x1, y1; rows of NaN are no box.

    Raises:
        InputError: a label or an image that is not known, or a box outside of its image or without area.
    """
    image = boxes["image"].to_numpy()
    number = boxes["label"].map({label: n for n, label in enumerate(labels)})
    corners = boxes[["x0", "y0", "x1", "y1"]].to_numpy(dtype=np.float64)
    inside = np.isfinite(corners).all(axis=1) & (corners >= 0).all(axis=1) & (corners <= size).all(axis=1)
    for wrong, problem, remedy in (
        (number.isna().to_numpy(), "a label that is not asked for", f"Asked for are {', '.join(labels)}."),
        (
            (image < 0) | (image >= n_images),
            "a box of an image that is not there",
            f"There are {n_images} images.",
        ),
        (~inside, f"a box outside of its image of {size} px", "Cut boxes at the border."),
        ((corners[:, 2:] <= corners[:, :2]).any(axis=1), "a box without area", "Leave it out."),
    ):
        if wrong.any():
            raise InputError(problem, remedy=remedy, source="boxes", record=int(np.flatnonzero(wrong)[0]))
    place = boxes.groupby("image").cumcount().to_numpy()
    padded = np.full((n_images, int(place.max(initial=0)) + 1, 5), np.nan, dtype=np.float32)
    padded[image, place] = np.column_stack([number.to_numpy(dtype=np.float64), corners])
    return torch.from_numpy(padded)


class BoxDetector(_Supervised):
    """Draws boxes about what the boxes of its training images are about.

    Args:
        params: of the network, and how boxes are read from its answers.
        training: how it is trained.
        seed: of weights, order and augmentation.
    """

    params: BoxDetectorParams

    def fit(
        self,
        images: np.ndarray,
        boxes: pd.DataFrame,
        groups: np.ndarray | None = None,
        *,
        labels: Sequence[str] | None = None,
        folder: Path | None = None,
        loggers: Sequence = (),
    ) -> "BoxDetector":
        """Train; the best epoch is chosen on 15 % of the images, by patient.

        Args:
            images: (n, H, W) or (n, 1, H, W) float32 in [0, 1].
            boxes: ``image`` (row of ``images``), ``label``, ``x0, y0, x1, y1`` in px of the images.
            groups: (n,) patient of each image.
            labels: kinds of boxes, in the order of the heat maps; None: those of ``boxes``.
            folder: for checkpoints; an interrupted training continues from there.
            loggers: for Lightning.

        Raises:
            InputError: no box at all, or boxes that do not fit the images.
        """
        batch = as_batch(images)
        if boxes.empty:
            raise InputError(
                "there is no box to learn from", remedy="Give boxes of some of the images.", source="boxes"
            )
        self.image_size_ = batch.shape[2]
        self.labels_ = tuple(labels) if labels is not None else tuple(sorted(boxes["label"].unique()))
        module = self._train(
            self._module,
            batch,
            padded_boxes(boxes, self.labels_, len(batch), self.image_size_),
            groups,
            folder,
            loggers,
        )
        self.head_ = self._head(module.network, self.params).eval()
        return self

    def _module(self, steps: int, training: dict) -> ImageModule:
        return BoxDetectorModule(self.params, len(self.labels_), self.image_size_, steps, **training)

    @staticmethod
    def _head(network: nn.Module, params: BoxDetectorParams) -> nn.Module:
        return BoxHead(network, params.contrast)

    def answers(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Heat (n, labels, H / 4, W / 4) and geometry (n, 4, H / 4, W / 4) of images, float32."""
        head, batch = self._fitted(), as_batch(images, self.image_size_)
        with torch.inference_mode():
            parts = [head(part) for part in batch.split(IMAGES_PER_PASS)]
        heat, geometry = (torch.cat(of).numpy() for of in zip(*parts, strict=True))
        return heat, geometry

    def boxes(self, images: np.ndarray) -> pd.DataFrame:
        """Found boxes: ``image`` (row), ``label``, ``x0, y0, x1, y1`` in px, ``score``; by image, the best first."""
        found = boxes_of_heat(
            *self.answers(images), STRIDE, overlap=self.params.overlap, most=self.params.most_boxes
        )
        return found.assign(label=np.array(self.labels_, dtype=object)[found["label"]])

    def to_onnx(self) -> bytes:
        """``image`` (n, 1, H, W) to ``heat`` and ``geometry``; boxes are read from them outside the graph."""
        return onnx_bytes(self._fitted(), (self._example(),), ["image"], ["heat", "geometry"])

    def spec(self) -> dict:
        """What ``from_weights`` needs besides the weights; JSON types only."""
        return super().spec() | {"labels": list(self.labels_)}

    @classmethod
    def from_weights(cls, spec: dict, content: bytes) -> "BoxDetector":
        """The detector that ``spec`` and ``weights`` came from."""
        params = BoxDetectorParams.model_validate(spec["params"])
        model = cls(params, seed=spec["seed"])
        model.image_size_, model.labels_ = spec["image_size"], tuple(spec["labels"])
        network = BoxDetectorModule(params, len(model.labels_), spec["image_size"]).network
        model.head_ = load_weights(BoxHead(network, params.contrast), content).eval()
        return model
