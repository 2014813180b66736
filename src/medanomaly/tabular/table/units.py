"""Clinical quantities: their units, their plausible ranges, and conversion from one unit to another."""

from dataclasses import dataclass, field

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


def _times(units: dict[str, float]) -> dict[str, tuple[float, float]]:
    return {name: (factor, 0.0) for name, factor in units.items()}


_KILOPASCAL = {"kPa": 7.50062}
_CELLS = {"/µL": 1e-3, "10⁶/L": 1e-3}

# Factors are molar masses (mg/dL to mmol/L = 10 / molar mass). Ranges are this project's own, wide enough for intensive
# care. They were compared with the valid ranges of MIMIC-Extract (Wang et al., CHIL 2020, variable_ranges.csv) and tested on
# PhysioNet 2012, and are narrower where those include errors (temperature 26 degrees, pH 8.4, pressure 0).
QUANTITIES: dict[str, Quantity] = {
    "age": Quantity("years", (0, 115), (18, 95)),
    "height": Quantity("cm", (40, 230), (140, 205), 1, _times({"m": 100, "inch": 2.54, "ft": 30.48})),
    "weight": Quantity("kg", (0.5, 350), (40, 150), 1, _times({"lb": 0.453592, "g": 1e-3})),
    "temperature": Quantity("°C", (30, 43), (35, 41), 1, {"°F": (1 / 1.8, -32 / 1.8), "K": (1.0, -273.15)}),
    "heart_rate": Quantity("/min", (15, 300), (40, 180)),
    "respiratory_rate": Quantity("/min", (1, 100), (8, 40)),
    "spo2": Quantity("%", (30, 100), (85, 100), 0, _times({"fraction": 100})),
    "systolic": Quantity("mmHg", (30, 300), (80, 220)),
    "diastolic": Quantity("mmHg", (10, 200), (35, 130)),
    "mean_pressure": Quantity("mmHg", (15, 250), (45, 150)),
    "gcs": Quantity("", (3, 15), (3, 15)),
    "fio2": Quantity("fraction", (0.2, 1), (0.21, 1), 2, _times({"%": 0.01})),
    "ph": Quantity("", (6.6, 7.8), (7.0, 7.7), 3),
    "pco2": Quantity("mmHg", (5, 200), (20, 90), 0, _times(_KILOPASCAL)),
    "po2": Quantity("mmHg", (10, 700), (30, 500), 0, _times(_KILOPASCAL)),
    "bicarbonate": Quantity("mmol/L", (1, 60), (10, 45)),
    "sodium": Quantity("mmol/L", (90, 200), (115, 165)),
    "potassium": Quantity("mmol/L", (1.2, 14), (2.2, 8), 1),
    "chloride": Quantity("mmol/L", (55, 160), (80, 130)),
    "calcium": Quantity("mmol/L", (0.8, 5), (1.5, 3.5), 2, _times({"mg/dL": 0.2495})),
    "ionised_calcium": Quantity("mmol/L", (0.3, 3), (0.8, 1.6), 2, _times({"mg/dL": 0.2495})),
    "magnesium": Quantity("mmol/L", (0.1, 6), (0.4, 2), 2, _times({"mg/dL": 0.4114})),
    "phosphate": Quantity("mmol/L", (0.03, 7), (0.4, 3), 2, _times({"mg/dL": 0.3229})),
    "glucose": Quantity("mmol/L", (0.5, 70), (2.5, 35), 1, _times({"mg/dL": 1 / 18.016})),
    "hba1c": Quantity("%", (3, 20), (4, 15), 1, {"mmol/mol": (0.09148, 2.152)}),
    "creatinine": Quantity("µmol/L", (8, 2500), (40, 900), 0, _times({"mg/dL": 88.42})),
    # mg/dL is read as urea nitrogen, as American laboratories report it
    "urea": Quantity("mmol/L", (0.3, 100), (2, 50), 1, _times({"mg/dL": 0.357})),
    "uric_acid": Quantity("µmol/L", (20, 2000), (100, 900), 0, _times({"mg/dL": 59.48, "mmol/L": 1000})),
    "lactate": Quantity("mmol/L", (0.1, 35), (0.4, 15), 1, _times({"mg/dL": 0.111})),
    "bilirubin": Quantity("µmol/L", (0.5, 1500), (3, 500), 0, _times({"mg/dL": 17.1})),
    "cholesterol": Quantity("mmol/L", (0.3, 30), (2, 12), 1, _times({"mg/dL": 1 / 38.67})),
    "triglycerides": Quantity("mmol/L", (0.1, 120), (0.4, 15), 1, _times({"mg/dL": 1 / 88.57})),
    "albumin": Quantity("g/L", (5, 90), (15, 55), 0, _times({"g/dL": 10})),
    "protein": Quantity("g/L", (20, 150), (40, 95), 0, _times({"g/dL": 10})),
    "haemoglobin": Quantity("g/dL", (1.5, 26), (5, 20), 1, _times({"g/L": 0.1, "mmol/L": 1.611})),
    "haematocrit": Quantity("%", (5, 75), (15, 60), 0, _times({"fraction": 100})),
    "white_cells": Quantity("10⁹/L", (0, 1000), (1, 60), 1, _times(_CELLS)),
    "platelets": Quantity("10⁹/L", (0, 3000), (10, 900), 0, _times(_CELLS)),
    "crp": Quantity("mg/L", (0, 1000), (0, 500), 1, _times({"mg/dL": 10})),
    "alt": Quantity("U/L", (0, 30000), (3, 3000)),
    "ast": Quantity("U/L", (0, 40000), (3, 3000)),
    "alp": Quantity("U/L", (1, 10000), (20, 1000)),
    "ggt": Quantity("U/L", (0, 10000), (3, 1000)),
    "tsh": Quantity("mIU/L", (0, 1000), (0.01, 100), 2),
    "inr": Quantity("", (0.5, 30), (0.8, 8), 1),
    "urine": Quantity("mL", (0, 10000), (0, 3000), 0, _times({"L": 1000})),
}

