"""Read numbers that are written as text: ``<0.5``, ``90+``, ``5,3``, ``1.234,5``, ``98.6 F``, ``4.0 H``, ``6 months``.

How a column is written is decided once per column: whether a comma is a decimal mark, which unit its numbers have, and
whether a letter behind a number is a unit or the flag of a laboratory. Cleaning and the plausibility check both read with
:func:`read_numbers`, so what one understands the other does not throw out.
"""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from medanomaly.tabular.table.units import convert_written, is_known_unit, unit_key

# words that people and programs write for a missing value, in lower case
MISSING_WORDS = frozenset((
    "", "?", "na", "n/a", "n.a.", "nan", "<na>", "nil", "null", "none", "unknown", "unk", "missing", "-", "--", "–", "—",
    "−", ".", "nd", "n.d.", "not done", "not measured", "#n/a", "#value!", "#div/0!", "#null!", "#ref!", "#num!",
))  # fmt: skip
NO_NUMBER = "not a number"
STRANGE_TEXT = "a number with text behind it that is neither a known unit nor a flag"
TWO_NUMBERS = (
    "a number that can be read in two ways (a comma or a point may stand for decimals or for thousands)"
)
OFF_SCALE = "not a number (a word for beyond the range of the device)"

_OFF_SCALE_WORDS = frozenset(
    ("hi", "high", "lo", "low", "+++", "off scale", "out of range", "over range", "under range")
)
_TRUTH = {"true": 1.0, "false": 0.0}
_SPACES = str.maketrans(
    {"−": "-", "–": "-", "﹣": "-", "－": "-", **dict.fromkeys("\u00a0\u2007\u2009\u202f", " "), "’": "'"}
)
_BELOW = r"<=|=<|<|≤|(?:less than|lower than|under|below|up to)\b"
_ABOVE = r">=|=>|>|≥|(?:more than|greater than|higher than|over|above|at least)\b"
_FLAG = r"HH|LL|H|L|HI|LO|A|N|high|low|abnormal|critical|\*+|!+|↑+|↓+"
_NUMBER = re.compile(
    rf"(?:(?P<below>{_BELOW})|(?P<above>{_ABOVE})|[~≈=]|(?:ca|approx)\.?\s|about\s)?\s*"
    rf"(?:(?:{_FLAG})\s+|\*)?"
    r"(?P<number>[+-]?(?:\d{1,3}(?:[ ']\d{3})+(?:[.,]\d+)?(?!\d)|\d[\d.,]*|[.,]\d+)(?:[eE][+-]?\d+)?)"
    r"(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_OPEN = re.compile(
    r"(?P<unit>.*?)\s*(?:(?P<above>\+|\b(?:and|or) (?:over|above|older|more|higher|up)|\bplus)"
    r"|(?P<below>\b(?:and|or) (?:under|below|younger|less|lower)))$",
    re.IGNORECASE,
)
_FLAGGED = re.compile(rf"(?P<unit>.*?)(?P<space>^|\s*)[(\[]?(?P<flag>{_FLAG})[)\]]?$", re.IGNORECASE)
# a number with a power of ten is a unit of counts; any other digit behind a number belongs to a second number
_COUNTS = re.compile(r"[x×*]?\s*10\s*(?:\^|\*|e|[⁰-⁹¹²³]).*", re.IGNORECASE)
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?P<mark>[.,])\d{3}(?:(?P=mark)\d{3})*")
# the extent to which a column of whole numbers may go on: 990 and then 1,030, but not 7 and then 1,234
_GOES_ON = 30.0
_ENOUGH = 10


@dataclass(frozen=True)
class _Cell:
    """One way of writing, taken apart: its number as text, its sign, and the text behind the number."""

    number: str
    censored: str
    rest: str


def _take_apart(text: str) -> _Cell | None:
    match = _NUMBER.fullmatch(text.translate(_SPACES).strip())
    if match is None:
        return None
    censored = "<" if match["below"] else ">" if match["above"] else ""
    rest = match["rest"].strip()
    opened = _OPEN.fullmatch(rest)
    if opened and not censored:
        censored, rest = (">" if opened["above"] else "<"), opened["unit"].strip()
    if rest and (
        rest[0] in "-,:;.+"
        or re.match(r"/\s*\d|(?:out )?of\b", rest)
        or (re.match(r"\d", rest) and not _COUNTS.fullmatch(rest))
    ):
        return None
    return _Cell(match["number"], censored, rest)


@dataclass(frozen=True)
class Marks:
    """What a comma and a point mean in a column; None where the column leaves it open."""

    comma: str | None
    point: str


