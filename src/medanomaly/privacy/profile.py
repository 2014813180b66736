"""What DICOM PS3.15 asks of each attribute: the Basic Application Level Confidentiality Profile and its options.

``dicom_profile.csv`` holds Table E.1-1 as facts: tag, keyword, action of the basic profile, and the action of each option.
Actions are of edition 2026c. The columns of options are of edition 2022. For attributes that came later, the options for
dates and UIDs follow from the value representation, and the others leave them to the basic profile.
"""

import csv
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from medanomaly.core.errors import ConfigurationError, did_you_mean

# option -> code and meaning of CID 7050, which the output names
OPTIONS = {
    "uids": ("113110", "Retain UIDs Option"),
    "device": ("113109", "Retain Device Identity Option"),
    "institution": ("113112", "Retain Institution Identity Option"),
    "characteristics": ("113108", "Retain Patient Characteristics Option"),
    "full_dates": ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    "modified_dates": ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
}
BASIC = ("113100", "Basic Application Confidentiality Profile")
# columns whose cleaning is not offered: the basic profile removes what they would clean
_NOT_OFFERED = ("descriptors", "structured", "graphics")
# of several actions, the one that fits a required attribute as well as an optional one
_STRICTEST = {"Z/D": "D", "X/Z": "Z", "X/D": "D", "X/Z/D": "D", "X/Z/U*": "U"}


@dataclass(frozen=True)
class Profile:
    """Actions by tag: X remove, Z empty, D dummy, U new UID, K keep, C shift the date.

    Attributes:
        actions: tag -> action of the attributes of the table.
        options: that were chosen.
    """

    actions: dict[int, str]
    options: tuple[str, ...]

    def action(self, tag: int, vr: str) -> str:
        """Of an attribute of this tag and value representation.

        What the table does not list is kept, apart from private attributes, curves, overlays, and names of persons that the
        table does not know: those are emptied, because a name identifies whatever it is called.
        """
        group = tag >> 16
        if group % 2:
            return "X"
        if 0x5000 <= group <= 0x50FF or (0x6000 <= group <= 0x60FF and tag & 0xFFFF in (0x3000, 0x4000)):
            return "X"
        found = self.actions.get(tag)
        if found is not None:
            return found
        return "Z" if vr == "PN" else "K"


def profile(options: Collection[str] = ()) -> Profile:
    """The basic profile with options.

    Args:
        options: of :data:`OPTIONS`.

    Raises:
        ConfigurationError: an option is unknown, or dates should be kept and shifted at once.

    Example:
        >>> profile().action(0x00100010, "PN"), profile(["modified_dates"]).action(0x00080020, "DA")
        ('Z', 'C')
    """
    for name in options:
        if name not in OPTIONS:
            raise ConfigurationError(
                f"there is no option '{name}'. {did_you_mean(name, OPTIONS)}",
                remedy=f"Known: {', '.join(OPTIONS)}.",
            )
    if {"full_dates", "modified_dates"} <= set(options):
        raise ConfigurationError(
            "dates cannot be kept and shifted at once", remedy="Choose one option for dates."
        )
    chosen = tuple(name for name in OPTIONS if name in options)
    actions = {}
    for row in table():
        if "x" in row["tag"]:
            continue
        wanted = {row[name] for name in chosen if row[name]}
        # an option that cleans text needs a reader of text; the attribute is then treated as without the option
        wanted -= {"C"} if row["modified_dates"] != "C" or "modified_dates" not in chosen else set()
        action = row["basic"]
        for better in ("K", "C", "X"):
            if better in wanted:
                action = better
                break
        actions[int(row["tag"], 16)] = _STRICTEST.get(action, action)
    return Profile(actions, chosen)


@cache
def table() -> tuple[dict[str, str], ...]:
    """The rows of ``dicom_profile.csv``.

    Example:
        >>> table()[0]["tag"]
        '00001000'
    """
    text = files("medanomaly.privacy").joinpath("dicom_profile.csv").read_text("utf-8")
    return tuple(csv.DictReader(text.splitlines()))
