"""Which of the 18 identifiers of HIPAA Safe Harbor (45 CFR 164.514(b)(2)(i)) a table still holds.

What has a form is looked for in the values: dates, mail, telephone and record numbers. What has none is known by the name of
its column. Nothing is told but names of columns.
"""

import re
from dataclasses import dataclass

import pandas as pd

from medanomaly.privacy.notes import find_identifiers
from medanomaly.privacy.tables import OLDEST, SMALL_ZIP3


@dataclass(frozen=True)
class Identifier:
    """One of the 18.

    Attributes:
        letter: of the rule, ``A`` to ``R``.
        title: what it is.
        column: regular expression of names of columns.
        spans: kinds of :class:`medanomaly.privacy.notes.Span` in text that are one; empty where values have no form.
        seen: whether a table can show it at all.
    """

    letter: str
    title: str
    column: str = r"(?!)"
    spans: tuple[str, ...] = ()
    seen: bool = True


_NAMES = r"(?:^|_)(?:sur|last|first|given|family|full|patient_?|nach|vor)?name$|next_of_kin|physician|nurse"
_PLACES = r"address|street|city|county|(?:^|_)(?:zip|plz|postal|postcode)|adresse|strasse|straße|(?:^|_)ort$"
_RECORDS = r"(?:^|_)mrn(?:$|_)|(?:^|_)(?:medical_?)?record_?(?:no|number|id)$|fallnummer"
IDENTIFIERS = (
    Identifier("A", "names", _NAMES, ("name",)),
    Identifier("B", "places smaller than a state", _PLACES, ("address",)),
    Identifier("C", "dates but for the year, and ages over 89", r"(?!)", ("date", "age")),
    Identifier("D", "telephone numbers", r"phone|telefon|mobile|(?:^|_)tel(?:$|_)", ("phone",)),
    Identifier("E", "fax numbers", r"(?:^|_)fax"),
    Identifier("F", "email addresses", r"e_?-?mail", ("email",)),
    Identifier("G", "social security numbers", r"(?:^|_)ssn(?:$|_)|social_?security|sozialversicherung"),
    Identifier("H", "medical record numbers", _RECORDS),
    Identifier("I", "health plan numbers", r"insurance|health_?plan|beneficiary|versicherten|policy"),
    Identifier("J", "account numbers", r"account|(?:^|_)iban(?:$|_)|konto"),
    Identifier("K", "certificate and licence numbers", r"licen[cs]e|certificate"),
    Identifier("L", "vehicles and plates", r"(?:^|_)(?:vin|plate|vehicle)"),
    Identifier("M", "device identifiers", r"(?:^|_)(?:device|serial|udi)(?:_?(?:id|no|number))?$|implant_?(?:id|no|number)"),
    Identifier("N", "web addresses", r"(?:^|_)url(?:$|_)|website|homepage", ("url",)),
    Identifier("O", "IP addresses", r"(?:^|_)ip(?:$|_)|ip_?address", ("ip",)),
    Identifier("P", "fingerprints and voices", seen=False),
    Identifier("Q", "photographs of faces", seen=False),
    Identifier("R", "other numbers that belong to one person", r"(?!)", ("id",)),
)  # fmt: skip
# what deidentification leaves: a pseudonym, a year, 90+, three digits, a band
_PSEUDONYM = r"[A-Z]?[0-9a-f]{16,64}"
_LEFT = re.compile(rf"{_PSEUDONYM}|(?:18|19|20)\d\d(?: or earlier)?|90\+|\d+-\d+|any|other|\[\w+\]")
_IDS = re.compile(
    r"(?:^|_)(?:id|nr|no|number|uid|key|case|record|patient|subject|visit|encounter|barcode)$|id$",
    re.IGNORECASE,
)
_AGE = re.compile(r"^(?:age|alter|age_years)$", re.IGNORECASE)
_ZIP = re.compile(r"(?:^|_)(?:zip|plz|postal|postcode)", re.IGNORECASE)
_SMALL_LONG = 5
# distinct texts of a column that are read
_MOST_TEXTS = 2000


def identifiers_in(table: pd.DataFrame) -> dict[str, list[str]]:
    """Letter of the rule -> columns that look like it.

    Args:
        table: cells as text or numbers, as they are to be passed on.

    Examples:
        >>> visits = pd.DataFrame({"phone": ["030 1234567"], "glucose": [5.4]})
        >>> {letter: columns for letter, columns in identifiers_in(visits).items() if columns}
        {'D': ['phone']}
    """
    found: dict[str, list[str]] = {identifier.letter: [] for identifier in IDENTIFIERS}
    for name in table.columns:
        for letter in _of_column(str(name), table[name].dropna()):
            found[letter].append(str(name))
    return found


def _of_column(name: str, values: pd.Series) -> set[str]:
    if values.empty:
        return set()
    texts = values.astype("string").drop_duplicates()
    left = texts.str.fullmatch(_LEFT).fillna(False).astype(bool)
    if left.all() and not _ZIP.search(name):
        return set()
    if _ZIP.search(name):
        kept = texts.str.fullmatch(r"\d{1,3}|any").fillna(False).astype(bool)
        return set() if kept.all() and not texts.isin(SMALL_ZIP3).any() else {"B"}
    letters = {
        i.letter
        for i in IDENTIFIERS
        if i.letter != "B" or not _ZIP.search(name)
        if re.search(i.column, name, re.I)
    }
    numbers = pd.to_numeric(texts, errors="coerce")
    if numbers.notna().all():
        if _AGE.search(name) and (numbers > OLDEST).any():
            letters.add("C")
        alone = values.nunique() > 0.9 * len(values)
        whole = (numbers % 1 == 0).all()
        if (
            whole
            and alone
            and not letters
            and (_IDS.search(name) or numbers.abs().median() >= 10**_SMALL_LONG)
        ):
            letters.add("R")
        return letters
    if _IDS.search(name) and not letters:
        letters.add("R")
    spans = {span.kind for text in texts[~left][:_MOST_TEXTS] for span in find_identifiers(str(text))}
    return letters | {i.letter for i in IDENTIFIERS if spans & set(i.spans)}
