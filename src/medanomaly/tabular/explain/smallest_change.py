"""The smallest change that makes a record usual for the exported model: fewest values first, then smallest steps."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from medanomaly.detectors.scorer import shown_value
from medanomaly.tabular.explain.normal_records import NormalRecords

CHANGE_COLUMNS = (
    "case_id", "model", "status", "n_changed", "feature", "value", "changed_to", "unit", "size", "score",
    "changed_score", "threshold",
)  # fmt: skip
MOST_FEATURES = 3
NEAREST = 3
LEVELS = 5
BEAM = 3
REFINED = 4
# shares of the way back to the record that are tried per step
SHARES = (1 / 64, 1 / 16, 1 / 8, 1 / 4, 3 / 8, 1 / 2, 5 / 8, 3 / 4, 7 / 8)
ROUNDS = 3

# (feature, new value) of each change of a trial
Changes = tuple[tuple[str, object], ...]


class SmallestChange:
    """Searches for the smallest change of values that takes a record below its threshold.

    It prefers few features, at most ``MOST_FEATURES``, and then the smallest sum of steps. A step of a number is in standard
    deviations of the normal records; a category, or a missing value that becomes known, counts as 1.

    The search is greedy, so a smaller change may exist (counterfactual explanations: Wachter, Mittelstadt & Russell 2018;
    fewest features by greedy search over values of similar cases: Brughmans, Leyman & Martens 2024). Each feature is tried
    with the expected value given the others, with the values of the nearest normal records, and with the usual value. The
    ``BEAM`` best unfinished changes get one more feature. Successful changes are moved back towards the record as far as
    the model allows.

    Every tried value is possible, lies within the range of the normal records, and has their number of decimals. Values
    that are computed from others follow them.

    Args:
        score: feature table to (n,) scores, higher = more anomalous; the exported model.
        normals: the normal records, without the ratios.
        possible: feature to its lowest and highest possible value.
        ratios: feature to its two parts, first divided by second.
        orders: pairs of features where the first must be below the second.
    """

    def __init__(
        self,
        score: Callable[[pd.DataFrame], np.ndarray],
        normals: NormalRecords,
        possible: Mapping[str, tuple[float, float]] | None = None,
        ratios: Mapping[str, tuple[str, str]] | None = None,
        orders: Sequence[tuple[str, str]] = (),
    ):
        self.score, self.normals = score, normals
        table = normals.normals
        self.ratios = dict(ratios or {})
        self.orders = [pair for pair in orders if all(part in table.columns for part in pair)]
        self.features = list(normals.columns_of)
        self.scale, self.bounds, self.decimals, self.levels, self.middle = {}, {}, {}, {}, {}
        for column in normals.preprocessor.columns:
            if column.op == "value":
                seen = table[column.feature].dropna().to_numpy(dtype=np.float64)
                low, high = (possible or {}).get(column.feature, (-np.inf, np.inf))
                self.scale[column.feature] = column.sd
                self.bounds[column.feature] = max(low, seen.min()), min(high, seen.max())
                self.decimals[column.feature] = _decimals(seen, column.sd)
                self.middle[column.feature] = column.fill
        for name in self.features:
            if name not in self.scale:
                counts = table[name].value_counts()
                self.levels[name] = list(counts.index[:LEVELS])
        # looked up many thousand times: plain lists, with None for what is missing
        self.known = {name: _plain(table[name]) for name in self.features}

    def search(self, rows: pd.DataFrame, threshold: np.ndarray, model: str) -> pd.DataFrame:
        """Search for every record.

        Args:
            rows: feature table of n records.
            threshold: (n,) score above which each record is flagged.
            model: the model's name.

        Returns:
            ``CHANGE_COLUMNS``. Status ``change`` has one row per changed value. The others have one row: ``usual`` (not
            flagged), and ``none`` (no change of up to ``MOST_FEATURES`` values was found; ``changed_score`` is the lowest
            score reached).
        """
        rows, threshold = rows.reset_index(drop=True), np.asarray(threshold, dtype=np.float64)
        records, before = rows.to_dict("records"), self.score(rows)
        found: dict[int, tuple[Changes, float]] = {}
        lowest = before.copy()
        beams: dict[int, list[Changes]] = {i: [()] for i in np.flatnonzero(before > threshold)}
        for _ in range(MOST_FEATURES):
            trials = self._extended(rows, beams)
            scores = self._scores(rows, trials)
            beams = {}
            tried: dict[int, list[tuple[float, Changes]]] = {}
            for (i, changes), value in zip(trials, scores, strict=True):
                tried.setdefault(i, []).append((value, changes))
            passing = []
            for i, results in tried.items():
                lowest[i] = min(lowest[i], *(value for value, _ in results))
                enough = [changes for value, changes in results if value <= threshold[i]]
                if enough:
                    passing += [(i, changes) for changes in self._smallest(records[i], enough)]
                else:
                    beams[i] = _best(results)
            for i, changes in self._moved_back(rows, passing, threshold):
                size = self._size(records[i], changes)
                if i not in found or size < found[i][1]:
                    found[i] = changes, size
            if not beams:
                break
        return self._table(rows, before, threshold, found, lowest, model)

    def _extended(self, rows: pd.DataFrame, beams: dict[int, list[Changes]]) -> list[tuple[int, Changes]]:
        """Every change of a beam extended by one more feature, with each of its candidate values."""
        states = [(i, changes) for i, beam in beams.items() for changes in beam]
        if not states:
            return []
        changed = self._applied(rows, states)
        expected = self.normals.expected(changed)
        nearest, _ = self.normals.nearest(rows.loc[list(beams)], NEAREST)
        like = dict(zip(beams, nearest, strict=True))
        trials: dict[tuple[int, frozenset], tuple[int, Changes]] = {}
        own = {name: _plain(rows[name]) for name in self.features}
        for k, (i, changes) in enumerate(states):
            taken = {name for name, _ in changes}
            for name in self.features:
                if name in taken:
                    continue
                twins = [v for j in like[i] if (v := self.known[name][j]) is not None]
                for value in self._candidates(name, expected, k, twins, own[name][i]):
                    extended = (*changes, (name, value))
                    trials[i, frozenset(extended)] = (i, extended)
        return list(trials.values())

    def _candidates(self, name: str, expected: dict, k: int, twins: list, own: object) -> list:
        if name in self.levels:
            values = [*self.levels[name], *twins]
        else:
            values = [self._rounded(name, v) for v in (expected[name][k], self.middle[name], *twins)]
        return [value for value in dict.fromkeys(values) if own is None or value != own]

    def _rounded(self, name: str, value: float) -> float:
        low, high = self.bounds[name]
        rounded = round(float(value), self.decimals[name])
        return rounded if low <= rounded <= high else float(min(max(value, low), high))

    def _applied(self, rows: pd.DataFrame, trials: list[tuple[int, Changes]]) -> pd.DataFrame:
        """Feature table with one row per trial."""
        where = np.array([i for i, _ in trials], dtype=np.int64)
        at: dict[str, tuple[list, list]] = {}
        for k, (_, changes) in enumerate(trials):
            for name, value in changes:
                positions, values = at.setdefault(name, ([], []))
                positions.append(k)
                values.append(value)
        columns = {}
        for name in rows.columns:
            kind = np.float64 if pd.api.types.is_numeric_dtype(rows[name]) else object
            column = rows[name].to_numpy(dtype=kind)[where]
            if name in at:
                column[at[name][0]] = at[name][1]
            columns[name] = column
        for name, (first, second) in self.ratios.items():
            moved = np.unique([k for part in (first, second) for k in at.get(part, ([], []))[0]]).astype(
                np.int64
            )
            below = columns[second][moved]
            columns[name][moved] = columns[first][moved] / np.where(below == 0, np.nan, below)
        return pd.DataFrame(columns).astype(rows.dtypes[list(columns)].to_dict())

    def _scores(self, rows: pd.DataFrame, trials: list[tuple[int, Changes]]) -> np.ndarray:
        """Scores of the trials; infinite where two values would be in the wrong order."""
        if not trials:
            return np.zeros(0)
        table = self._applied(rows, trials)
        scores = np.array(self.score(table), dtype=np.float64)
        for lower, upper in self.orders:
            touched = np.array([any(name in (lower, upper) for name, _ in changes) for _, changes in trials])
            scores[touched & (table[lower] >= table[upper]).to_numpy()] = np.inf
        return scores

    def _size(self, record: dict, changes: Changes) -> float:
        return sum(self._step(name, record[name], value) for name, value in changes)

    def _step(self, name: str, own: object, value: object) -> float:
        if name in self.levels or pd.isna(own):
            return 1.0
        return abs(float(value) - float(own)) / self.scale[name]

    def _smallest(self, record: dict, enough: list[Changes]) -> list[Changes]:
        """The changes that are refined: the smallest of each set of features, then the smallest of these."""
        by_features: dict[frozenset, tuple[float, Changes]] = {}
        for changes in enough:
            size, key = self._size(record, changes), frozenset(name for name, _ in changes)
            if key not in by_features or size < by_features[key][0]:
                by_features[key] = size, changes
        return [changes for _, changes in sorted(by_features.values(), key=lambda e: e[0])[:REFINED]]

    def _moved_back(
        self, rows: pd.DataFrame, passing: list[tuple[int, Changes]], threshold: np.ndarray
    ) -> list[tuple[int, Changes]]:
        """Move numbers back towards the record while the score stays low enough: first all together, then one by one."""
        records = rows.to_dict("records")
        most = max((len(changes) for _, changes in passing), default=0)
        for part in (None, *range(most if most > 1 else 0)):
            for _ in range(ROUNDS):
                trials, of = [], []
                for k, (i, changes) in enumerate(passing):
                    for share in SHARES:
                        drawn = tuple(
                            (name, self._back(name, records[i][name], value, share))
                            if part in (None, position)
                            else (name, value)
                            for position, (name, value) in enumerate(changes)
                        )
                        if drawn != changes and all(self._step(n, records[i][n], v) > 0 for n, v in drawn):
                            trials.append((i, drawn))
                            of.append(k)
                scores = self._scores(rows, trials)
                for (i, drawn), k, value in zip(trials, of, scores, strict=True):
                    smaller = self._size(records[i], drawn) < self._size(records[i], passing[k][1])
                    if value <= threshold[i] and smaller:
                        passing[k] = i, drawn
        return passing

    def _back(self, name: str, own: object, value: object, share: float) -> object:
        """``value`` moved by ``share`` of the way back to ``own``, if both are numbers."""
        if name in self.levels or pd.isna(own):
            return value
        return self._rounded(name, value + share * (own - value))

    def _table(self, rows, before, threshold, found, lowest, model) -> pd.DataFrame:
        after = dict(zip(found, self._scores(rows, [(i, found[i][0]) for i in found]), strict=True))
        out = []
        for i, record in enumerate(rows.to_dict("records")):
            tail = (before[i], after.get(i, lowest[i]), threshold[i])
            if i in found:
                changes = sorted(found[i][0], key=lambda c: -self._step(c[0], record[c[0]], c[1]))
                for name, value in changes:
                    unit = self.normals.contract.get(name, {}).get("unit", "")
                    shown = shown_value(record[name]), self._shown(name, value)
                    step = self._step(name, record[name], value)
                    out.append(
                        (record["case_id"], model, "change", len(changes), name, *shown, unit, step, *tail)
                    )
            else:
                status = "none" if before[i] > threshold[i] else "usual"
                out.append((record["case_id"], model, status, 0, "", "", "", "", 0.0, *tail))
        return pd.DataFrame(out, columns=list(CHANGE_COLUMNS)).astype({"case_id": "string"})

    def _shown(self, name: str, value: object) -> str:
        return shown_value(value) if name in self.levels else f"{value:.{self.decimals[name]}f}"


def _plain(column: pd.Series) -> list:
    """Values as Python's own, None where missing."""
    return [None if missing else value for value, missing in zip(column.tolist(), column.isna(), strict=True)]


def _decimals(values: np.ndarray, sd: float) -> int:
    """Number of decimals of the values, but at most those that three digits of the standard deviation need."""
    enough = int(np.clip(2 - np.floor(np.log10(sd)), 0, 9))
    for decimals in range(enough):
        if np.allclose(values, np.round(values, decimals), rtol=1e-9, atol=1e-12):
            return decimals
    return enough


def _best(results: list[tuple[float, Changes]]) -> list[Changes]:
    """The changes with the lowest scores, one per set of features."""
    best: dict[frozenset, Changes] = {}
    for _, changes in sorted(results, key=lambda result: result[0]):
        best.setdefault(frozenset(name for name, _ in changes), changes)
        if len(best) == BEAM:
            break
    return list(best.values())