def _marks(cells: list[_Cell], numbers: np.ndarray, plain: pd.Series) -> Marks:
    """Decide from the numbers that can be read in one way only.

    Args:
        cells: cells that are not plain numbers.
        numbers: (m,) the plain numbers.
        plain: their text, where they are text.
    """
    odd = [re.sub(r"[ ']", "", cell.number) for cell in cells]
    odd = [text for text in odd if "," in text or "." in text]
    commas = [text for text in odd if "," in text]
    if not commas:
        return Marks(None, "decimal")
    both = [text for text in commas if "." in text]
    single = [text for text in commas if "." not in text]
    decimal_commas = any(text.rfind(",") > text.rfind(".") for text in both)
    decimal_commas |= any(text.count(",") == 1 and not _GROUPED.fullmatch(text) for text in single)
    thousands = any(text.rfind(".") > text.rfind(",") for text in both) or any(
        text.count(",") > 1 for text in single
    )
    pointed = [text for text in odd if "," not in text]
    points = any(not _GROUPED.fullmatch(text) for text in pointed)
    written = plain[plain.str.contains(".", regex=False)]
    points |= bool((~written.str.fullmatch(_GROUPED.pattern)).any())
    if decimal_commas != (thousands or points):
        return Marks("decimal", "thousands") if decimal_commas else Marks("thousands", "decimal")
    return Marks(None if decimal_commas else _continued(single, numbers), "decimal")


def _continued(commas: list[str], numbers: np.ndarray) -> str | None:
    """What commas as in 1,230 mean if they go on where the plain numbers of the column end; None where that is open."""
    known = np.abs(numbers[np.isfinite(numbers) & (numbers != 0)])
    if len(known) < _ENOUGH:
        return None
    low, high = known.min(), known.max()
    large = np.median([abs(float(text.replace(",", ""))) for text in commas if _GROUPED.fullmatch(text)])
    goes_on = low / _GOES_ON <= large <= high * _GOES_ON
    if (known % 1 == 0).all():
        return "thousands" if goes_on else None
    fits = low / 3 <= large / 1000 <= high * 3
    return "decimal" if fits and not goes_on else None


def _value(text: str, marks: Marks) -> float:
    """The number that digits with points, commas and spaces mean; NaN where they can mean two different numbers or none."""
    mantissa, _, exponent = text.lower().partition("e")
    spaced = re.search(r"[ ']", mantissa) is not None
    mantissa = re.sub(r"[ ']", "", mantissa).rstrip(".,")
    points, commas = mantissa.count("."), mantissa.count(",")
    if points and commas:
        decimal = max(".", ",", key=mantissa.rfind)
        whole, _, part = mantissa.rpartition(decimal)
        if mantissa.count(decimal) > 1 or not _GROUPED.fullmatch(whole):
            return np.nan
        mantissa = re.sub(r"[.,]", "", whole) + "." + part
    elif commas > 1 or points > 1:
        if not _GROUPED.fullmatch(mantissa):
            return np.nan
        mantissa = re.sub(r"[.,]", "", mantissa)
    elif commas:
        if _GROUPED.fullmatch(mantissa) and not spaced:
            if marks.comma is None:
                return np.nan
            mantissa = mantissa.replace(",", "." if marks.comma == "decimal" else "")
        else:
            mantissa = mantissa.replace(",", ".")
    elif points and marks.point == "thousands" and _GROUPED.fullmatch(mantissa):
        mantissa = mantissa.replace(".", "")
    try:
        return float(mantissa + (f"e{exponent}" if exponent else ""))
    except ValueError:
        return np.nan


def read_numbers(values: pd.Series, unit: str = "", quantity: str = "") -> pd.DataFrame:
    """As :func:`read_column`, without what the column says of its marks."""
    return read_column(values, unit, quantity)[0]


