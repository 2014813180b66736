"""Arrays by name in one compressed file, never pickled."""

from pathlib import Path

import numpy as np
from kedro.io import AbstractDataset


class ArraysDataset(AbstractDataset[dict[str, np.ndarray], dict[str, np.ndarray]]):
    """Name to array, as ``.npz``.

    Args:
        filepath: the file.
    """

    def __init__(self, *, filepath: str, metadata: dict | None = None):
        self._filepath, self.metadata = Path(filepath), metadata

    def load(self) -> dict[str, np.ndarray]:
        """Read every array; object arrays are refused, because they need pickle."""
        with np.load(self._filepath, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}

    def save(self, data: dict[str, np.ndarray]) -> None:
        """Write the arrays."""
        self._filepath.parent.mkdir(parents=True, exist_ok=True)
        np.savez(self._filepath, **data)

    def _exists(self) -> bool:
        return self._filepath.exists()

    def _describe(self) -> dict:
        return {"filepath": self._filepath.as_posix()}
