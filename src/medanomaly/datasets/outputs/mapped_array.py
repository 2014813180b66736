"""One array in a file that is mapped into memory instead of read."""

from pathlib import Path

import numpy as np
from kedro.io import AbstractDataset


class MappedArrayDataset(AbstractDataset[np.ndarray, np.ndarray]):
    """A ``.npy`` file; an array that is already this file is not written again.

    Args:
        filepath: the file.
    """

    def __init__(self, *, filepath: str, metadata: dict | None = None):
        self._filepath, self.metadata = Path(filepath), metadata

    def load(self) -> np.ndarray:
        """The array, read only; object arrays are refused, because they need pickle."""
        return np.load(self._filepath, mmap_mode="r", allow_pickle=False)

    def save(self, data: np.ndarray) -> None:
        """Write the array, unless it is this file."""
        if isinstance(data, np.memmap) and Path(data.filename).resolve() == self._filepath.resolve():
            return
        self._filepath.parent.mkdir(parents=True, exist_ok=True)
        np.save(self._filepath, data, allow_pickle=False)

    def _exists(self) -> bool:
        return self._filepath.exists()

    def _describe(self) -> dict:
        return {"filepath": self._filepath.as_posix()}
