"""Ages as people and programs write them, in years."""

import re

_YEARS = {"y": 1.0, "m": 1 / 12, "w": 7 / 365.25, "d": 1 / 365.25, "h": 1 / 8766.0}
_WORDS = {
    **dict.fromkeys(("", "y", "a", "yr", "yrs", "year", "years", "jahr", "jahre", "ans"), "y"),
    **dict.fromkeys(("m", "mo", "mos", "mon", "month", "months", "monat", "monate", "mois"), "m"),
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks"), "w"),
    **dict.fromkeys(("d", "day", "days"), "d"),
    **dict.fromkeys(("h", "hour", "hours"), "h"),
}
_ISO = re.compile(
    r"P(?:(?P<y>\d+(?:\.\d+)?)Y)?(?:(?P<m>\d+(?:\.\d+)?)M)?(?:(?P<w>\d+(?:\.\d+)?)W)?(?:(?P<d>\d+(?:\.\d+)?)D)?(?:T(?:(?P<h>\d+(?:\.\d+)?)H)?.*)?",
    re.IGNORECASE,
)
_PART = re.compile(r"(\d+(?:[.,]\d+)?)\s*([a-z]*)\.?")
OLDEST = 130.0


def years(text: str) -> float | None:
    """``P3Y6M``, ``3 years``, ``18 months``, ``2y 3m`` or ``3.5`` in years; None where it is no age of a person."""
    text = text.strip().lower()
    total = None
    if (iso := _ISO.fullmatch(text)) is not None:
        parts = [(float(value), unit) for unit, value in iso.groupdict().items() if value]
        total = sum(value * _YEARS[unit] for value, unit in parts) if parts else None
    elif text and not re.sub(_PART, "", text).strip(" ,"):
        found = [(number, _WORDS.get(word)) for number, word in _PART.findall(text)]
        if all(unit is not None for _, unit in found):
            total = sum(float(number.replace(",", ".")) * _YEARS[unit] for number, unit in found)
    return total if total is not None and 0 <= total <= OLDEST else None
