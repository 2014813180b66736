"""One DICOM file without what identifies a person, by the table of PS3.15."""

import hashlib
import hmac
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from pydicom import DataElement, Dataset, dcmread, uid
from pydicom.datadict import keyword_for_tag
from pydicom.multival import MultiValue

from medanomaly.core.errors import InputError
from medanomaly.privacy.profile import BASIC, OPTIONS, Profile

# stands in an attribute that must not be empty
_TEXT, _DATE, _TIME, _AGE = "ANONYMIZED", "19000101", "000000", "000Y"
_NUMBERS = ("DS", "IS", "FL", "FD", "SL", "SS", "UL", "US", "SV", "UV")
_BYTES = ("OB", "OD", "OF", "OL", "OV", "OW", "UN")
# shorter values, such as M or CT, stand in many attributes that name nobody
_SHORTEST_LEAK = 4
# attributes whose values are words of the standard or of a code, never of a person
_NO_LEAK_IN = ("CS", "UI", "SQ", "DS", "IS", "AT")
_IDENTIFIER = re.compile(r"IDs?$|Accession|Address|Telephone|OrderNumber|SerialNumber")
_MOST_DAYS = 3650


@dataclass
class Changes:
    """What was done to a file.

    Attributes:
        actions: action -> number of attributes, those of sequences included.
        private: private attributes removed.
        removed: values that were taken out, to look for in what stays; never written anywhere.
    """

    actions: Counter[str] = field(default_factory=Counter)
    private: int = 0
    removed: set[str] = field(default_factory=set)


class Deidentifier:
    """Files of one project: equal UIDs, patients and dates of a patient stay equal, so that a study stays a study.

    Args:
        profile: of :func:`medanomaly.privacy.profile.profile`.
        key: secret of 16 bytes or more; who has it can make the same pseudonyms again.

    Example:
        >>> import pydicom
        >>> from medanomaly.privacy.profile import profile
        >>> Deidentifier(profile(), key=b"sixteen bytes or more").profile.options
        ()
    """

    def __init__(self, profile: Profile, key: bytes):
        self.profile, self._key = profile, key

    def clean(self, content: bytes, name: str) -> tuple[Dataset, Changes]:
        """The data set of a file without what identifies a person.

        Args:
            content: the file.
            name: shown in errors.

        Raises:
            InputError: it is no DICOM file, it is a directory of files, or a value that was taken out stands in an attribute
                that stays.
        """
        try:
            found = dcmread(io.BytesIO(content))
            # everything is parsed here, so that nothing fails half way
            found.walk(lambda dataset, element: None)
        except Exception as error:
            # what the reader says may hold a value of the file
            raise InputError("it cannot be read as DICOM", source=name) from error
        if "SOPClassUID" not in found and found.file_meta.get("MediaStorageSOPClassUID") is None:
            raise InputError("it does not say which DICOM object it is", source=name)
        if found.file_meta.get("MediaStorageSOPClassUID") == uid.MediaStorageDirectoryStorage:
            raise InputError(
                "it is a directory of DICOM files", source=name, remedy="Give the files themselves."
            )
        changes = Changes()
        patient = str(
            found.get("PatientID", "") or found.get("PatientName", "") or found.get("StudyInstanceUID", "")
        )
        shift = timedelta(days=1 + int(self._digest("shift", patient)[:8], 16) % _MOST_DAYS)
        self._clean(found, shift, changes)
        found.PatientID = "P" + self._digest("patient", patient)[:12].upper()
        self._mark(found)
        self._meta(found)
        # 128 bytes of any content before the data
        found.preamble = b"\0" * 128
        if leak := _leak(found, changes.removed):
            raise InputError(
                f"{leak} holds a value that was taken out of another attribute",
                source=name,
                remedy="Correct the attribute in the source: nothing was written.",
            )
        return found, changes

    def _clean(self, dataset: Dataset, shift: timedelta, changes: Changes) -> None:
        for element in list(dataset):
            action = self.profile.action(element.tag, element.VR)
            # the pixels are looked at apart
            if element.keyword == "PixelData":
                continue
            if element.tag.is_private:
                changes.private += 1
                changes.removed |= set(_texts(element))
                del dataset[element.tag]
                continue
            if element.VR == "SQ" and action in ("K", "U"):
                for item in element.value:
                    self._clean(item, shift, changes)
                changes.actions[action] += 1
                continue
            changes.actions[action] += 1
            if action in ("X", "Z", "D"):
                changes.removed |= set(_texts(element))
            if action == "X":
                del dataset[element.tag]
            elif action == "Z":
                element.value = [] if element.VR == "SQ" else None
            elif action == "D":
                element.value = _dummy(element)
            elif action == "U":
                element.value = self._new_uids(element.value)
            elif action == "C":
                element.value = _shifted(element, shift)

    def _new_uids(self, value: Any) -> Any:
        if isinstance(value, MultiValue):
            return [self._new_uid(part) for part in value]
        return self._new_uid(value) if value else value

    def _new_uid(self, value: str) -> str:
        # a UID of the standard names a format or a service, not an object
        if str(value).startswith("1.2.840.10008."):
            return value
        return f"2.25.{int(self._digest('uid', str(value))[:32], 16)}"

    def _digest(self, purpose: str, value: str) -> str:
        return hmac.new(self._key, f"{purpose}\0{value}".encode(), hashlib.sha256).hexdigest()

    def _mark(self, dataset: Dataset) -> None:
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = "medanomaly: PS3.15 Table E.1-1 2026c"
        codes = []
        for value, meaning in (BASIC, *(OPTIONS[name] for name in self.profile.options)):
            code = Dataset()
            code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
            codes.append(code)
        dataset.DeidentificationMethodCodeSequence = codes
        kept = {"full_dates": "UNMODIFIED", "modified_dates": "MODIFIED"}
        dataset.LongitudinalTemporalInformationModified = next(
            (word for name, word in kept.items() if name in self.profile.options), "REMOVED"
        )

    def _meta(self, dataset: Dataset) -> None:
        meta = dataset.file_meta
        kept = ("MediaStorageSOPClassUID", "TransferSyntaxUID")
        for element in list(meta):
            if element.keyword not in kept:
                del meta[element.tag]
        meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID") or uid.generate_uid(prefix="2.25.")


