"""Subject and subtype from the file names of the paediatric chest X-rays (Kermany et al. 2018)."""

import re

_PNEUMONIA = re.compile(r"^(?P<subject>person\d+_(?P<kind>bacteria|virus))_\d+", re.IGNORECASE)
_NORMAL = re.compile(r"^(?P<subject>(?:NORMAL\d*-)?IM-\d+)(?:-\d+)*", re.IGNORECASE)


def subject_from_name(stem: str) -> str | None:
    """Subject of a file name without suffix; None if the name follows no known rule.

    ``person1000_bacteria_2931`` is an image of ``person1000_bacteria``. Bacterial and viral cases have separate numbers, so
    the number alone would join different people. ``IM-0439-0001-0002`` is an image of ``IM-0439``. ``NORMAL2-IM-0439-0001``
    is an image of ``NORMAL2-IM-0439``, because the second series has its own numbers.
    """
    match = _PNEUMONIA.match(stem) or _NORMAL.match(stem)
    return match["subject"] if match else None


def subtype_from_name(stem: str) -> str | None:
    """``bacteria`` or ``virus`` if the file name says it, ``normal`` for the names of normal images, else None."""
    match = _PNEUMONIA.match(stem)
    if match:
        return match["kind"].lower()
    return "normal" if _NORMAL.match(stem) else None
