"""Read the columns of a raw table: which kind each has, its numbers, times and levels, and what identifies people.

What was decided for a whole column in training is a :class:`ReadAs`. A new record alone cannot decide it again: ``1,234``
may be two numbers, and a level that nobody else has may be a name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from medanomaly.core.cases import rare_as_one, rare_level, rare_levels
from medanomaly.core.params import Params
from medanomaly.core.plain_text import plain_text
from medanomaly.tabular.table.description import Column, TableSpec
from medanomaly.tabular.table.rules import reading
from medanomaly.tabular.table.text_numbers import MISSING_WORDS, Marks, read_column, read_numbers
from medanomaly.tabular.table.times import read_times
from medanomaly.tabular.table.units import is_known_unit

NUMBER_SHARE = 0.95
MANY_LEVELS, FEW_LEVELS = 50, 5
# whole numbers of so many digits, or with leading zeros, that hardly ever repeat are numbers of persons or of records
ID_PATTERN = r"\+?\d{7,}|0\d{2,}"
SHOWN_NAMES = 20
# larger than any measurement in any unit; models may square the numbers and use float32
NUMBER_LIMIT = 1e30
QUARANTINE_COLUMNS = ("record", "case_id", "column", "value", "reason")


class ReadAs(Params):
    """How a column was read in training.

    Attributes:
        column: its kind, unit and possible range, as declared or found.
        comma, point: what these marks mean in its numbers; None where no number told.
        levels: of a category, those that enough patients have.
    """

    column: Column
    comma: Literal["decimal", "thousands"] | None = None
    point: Literal["decimal", "thousands"] = "decimal"
    levels: tuple[str, ...] = ()


class LearnedTable(Params):
    """How a table was read in training.

    Attributes:
        columns: every column that became a feature, and how it was read.
        subgroups: subgroup to its levels that enough patients have.
    """

    columns: dict[str, ReadAs]
    subgroups: dict[str, tuple[str, ...]] = Field(default_factory=dict)


@dataclass
class Faults:
    """Faults found so far, by record."""

    rows: list[pd.DataFrame] = field(default_factory=list)

    def add(self, mask: pd.Series, values: pd.Series, column: str, reason: str) -> None:
        """Note a fault of the records of ``mask``."""
        if mask.any():
            found = values[mask].astype("string").fillna("")
            self.rows.append(pd.DataFrame({"column": column, "value": found, "reason": reason}))

    def table(self, case_id: pd.Series) -> pd.DataFrame:
        """``QUARANTINE_COLUMNS``: one row per fault."""
        if not self.rows:
            return pd.DataFrame({name: pd.Series(dtype="string") for name in QUARANTINE_COLUMNS})
        faults = pd.concat(self.rows).sort_index(kind="stable")
        faults["record"] = (faults.index + 1).astype("string")
        faults["case_id"] = case_id.reindex(faults.index).fillna("")
        return faults[list(QUARANTINE_COLUMNS)].astype("string").reset_index(drop=True)


def known_values(values: pd.Series) -> pd.Series:
    """Values without those that are missing, and words for missing."""
    if pd.api.types.is_numeric_dtype(values):
        return values.dropna()
    return values[~plain_text(values).str.lower().isin(MISSING_WORDS).fillna(True)].dropna()


def inferred(values: pd.Series, quantity: str) -> Column:
    """What an undeclared column holds."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return Column(kind="time")
    known = known_values(values)
    if not len(known):
        return Column(kind="number")
    read = read_numbers(known, quantity=quantity)
    strange = ~read["unit"].map(
        {unit: not unit or is_known_unit(unit, quantity) for unit in read["unit"].unique()}
    )
    if (read["value"].notna() & ~strange).mean() >= NUMBER_SHARE:
        return Column(kind="number")
    # a date has at least two separators: a year or a clock time alone is not an ISO date
    dated = known.astype("string").str.contains(r"\d{4}-\d{2}-\d{2}").fillna(False)
    if dated.mean() >= NUMBER_SHARE and read_times(known)["reason"].eq("").mean() >= NUMBER_SHARE:
        return Column(kind="time")
    return Column(kind="category")


