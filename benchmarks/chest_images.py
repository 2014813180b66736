"""The paediatric chest X-rays for the imaging benchmarks: prepared images, labels, subjects, folds by subject."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medanomaly.core.splits import patient_position
from medanomaly.evaluation.resampling.draws import patient_weights
from medanomaly.imaging.sources.contract import InputContract
from medanomaly.imaging.sources.folders import class_folders
from medanomaly.imaging.sources.store import open_store

FOLDS = 5
RESAMPLES = 1000


@dataclass(frozen=True)
class ChestImages:
    images: np.ndarray
    positive: np.ndarray
    kind: np.ndarray
    subject: np.ndarray
    aspect: np.ndarray

    def folds(self, seed: int) -> np.ndarray:
        """(n,) fold of each image, 0..4, by subject."""
        return (patient_position(_series(self.subject), seed) * FOLDS).astype(int)

    def only(self, mask: np.ndarray) -> "ChestImages":
        return ChestImages(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


def _series(values: np.ndarray):
    import pandas as pd

    return pd.Series(values)


def chest_images(size: int = 64) -> ChestImages:
    """The official training part (the test part is never read here), centre crop, 8 bit."""
    root = Path(os.environ.get("MEDANOMALY_DATA", "data/01_raw")) / "chest_xray"
    source = class_folders(root.as_posix())
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(source, InputContract(size=size), Path(folder) / "store", dtype="uint8")
        manifest = store.manifest
        rows = np.flatnonzero((manifest["split_official"] != "test").fillna(True).to_numpy(dtype=bool))
        images = store.batch(rows)
    manifest = manifest.iloc[rows]
    return ChestImages(
        images,
        (manifest["label"] == 1).to_numpy(dtype=bool),
        manifest["kind"].to_numpy(dtype=str),
        manifest["patient_id"].to_numpy(dtype=str),
        manifest["aspect"].to_numpy(dtype=float),
    )


def subject_weights(chest: ChestImages, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """(1 + resamples, n) how often each image counts: subjects are drawn with replacement; row 0 counts each image once."""
    _, codes = np.unique(chest.subject, return_inverse=True)
    size = np.bincount(codes)
    positive = np.bincount(codes, weights=chest.positive).astype(int)
    drawn = patient_weights(seed, range(1, resamples + 1), size, positive)
    return np.vstack([np.ones(len(size), dtype=np.uint8), drawn])[:, codes]
