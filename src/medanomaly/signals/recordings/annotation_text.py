"""A mark as one line of text, for formats that store only text: ``V``, ``+: (AFIB``, or a comment as it is."""

import re

# codes of the WFDB annotation format (PhysioNet, "WFDB Applications Guide", annot(5))
CODE_NUMBERS = {
    "N": 1, "L": 2, "R": 3, "a": 4, "V": 5, "F": 6, "J": 7, "A": 8, "S": 9, "E": 10, "j": 11, "/": 12, "Q": 13,
    "~": 14, "|": 16, "s": 18, "T": 19, "*": 20, "D": 21, '"': 22, "=": 23, "p": 24, "B": 25, "^": 26, "t": 27,
    "+": 28, "u": 29, "?": 30, "!": 31, "[": 32, "]": 33, "e": 34, "n": 35, "@": 36, "x": 37, "f": 38, "(": 39,
    ")": 40, "r": 41,
}  # fmt: skip
WFDB_CODES = frozenset(CODE_NUMBERS)
COMMENT, QUALITY = '"', "~"
# leads in the subtype of a change of quality: bit j says that lead j is noisy, bit j + 4 that it is unreadable
_LEADS = 4
_WITH_TEXT = re.compile(r"^(\S): (.+)$", re.DOTALL)


def to_text(symbol: str, text: str) -> str:
    """One line for a symbol and its text; a comment is only its text."""
    if symbol == COMMENT and text and from_text(text) == (COMMENT, text):
        return text
    return f"{symbol}: {text}" if text else symbol


def from_text(line: str) -> tuple[str, str]:
    """``(symbol, text)`` of a line; any line that is not a WFDB code is a comment."""
    if line in WFDB_CODES:
        return line, ""
    parts = _WITH_TEXT.match(line)
    if parts and parts[1] in WFDB_CODES:
        return parts[1], parts[2]
    return COMMENT, line


def quality_text(subtype: int) -> str:
    """Quality of four leads from here on: ``c`` clean, ``n`` noisy, ``u`` unreadable; clean leads at the end are left out.

    The WFDB format stores it in the subtype of a ``~`` mark; -1 means that all leads are unreadable.
    """
    if subtype < 0:
        return "u" * _LEADS
    letters = [
        "u" if subtype >> (j + _LEADS) & 1 else "n" if subtype >> j & 1 else "c" for j in range(_LEADS)
    ]
    return "".join(letters).rstrip("c") or "c"


def quality_subtype(text: str) -> int:
    """The inverse of :func:`quality_text`; 0 for any other text."""
    if not text or set(text) - set("cnu") or len(text) > _LEADS:
        return 0
    if text == "u" * _LEADS:
        return -1
    # an unreadable lead counts as noisy too
    bits = {"c": 0, "n": 1, "u": 1 + (1 << _LEADS)}
    return sum(bits[c] << j for j, c in enumerate(text))
