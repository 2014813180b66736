"""Plausibility of a table or of single measurements: which value looks wrong, by which rule, and what was probably meant.

It does not use a schema library: such libraries say which values fail, but not what they were meant to be.
"""

import pandas as pd

from medanomaly.core.errors import ConfigurationError
from medanomaly.tabular.table.column_reading import NUMBER_SHARE
from medanomaly.tabular.table.description import Column, TableSpec
from medanomaly.tabular.table.flags import FlagList, QualityReport, as_text
from medanomaly.tabular.table.prepared_table import case_ids, prepared
from medanomaly.tabular.table.rules import OrderRule, TableRules, VariableRule, known_quantity, reading
from medanomaly.tabular.table.text_numbers import read_numbers
from medanomaly.tabular.table.times import read_times
from medanomaly.tabular.table.units import is_unit_of
from medanomaly.tabular.table.value_checks import flag_numbers, flag_times, flag_unknown


def _flag_order(name: str, rule: OrderRule, raw: pd.DataFrame, spec: TableSpec, flags: FlagList) -> None:
    pair = []
    for column in (rule.lower, rule.upper):
        values = raw[column]
        timed = spec.columns.get(column, Column()).kind == "time" or pd.api.types.is_datetime64_any_dtype(
            values
        )
        unit, quantity = reading(column, spec.columns.get(column, Column()).unit, spec.rules)
        number = read_numbers(values, unit, quantity)["value"] if not timed else None
        timed = timed or number.notna().sum() < values.notna().sum() / 2
        pair.append(read_times(values)["time"] if timed else number)
    lower, upper = (values.dt.floor("D") if rule.by_day else values for values in pair)
    wrong = lower > upper if rule.equal else lower >= upper
    shown = as_text(raw[rule.lower])
    word = "after" if pd.api.types.is_datetime64_any_dtype(lower) else "above"
    message = f"{name}: {rule.lower} (" + shown + f") is {word if rule.equal else 'not below'} {rule.upper}"
    flags.add(wrong, raw[rule.upper], rule.upper, "order", message)


def _flag_duplicates(raw: pd.DataFrame, spec: TableSpec, flags: FlagList) -> None:
    content = raw.drop(columns=[spec.case_id] if spec.case_id is not None else [])
    again = content.duplicated(keep="first")
    if not again.any():
        return
    rows = content[content.duplicated(keep=False)].astype("string").fillna("\x00")
    key = pd.Series(list(map(tuple, rows.to_numpy(dtype=object))), index=rows.index)
    first = pd.Series(key.index, index=key.index).groupby(key).transform("min") + 1
    message = "all columns except the id are equal to record " + first.astype("string")
    flags.add(again[rows.index], pd.Series("", index=rows.index), "", "duplicate_record", message)


def column_rules(
    raw: pd.DataFrame, spec: TableSpec, rules: TableRules, source: str
) -> dict[str, VariableRule]:
    """The rule of each column: from the specification, or from the name and unit of the column."""
    out = {}
    for name, written in rules.variables.items():
        columns = [name] if name in raw.columns else []
        columns = columns or [c for s in rules.statistics if (c := f"{name}_{s}") in raw.columns]
        if not columns:
            raise ConfigurationError(
                f"a rule names the column '{name}', which is not in the table",
                remedy=f"The table has {list(raw.columns)[:40]}.",
                source=source,
            )
        unit = written.unit or (spec.columns[name].unit if name in spec.columns else "")
        out |= {column: VariableRule(**{**written.model_dump(), "unit": unit}) for column in columns}
    for name, column in spec.columns.items() if rules.by_name else ():
        quantity = known_quantity(name)
        if name not in out and quantity and column.kind == "number" and is_unit_of(quantity, column.unit):
            out[name] = VariableRule(quantity=quantity, unit=column.unit)
    return out


def check_table(
    raw: pd.DataFrame, spec: TableSpec, rules: TableRules | None = None, source: str = "raw table"
) -> QualityReport:
    """Flag what looks wrong in a table with one row per record; no value is changed or removed.

    Args:
        raw: the table as it was read.
        spec: description of the table; missing values are not flagged, impossible values are.
        rules: plausible ranges, units and order of columns; None uses only the names and units of columns.
        source: name of the table in messages.

    Raises:
        InputError: wrong delimiter, missing columns, no records.
        ConfigurationError: a rule names a column that is not in the table.
    """
    rules = rules or TableRules()
    raw = prepared(raw, spec, source)
    flags = FlagList()
    case_id = case_ids(raw, spec)
    if spec.case_id is not None:
        repeated = case_id.notna() & case_id.duplicated()
        flags.add(repeated, case_id, spec.case_id, "duplicate_id", "an earlier record has this id")

    by_column = column_rules(raw, spec, rules, source)
    skipped = spec.not_features() - set(by_column)
    for name in raw.columns:
        if name in skipped:
            continue
        values, rule = raw[name], by_column.get(name, VariableRule())
        declared = spec.columns.get(name, Column())
        if name not in spec.columns and name not in by_column and spec.declared_only:
            continue
        read_as = reading(name, declared.unit, rules)
        if rule.allowed:
            flag_unknown(name, values, rule, flags)
        elif declared.kind == "time" or pd.api.types.is_datetime64_any_dtype(values):
            flag_times(name, values, flags)
        elif declared.kind == "number" and (
            name in spec.columns or name in by_column or _is_number(values, read_as[1])
        ):
            flag_numbers(name, values, rule, declared.possible, rules.missing_codes, flags, read_as)
    for name, rule in rules.order.items():
        for column in {rule.lower, rule.upper} - set(raw.columns):
            raise ConfigurationError(
                f"the rule '{name}' names the column '{column}', which is not in the table",
                remedy=f"The table has {list(raw.columns)[:40]}.",
                source=source,
            )
        _flag_order(name, rule, raw, spec, flags)
    if rules.duplicates:
        _flag_duplicates(raw, spec, flags)
    return flags.report(case_id, source)


def _is_number(values: pd.Series, quantity: str) -> bool:
    """Whether an undeclared column holds numbers: most values can be read as numbers, and half of them are plain numbers."""
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return True
    read, known = read_numbers(values, quantity=quantity), values.notna().sum()
    readable = (read["value"].notna() | read["missing_word"]).sum()
    return bool(known) and readable >= NUMBER_SHARE * known and read["plain"].sum() >= known / 2


def check_events(
    events: pd.DataFrame,
    rules: TableRules,
    *,
    case_id: str = "case_id",
    variable: str = "variable",
    value: str = "value",
    source: str = "events",
) -> QualityReport:
    """Flag what looks wrong in single measurements: one row per measurement, and each variable has its own rule.

    Args:
        events: long table; the column ``variable`` names the measured variable.
        rules: only ``variables`` and ``missing_codes`` apply; a variable without a rule is read as a number.
        case_id, variable, value: names of the columns.
        source: name of the table in messages.
    """
    events = events.reset_index(drop=True)
    flags = FlagList()
    for name, values in events.groupby(variable, sort=True, observed=True)[value]:
        rule = rules.variables.get(str(name), VariableRule())
        if rule.allowed:
            flag_unknown(str(name), values, rule, flags)
        else:
            flag_numbers(str(name), values, rule, None, rules.missing_codes, flags)
    unnamed = events[variable].isna()
    flags.add(unnamed, events[value], variable, "unknown_value", "the measurement has no variable")
    return flags.report(events[case_id].astype("string"), source)
