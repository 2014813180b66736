"""Checks of the values of one column: text, numbers, words, times."""

import numpy as np
import pandas as pd

from medanomaly.tabular.table.flags import FlagList, show
from medanomaly.tabular.table.intended_values import MISSING, readings
from medanomaly.tabular.table.rules import VariableRule
from medanomaly.tabular.table.text_numbers import MISSING_WORDS, read_numbers
from medanomaly.tabular.table.units import QUANTITIES, convert, is_unit_of

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


def flag_text(
    name: str, values: pd.Series, read: pd.DataFrame, rule: VariableRule, flags: FlagList
) -> pd.Series:
    """Flag values that are not plain numbers; returns the numbers to compare with the range."""
    number = read["value"].copy()
    flags.add(read["missing_word"], values, name, "sentinel", "text that stands for a missing value", MISSING)
    unread = values.notna() & number.isna() & ~read["missing_word"]
    flags.add(unread, values, name, "not_a_number", "no number can be read out of this")
    text = number.notna() & ~read["plain"]
    if not text.any():
        return number
    other = pd.Series(False, index=values.index)
    for unit in read.loc[text & (read["unit"] != ""), "unit"].unique():
        has_unit = text & (read["unit"] == unit)
        if rule.quantity and is_unit_of(rule.quantity, unit):
            converted = pd.Series(convert(number, rule.quantity, unit, rule.unit), index=number.index)
            differs = has_unit & ~np.isclose(converted, number, rtol=1e-6)
            message = f"written in {unit}, the column is in {rule.unit}"
            flags.add(differs, values, name, "unit_mixup", message, converted.map(show, na_action="ignore"))
            number = number.mask(differs, converted)
            other |= differs
    shown = number.map(show, na_action="ignore")
    censored = text & (read["censored"] != "")
    bound = read["censored"].map({"<": "below", ">": "above"}).fillna("")
    message = bound + " " + shown.fillna("") + ": a limit, not a measured value"
    flags.add(censored, values, name, "censored", message, shown)
    flags.add(
        text & ~censored & ~other, values, name, "number_in_text", "a number, but written as text", shown
    )
    return number


def flag_numbers(
    name: str,
    values: pd.Series,
    rule: VariableRule,
    possible: tuple[float, float] | None,
    codes: tuple[float, ...],
    flags: FlagList,
) -> None:
    """Flag text, fractions and values out of range; if most of a column is out of range, add a note about the column.

    Args:
        name: of the column.
        values: as they were read; missing ones stay missing.
        rule: plausible values.
        possible: range of possible values; None where there is none.
        codes: numbers that mean missing if they are out of range.
        flags: receives the flags.
    """
    read = read_numbers(values)
    number = flag_text(name, values, read, rule, flags)
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


def as_times(values: pd.Series) -> pd.Series:
    """Times in UTC, so times with and without a zone can be compared; NaT where the text is not an ISO 8601 time."""
    return pd.to_datetime(values, errors="coerce", format="ISO8601", utc=True)


def flag_times(name: str, values: pd.Series, flags: FlagList) -> None:
    """Flag text that is not a time."""
    word = values.astype("string").str.strip().str.lower().isin(MISSING_WORDS)
    flags.add(word, values, name, "sentinel", "text that stands for a missing value", MISSING)
    wrong = values.notna() & as_times(values).isna() & ~word
    flags.add(wrong, values, name, "not_a_time", "expected a time as 2024-05-31 or 2024-05-31 14:30")
