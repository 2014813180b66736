"""The newest samples of a signal that arrives in pieces; memory does not grow with the recording."""

import numpy as np


class SampleRing:
    """Samples by their position in the whole signal.

    Args:
        kept: how many of the newest samples are always there; a piece may be as long.
        n_columns: columns of the signal.
        first: position of the first sample.
        dtype: of the samples.

    Attributes:
        first: position of the oldest sample that is there.
    """

    def __init__(self, kept: int, n_columns: int, first: int = 0, dtype: type = np.float64):
        self._buffer = np.empty((2 * kept, n_columns), dtype=dtype)
        self.first, self._filled, self._kept = first, 0, kept

    @property
    def end(self) -> int:
        """Position behind the newest sample."""
        return self.first + self._filled

    @property
    def nbytes(self) -> int:
        """Memory that the samples take."""
        return self._buffer.nbytes

    def append(self, x: np.ndarray) -> None:
        """Add (n, n_columns) samples; the oldest make room for them."""
        if self._filled + len(x) > len(self._buffer):
            kept = min(self._kept, self._filled)
            self._buffer[:kept] = self._buffer[self._filled - kept : self._filled].copy()
            self.first += self._filled - kept
            self._filled = kept
        self._buffer[self._filled : self._filled + len(x)] = x
        self._filled += len(x)

    def between(self, start: int, stop: int) -> np.ndarray:
        """(stop - start, n_columns) samples between two positions that are both there."""
        return self._buffer[start - self.first : stop - self.first]
