"""One plain record to its features, a thousand times faster than through a table, and equal to the last bit.

A record is plain where there is nothing to convert, to complete or to flag: every value is missing, a number inside its
plausible range, a level of training, or a time as ``2024-05-31 14:30``. Whatever is not plain takes the way of tables.
"""

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from medanomaly.core.plain_text import plain_text
from medanomaly.core.recipe import PlainCase
from medanomaly.tabular.features.record_features import REPEATS, SECONDS
from medanomaly.tabular.table.column_reading import NUMBER_LIMIT, LearnedTable
from medanomaly.tabular.table.description import Column, TableSpec
from medanomaly.tabular.table.quality import column_rules
from medanomaly.tabular.table.rules import VariableRule
from medanomaly.tabular.table.text_numbers import MISSING_WORDS

# from here on a float cannot hold every whole number
_EXACT = 2**53
_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2})?)?")
# the first and the last days of a year may stand for an unknown time, and far years for none
_EDGES = ("01-01", "12-31", "12-30")
_YEARS = range(1901, 2900)
_PLACEHOLDER_YEARS = (1582, 1753, 1899, 1900)


# what is missing where nothing is known of a patient before this record
HISTORY = "earlier records of the patient"


class _NotPlain(Exception):
    """The record has to take the way of tables."""


