"""The measured variables of the clinical table: units, precision, adult reference intervals, extremes.

Reference intervals are the standard adult ones: biochemistry as harmonised in the United Kingdom (Pathology
Harmony: sodium, potassium, urea, albumin), common haematology intervals of the same laboratories, upper limits
of IFCC-traceable assays for ALT and their intervals for creatinine, the DCCT interval for HbA1c, the normal
limit of the World Health Organization for glucose after a meal, textbook intervals (Tietz) for haematocrit and
TSH, resting adult values for vital signs. Laboratories differ slightly.

An extreme has two values. ``edge`` is the last value of ill but plausible patients; ``limit`` is the last value that a
living patient can have. Low blood pressure, haemoglobin and haematocrit have no extremes: a change of one of them would
contradict its partner before it leaves its range.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Variable:
    """One measured variable; values are in its unit."""

    unit: str
    decimals: int
    reference_male: tuple[float, float]
    reference_female: tuple[float, float]
    low_extreme: tuple[float, float] | None = None
    high_extreme: tuple[float, float] | None = None

    def reference(self, sex: str) -> tuple[float, float]:
        """Adult reference interval for "M" or "F"."""
        return self.reference_male if sex == "M" else self.reference_female


def _both(unit, decimals, interval, low=None, high=None):
    return Variable(unit, decimals, interval, interval, low, high)


VITALS = {
    "heart_rate": _both("/min", 0, (50, 100), low=(47, 25), high=(112, 220)),
    "systolic": _both("mmHg", 0, (90, 140), high=(172, 260)),
    "diastolic": _both("mmHg", 0, (50, 90)),
    "temperature": _both("°C", 1, (36.0, 37.8), low=(35.6, 30.0), high=(39.0, 42.0)),
    "respiratory_rate": _both("/min", 0, (10, 20), low=(9, 5), high=(25, 50)),
    "spo2": _both("%", 0, (94, 100), low=(89, 60)),
    "height": Variable("cm", 1, (160, 195), (148, 180)),
    "weight": Variable("kg", 1, (50, 120), (42, 110)),
}

LABS = {
    "haemoglobin": Variable("g/dL", 1, (13.0, 18.0), (11.5, 16.5)),
    "haematocrit": Variable("%", 1, (40, 54), (36, 48)),
    "white_cells": _both("10⁹/L", 1, (4.0, 11.0), low=(3.3, 0.4), high=(20, 90)),
    "platelets": _both("10⁹/L", 0, (150, 400), low=(135, 10), high=(460, 1300)),
    "sodium": _both("mmol/L", 0, (133, 146), low=(129, 112), high=(148, 170)),
    "potassium": _both("mmol/L", 1, (3.5, 5.3), low=(3.3, 1.8), high=(5.8, 8.5)),
    "creatinine": Variable("µmol/L", 0, (59, 104), (45, 84), None, (300, 1400)),
    "urea": _both("mmol/L", 1, (2.5, 7.8), high=(25, 70)),
    "glucose": _both("mmol/L", 1, (3.9, 7.8), low=(3.3, 1.2), high=(18, 45)),
    "hba1c": _both("%", 1, (4.0, 6.0), low=(3.9, 3.0), high=(11.0, 17.0)),
    "crp": _both("mg/L", 1, (0.0, 5.0), high=(180, 480)),
    "alt": Variable("U/L", 0, (0, 50), (0, 35), None, (65, 3500)),
    "albumin": _both("g/L", 0, (35, 50), low=(29, 12), high=(52, 60)),
    "tsh": _both("mIU/L", 2, (0.4, 4.0), low=(0.35, 0.01), high=(5.0, 90)),
}

VARIABLES = VITALS | LABS
UNITS = {name: variable.unit for name, variable in VARIABLES.items()} | {"age": "years"}
