"""Rows of a stored array of images, read only when they are used: a data set may be larger than memory."""

import numpy as np


class ImageArray:
    """Images in the order of a case table.

    Args:
        stored: (m, size, size) float32, or uint8 = round(255 x); a memory map.
        rows: (n,) row of each case.
    """

    def __init__(self, stored: np.ndarray, rows: np.ndarray):
        self._stored, self._rows = stored, np.asarray(rows, dtype=np.int64)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n, size, size)."""
        return len(self._rows), *self._stored.shape[1:]

    def __len__(self) -> int:
        return len(self._rows)

    def at(self, wanted: slice | np.ndarray) -> "ImageArray":
        """Some of the images, not read yet, by a slice, row numbers or a mask."""
        return type(self)(self._stored, self._rows[wanted])

    def __getitem__(self, wanted: slice | np.ndarray) -> np.ndarray:
        """Images of a slice, of row numbers or of a mask as float32, in memory."""
        taken = self._stored[self._rows[wanted]]
        return (
            taken.astype(np.float32) / np.float32(255)
            if taken.dtype == np.uint8
            else taken.astype(np.float32)
        )
