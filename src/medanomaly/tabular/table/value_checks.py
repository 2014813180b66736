"""Checks of the values of one column: text, numbers, words, times."""

import numpy as np
import pandas as pd

from medanomaly.tabular.table.flags import FlagList, show
from medanomaly.tabular.table.intended_values import MISSING, readings
from medanomaly.tabular.table.rules import VariableRule
from medanomaly.tabular.table.text_numbers import MISSING_WORDS, NO_NUMBER, read_numbers
from medanomaly.tabular.table.times import read_times
from medanomaly.tabular.table.units import QUANTITIES

# if this share of a column is out of range, its description is probably wrong
WHOLE_COLUMN = 0.5


def _out_of_range(
    value: float,
    rule: VariableRule,
    limits: tuple[float, float],
    possible: tuple[float, float] | None,
    codes: tuple[float, ...],
) -> tuple[str, str, str | None]:
    """Rule, message and suggested value of one value that is outside ``limits``."""
    low, high = limits
    name = rule.unit or (QUANTITIES[rule.quantity].unit if rule.quantity else "")
    unit = f" {name}" if name else ""
    found = readings(value, rule.quantity, rule.unit, limits, codes)
    impossible = possible is not None and not possible[0] <= value <= possible[1]
    said = f"{value:.10g} is outside {show(low)} to {show(high)}{unit}"
    if not found:
        return "impossible" if impossible else "implausible", said, None
    if len(found) == 1 and found[0].usual:
        best = found[0]
        if np.isnan(best.value):
            return best.rule, f"{said}: {best.words}", MISSING
        return best.rule, f"{said}: {best.words}, probably {show(best.value)}{unit}", show(best.value)
    options = " or ".join(
        f"{MISSING if np.isnan(r.value) else show(r.value) + unit} ({r.words})" for r in found
    )
    return found[0].rule, f"{said}: could be {options}", None


def flag_text(name: str, values: pd.Series, read: pd.DataFrame, unit: str, flags: FlagList) -> pd.Series:
    """Flag values that are not plain numbers; returns the numbers to compare with the range."""
    number = read["value"]
    if (read["plain"] | values.isna()).all():
        return number
    flags.add(read["missing_word"], values, name, "sentinel", "text that stands for a missing value", MISSING)
    message = read["reason"].replace(NO_NUMBER, "no number can be read out of this")
    flags.add(read["reason"].ne(""), values, name, "not_a_number", message)
    text = number.notna() & ~read["plain"]
    if not text.any():
        return number
    shown = number.map(show, na_action="ignore")
    converted = text & ~np.isclose(read["as_written"], number, rtol=1e-6, equal_nan=True)
    message = (
        "written in "
        + read["unit"]
        + (f", the column is in {unit}" if unit else ", unlike most of the column")
    )
    flags.add(converted, values, name, "unit_mixup", message, shown)
    censored = text & (read["censored"] != "")
    bound = read["censored"].map({"<": "below", ">": "above"}).fillna("")
    message = bound + " " + shown.fillna("") + ": a limit, not a measured value"
    flags.add(censored, values, name, "censored", message, shown)
    flags.add(
        text & ~censored & ~converted, values, name, "number_in_text", "a number, but written as text", shown
    )
    return number


def flag_numbers(
    name: str,
    values: pd.Series,
    rule: VariableRule,
    possible: tuple[float, float] | None,
    codes: tuple[float, ...],
    flags: FlagList,
    read_as: tuple[str, str] | None = None,
) -> None:
    """Flag text, fractions and values out of range; if most of a column is out of range, add a note about the column.

    Args:
        name: of the column.
        values: as they were read; missing ones stay missing.
        rule: plausible values.
        possible: range of possible values; None where there is none.
        codes: numbers that mean missing if they are out of range.
        flags: receives the flags.
        read_as: unit and quantity with which cleaning reads the column; None for those of the rule.
    """
    unit, quantity = read_as or (rule.unit, rule.quantity)
    number = flag_text(name, values, read_numbers(values, unit, quantity), unit, flags)
    whole = np.isclose(number, number.round(), rtol=0, atol=1e-9) | number.isna()
    if rule.whole:
        flags.add(~whole, values, name, "not_whole", "a fraction where whole numbers belong")
    limits = [pair for pair in (rule.limits(), possible) if pair is not None]
    if not limits:
        return
    low, high = max(pair[0] for pair in limits), min(pair[1] for pair in limits)
    outside = (number < low) | (number > high)
    if not outside.any():
        return
    verdicts = {
        value: _out_of_range(value, rule, (low, high), possible, codes) for value in number[outside].unique()
    }
    verdict = number[outside].map(verdicts)
    for kind in dict.fromkeys(verdict.str[0]):
        here = verdict[verdict.str[0] == kind]
        flags.add(pd.Series(True, index=here.index), values[here.index], name, kind, here.str[1], here.str[2])
    share = outside.sum() / number.notna().sum()
    if share >= WHOLE_COLUMN:
        common = verdict.str[1].str.extract(r": (typed in [^,]+)")[0].dropna().mode()
        hint = f"; most values fit if they were {common.iloc[0]}" if len(common) else ""
        flags.notes.append(f"{share:.0%} of column '{name}' are out of range: check its declared unit{hint}")


def flag_unknown(name: str, values: pd.Series, rule: VariableRule, flags: FlagList) -> None:
    """Flag values that are not in ``rule.allowed``."""
    wanted = {str(value) for value in rule.allowed}
    numeric = {float(value) for value in rule.allowed if isinstance(value, int | float)}
    known = values.astype("string").str.strip().isin(wanted) | pd.to_numeric(values, errors="coerce").isin(
        numeric
    )
    flags.add(
        values.notna() & ~known,
        values,
        name,
        "unknown_value",
        f"expected one of {list(map(str, rule.allowed))}",
    )


def flag_times(name: str, values: pd.Series, flags: FlagList) -> None:
    """Flag text that is not a time, and dates that stand for an open end or an unknown time."""
    word = values.astype("string").str.strip().str.lower().isin(MISSING_WORDS)
    flags.add(word, values, name, "sentinel", "text that stands for a missing value", MISSING)
    read = read_times(values)
    flags.add(
        read["placeholder"], values, name, "sentinel", "an open end or an unknown time, not a date", MISSING
    )
    expected = "expected a time as 2024-05-31 or 2024-05-31 14:30"
    message = read["reason"].where(read["time"].isna() & read["reason"].str.contains("possible"), expected)
    flags.add(read["reason"].ne("") & ~word, values, name, "not_a_time", message)
