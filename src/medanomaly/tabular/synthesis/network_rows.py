"""Rows as networks read them: normal scores of numbers, and -1 or 1 for each level of a category."""

from itertools import pairwise

import numpy as np
from sklearn.preprocessing import QuantileTransformer

from medanomaly.tabular.synthesis.coding import CodedRows

# normal scores end there: 3 in 1,000 cases lie further out
LIMIT = 3.0


class NetworkRows:
    """Numbers first, then levels; learned from complete rows.

    Args:
        rows: of training.
        seed: of the quantiles.
    """

    def __init__(self, rows: CodedRows, seed: int):
        self._number = np.flatnonzero(rows.is_number)
        self._category = np.flatnonzero(~rows.is_number)
        self._n_levels = rows.n_levels[self._category]
        self._scores = QuantileTransformer(
            n_quantiles=min(1000, len(rows.matrix)), output_distribution="normal", random_state=seed
        )
        if len(self._number):
            self._scores.fit(rows.matrix[:, self._number])

    @property
    def level_groups(self) -> list[slice]:
        """Where the levels of each category stand."""
        ends = len(self._number) + np.cumsum([0, *self._n_levels])
        return [slice(int(a), int(b)) for a, b in pairwise(ends)]

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return len(self._number) + int(self._n_levels.sum())

    def encode(self, values: np.ndarray) -> np.ndarray:
        """(n, d) complete rows to (n, width) float32."""
        parts = []
        if len(self._number):
            parts.append(np.clip(self._scores.transform(values[:, self._number]), -LIMIT, LIMIT))
        for j, n in zip(self._category, self._n_levels, strict=True):
            parts.append(2.0 * (values[:, [j]] == np.arange(n)) - 1)
        return np.concatenate(parts, axis=1).astype(np.float32)

    def decode(self, matrix: np.ndarray) -> np.ndarray:
        """(n, width) answers of a network to (n, d) rows; of a category the level with the highest answer."""
        out = np.empty((len(matrix), len(self._number) + len(self._category)))
        if len(self._number):
            scores = np.clip(matrix[:, : len(self._number)].astype(np.float64), -LIMIT, LIMIT)
            out[:, self._number] = self._scores.inverse_transform(scores)
        for j, levels in zip(self._category, self.level_groups, strict=True):
            out[:, j] = matrix[:, levels].argmax(axis=1) if levels.stop > levels.start else 0.0
        return out
