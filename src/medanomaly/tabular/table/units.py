"""Clinical quantities: their units, their plausible ranges, and conversion from one unit to another."""

import csv
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from medanomaly.core.errors import ConfigurationError


@dataclass(frozen=True)
class Quantity:
    """One clinical quantity.

    Attributes:
        unit: base unit.
        plausible: range of true values, including intensive care (base unit).
        usual: range of most adult patients (base unit); among several readings of a wrong value, one inside is preferred.
        digits: usual number of decimals in the base unit; a lost decimal point can hide at most these.
        units: other unit to (factor, offset): base value = factor * value + offset.
    """

    unit: str
    plausible: tuple[float, float]
    usual: tuple[float, float]
    digits: int = 0
    units: dict[str, tuple[float, float]] = field(default_factory=dict)


def read_csv(name: str) -> list[dict[str, str]]:
    """Rows of a table beside this module, which clinicians can read and check."""
    with (Path(__file__).parent / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _number(text: str) -> float:
    """A number, or a division such as ``1/18.016``, which says more than its decimals."""
    over, _, under = text.partition("/")
    return float(over) / float(under or 1)


def _quantities(conversions: list[dict[str, str]]) -> dict[str, Quantity]:
    units: dict[str, dict[str, tuple[float, float]]] = {}
    for row in conversions:
        if row["from_unit"] not in (row["to_unit"], MILLIEQUIVALENTS):
            pair = (_number(row["factor"]), _number(row["offset"]))
            units.setdefault(row["analyte"], {})[row["from_unit"]] = pair
    return {
        row["analyte"]: Quantity(
            row["unit"],
            (float(row["plausible_low"]), float(row["plausible_high"])),
            (float(row["usual_low"]), float(row["usual_high"])),
            int(row["digits"]),
            units.get(row["analyte"], {}),
        )
        for row in read_csv("analytes.csv")
    }


MILLIEQUIVALENTS = "mEq/L"
# from_unit, its spelling in UCUM, its concepts in OMOP, to_unit, factor and offset of each analyte
CONVERSIONS = read_csv("unit_conversions.csv")
# Factors are molar masses (mg/dL to mmol/L = 10 / molar mass). Ranges are this project's own, wide enough for intensive
# care. They were compared with the valid ranges of MIMIC-Extract (Wang et al., CHIL 2020, variable_ranges.csv) and tested on
# PhysioNet 2012, and are narrower where those include errors (temperature 26 degrees, pH 8.4, pressure 0). A BMI of 188
# is the highest that was ever reported. Urea in mg/dL is read as urea nitrogen, as American laboratories report it.
QUANTITIES: dict[str, Quantity] = _quantities(CONVERSIONS)

_SPELLINGS = {
    "c": "°c", "degc": "°c", "celsius": "°c", "f": "°f", "degf": "°f", "fahrenheit": "°f", "kelvin": "k",
    "lbs": "lb", "pounds": "lb", "kgs": "kg", "in": "inch", "inches": "inch", "feet": "ft", "year": "years",
    "yr": "years", "yrs": "years", "y": "years", "yo": "years", "y/o": "years", "y.o.": "years", "yearsold": "years",
    "yearold": "years", "month": "months", "mo": "months", "mos": "months", "mth": "months", "mths": "months",
    "monthsold": "months", "monthold": "months", "week": "weeks", "wk": "weeks", "wks": "weeks", "weeksold": "weeks",
    "day": "days", "d": "days", "daysold": "days", "dayold": "days", "hour": "hours", "h": "hours", "hr": "hours",
    "hrs": "hours", "min": "minutes", "mins": "minutes", "minute": "minutes", "sec": "s", "secs": "s", "second": "s",
    "seconds": "s", "bpm": "/min", "1/min": "/min", "beats/min": "/min", "breaths/min": "/min", "percent": "%",
    "iu/l": "u/l", "mu/l": "miu/l", "µiu/ml": "miu/l", "µu/ml": "miu/l", "mmhg": "mmhg", "centimetre": "cm",
    "centimeter": "cm", "metre": "m", "meter": "m", "kilogram": "kg", "gram": "g",
    "10^9/l": "10⁹/l", "10e9/l": "10⁹/l", "10*9/l": "10⁹/l", "k/µl": "10⁹/l", "10^3/µl": "10⁹/l", "10*3/µl": "10⁹/l",
    "10e3/µl": "10⁹/l", "10³/µl": "10⁹/l", "g/l": "g/l", "cells/µl": "/µl", "/mm3": "/µl", "/mm³": "/µl",
    "10^6/l": "10⁶/l", "10*6/l": "10⁶/l",
}  # fmt: skip

# milliequivalents are the amount times the charge of the ion, so they are no unit of a substance of unknown charge
_EQUIVALENTS = {
    row["analyte"]: _number(row["factor"]) for row in CONVERSIONS if row["from_unit"] == MILLIEQUIVALENTS
}
# seconds
_TIME = {
    "s": 1.0, "minutes": 60.0, "hours": 3600.0, "days": 86400.0, "weeks": 7 * 86400.0, "months": 365.25 / 12 * 86400.0,
    "years": 365.25 * 86400.0,
}  # fmt: skip
_PREFIXES = {"": 1.0, "k": 1e3, "d": 1e-1, "c": 1e-2, "m": 1e-3, "µ": 1e-6, "n": 1e-9, "p": 1e-12}
_BASES = ("mol", "g", "l", "u", "iu", "pa", "m")


def unit_key(unit: str) -> str:
    """One spelling per unit, for comparisons."""
    text = unit.strip().replace(" ", "").replace("μ", "µ").replace("º", "°").lower().replace("mcg", "µg")
    for micro in ("ug/", "umol/", "/ul"):
        text = text.replace(micro, micro.replace("u", "µ", 1))
    # "12 x 10^9/L" counts in 10^9/L
    text = text[1:] if text.startswith(("x10", "×10")) else text
    return _SPELLINGS.get(text) or _SPELLINGS.get(text.rstrip("."), text.rstrip("."))


def conversion(quantity: str, unit: str) -> tuple[float, float]:
    """(factor, offset) with base value = factor * value + offset; an empty unit is the base unit.

    Raises:
        ConfigurationError: unknown quantity, or the unit is not one of its units.
    """
    if quantity not in QUANTITIES:
        raise ConfigurationError(f"unknown quantity '{quantity}'", remedy=f"There are {sorted(QUANTITIES)}.")
    known = QUANTITIES[quantity]
    table = {unit_key(known.unit): (1.0, 0.0)} | {unit_key(name): pair for name, pair in known.units.items()}
    if quantity in _EQUIVALENTS:
        table["meq/l"] = (_EQUIVALENTS[quantity], 0.0)
    if not unit:
        return 1.0, 0.0
    if unit_key(unit) not in table:
        raise ConfigurationError(
            f"'{unit}' is not a unit of {quantity}", remedy=f"Known are {[known.unit, *known.units]}."
        )
    return table[unit_key(unit)]


def is_unit_of(quantity: str, unit: str) -> bool:
    """Whether this is a unit of the quantity; an empty unit only where the quantity has none."""
    known = QUANTITIES.get(quantity)
    if known is None:
        return False
    also = {"meq/l"} if quantity in _EQUIVALENTS else set()
    return unit_key(unit) in {unit_key(known.unit), *map(unit_key, known.units), *also}


def convert(values: np.ndarray, quantity: str, source: str, target: str) -> np.ndarray:
    """Values of a quantity from one unit to another."""
    factor, offset = conversion(quantity, source)
    to_factor, to_offset = conversion(quantity, target)
    return (factor * np.asarray(values, dtype="float64") + offset - to_offset) / to_factor


def plausible_range(quantity: str, unit: str) -> tuple[float, float]:
    """The plausible range of a quantity, in the given unit."""
    conversion(quantity, unit)
    low, high = convert(np.array(QUANTITIES[quantity].plausible), quantity, QUANTITIES[quantity].unit, unit)
    return float(low), float(high)


def _parts(unit: str) -> tuple[float, tuple[str, ...]] | None:
    """Factor and bases of a unit such as ``µmol/L``; None where it is not made of them."""
    factor, bases = 1.0, []
    for place, part in enumerate(unit_key(unit).split("/")):
        found = [(p, b) for b in _BASES for p in _PREFIXES if part == p + b]
        if len(found) != 1 or place > 1:
            return None
        prefix, base = found[0]
        factor *= _PREFIXES[prefix] if place == 0 else 1 / _PREFIXES[prefix]
        bases.append(base)
    return factor, tuple(bases)


_EVERY_UNIT = {unit_key(name) for known in QUANTITIES.values() for name in (known.unit, *known.units) if name}
_TEMPERATURES = {"°c", "°f", "k"}


def is_known_unit(unit: str, quantity: str = "") -> bool:
    """Whether text is a unit of the quantity, or of any."""
    key = unit_key(unit)
    return bool(unit) and (
        is_unit_of(quantity, unit)
        or key in _EVERY_UNIT
        or key in _TIME
        or key == "meq/l"
        or _parts(unit) is not None
    )


def convert_written(value: float, unit: str, target: str, quantity: str = "") -> float | None:
    """A number with the unit behind it in the unit of its column, None where nothing says how to convert it.

    Units of a known quantity are converted with its molar mass, other units only by their prefixes, times and temperatures.
    An empty ``target`` is the base unit of the quantity.
    """
    here, there = unit_key(unit), unit_key(target)
    if here == there:
        return value
    if is_unit_of(quantity, unit) and (not target or is_unit_of(quantity, target)):
        return float(convert(np.array(value), quantity, unit, target))
    if here in _TIME and there in _TIME:
        return value * _TIME[here] / _TIME[there]
    if {here, there} <= _TEMPERATURES:
        return float(convert(np.array(value), "temperature", unit, target))
    own, wanted = _parts(unit), _parts(target)
    if own is None or wanted is None or own[1] != wanted[1]:
        return None
    return value * own[0] / wanted[0]