def read_column(
    values: pd.Series, unit: str = "", quantity: str = "", marks: Marks | None = None
) -> tuple[pd.DataFrame, Marks]:
    """Read the numbers of a column in its unit, and say how those that are not plain numbers were written.

    Args:
        values: numbers, text or both; missing values stay missing.
        unit: of the column; empty for the unit that its cells are written in.
        quantity: name in ``medanomaly.tabular.table.units.QUANTITIES``, for units that only a molar mass converts.
        marks: what a comma and a point mean, where that is known already; what they leave open the values decide.

    Returns:
        Frame on the same index, and the marks of the column. The frame has ``value`` float64 in the unit of the column (NaN
        = none could be read), ``plain`` (bool: was a plain number), ``censored`` (``<`` below the limit, ``>`` above it,
        empty where exact), ``unit`` (as written behind the number), ``as_written`` (float64, before a conversion),
        ``missing_word`` (bool: text that means missing), ``reason`` (text: why no number was read, empty where one was or
        nothing is written).
    """
    if pd.api.types.is_numeric_dtype(values):
        number = values.astype("float64")
    else:
        number = pd.to_numeric(values, errors="coerce").astype("float64")
    out = pd.DataFrame(
        {
            "value": number, "plain": number.notna(), "censored": "", "unit": "", "as_written": number,
            "missing_word": False, "reason": "",
        },
        index=values.index,
    )  # fmt: skip
    known = marks or Marks(None, "decimal")
    if pd.api.types.is_numeric_dtype(values):
        return out, known
    rest = values[number.isna() & values.notna()].astype("string").str.strip()
    if rest.empty:
        return out, known
    counts = rest.value_counts()
    missing = {text for text in counts.index if text.lower() in MISSING_WORDS}
    words = [text for text in counts.index if text not in missing]
    read = dict.fromkeys(missing, (np.nan, False, "", "", np.nan, True, ""))
    if words and not number.notna().any() and {text.lower() for text in words} <= set(_TRUTH):
        read |= {
            text: (_TRUTH[text.lower()], True, "", "", _TRUTH[text.lower()], False, "") for text in words
        }
    elif words:
        apart = {text: _take_apart(text) for text in words}
        plain = values[out["plain"]].map(lambda value: value.strip() if isinstance(value, str) else "")
        cells = [cell for cell in apart.values() if cell]
        if known.comma is None:
            known = _marks(cells, number.dropna().to_numpy(), plain.astype("string"))
        marks = known
        units = _Units(counts, apart, len(plain), unit, quantity)
        read |= {text: _row(text, cell, marks, units) for text, cell in apart.items()}
        if marks.point == "thousands":
            # in a column of decimal commas 1.234 is more than a thousand, although it looks like a plain number
            grouped = plain[plain.astype("string").str.fullmatch(_GROUPED.pattern).astype(bool)]
            out.loc[grouped.index, "value"] = grouped.str.replace(".", "", regex=False).astype("float64")
            out.loc[grouped.index, "as_written"] = out.loc[grouped.index, "value"]
            out.loc[grouped.index, "plain"] = False
    rows = pd.DataFrame([read[text] for text in rest], index=rest.index, columns=list(out.columns))
    out.loc[rest.index] = rows
    return out.astype(
        {"value": "float64", "plain": bool, "as_written": "float64", "missing_word": bool}
    ), known


def _row(text: str, cell: _Cell | None, marks: Marks, units: "_Units") -> tuple:
    """Text that is no plain number to a row of :func:`read_numbers`."""
    if cell is None:
        off_scale = text.strip(" <>").lower() in _OFF_SCALE_WORDS
        return np.nan, False, "", "", np.nan, False, OFF_SCALE if off_scale else NO_NUMBER
    number = _value(cell.number, marks)
    written, value, reason = units.read(cell.rest, number)
    if np.isnan(number):
        reason = TWO_NUMBERS if _GROUPED.fullmatch(cell.number) else NO_NUMBER
    if reason:
        value = number = np.nan
    return value, False, cell.censored, written, number, False, reason


class _Units:
    """What is written behind the numbers of one column: units, flags of a laboratory, or neither."""

    def __init__(
        self, counts: pd.Series, apart: dict[str, _Cell | None], n_plain: int, unit: str, quantity: str
    ):
        self.unit, self.quantity, self.bare = unit, quantity, n_plain
        behind: dict[str, int] = {}
        for text, cell in apart.items():
            if cell is not None and cell.rest:
                behind[cell.rest] = behind.get(cell.rest, 0) + int(counts[text])
            elif cell is not None:
                self.bare += int(counts[text])
        by_key: dict[str, int] = {}
        for text, n in behind.items():
            by_key[unit_key(text)] = by_key.get(unit_key(text), 0) + n
        n_known = self.bare + sum(behind.values())
        self.column = unit
        if not unit:
            # the unit of the column is what most of its cells say; a word that is no known unit has to be in half of them
            flags = self.bare or len(by_key) > 1
            named = {
                text: by_key[unit_key(text)]
                for text in behind
                if (is_known_unit(text, quantity) and not (flags and self.flag(text)[0]))
                or by_key[unit_key(text)] >= n_known / 2
            }
            self.column = max(named, key=named.get) if named else ""

    @staticmethod
    def flag(text: str) -> tuple[bool, str]:
        """Whether text ends with the flag of a laboratory, and what stands before it."""
        match = _FLAGGED.fullmatch(text)
        if match is None or (match["unit"] and not match["space"] and match["flag"][0].isalpha()):
            return False, text
        return True, match["unit"].strip()

    def read(self, text: str, number: float) -> tuple[str, float, str]:
        """Unit as written, number in the unit of the column, and why it was not understood."""
        if not text:
            return "", number, ""
        converted = convert_written(number, text, self.column, self.quantity)
        if converted is not None:
            return text, converted, ""
        flagged, before = self.flag(text)
        if flagged:
            return self.read(before, number)
        if is_known_unit(text, self.quantity):
            return (
                text,
                np.nan,
                f"the unit '{text}' cannot be converted to {self.column or 'that of the column'}",
            )
        # the text itself may be the name of a person, and reasons stand in reports
        return text, np.nan, STRANGE_TEXT
