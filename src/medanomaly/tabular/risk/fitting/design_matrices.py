"""Feature tables as matrices: clipped, filled and standardised for linear models, unchanged for trees."""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.detectors.preprocessing import Preprocessor, finite_numbers

# fits in float32, and so does its square
NUMBER_LIMIT = 1e15
# HistGradientBoosting stores the categories of a split in 256 bits, one of them for missing values
MAX_LEVELS = 250


@dataclass(frozen=True)
class LinearDesign:
    """Clipped numbers, missing ones filled with the median and marked by an indicator, and one column per category.

    Attributes:
        limits: lowest and highest value of each number after clipping; a typing error then weighs no more than an
            extreme patient.
        preprocessor: fills, indicators, levels, means and standard deviations.
    """

    limits: dict[str, tuple[float, float]]
    preprocessor: Preprocessor

    @classmethod
    def fit(cls, features: pd.DataFrame, quantiles: tuple[float, float] = (0.01, 0.99)) -> "LinearDesign":
        """Learn limits and everything else from the rows given.

        Args:
            features: feature table with ``case_id``.
            quantiles: quantiles at which numbers are clipped (winsorising).
        """
        limits = {}
        for name in features.columns.drop("case_id"):
            if pd.api.types.is_numeric_dtype(features[name]):
                known = finite_numbers(features[name], name, NUMBER_LIMIT)
                known = known[~np.isnan(known)]
                if known.size:
                    limits[name] = tuple(float(q) for q in np.quantile(known, quantiles))
        return cls(limits, Preprocessor.fit(_clip(features, limits)))

    def transform(self, features: pd.DataFrame) -> np.ndarray:
        """(n, d) float32, standardised, finite."""
        return self.preprocessor.transform(_clip(features, self.limits))

    @property
    def owners(self) -> np.ndarray:
        """(d,) the feature that each matrix column comes from."""
        return np.array([column.feature for column in self.preprocessor.columns])

    def to_dict(self) -> dict:
        """Only JSON types; :meth:`from_dict` gives an equal design."""
        return {
            "limits": {name: list(pair) for name, pair in self.limits.items()},
            "preprocessor": self.preprocessor.to_dict(),
        }

    @classmethod
    def from_dict(cls, spec: dict) -> "LinearDesign":
        """The design that :meth:`to_dict` describes."""
        limits = {name: tuple(pair) for name, pair in spec["limits"].items()}
        return cls(limits, Preprocessor.from_dict(spec["preprocessor"]))

    # one text instead of one object per matrix column: the file is 30 times smaller, and skops must trust fewer types
    def __getstate__(self) -> dict:
        return {"json": json.dumps(self.to_dict())}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(vars(LinearDesign.from_dict(json.loads(state["json"]))))


def _clip(features: pd.DataFrame, limits: dict[str, tuple[float, float]]) -> pd.DataFrame:
    absent = [name for name in limits if name not in features.columns]
    if absent:
        raise InputError(f"features {absent[:5]} are missing", remedy=f"The model needs {list(limits)}.")
    clipped = {
        name: np.clip(finite_numbers(features[name], name, NUMBER_LIMIT), *pair)
        for name, pair in limits.items()
    }
    others = {name: features[name] for name in features.columns if name not in limits}
    return pd.DataFrame(others | clipped, index=features.index)


@dataclass(frozen=True)
class TreeDesign:
    """Numbers with NaN for missing values, and categories as codes or as one column per level.

    Categories come first: HistGradientBoosting moves them there itself, so columns keep their positions.

    Attributes:
        numbers: names of the numeric features.
        levels: category to its most frequent levels; an unseen level counts as missing.
        one_hot: one 0/1 column per level instead of one column of codes.
    """

    numbers: tuple[str, ...]
    levels: dict[str, tuple[str, ...]]
    one_hot: bool

    @classmethod
    def fit(cls, features: pd.DataFrame, one_hot: bool) -> "TreeDesign":
        """Learn which columns are numbers, and the levels of the others."""
        numbers, levels = [], {}
        for name in features.columns.drop("case_id"):
            if pd.api.types.is_numeric_dtype(features[name]):
                # HistGradientBoosting cannot bin a column without any value
                if features[name].notna().any():
                    numbers.append(name)
            else:
                kept = features[name].astype("string").value_counts().index[:MAX_LEVELS]
                levels[name] = tuple(sorted(str(level) for level in kept))
        levels = {name: kept for name, kept in levels.items() if kept}
        if not numbers and not levels:
            raise InputError(
                "the table has no feature with a value", remedy="Bring a table with at least one feature."
            )
        return cls(tuple(numbers), levels, one_hot)

    @property
    def owners(self) -> np.ndarray:
        """(d,) the feature that each matrix column comes from."""
        categories = [
            name for name, kept in self.levels.items() for _ in (kept if self.one_hot else ("codes",))
        ]
        return np.array([*categories, *self.numbers])

    @property
    def is_category(self) -> np.ndarray:
        """(d,) bool, columns of codes."""
        n = 0 if self.one_hot else len(self.levels)
        return np.arange(len(self.owners)) < n

    def transform(self, features: pd.DataFrame) -> np.ndarray:
        """(n, d) float32, NaN where missing."""
        names = [*self.levels, *self.numbers]
        absent = [name for name in names if name not in features.columns]
        if absent:
            raise InputError(f"features {absent[:5]} are missing", remedy=f"The model needs {names}.")
        columns = []
        for name, kept in self.levels.items():
            codes = (
                pd.Index(kept).get_indexer(features[name].astype("string").astype(object)).astype(np.float64)
            )
            if self.one_hot:
                columns += [(codes == i).astype(np.float64) for i in range(len(kept))]
            else:
                columns.append(np.where(codes < 0, np.nan, codes))
        columns += [finite_numbers(features[name], name, NUMBER_LIMIT) for name in self.numbers]
        return np.column_stack(columns).astype(np.float32)


def by_feature(terms: np.ndarray, owners: np.ndarray) -> pd.DataFrame:
    """Add up the terms of matrix columns that come from one feature: (n, d) to one column per feature."""
    return pd.DataFrame(terms).T.groupby(owners, sort=False).sum().T
