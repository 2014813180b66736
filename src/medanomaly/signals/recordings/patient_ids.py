"""Whether the text that a file gives for its patient is an id: what stands for "unknown" would make one person of many."""

import re

_PLACEHOLDERS = frozenset(
    {
        "anon", "anonym", "anonymous", "anonymized", "anonymised", "deidentified", "redacted", "removed", "hidden",
        "unknown", "unspecified", "undefined", "unnamed", "none", "null", "nan", "na", "n/a", "nil", "patient", "patientid",
        "patientname", "subject", "person", "name", "id", "pid", "test", "demo", "default", "noname", "noid",
    }
)  # fmt: skip


def stated_id(text: object) -> str | None:
    """The id, or None where the text is empty, a placeholder (``X``, ``-1``, ``anonymous``) or a single letter."""
    plain = str(text).strip()
    short = re.sub(r"[\s_\-.]", "", plain).casefold()
    # one sign, repeated or not: X, XXXX, ---, 0000
    if not short or short in _PLACEHOLDERS or plain == "-1" or re.fullmatch(r"(\D)\1*|0+", short):
        return None
    return plain


def free_text_id(text: str) -> str | None:
    """The id in a field of free text: a single word with a digit in it that is no date; else None."""
    words = text.split()
    if len(words) != 1 or not any(c.isdigit() for c in text):
        return None
    if re.fullmatch(r"\d{1,4}[-./](\d{1,2}|[A-Za-z]{3})[-./]\d{1,4}", words[0]):
        return None
    return stated_id(words[0])
