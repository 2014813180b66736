"""The fitted step from features to a detector's matrix. It is plain numbers, so the bundle's manifest holds it."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.core.plain_text import plain_text

# far outside any population, but its square and sums of squares stay finite in float32
Z_LIMIT = 1e6
# no measurement is near it, and means and squares of numbers below it cannot overflow
NUMBER_LIMIT = 1e100
UNSEEN = "(unseen)"


def finite_numbers(values: pd.Series, name: str, limit: float = NUMBER_LIMIT) -> np.ndarray:
    """(n,) float64, NaN where missing, clipped to +-``limit``, so that sums and squares of them do not overflow.

    Raises:
        InputError: a value is text or infinite; names the record and the column.
    """
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = np.isnan(numbers) & values.notna().to_numpy() | np.isinf(numbers)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"{values.iloc[row]!r} is not a finite number",
            record=row + 1,
            column=name,
            remedy="Expected a number.",
        )
    return np.clip(numbers, -limit, limit)


@dataclass(frozen=True)
class MatrixColumn:
    """One column of the matrix, made from one feature.

    Attributes:
        feature: the feature it comes from.
        op: ``value`` (number), ``missing`` (1 where the number is missing), ``is`` (1 where the category equals ``level``),
            ``unseen`` (1 where the category did not occur in training).
        level: the category of ``is``.
        fill: what replaces a missing number (the training median).
        mean, sd: of the filled training column, sd 1 for all but numbers; the matrix holds (x - mean) / sd.
    """

    feature: str
    op: str
    level: str = ""
    fill: float = 0.0
    mean: float = 0.0
    sd: float = 1.0


@dataclass(frozen=True)
class Preprocessor:
    """Medians and an indicator for missing numbers, one column per category, numbers standardised on train."""

    columns: tuple[MatrixColumn, ...]
    levels: dict[str, tuple[str, ...]]

    @classmethod
    def fit(cls, features: pd.DataFrame, max_levels: int = 50) -> "Preprocessor":
        """Learn medians, levels, means and standard deviations from training cases alone.

        A number that is constant in training is kept, since another value of it would be unusual. A category of two
        levels gives one column, otherwise one per level (the ``max_levels`` most frequent). Each category also gives a
        column that marks a level never seen. Indicators are centred but keep their scale of 0 to 1, as in Gower's
        similarity (1971). Divided by its standard deviation, a rare level would outweigh every number in a distance.

        Args:
            features: (n, ...) feature table with ``case_id``, training cases only.
            max_levels: the most levels that a category may give.

        Raises:
            InputError: no feature varies in training.
        """
        columns, levels = [], {}
        for name in features.columns.drop("case_id"):
            values = features[name]
            if pd.api.types.is_numeric_dtype(values):
                columns += _fit_number(name, values.to_numpy(dtype=np.float64))
            else:
                counts = values.value_counts()
                kept = tuple(sorted(counts.index[:max_levels]))
                levels[name] = kept
                shown = kept[1:] if len(kept) == 2 else kept
                if len(kept) > 1:
                    columns += [
                        _indicator(name, "is", values.eq(level).fillna(False), level) for level in shown
                    ]
                if values.isna().any() and not values.isna().all():
                    columns.append(_indicator(name, "missing", values.isna()))
                if kept:
                    columns.append(MatrixColumn(name, "unseen"))
        if not any(_varies(features[name]) for name in features.columns.drop("case_id")):
            raise InputError(
                "no feature varies among the training cases", remedy="Give more records or columns."
            )
        return cls(tuple(columns), levels)

    @property
    def names(self) -> list[str]:
        """Readable name of each matrix column."""
        text = {"value": "{c.feature}", "missing": "{c.feature} missing", "is": "{c.feature} = {c.level}"}
        return [text.get(c.op, "{c.feature} = " + UNSEEN).format(c=c) for c in self.columns]

    @property
    def features(self) -> list[str]:
        """The features used, each once, in order."""
        return list(dict.fromkeys(c.feature for c in self.columns))

    def transform(self, features: pd.DataFrame) -> np.ndarray:
        """Feature table to matrix.

        Args:
            features: (n, ...) with every feature of training; others are ignored.

        Returns:
            (n, d) float32, finite, clipped to +-1e6 standard deviations.

        Raises:
            InputError: a feature is absent, or text stands in place of numbers.
        """
        absent = [name for name in self.features if name not in features.columns]
        if absent:
            raise InputError(f"features {absent} are absent", remedy=f"The model needs {self.features}.")
        raw = {name: self._raw(name, features[name]) for name in self.features}
        out = np.empty((len(features), len(self.columns)), dtype=np.float64)
        for j, column in enumerate(self.columns):
            out[:, j] = (self._column(column, raw[column.feature]) - column.mean) / column.sd
        return np.clip(out, -Z_LIMIT, Z_LIMIT).astype(np.float32)

    def transform_row(self, features: Mapping[str, float | str | None]) -> np.ndarray:
        """The row of :meth:`transform` for one case, to the last bit, without the cost of a table.

        Args:
            features: feature to its number (NaN = missing), or to its level as plain text (None = missing).

        Returns:
            (1, d) float32.

        Raises:
            InputError: a feature is absent.
        """
        out = np.empty(len(self.columns), dtype=np.float64)
        try:
            for j, column in enumerate(self.columns):
                out[j] = (self._cell(column, features[column.feature]) - column.mean) / column.sd
        except KeyError as error:
            raise InputError(
                f"the feature {error} is absent", remedy=f"The model needs {self.features}."
            ) from None
        return np.clip(out, -Z_LIMIT, Z_LIMIT).astype(np.float32)[None]

    def _cell(self, column: MatrixColumn, value: float | str | None) -> float:
        missing = value is None or (type(value) is float and math.isnan(value))
        if column.op == "value":
            return column.fill if missing else min(max(value, -NUMBER_LIMIT), NUMBER_LIMIT)
        if column.op == "missing":
            return float(missing)
        if column.op == "is":
            return float(value == column.level)
        return float(not missing and value not in self.levels[column.feature])

    def _raw(self, name: str, values: pd.Series) -> np.ndarray | pd.Series:
        if name in self.levels:
            return plain_text(values)
        return finite_numbers(values, name)

    def _column(self, column: MatrixColumn, values: np.ndarray | pd.Series) -> np.ndarray:
        if column.op == "value":
            return np.where(np.isnan(values), column.fill, values)
        if column.op == "missing":
            return np.asarray(pd.isna(values), dtype=np.float64)
        if column.op == "is":
            return values.eq(column.level).fillna(False).to_numpy(dtype=np.float64)
        return (values.notna() & ~values.isin(self.levels[column.feature])).to_numpy(dtype=np.float64)

    def to_dict(self) -> dict:
        """JSON types only; :meth:`from_dict` gives an equal preprocessor."""
        return {
            "columns": [asdict(c) for c in self.columns],
            "levels": {k: list(v) for k, v in self.levels.items()},
        }

    @classmethod
    def from_dict(cls, spec: dict) -> "Preprocessor":
        """The preprocessor that :meth:`to_dict` describes."""
        return cls(
            tuple(MatrixColumn(**c) for c in spec["columns"]),
            {k: tuple(v) for k, v in spec["levels"].items()},
        )


def _varies(values: pd.Series) -> bool:
    codes = pd.factorize(values, use_na_sentinel=False)[0]
    return bool((codes != codes[0]).any())


def _indicator(feature: str, op: str, values: pd.Series, level: str = "") -> MatrixColumn:
    x = values.to_numpy(dtype=np.float64)
    return MatrixColumn(feature, op, level, 0.0, float(x.mean()))


def _fit_number(name: str, x: np.ndarray) -> list[MatrixColumn]:
    missing = np.isnan(x)
    if missing.all():
        return []
    fill = float(np.median(x[~missing]))
    filled = np.clip(np.where(missing, fill, x), -NUMBER_LIMIT, NUMBER_LIMIT)
    mean, sd = float(filled.mean()), float(filled.std())
    if sd <= 1e-9 * (1 + abs(mean)):
        # without a spread, a different value is measured relative to the one value of training
        sd = max(1.0, abs(mean))
    columns = [MatrixColumn(name, "value", "", fill, mean, sd)]
    if missing.any():
        columns.append(_indicator(name, "missing", pd.Series(missing)))
    return columns
