"""The contract of every generator of rows, and the one place that holds it.

A generator proposes rows; :class:`TableGenerator` makes them rows of the table. In every row that it gives

- each number lies between the smallest and the largest of its class in training, and has no more decimals than there,
- two numbers of which one was never above the other in any training row keep this order (min <= mean <= max),
- what is missing was missing together in a training row of the class,
- the row as a whole equals no training row,
- ``synthetic`` is true, and ``case_id`` begins with ``synthetic``.

A proposal that cannot be made so is dropped, and another one is drawn.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable
from typing import Self

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.tabular.synthesis.coding import CodedRows, Coding, Patterns, filled

SYNTHETIC = "synthetic"
# below this, neighbours and correlations mean nothing, and synthetic rows would be training rows in disguise
FEWEST_ROWS = 5
ROUNDS = 30


class TableGenerator(ABC):
    """Learns from the training rows of a table and draws rows of the same form.

    Args:
        seed: of what ``fit`` draws.
    """

    def __init__(self, seed: int = 0):
        self.seed = seed

    def fit(self, features: pd.DataFrame, y: np.ndarray | None = None) -> Self:
        """Learn from training rows alone: rows that a model is judged on must not be among them.

        Args:
            features: feature table of n rows.
            y: (n,) class of each row; None for rows of one kind.

        Raises:
            InputError: the lengths differ, a class is missing, or the table says already what is synthetic.
            ConfigurationError: fewer than 5 rows.
        """
        y = np.zeros(len(features), dtype=np.int64) if y is None else np.asarray(y)
        if len(y) != len(features):
            raise InputError(f"{len(y)} classes for {len(features)} rows", remedy="Give one class per row.")
        if pd.isna(y).any():
            raise InputError("a class is missing", remedy="Leave out rows whose class is unknown.")
        if SYNTHETIC in features.columns:
            raise InputError(
                f"the table has a column '{SYNTHETIC}'",
                column=SYNTHETIC,
                remedy="Learn from real rows alone, without that column.",
            )
        if len(features) < FEWEST_ROWS:
            raise ConfigurationError(
                f"{len(features)} rows to learn from", remedy=f"Bring at least {FEWEST_ROWS}."
            )
        rng = np.random.default_rng(self.seed)
        self.classes_, classes = np.unique(y, return_inverse=True)
        self._coding = Coding.fit(features)
        values = self._coding.encode(features)
        self._copies = _keys(values)
        self._counts = np.bincount(classes)
        self._patterns, pattern = Patterns.fit(np.isnan(values))
        shape = (len(self.classes_), len(self._patterns.masks))
        self._pattern_counts = np.zeros(shape, dtype=np.int64)
        np.add.at(self._pattern_counts, (classes, pattern), 1)
        of_class = [values[classes == c] for c in range(len(self.classes_))]
        self._low = np.array([np.fmin.reduce(own, axis=0) for own in of_class])
        self._high = np.array([np.fmax.reduce(own, axis=0) for own in of_class])
        self._orders = _orders(values, self._coding.is_number)
        n_levels = np.array([0 if levels is None else len(levels) for levels in self._coding.levels])
        rows = filled(values, classes, rng)
        has_pattern = len(self._patterns.masks) > 1
        if has_pattern:
            rows = np.column_stack([rows, self._patterns.codes[pattern]])
            n_levels = np.append(n_levels, self._patterns.n_codes)
        # one thread: another order of additions would give other rows on another machine
        with threadpool_limits(1):
            self._fit(CodedRows(rows, n_levels, has_pattern, classes, len(self.classes_)), rng)
        return self

    def sample(self, n: int, label: Hashable = None, seed: int = 0) -> pd.DataFrame:
        """Draw n rows that keep the contract.

        Args:
            n: number of rows.
            label: their class, one of ``classes_``; None where the generator was fitted without classes.
            seed: equal seeds give equal rows.

        Returns:
            ``case_id`` (``synthetic-1``, ...), the features in their order and with their types, and ``synthetic``.

        Raises:
            ConfigurationError: the class is unknown or has fewer than 5 rows, or too few rows keep the contract, as in a
                table that has no other combinations than those that exist.
        """
        code = self._code(label)
        rng = np.random.default_rng(seed)
        kept, have = [], 0
        for _ in range(ROUNDS):
            if have >= n:
                break
            with threadpool_limits(1):
                drawn = self._draw(int(1.2 * (n - have)) + 10, code, rng)
            kept.append(self._held(drawn, code, rng))
            have += len(kept[-1])
        if have < n:
            raise ConfigurationError(
                f"of {n} rows asked for, {have} could be drawn that are no copies of training rows and keep their order",
                remedy="Ask for fewer, or use features with more different values.",
            )
        rows = np.concatenate(kept)[:n] if kept else np.empty((0, len(self._coding.names)))
        table = self._coding.decode(rows)
        table.insert(0, "case_id", [f"{SYNTHETIC}-{i + 1}" for i in range(n)])
        return table.assign(**{SYNTHETIC: np.ones(n, dtype=bool)})

    def _code(self, label: Hashable) -> int:
        found = np.array([0]) if label is None and len(self.classes_) == 1 else None
        found = np.flatnonzero(self.classes_ == label) if found is None else found
        if not len(found):
            raise ConfigurationError(
                f"there is no class {label!r}", remedy=f"There are {self.classes_.tolist()}."
            )
        code = int(found[0])
        if self._counts[code] < FEWEST_ROWS:
            raise ConfigurationError(
                f"{self._counts[code]} rows of class {label!r}",
                remedy=f"A generator needs {FEWEST_ROWS} rows of a class.",
            )
        return code

    @abstractmethod
    def _fit(self, rows: CodedRows, rng: np.random.Generator) -> None:
        """Learn from complete rows."""

    @abstractmethod
    def _draw(self, n: int, code: int, rng: np.random.Generator) -> np.ndarray:
        """(n, d) proposals of a class, in the columns of the rows that ``_fit`` was given."""

    def _held(self, drawn: np.ndarray, code: int, rng: np.random.Generator) -> np.ndarray:
        """Those of the proposals that keep the contract, with NaN where a value is missing."""
        d = len(self._coding.names)
        rows = self._coding.rounded(np.clip(drawn[:, :d], self._low[code], self._high[code]))
        # a class may lack a column altogether
        rows = np.where(np.isnan(rows), 0.0, rows)
        chosen = self._chosen_patterns(drawn[:, d] if drawn.shape[1] > d else np.zeros(len(drawn)), code, rng)
        rows, chosen = rows[chosen >= 0], chosen[chosen >= 0]
        rows[self._patterns.masks[chosen]] = np.nan
        kept = np.ones(len(rows), dtype=bool)
        for low, high in self._orders:
            _raise_to(rows, low, high, self._coding.decimals[high])
        rows = np.where(np.isnan(rows), rows, np.clip(rows, self._low[code], self._high[code]))
        for low, high in self._orders:
            kept &= ~(rows[:, low] > rows[:, high])
        rows = rows[kept]
        new = np.array([key not in self._copies for key in _keys(rows, as_list=True)], dtype=bool)
        return rows[new]

    def _chosen_patterns(self, codes: np.ndarray, code: int, rng: np.random.Generator) -> np.ndarray:
        """(n,) pattern of each proposal, drawn by frequency in the class where a code has several; -1: none of the class."""
        chosen = np.full(len(codes), -1)
        codes = np.rint(codes).astype(np.int64)
        for c in np.unique(codes):
            own = np.flatnonzero((self._patterns.codes == c) & (self._pattern_counts[code] > 0))
            if own.size:
                share = self._pattern_counts[code, own] / self._pattern_counts[code, own].sum()
                at = codes == c
                chosen[at] = rng.choice(own, int(at.sum()), p=share)
        return chosen


def _keys(rows: np.ndarray, as_list: bool = False):
    """Bytes of each row; NaN and 0 have one form each."""
    plain = np.ascontiguousarray(np.where(np.isnan(rows), np.nan, rows) + 0.0)
    keys = [row.tobytes() for row in plain]
    return keys if as_list else set(keys)


def _orders(values: np.ndarray, is_number: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (i, j) of numbers of which i is never above j; those first whose i is above the fewest others.

    Then raising j to i, pair by pair, raises nothing twice. Pairs whose ranges do not overlap hold by the ranges alone.
    """
    numbers = np.flatnonzero(is_number & ~np.isnan(values).all(axis=0))
    low, high = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
    found = []
    for i in numbers:
        others = values[:, numbers]
        with np.errstate(invalid="ignore"):
            broken = (values[:, [i]] > others).any(axis=0)
        together = (~np.isnan(values[:, [i]]) & ~np.isnan(others)).any(axis=0)
        for j in numbers[~broken & together]:
            if i != j and high[i] > low[j]:
                found.append((int(i), int(j)))
    above = np.bincount([j for _, j in found], minlength=values.shape[1])
    return sorted(found, key=lambda pair: (above[pair[0]], pair))


def _raise_to(rows: np.ndarray, low: int, high: int, decimals: int | None) -> None:
    at = rows[:, low] > rows[:, high]
    raised = rows[at, low]
    if decimals is not None:
        scale = 10.0**decimals
        raised = np.round(np.ceil(np.round(raised * scale, 6)) / scale, decimals)
    rows[at, high] = raised
