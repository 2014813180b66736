"""A feature table as a matrix of numbers and codes, and back: what every generator reads and writes."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.detectors.preprocessing import finite_numbers

MOST_DECIMALS = 6
# rarer patterns of missing values share one code, so that a table with thousands of patterns has few codes
MOST_PATTERNS = 50


@dataclass(frozen=True)
class Coding:
    """How the columns of a table become those of a matrix.

    Attributes:
        names: of the d features.
        dtypes: of the d features.
        levels: levels of each category, None for a number.
        decimals: digits after the point that a number has in all rows; None for more than ``MOST_DECIMALS`` and categories.
    """

    names: tuple[str, ...]
    dtypes: tuple
    levels: tuple[tuple[str, ...] | None, ...]
    decimals: tuple[int | None, ...]

    @classmethod
    def fit(cls, features: pd.DataFrame) -> "Coding":
        """Learn levels and decimals from a feature table; ``case_id`` is no feature.

        Raises:
            InputError: the table has no feature, or a number is text or infinite.
        """
        names = tuple(str(name) for name in features.columns if name != "case_id")
        if not names:
            raise InputError("the table has no feature", remedy="Bring a table with at least one feature.")
        levels, decimals = [], []
        for name in names:
            if pd.api.types.is_numeric_dtype(features[name]):
                levels.append(None)
                decimals.append(_decimals(finite_numbers(features[name], name)))
            else:
                levels.append(tuple(sorted(features[name].dropna().astype(str).unique())))
                decimals.append(None)
        return cls(names, tuple(features[name].dtype for name in names), tuple(levels), tuple(decimals))

    @property
    def is_number(self) -> np.ndarray:
        """(d,) bool."""
        return np.array([levels is None for levels in self.levels])

    def encode(self, features: pd.DataFrame) -> np.ndarray:
        """(n, d) float64: numbers, and positions of levels; NaN where missing or of a level that ``fit`` did not see."""
        out = np.empty((len(features), len(self.names)))
        for j, (name, levels) in enumerate(zip(self.names, self.levels, strict=True)):
            if levels is None:
                out[:, j] = finite_numbers(features[name], name)
            else:
                text = features[name].astype("string").astype(object)
                code = pd.Index(levels, dtype=object).get_indexer(text)
                out[:, j] = np.where(code < 0, np.nan, code)
        return self.rounded(out)

    def rounded(self, matrix: np.ndarray) -> np.ndarray:
        """(n, d) copy in which every number has as many decimals as its column."""
        out = matrix.copy()
        for j, decimals in enumerate(self.decimals):
            if decimals is not None:
                # -0.0 and 0.0 are one value
                out[:, j] = np.round(out[:, j], decimals) + 0.0
        return out

    def decode(self, matrix: np.ndarray) -> pd.DataFrame:
        """(n, d) matrix to a table with the names, types and levels of the one that was fitted."""
        columns = {}
        for j, (name, dtype, levels) in enumerate(zip(self.names, self.dtypes, self.levels, strict=True)):
            values = matrix[:, j]
            if levels is not None:
                known = np.array([*levels, None], dtype=object)
                values = known[np.where(np.isnan(values), len(levels), values).astype(np.int64)]
            columns[name] = pd.Series(values).astype(dtype)
        return pd.DataFrame(columns)


def _decimals(values: np.ndarray) -> int | None:
    known = values[~np.isnan(values)]
    for decimals in range(MOST_DECIMALS + 1):
        if np.allclose(known, np.round(known, decimals), rtol=1e-9, atol=1e-9):
            return decimals
    return None


@dataclass(frozen=True)
class Patterns:
    """Which values are missing together.

    Attributes:
        masks: (p, d) bool, the patterns of the rows that were fitted, the most frequent first.
        codes: (p,) code of each; the last code may stand for several.
    """

    masks: np.ndarray
    codes: np.ndarray

    @classmethod
    def fit(cls, missing: np.ndarray) -> tuple["Patterns", np.ndarray]:
        """Patterns of (n, d) bool, and the (n,) pattern of each row."""
        masks, which, counts = np.unique(missing, axis=0, return_inverse=True, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        place = np.argsort(order)
        codes = np.minimum(np.arange(len(masks)), MOST_PATTERNS - 1)
        return cls(masks[order], codes), place[which.ravel()]

    @property
    def n_codes(self) -> int:
        """Number of different codes."""
        return int(self.codes.max()) + 1


@dataclass(frozen=True)
class CodedRows:
    """Rows as generators learn from them: complete, with the pattern of missing values as one more category.

    Attributes:
        matrix: (n, d) float64 without NaN: numbers, and codes of categories.
        n_levels: (d,) levels of each category, 0 for a number.
        has_pattern: whether the last column is the code of the pattern of missing values.
        classes: (n,) position of the class of each row.
        n_classes: how many classes there are.
    """

    matrix: np.ndarray
    n_levels: np.ndarray
    has_pattern: bool
    classes: np.ndarray
    n_classes: int

    @property
    def is_number(self) -> np.ndarray:
        """(d,) bool."""
        return self.n_levels == 0

    def of(self, code: int) -> np.ndarray:
        """Rows of ``matrix`` of one class."""
        return self.matrix[self.classes == code]


def filled(values: np.ndarray, classes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n, d) copy whose missing values are drawn from known ones of the column, of the same class where it has any.

    The distribution of each column stays as it is, unlike with a median. What is filled in is taken out again by the
    pattern of missing values.
    """
    out = values.copy()
    for j in np.flatnonzero(np.isnan(values).any(axis=0)):
        known = ~np.isnan(values[:, j])
        for code in np.unique(classes):
            gaps = ~known & (classes == code)
            own = values[known & (classes == code), j]
            pool = own if own.size else values[known, j]
            out[gaps, j] = rng.choice(pool, int(gaps.sum())) if pool.size else 0.0
    return out
