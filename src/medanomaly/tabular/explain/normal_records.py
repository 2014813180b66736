"""Compare records with normal ones: values that do not fit the others, their expected values, nearest normal records."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from medanomaly.core.errors import InputError
from medanomaly.detectors.preprocessing import Preprocessor
from medanomaly.detectors.scorer import shown_value
from medanomaly.tabular.explain.conditional_residuals import ConditionalResidualExplainer

UNEXPECTED_COLUMNS = (
    "case_id", "feature", "value", "unit", "usual_low", "usual_high", "expected", "suspicion", "log_odds",
)  # fmt: skip
NEAREST_COLUMNS = (
    "case_id", "rank", "nearest_id", "distance", "feature", "value", "nearest_value", "unit", "difference",
)  # fmt: skip
# larger differences count as this one: a single extreme value must not decide which records are similar
FARTHEST = 3.0
MOST_DIFFERENCES = 5
# log odds of a value of the wrong sign: a number that is never negative in normal records cannot be true below zero
CERTAIN = 20.0
# an expected value is shown where the other values explain at least this share of the variance; else it is the mean for all
EXPLAINED = 0.1


class NormalRecords:
    """The normal records that records are compared with, and the relations between their values.

    Args:
        normals: feature table of normal training records.
        contract: ``name``, ``unit``, ``usual_low``, ``usual_high`` of each feature, as in a bundle's input contract.
        derived: features computed from others; they are left out because they contain no own information.

    Raises:
        InputError: there are no normal records.
    """

    def __init__(self, normals: pd.DataFrame, contract: Sequence[Mapping], derived: Sequence[str] = ()):
        if normals.empty:
            raise InputError(
                "there is no normal record to compare with", remedy="Bring normal training cases."
            )
        self.normals = normals.drop(columns=list(derived), errors="ignore").reset_index(drop=True)
        self.preprocessor = Preprocessor.fit(self.normals)
        self.matrix = self.preprocessor.transform(self.normals)
        self.explainer = ConditionalResidualExplainer().fit(self.matrix)
        self.contract = {entry["name"]: entry for entry in contract}
        self.columns_of = {
            name: [j for j, column in enumerate(self.preprocessor.columns) if column.feature == name]
            for name in self.preprocessor.features
        }

    def expected(self, features: pd.DataFrame) -> dict[str, np.ndarray]:
        """Name of each numeric feature to its (n,) float64 expected values, in its unit, given the other values.

        Missing values and the most suspicious value of a record are not used. Expected values are clipped to the range of
        the normal records.
        """
        matrix = self.preprocessor.transform(features)
        unknown = np.zeros(matrix.shape, dtype=bool)
        first = self._odds(matrix).argmax(axis=1)
        for k, (name, columns) in enumerate(self.columns_of.items()):
            hidden = features[name].isna().to_numpy() | (first == k) | self._impossible(features, name)
            unknown[np.ix_(hidden, columns)] = True
        means = self.explainer.expected(matrix, unknown)
        out = {}
        for j, column in enumerate(self.preprocessor.columns):
            if column.op == "value":
                seen = self.normals[column.feature]
                value = means[:, j] * column.sd + column.mean
                out[column.feature] = np.clip(value, float(seen.min()), float(seen.max()))
        return out

    def _impossible(self, features: pd.DataFrame, name: str) -> np.ndarray:
        """(n,) bool: negative values of a number that no normal record has below zero, such as a stay of -188 hours."""
        values = features[name]
        if not pd.api.types.is_numeric_dtype(values) or not self.normals[name].min() >= 0:
            return np.zeros(len(features), dtype=bool)
        return (values < 0).to_numpy(dtype=bool, na_value=False)

    def odds(self, features: pd.DataFrame) -> np.ndarray:
        """(n, n_features) log odds that each feature is the wrong one, in the order of ``columns_of``.

        A value of the wrong sign is certainly wrong, however well it fits the relations between the others.
        """
        odds = self._odds(self.preprocessor.transform(features))
        impossible = np.stack([self._impossible(features, name) for name in self.columns_of], axis=1)
        return np.where(impossible, odds.max(axis=1, keepdims=True) + CERTAIN, odds)

    def _telling(self, expected: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """(n,) bool per number: whether its expected value says something of this record, and not the same of every one."""
        explained = 1 - 1 / np.diag(self.explainer.precision_)
        out = {}
        for j, column in enumerate(self.preprocessor.columns):
            if column.op == "value":
                seen, value = self.normals[column.feature], expected[column.feature]
                # at an end of the range, the mean lies beyond what normal records have
                inside = (value > float(seen.min())) & (value < float(seen.max()))
                out[column.feature] = inside & (explained[j] >= EXPLAINED)
        return out

    def _odds(self, matrix: np.ndarray) -> np.ndarray:
        odds = self.explainer.explain(matrix)
        return np.stack([odds[:, columns].max(axis=1) for columns in self.columns_of.values()], axis=1)

    def unexpected(self, features: pd.DataFrame) -> pd.DataFrame:
        """How suspicious each value is, under the assumption that one value of the record is wrong.

        The log odds are those of :class:`ConditionalResidualExplainer`, of the most suspicious matrix column of each
        feature; ``suspicion`` turns them into shares that sum to 1 over the features of a record. These shares assume
        that exactly one value is wrong.

        Args:
            features: feature table of n records.

        Returns:
            ``UNEXPECTED_COLUMNS``, one row per record and feature, the most suspicious feature first. ``expected`` is empty
            where the other values do not say what to expect.
        """
        odds = self.odds(features)
        suspicion = np.exp(odds - logsumexp(odds, axis=1, keepdims=True))
        expected, names = self.expected(features), list(self.columns_of)
        telling = self._telling(expected)
        rows = []
        for i in range(len(features)):
            for j in np.argsort(-odds[i], kind="stable"):
                name, entry = names[j], self.contract.get(names[j], {})
                rows.append(
                    (
                        features["case_id"].iloc[i],
                        name,
                        shown_value(features[name].iloc[i]),
                        entry.get("unit", ""),
                        entry.get("usual_low", np.nan),
                        entry.get("usual_high", np.nan),
                        shown_value(expected[name][i]) if name in expected and telling[name][i] else "",
                        suspicion[i, j],
                        odds[i, j],
                    )
                )
        return pd.DataFrame(rows, columns=list(UNEXPECTED_COLUMNS)).astype({"case_id": "string"})

    def differences(self, features: pd.DataFrame) -> np.ndarray:
        """(n, m, n_features) difference of each record from each normal one in each feature, at most ``FARTHEST``.

        Numbers differ in standard deviations of the normal records, categories by 1 (Gower 1971). A missing value counts
        as the median, and differs by at least 1 from a known one.
        """
        return self._differences(self.preprocessor.transform(features).astype(np.float64))

    def _differences(self, matrix: np.ndarray) -> np.ndarray:
        out = np.zeros((len(matrix), len(self.matrix), len(self.columns_of)))
        for k, columns in enumerate(self.columns_of.values()):
            for j in columns:
                np.maximum(
                    out[:, :, k], np.abs(matrix[:, j, None] - self.matrix[None, :, j]), out=out[:, :, k]
                )
        return np.minimum(out, FARTHEST, out=out)

    def nearest(self, features: pd.DataFrame, k: int = 3) -> tuple[np.ndarray, np.ndarray]:
        """The ``k`` most similar normal records of each record: (n, k) positions, (n, k) distances, nearest first.

        The distance is the root of the sum of squared :meth:`differences`.
        """
        k = min(k, len(self.normals))
        where, distance = np.empty((len(features), k), dtype=np.int64), np.empty((len(features), k))
        matrix = self.preprocessor.transform(features).astype(np.float64)
        for i in range(len(features)):
            squares = (self._differences(matrix[[i]])[0] ** 2).sum(axis=1)
            where[i] = np.argsort(squares, kind="stable")[:k]
            distance[i] = np.sqrt(squares[where[i]])
        return where, distance

    def nearest_table(self, features: pd.DataFrame, k: int = 3) -> pd.DataFrame:
        """The nearest normal records and the values in which they differ most.

        Args:
            features: feature table of n records.
            k: number of normal records.

        Returns:
            ``NEAREST_COLUMNS``: up to ``MOST_DIFFERENCES`` rows per pair, the largest difference first. ``difference`` is in
            standard deviations, without limit for numbers. A pair without difference has one row with an empty feature.
        """
        where, distance = self.nearest(features, k)
        scale = {c.feature: c.sd for c in self.preprocessor.columns if c.op == "value"}
        names, rows = list(self.columns_of), []
        for i in range(len(features)):
            record = features.iloc[i]
            cut = self.differences(features.iloc[[i]])[0]
            for rank, (at, apart) in enumerate(zip(where[i], distance[i], strict=True), start=1):
                twin = self.normals.iloc[at]
                head = (record["case_id"], rank, twin["case_id"], apart)
                sizes = {}
                for name, size in zip(names, cut[at], strict=True):
                    both_known = name in scale and pd.notna(record[name]) and pd.notna(twin[name])
                    sizes[name] = abs(record[name] - twin[name]) / scale[name] if both_known else size
                shown = [name for name in sorted(sizes, key=lambda n: -sizes[n]) if sizes[name] > 0]
                if not shown:
                    rows.append((*head, "", "", "", "", 0.0))
                rows += [
                    (
                        *head,
                        name,
                        shown_value(record[name]),
                        shown_value(twin[name]),
                        self.contract.get(name, {}).get("unit", ""),
                        sizes[name],
                    )
                    for name in shown[:MOST_DIFFERENCES]
                ]
        table = pd.DataFrame(rows, columns=list(NEAREST_COLUMNS))
        return table.astype({"case_id": "string", "nearest_id": "string"})