def _dummy(element: DataElement) -> Any:
    vr = element.VR
    if vr == "SQ":
        return []
    if vr in _NUMBERS:
        return 0
    if vr in _BYTES:
        return b"\0\0"
    if vr == "UI":
        return "2.25.0"
    return {"DA": _DATE, "DT": _DATE + _TIME, "TM": _TIME, "AS": _AGE, "UR": "about:blank"}.get(vr, _TEXT)


def _shifted(element: DataElement, shift: timedelta) -> Any:
    """The date earlier by the days of its patient; a time of day stays, a text that is no date becomes empty."""
    if element.VR == "TM":
        return element.value
    values = element.value if isinstance(element.value, MultiValue) else [element.value]
    moved = []
    for value in values:
        text = str(value or "")
        try:
            found = datetime.strptime(text[:8], "%Y%m%d").date()
            moved.append(_earlier(found, shift) + text[8:])
        except ValueError:
            moved.append("")
    return moved if len(moved) > 1 else moved[0] or None


def _earlier(found: date, shift: timedelta) -> str:
    return (found - shift).strftime("%Y%m%d") if found.toordinal() > shift.days else _DATE


def _texts(element: DataElement) -> Iterator[str]:
    """Words of a value that could show up elsewhere."""
    if element.VR == "SQ":
        for item in element.value:
            for inner in item:
                yield from _texts(inner)
        return
    if element.VR in (*_BYTES, *_NUMBERS, *_NO_LEAK_IN, "TM", "AS") or not _identifies(element):
        return
    values = element.value if isinstance(element.value, MultiValue) else [element.value]
    for value in values:
        for word in re.split(r"[\^=\\,;:\s]+", str(value)):
            # letters alone are a name only where names stand; digits alone are an identifier if they are many
            fewest = 6 if word.isdigit() else _SHORTEST_LEAK
            if len(word) >= fewest and (element.VR == "PN" or not word.isalpha()):
                yield word.casefold()


def _identifies(element: DataElement) -> bool:
    """Whether the words of an attribute name somebody: a description also holds words of the device."""
    return element.VR == "PN" or element.tag.group == 0x0010 or bool(_IDENTIFIER.search(element.keyword))


def _leak(dataset: Dataset, removed: set[str]) -> str | None:
    """The attribute in which a removed value stands, None without one."""
    words = removed - {_TEXT.casefold(), _DATE, _DATE + _TIME}
    if not words:
        return None
    for element in dataset.iterall():
        if element.VR in (*_BYTES, *_NUMBERS, *_NO_LEAK_IN, "DA", "DT", "TM", "AS"):
            continue
        values = element.value if isinstance(element.value, MultiValue) else [element.value]
        for value in values:
            if words & {word.casefold() for word in re.split(r"[\^=\\,;:\s]+", str(value or ""))}:
                return keyword_for_tag(element.tag) or str(element.tag)
    return None
