"""A mark as one line of text, for formats that store only text: ``V``, ``+: (AFIB``, or a comment as it is.

People write beats in many ways (`` N ``, ``Normal``, ``PVC``, ``veb``); :func:`as_codes` understands the usual ones.
"""

import re
from collections.abc import Sequence

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
# what people and programs call beats: letters of AAMI, mnemonics of the WFDB library, words; written without case, blanks
# and the word "beat"
_NAMES = {
    "N": ("normal", "nor", "norm", "sinus", "nsr", "nb"),
    "L": ("lbbb", "left bundle branch block"),
    "R": ("rbbb", "right bundle branch block"),
    "B": ("bbb", "bundle branch block"),
    "A": ("apc", "pac", "apb", "atrial premature", "premature atrial", "premature atrial contraction",
          "atrial premature contraction", "premature atrial complex"),
    "a": ("aberr", "aberrated atrial premature"),
    "J": ("npc", "pjc", "nodal premature", "junctional premature", "premature junctional contraction"),
    "S": ("svpb", "sveb", "sve", "svpc", "supraventricular", "supraventricular premature", "supraventricular ectopic"),
    "V": ("pvc", "veb", "vpc", "vpb", "ve", "ventricular", "premature ventricular", "ventricular premature",
          "ventricular ectopic", "premature ventricular contraction", "ventricular premature contraction",
          "premature ventricular complex"),
    "r": ("ront", "r on t", "r on t premature ventricular contraction"),
    "E": ("vesc", "ventricular escape"),
    "e": ("aesc", "atrial escape"),
    "j": ("nesc", "nodal escape", "junctional escape"),
    "n": ("svesc", "supraventricular escape"),
    "F": ("fusion", "fus", "fusion of ventricular and normal"),
    "/": ("pace", "paced"),
    "f": ("pfus", "fusion of paced and normal"),
    "Q": ("unknown", "unclassifiable", "unclassified"),
}  # fmt: skip
# so many marks of one letter are a habit
_MANY = 16
_CODE_OF_NAME = {name: code for code, names in _NAMES.items() for name in names}
_WITH_TEXT = re.compile(r"^(\S): (.+)$", re.DOTALL)


def to_text(symbol: str, text: str) -> str:
    """One line for a symbol and its text; a comment is only its text, unless that could be taken for a beat."""
    if symbol == COMMENT and text and from_text(text) == (COMMENT, text) and not _may_be_beat(text):
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


def code_of(name: str) -> str | None:
    """The WFDB code of a beat that is called ``name`` (``Normal``, ``PVC``, `` V ``); None where it is no usual name."""
    name = name.strip().strip("'\"").strip() or name.strip()
    if name in WFDB_CODES:
        return name
    words = re.sub(r"\([^)]*\)|\bbeats?\b", " ", name.casefold().replace("-", " ").replace("_", " "))
    return _CODE_OF_NAME.get(" ".join(words.split()))


def _may_be_beat(text: str) -> bool:
    return code_of(text) is not None or (len(text.strip()) == 1 and text.strip().isalpha())


def as_codes(symbols: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Symbols that people wrote, in WFDB codes.

    A letter that is no code in lower case (``v``) is taken for its upper case. Where all letters are lower case, and one of
    them is no code or most of them are ``n``, all are: a file in lower case is likelier than nothing but escape beats.

    Args:
        symbols: (n,) as they were written.

    Returns:
        ``(symbols, notes)``. A symbol that is not understood stays as it is; the note says what was taken for what.
    """
    known = {symbol: code_of(symbol) for symbol in set(symbols)}
    letters = {
        symbol: symbol.strip() for symbol in known if len(symbol.strip()) == 1 and symbol.strip().isalpha()
    }
    unknown = any(
        known[symbol] is None and letter.upper() in WFDB_CODES for symbol, letter in letters.items()
    )
    n_normal = sum(symbol.strip() == "n" for symbol in symbols)
    of_n = n_normal >= _MANY and 2 * n_normal > sum(symbol in letters for symbol in symbols)
    lower = all(letter.islower() for letter in letters.values()) and (unknown or of_n)
    for symbol, letter in letters.items():
        if letter.upper() in WFDB_CODES and (lower or known[symbol] is None):
            known[symbol] = letter.upper()
    changed = sorted(f"'{s}' as {c}" for s, c in known.items() if c is not None and s.strip() != c)
    notes = (f"marks are understood: {', '.join(changed)}",) if changed else ()
    return [known[symbol] or symbol for symbol in symbols], notes


def from_lines(lines: Sequence[str]) -> tuple[list[str], list[str], tuple[str, ...]]:
    """``(symbols, texts, notes)`` of lines as in :func:`from_text`, where a line may also be a usual name of a beat."""
    pairs = [from_text(line) for line in lines]
    bare = [pair == (COMMENT, line) for pair, line in zip(pairs, lines, strict=True)]
    symbols, notes = as_codes([line if b else s for (s, _), line, b in zip(pairs, lines, bare, strict=True)])
    comment = [b and s not in WFDB_CODES for s, b in zip(symbols, bare, strict=True)]
    texts = [t if c or not b else "" for (_, t), b, c in zip(pairs, bare, comment, strict=True)]
    return [COMMENT if c else s for s, c in zip(symbols, comment, strict=True)], texts, notes


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