class PlainRecords:
    """Reads single plain records as :class:`medanomaly.tabular.recipe.TableRecipe` would.

    Args:
        spec: description of the table.
        learned: how training read its columns.
    """

    def __init__(self, spec: TableSpec, learned: LearnedTable):
        self._spec = spec
        self._ids = {name for name in (spec.case_id, spec.patient_id) if name is not None}
        kinds = {name: read.column.kind for name, read in learned.columns.items()}
        words = {str(value) for value in spec.missing_values}
        self._usable = (
            spec.history is None
            and not spec.populations
            and not spec.rules.statistics
            and set(kinds.values()) <= {"number", "category", "time"}
            and not set(kinds) & self._ids
            # a number that means missing has to be looked for among the numbers
            and not any(_is_number(word) for word in words)
            and all(kinds.get(r.lower, "number") == kinds.get(r.upper, "number") for r in spec.rules.order.values())
        )  # fmt: skip
        if not self._usable:
            return
        needed = [*kinds, *spec.columns, *spec.subgroups.values(), *spec.rules.variables]
        described = spec.model_copy(
            update={"columns": {name: read.column for name, read in learned.columns.items()} | spec.columns}
        )
        rules = column_rules(pd.DataFrame(columns=list(dict.fromkeys(needed))), described, spec.rules, "")
        # the order in which a table gets the columns that are not given
        self._kinds = kinds
        self._limits = {
            name: _limits(rules.get(name, VariableRule()), read.column, described.columns[name])
            for name, read in learned.columns.items()
            if kinds[name] == "number"
        }
        self._whole = {name for name, rule in rules.items() if rule.whole}
        self._listed = {name for name, rule in rules.items() if rule.allowed}
        self._levels = {
            name: _plain_levels(read.levels, words)
            for name, read in learned.columns.items()
            if kinds[name] == "category"
        }
        self._words = {word.strip().casefold() for word in words} | MISSING_WORDS

    def read(self, record: Mapping[str, Any]) -> PlainCase | None:
        """The record, or None where it is not plain.

        Args:
            record: column to value, as JSON has them.
        """
        if not self._usable:
            return None
        try:
            return self._read(record)
        except _NotPlain:
            return None

    def _read(self, record: Mapping[str, Any]) -> PlainCase:
        values: dict[str, Any] = {}
        case_id, patient_id = "1", None
        for name, value in record.items():
            if name in self._ids:
                text = self._id(value)
                case_id = text if name == self._spec.case_id else case_id
                patient_id = text if name == self._spec.patient_id else patient_id
            elif name in self._kinds:
                values[name] = None if value is None else self._value(name, value)
            else:
                raise _NotPlain
        if not values:
            raise _NotPlain
        order = [*values, *(name for name in self._kinds if name not in values)]
        values |= dict.fromkeys(order[len(values) :])
        self._check_order(values)
        return PlainCase(
            case_id,
            self._features(values),
            missing=(
                *(name for name in order if values[name] is None),
                *((HISTORY,) if self._spec.count_repeats else ()),
            ),
            patient_id=patient_id,
        )

    def _value(self, name: str, value: Any) -> float | str | datetime:
        kind, of = self._kinds[name], type(value)
        if name in self._listed:
            raise _NotPlain
        if kind == "number":
            if of is not float and (of is not int or abs(value) >= _EXACT):
                raise _NotPlain
            low, high = self._limits[name]
            # NaN fails the comparison
            if not low <= value <= high or (name in self._whole and value != int(value)):
                raise _NotPlain
            return float(value)
        if kind == "category":
            text = str(value) if of is int else value
            if type(text) is not str or text not in self._levels[name]:
                raise _NotPlain
            return text
        return _time(value)

    def _id(self, value: Any) -> str:
        if type(value) is int and 0 <= value < _EXACT:
            return str(value)
        if type(value) is not str or not _ID.fullmatch(value) or value.casefold() in self._words:
            raise _NotPlain
        return value

    def _check_order(self, values: Mapping[str, Any]) -> None:
        for rule in self._spec.rules.order.values():
            lower, upper = values.get(rule.lower), values.get(rule.upper)
            if lower is None or upper is None:
                continue
            if rule.by_day and isinstance(lower, datetime):
                lower, upper = lower.date(), upper.date()
            if lower > upper or (lower == upper and not rule.equal):
                raise _NotPlain

    def _features(self, values: Mapping[str, Any]) -> dict[str, float | str | None]:
        out = {
            name: math.nan if value is None and self._kinds[name] == "number" else value
            for name, value in values.items()
            if self._kinds[name] != "time"
        }
        for name, duration in self._spec.durations.items():
            start, end = values[duration.start], values[duration.end]
            if start is None or end is None:
                out[name] = math.nan
                continue
            elapsed = end.date() - start.date() if duration.by_day else end - start
            out[name] = elapsed.total_seconds() / SECONDS[duration.unit]
        for name, (first, second) in self._spec.ratios.items():
            above, below = values[first], values[second]
            out[name] = above / below if above is not None and below else math.nan
        if self._spec.count_repeats:
            # a record alone repeats nothing
            out[REPEATS] = 0.0
        return out


def _limits(rule: VariableRule, read: Column, described: Column) -> tuple[float, float]:
    """The range in which a number is neither flagged nor impossible."""
    pairs = [(-NUMBER_LIMIT, NUMBER_LIMIT), rule.limits(), read.possible, described.possible]
    known = [pair for pair in pairs if pair is not None]
    return max(pair[0] for pair in known), min(pair[1] for pair in known)


def _plain_levels(levels: tuple[str, ...], words: set[str]) -> frozenset[str]:
    """Levels that are read as they are written and mean no missing value."""
    if not levels:
        return frozenset()
    read = plain_text(pd.Series(levels, dtype="string"))
    return frozenset(
        level
        for level, text in zip(levels, read, strict=True)
        if level == text and level not in words and level.lower() not in MISSING_WORDS
    )


def _is_number(word: str) -> bool:
    return bool(pd.notna(pd.to_numeric(pd.Series([word], dtype=object), errors="coerce")).iloc[0])


def _time(value: Any) -> datetime:
    if type(value) is not str or not _TIME.fullmatch(value):
        raise _NotPlain
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        raise _NotPlain from None
    if value[5:10] in _EDGES or time.year not in _YEARS or time.year in _PLACEHOLDER_YEARS:
        raise _NotPlain
    return time