def _times(name: str, values: pd.Series, column: Column, faults: Faults, notes: list[str]) -> pd.Series:
    read = read_times(values)
    absent = plain_text(values).str.lower().isin(MISSING_WORDS).fillna(False)
    for reason in read["reason"][~absent].unique():
        if reason:
            faults.add(~absent & read["reason"].eq(reason), values, name, reason)
    if read["placeholder"].any():
        example = plain_text(values[read["placeholder"]]).iloc[0]
        notes.append(
            f"column '{name}': {int(read['placeholder'].sum())} times such as {example} stand for an open end or an unknown "
            "time and count as missing"
        )
    return read["time"]


def _numbers(
    name: str,
    values: pd.Series,
    column: Column,
    quantity: str,
    marks: Marks | None,
    faults: Faults,
    notes: list[str],
) -> tuple[pd.Series, Column, Marks]:
    """Numbers in the unit of the column, the column with the unit that its cells name where none was declared, and marks."""
    read, marks = read_column(values, column.unit, quantity, marks)
    numbers = read["value"]
    if not (read["plain"] | values.isna()).all():
        column = _say_how_text_was_read(name, values, read, column, faults, notes)
    infinite = numbers.abs() > NUMBER_LIMIT
    faults.add(infinite, values, name, f"not a usable number (beyond {NUMBER_LIMIT:g})")
    if column.possible is not None:
        low, high = column.possible
        outside = ((numbers < low) | (numbers > high)) & ~infinite
        unit = f" {column.unit}" if column.unit else ""
        expected = f"expected {low:g} to {high:g}{unit}"
        if column.impossible == "quarantine":
            faults.add(outside, values, name, f"impossible value ({expected})")
        elif outside.any():
            numbers = numbers.mask(outside)
            shown = plain_text(values[outside]).iloc[0]
            n = int(outside.sum())
            said = "1 impossible value" if n == 1 else f"{n:,} impossible values"
            notes.append(
                f"column '{name}': {said} such as {shown} ({expected}) {'counts' if n == 1 else 'count'} as missing"
            )
    return numbers, column, marks


def _say_how_text_was_read(
    name: str, values: pd.Series, read: pd.DataFrame, column: Column, faults: Faults, notes: list[str]
) -> Column:
    """Faults and notes of cells that are no plain numbers; returns the column, with the unit that its cells name."""
    numbers = read["value"]
    for reason in read["reason"].unique():
        if reason:
            faults.add(read["reason"].eq(reason), values, name, reason)
    odd = numbers.notna() & ~read["plain"]
    if odd.any():
        notes.append(
            f"column '{name}': {int(odd.sum())} values such as '{values[odd].iloc[0]}' were read as the number in them"
        )
    written = read["unit"][odd & read["unit"].ne("")]
    changed = odd & ~np.isclose(read["as_written"], numbers, rtol=1e-9, equal_nan=True)
    if not column.unit and len(written):
        own = read["unit"][odd & read["unit"].ne("") & ~changed]
        column = column.model_copy(update={"unit": own.mode().iloc[0] if len(own) else ""})
        if column.unit:
            bare = int((numbers.notna() & read["unit"].eq("")).sum())
            also = f"; {bare} values without a unit were taken to be in it" if bare else ""
            notes.append(f"column '{name}' has no declared unit; its values name {column.unit}{also}")
    if changed.any():
        units = ", ".join(sorted(set(read["unit"][changed])))
        notes.append(
            f"column '{name}': {int(changed.sum())} values in {units} were converted to {column.unit or 'its unit'}"
        )
    return column


def is_identifying(values: pd.Series, column: Column, patients: pd.Series, least: int) -> bool:
    """Whether an undeclared column looks like an id, a name or free text, which says who somebody is and nothing else."""
    known = known_values(values)
    distinct = known.nunique()
    if not len(known) or column.kind not in ("category", "number"):
        return False
    text = plain_text(known)
    if column.kind == "number":
        # counts per litre have many digits as well, but end with zeros
        coded = text.str.fullmatch(ID_PATTERN).fillna(False).all() and text.str.endswith("00").mean() < 0.5
        if not coded or distinct <= MANY_LEVELS:
            return False
    elif distinct > MANY_LEVELS and distinct > 0.5 * len(known):
        return True
    rare = rare_levels(text, patients[known.index], least)
    return distinct > FEW_LEVELS and bool(text.isin(rare).sum() > 0.5 * len(text))


