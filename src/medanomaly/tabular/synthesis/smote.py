"""SMOTE and its kin: a row between a row and one of its nearest neighbours of the same class."""

import numpy as np

from medanomaly.tabular.risk.boosting_libraries import optional_package
from medanomaly.tabular.synthesis.coding import CodedRows
from medanomaly.tabular.synthesis.generator import TableGenerator


class Smote(TableGenerator):
    """SMOTE where all columns are numbers, SMOTE-NC where some are, SMOTE-N where none is (Chawla et al. 2002).

    Numbers are standardised, so that neighbours do not depend on units; the sampling is imbalanced-learn's. What is missing
    is drawn from rows of the class by itself: a vote of neighbours would leave rare patterns out.

    Args:
        neighbours: number of nearest neighbours; fewer where a class has fewer rows.
        seed: of what ``fit`` draws.
    """

    def __init__(self, neighbours: int = 5, seed: int = 0):
        super().__init__(seed)
        self.neighbours = neighbours

    def _fit(self, rows: CodedRows, rng: np.random.Generator) -> None:
        self._over = optional_package("imblearn.over_sampling", "imbalanced-learn")
        self._rows = rows
        # without the pattern of missing values
        self._d = rows.matrix.shape[1] - rows.has_pattern
        values, number = rows.matrix[:, : self._d], rows.is_number[: self._d]
        self._mean = np.where(number, values.mean(axis=0), 0.0)
        spread = values.std(axis=0)
        self._sd = np.where(number & (spread > 0), spread, 1.0)

    def _draw(self, n: int, code: int, rng: np.random.Generator) -> np.ndarray:
        own = self._rows.of(code)
        x = (own[:, : self._d] - self._mean) / self._sd
        # imbalanced-learn wants a second class; of it nothing is drawn
        x = np.vstack([x, x[:1]])
        y = np.r_[np.ones(len(own), dtype=np.int64), 0]
        options = {
            "sampling_strategy": {1: len(own) + n},
            "k_neighbors": min(self.neighbours, len(own) - 1),
            "random_state": int(rng.integers(2**31)),
        }
        number = self._rows.is_number[: self._d]
        if number.all():
            sampler = self._over.SMOTE(**options)
        elif number.any():
            sampler = self._over.SMOTENC(categorical_features=np.flatnonzero(~number).tolist(), **options)
        else:
            sampler = self._over.SMOTEN(**options)
        made, _ = sampler.fit_resample(x, y)
        rows = np.asarray(made, dtype=np.float64)[len(x) :] * self._sd + self._mean
        return np.column_stack([rows, rng.choice(own[:, self._d :], len(rows))])
