"""A Gaussian copula: each column as it is, and how columns go together as in a normal distribution."""

import numpy as np
from scipy.special import ndtr, ndtri
from sklearn.covariance import LedoitWolf

from medanomaly.tabular.synthesis.coding import CodedRows
from medanomaly.tabular.synthesis.generator import TableGenerator


class GaussianCopula(TableGenerator):
    """Normal scores of each column, their correlations (shrunk, Ledoit & Wolf 2004), and the columns' own quantiles.

    One copula per class. Equal values, and all cases of a level, get random ranks among themselves. A number is drawn
    between two neighbouring values of training, a category from its frequencies.
    """

    def _fit(self, rows: CodedRows, rng: np.random.Generator) -> None:
        self._number = rows.is_number
        self._sorted, self._root = {}, {}
        for code in range(rows.n_classes):
            own = rows.of(code)
            if len(own) < 2:
                continue
            order = np.lexsort((rng.random(own.shape), own), axis=0)
            rank = np.empty(own.shape)
            np.put_along_axis(rank, order, np.arange(1.0, len(own) + 1)[:, None], axis=0)
            covariance = LedoitWolf().fit(ndtri((rank - 0.5) / len(own))).covariance_
            sd = np.sqrt(np.diag(covariance))
            self._root[code] = np.linalg.cholesky(covariance / np.outer(sd, sd))
            self._sorted[code] = np.sort(own, axis=0)

    def _draw(self, n: int, code: int, rng: np.random.Generator) -> np.ndarray:
        values = self._sorted[code]
        u = ndtr(rng.standard_normal((n, values.shape[1])) @ self._root[code].T)
        # between two values for a number, one of them for a category
        place = np.where(self._number, u * (len(values) - 1), np.floor(u * len(values)))
        low = np.clip(place.astype(np.int64), 0, len(values) - 1)
        high = np.minimum(low + 1, len(values) - 1)
        a, b = np.take_along_axis(values, low, axis=0), np.take_along_axis(values, high, axis=0)
        return np.where(self._number, a + (place - low) * (b - a), a)