def listed(names: list[str]) -> str:
    """Names of columns for a reader, the first of many."""
    more = f" and {len(names) - SHOWN_NAMES} others" if len(names) > SHOWN_NAMES else ""
    return ", ".join(names[:SHOWN_NAMES]) + more


def kept_levels(levels: pd.Series, least: int) -> tuple[str, ...]:
    """The levels of a category besides the one of too few patients, sorted."""
    return tuple(sorted(set(levels.dropna()) - {rare_level(least)}))


def without_rare(
    name: str,
    levels: pd.Series,
    patients: pd.Series,
    least: int,
    notes: list[str],
    known: tuple[str, ...] | None = None,
) -> pd.Series:
    """Levels in which those of too few patients are one, so that nothing that is learned or shown names a person.

    ``known`` are the levels of training; then all others are the one level, whatever their number is here.
    """
    if known is not None:
        return levels.mask(levels.notna() & ~levels.isin(known), rare_level(least))
    rare = rare_levels(levels, patients, least)
    if not rare:
        return levels
    levels_are = "1 level that fewer than" if len(rare) == 1 else f"{len(rare)} levels that fewer than"
    end = "is written as rare" if len(rare) == 1 else "are written as one"
    notes.append(f"column '{name}': {levels_are} {least} patients have {end} (min_patients)")
    return rare_as_one(levels, patients, least)


def _words_as_values(name: str, levels: pd.Series) -> list[str]:
    """A note on words such as None that are no missing values here, because the table does not list them as such."""
    counts = levels[levels.str.lower().isin(MISSING_WORDS).fillna(False)].value_counts()
    return [
        f"column '{name}': '{word}' ({n:,} times) counts as a value; list it under missing_values if it means missing"
        for word, n in counts.items()
    ]


def read_columns(
    raw: pd.DataFrame,
    spec: TableSpec,
    patients: pd.Series,
    faults: Faults,
    notes: list[str],
    learned: Mapping[str, ReadAs] | None = None,
) -> tuple[dict[str, pd.Series], dict[str, ReadAs], list[str]]:
    """Every column that becomes a feature, in its type, how it was read, and the names of those left out.

    Levels of categories are still as they were written. ``learned`` says how training read the columns; then no other
    column is read, and nothing is decided again.
    """
    typed, read_as, left_out = {}, {}, []
    for name in raw.columns:
        if name in spec.not_features() or (learned is not None and name not in learned):
            continue
        known = learned[name] if learned is not None else None
        declared, values = name in spec.columns, raw[name]
        if known is None and not declared and spec.declared_only:
            left_out.append(name)
            continue
        if known is None and values.isna().all():
            notes.append(f"column '{name}' has no value")
            if not declared:
                continue
        unit, quantity = reading(name, spec.columns[name].unit if declared else "", spec.rules)
        if known is not None:
            # the unit that its cells named in training, where nothing else says one
            column, unit = known.column, known.column.unit or unit
        else:
            column = spec.columns[name] if declared else inferred(values, quantity)
        marks = Marks(known.comma, known.point) if known is not None else None
        about: list[str] = []
        found = Faults()
        if column.kind == "number":
            column = column.model_copy(update={"unit": unit})
            read, column, marks = _numbers(name, values, column, quantity, marks, found, about)
        elif column.kind == "time":
            read = _times(name, values, column, found, about)
            if not declared:
                about.append(f"column '{name}' holds times: models use only durations between times")
        else:
            read = plain_text(values)
        if known is None and not declared and is_identifying(values, column, patients, spec.min_patients):
            notes.append(
                f"column '{name}' looks like an id or free text and is left out; declare it to keep it"
            )
            left_out.append(name)
            continue
        if column.kind == "category":
            about += _words_as_values(name, read)
        typed[name] = read
        read_as[name] = (
            ReadAs(column=column)
            if marks is None
            else ReadAs(column=column, comma=marks.comma, point=marks.point)
        )
        notes += about
        faults.rows += found.rows
    return typed, read_as, left_out
