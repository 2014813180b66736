"""What a value out of range was meant to be: a code for "missing", another unit, or a shifted decimal point."""

from dataclasses import dataclass, replace

import numpy as np

from medanomaly.tabular.table.units import QUANTITIES, conversion, convert, unit_key

MISSING = "missing"
# relative difference below which two readings count as one; rounding after a conversion changes less
SAME = 0.03
# units that forms convert during typing, so a metric value may be converted by mistake
_CONVERTED_AT_ENTRY = ("°F", "inch", "lb")


@dataclass(frozen=True)
class Reading:
    """One way to read a wrong value.

    Attributes:
        rule: name of the rule.
        words: how the wrong value came about.
        value: what was meant; NaN = a missing value.
        usual: whether most adults have such a value, so it is likely enough to be suggested.
    """

    rule: str
    words: str
    value: float
    usual: bool = True


def _missing_readings(value: float, codes: tuple[float, ...], quantity: str, unit: str) -> list[Reading]:
    if value == 0 or value in codes:
        meaning = "usually means that nothing was measured" if value == 0 else "stands for a missing value"
        return [Reading("sentinel", f"{value:g} {meaning}", np.nan)]
    if quantity:
        for other, (_, offset) in QUANTITIES[quantity].units.items():
            if offset == 0:
                continue
            for code in (0.0, *codes):
                # converted and rounded to a tenth
                if abs(value - float(convert(np.array(code), quantity, other, unit))) <= 0.05:
                    words = f"{code:g} {other}, which stands for a missing value, was converted"
                    return [Reading("sentinel", words, np.nan)]
    return []


def _unit_readings(value: float, quantity: str, unit: str) -> list[Reading]:
    if not quantity:
        return []
    known, out = QUANTITIES[quantity], []
    here = unit or known.unit
    for other in (known.unit, *known.units):
        if unit_key(other) == unit_key(here):
            continue
        typed = float(convert(np.array(value), quantity, other, here))
        out.append(Reading("unit_mixup", f"typed in {other}", typed))
        if other in _CONVERTED_AT_ENTRY:
            twice = float(convert(np.array(value), quantity, here, other))
            out.append(
                Reading("unit_mixup", f"converted from {other} although it was already in {here}", twice)
            )
    return out


def _point_readings(value: float, digits: int) -> list[Reading]:
    if digits == 0:
        return []
    out = [Reading("decimal_point", "the decimal point is one place too far left", value * 10)]
    if float(value).is_integer():
        out += [
            Reading("decimal_point", "the decimal point was lost", value / 10**k)
            for k in range(1, digits + 1)
        ]
    return out


def readings(
    value: float, quantity: str, unit: str, plausible: tuple[float, float], codes: tuple[float, ...]
) -> list[Reading]:
    """Possible meanings of a value outside ``plausible``, most likely first; empty where nothing fits.

    It tries codes for "missing" (zero and negative codes are final), every other unit of the quantity, a conversion that
    was done by mistake, and a shifted decimal point. It keeps readings with a plausible result. Results in the usual range
    replace the others, units replace decimal points, and readings with the same result (within 3 %) count once.
    Plausible values have no other reading: 150 lb typed as 150 kg is not found.

    Args:
        value: the written value, in ``unit``.
        quantity: name in :data:`QUANTITIES`, or empty.
        unit: declared unit of the column; empty for the base unit.
        plausible: range in ``unit``.
        codes: numbers that mean missing.
    """
    missing = _missing_readings(value, codes, quantity, unit)
    if missing and value <= 0:
        return missing
    usual, digits = plausible, 2
    if quantity:
        known = QUANTITIES[quantity]
        usual = tuple(convert(np.array(known.usual), quantity, known.unit, unit))
        digits = max(0, known.digits + round(np.log10(conversion(quantity, unit)[0])))
    in_unit = _fitting(_unit_readings(value, quantity, unit), plausible, usual)
    in_point = _fitting(_point_readings(value, digits), plausible, usual)
    usual_first = any(reading.usual for reading in [*in_unit, *in_point])
    # units are confused far more often than decimal points are lost, so points explain only what no unit explains
    found = [r for r in in_unit if r.usual == usual_first] or [r for r in in_point if r.usual == usual_first]
    kept: list[Reading] = []
    for reading in found:
        if all(abs(reading.value - other.value) > SAME * abs(other.value) for other in kept):
            kept.append(reading)
    return [*kept, *missing]


def _fitting(
    found: list[Reading], plausible: tuple[float, float], usual: tuple[float, float]
) -> list[Reading]:
    """Readings with a plausible value; ``usual`` is set."""
    return [
        replace(reading, usual=bool(usual[0] <= reading.value <= usual[1]))
        for reading in found
        if plausible[0] <= reading.value <= plausible[1]
    ]