_SPELLINGS = {
    "c": "°c", "degc": "°c", "celsius": "°c", "f": "°f", "degf": "°f", "fahrenheit": "°f", "kelvin": "k",
    "lbs": "lb", "pounds": "lb", "kgs": "kg", "in": "inch", "inches": "inch", "feet": "ft", "year": "years",
    "bpm": "/min", "1/min": "/min", "percent": "%", "meq/l": "mmol/l", "iu/l": "u/l", "mu/l": "miu/l",
    "10^9/l": "10⁹/l", "10e9/l": "10⁹/l", "k/µl": "10⁹/l", "10^3/µl": "10⁹/l", "cells/µl": "/µl", "/mm3": "/µl",
}  # fmt: skip


def unit_key(unit: str) -> str:
    """One spelling per unit, for comparisons."""
    text = unit.strip().replace(" ", "").replace("μ", "µ").lower().replace("mcg", "µg")
    for micro in ("ug/", "umol/", "/ul"):
        text = text.replace(micro, micro.replace("u", "µ", 1))
    return _SPELLINGS.get(text, text)


def conversion(quantity: str, unit: str) -> tuple[float, float]:
    """(factor, offset) with base value = factor * value + offset; an empty unit is the base unit.

    Raises:
        ConfigurationError: unknown quantity, or the unit is not one of its units.
    """
    if quantity not in QUANTITIES:
        raise ConfigurationError(f"unknown quantity '{quantity}'", remedy=f"There are {sorted(QUANTITIES)}.")
    known = QUANTITIES[quantity]
    table = {unit_key(known.unit): (1.0, 0.0)} | {unit_key(name): pair for name, pair in known.units.items()}
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
    return known is not None and unit_key(unit) in {unit_key(known.unit), *map(unit_key, known.units)}


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
