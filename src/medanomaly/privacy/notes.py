"""Clinical notes without what identifies people: structured identifiers by their form, names by what stands around them.

What is found is replaced by what it was: ``[date]``, ``[name]``, ``[id]``. Rules are for English and German notes. There is
no dictionary of names: a name is known by its title, by a label such as ``Patient:``, by a verb that needs a person, or
because it is given. Once found, it is taken out wherever it stands.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from medanomaly.core.errors import InputError

_MONTHS = (
    "jan(?:uary|uar)?|feb(?:ruary|ruar)?|mar(?:ch)?|m[äa]rz|apr(?:il)?|may|mai|june?|juni|july?|juli|aug(?:ust)?|"
    "sep(?:t(?:ember)?)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?"
)
_DAY, _MONTH, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:19|20)\d\d"
_STREET = "(?i:street|st|road|rd|avenue|ave|lane|ln|drive|dr|boulevard|blvd|court|ct|square|sq|way|close|crescent|terrace)"
_CAPITAL = r"[A-ZÄÖÜÀ-ÖØ-Þ][\wÀ-ÿ'’-]+"
_INITIAL = r"[A-ZÄÖÜ]\."
_PARTICLE = "(?:van|von|de|der|den|da|di|la|le|del|al|el|bin|ibn|zu|ter|ten|zum|zur)"
_NAME = rf"(?:{_CAPITAL}|{_INITIAL})(?:[ ]+(?:{_PARTICLE}[ ]+)*(?:{_CAPITAL}|{_INITIAL})){{0,3}}"
# a word that says that a number belongs to somebody
_NUMBERED = (
    "MRN|SSN|"
    r"(?:medical record|record|patient|hospital|case|accession|account|insurance|policy|licen[cs]e|serial|NHS|study|episode)"
    r"(?:[ ]+(?:id|number|no\.?))?|"
    r"(?:Fall|Patienten|Versicherten|Aufnahme|Akten)-?(?:nr\.?|nummer)|Pat\.?-?(?:ID|Nr\.?)"
)
_TELEPHONE = "tel(?:efon|ephone)?|phone|fax|mobile|mobil|cell|pager|bleep|call|durchwahl|extension|ext"
_PLACE = rf"(?:,?[ ]+(?:{_CAPITAL}[ ]*){{1,3}},?[ ]*(?:[A-Z]{{2}}[ ]+)?\d{{5}}(?:-\d{{4}})?)?"
# what a note must hold, in small letters, before a slower rule is tried
_MONTH_STARTS = (
    "jan",
    "feb",
    "mar",
    "mär",
    "apr",
    "may",
    "mai",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "okt",
    "nov",
    "dec",
    "dez",
)
_NUMBERED_STARTS = (
    "mrn",
    "ssn",
    "record",
    "patient",
    "hospital",
    "case",
    "accession",
    "account",
    "insurance",
    "policy",
    "licen",
    "serial",
    "nhs",
    "study",
    "episode",
    "fall",
    "versicherten",
    "aufnahme",
    "akten",
    "pat",
)
_TELEPHONE_STARTS = ("tel", "phone", "fax", "mob", "cell", "pager", "bleep", "call", "durchwahl", "ext")
_ANY, _AS_WRITTEN = re.IGNORECASE, re.NOFLAG
# kind, pattern and flags; the group `it` is what is taken out, else the whole match. Where two overlap the first one wins
STRUCTURED = tuple(
    (kind, re.compile(pattern, flags), needed)
    for kind, flags, pattern, needed in (
        ("email", _ANY, r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", ("@",)),
        ("url", _ANY, r"(?:https?://|www\.)[^\s<>\"]*[^\s<>\".,;:)]", ("http", "www.")),
        ("ip", _ANY, r"\b(?:\d{1,3}\.){3}\d{1,3}\b", ()),
        ("id", _ANY, r"\b\d{3}-\d{2}-\d{4}\b", ()),
        ("date", _ANY, rf"\b{_YEAR}[-/.]{_MONTH}[-/.]{_DAY}\b(?:[T ]\d\d:\d\d(?::\d\d)?)?", ()),
        ("date", _ANY, rf"\b{_DAY}[./-]{_MONTH}[./-](?:{_YEAR}|\d\d)\b", ()),
        ("date", _ANY, rf"\b{_MONTH}[/-]{_DAY}[/-](?:{_YEAR}|\d\d)\b", ()),
        (
            "date",
            _ANY,
            rf"\b{_DAY}(?:st|nd|rd|th|\.)?[ ]+(?:of[ ]+)?(?:{_MONTHS})\b\.?(?:,?[ ]+{_YEAR}\b)?",
            _MONTH_STARTS,
        ),
        (
            "date",
            _ANY,
            rf"\b(?:{_MONTHS})\b\.?[ ]+{_DAY}(?:st|nd|rd|th)?\b(?:,?[ ]+{_YEAR}\b)?",
            _MONTH_STARTS,
        ),
        ("date", _ANY, rf"\b(?:{_MONTHS})\b\.?,?[ ]+{_YEAR}\b", _MONTH_STARTS),
        # without a year, as German notes have it: am 3.4.
        (
            "date",
            _ANY,
            rf"\b(?:am|vom|seit|bis|ab)[ ]+(?P<it>{_DAY}\.{_MONTH}\.)(?!\d)",
            ("am ", "vom ", "seit ", "bis ", "ab "),
        ),
        (
            "id",
            _ANY,
            rf"\b(?:{_NUMBERED})(?:[ ]+(?:is|was|lautet))?[ ]*[:#]?[ ]*(?P<it>(?=[\w/-]*\d)[A-Z0-9][\w/-]{{2,}})",
            _NUMBERED_STARTS,
        ),
        (
            "phone",
            _ANY,
            rf"\b(?:{_TELEPHONE})\b\.?(?:[ ]+(?:number|no\.?|nr\.?))?[ ]*:?[ ]*(?P<it>\+?\(?\d[\d ()/.-]{{2,}}\d)",
            _TELEPHONE_STARTS,
        ),
        (
            "phone",
            _ANY,
            r"(?<![\w.])(?:\+\d{1,3}[ ./-]?)?\(?\d{2,5}\)?[ ./-]\d{3,4}[ ./-]\d{3,5}(?!\w|\.\d)",
            (),
        ),
        ("phone", _ANY, r"(?<![\w.])\+\d{1,3}(?:[ ./-]?\d{2,5}){2,5}(?!\w)", ()),
        ("phone", _ANY, r"(?<![\w.])0\d{2,5}(?:[ ]?[/-][ ]?\d{4,9}|[ ]\d{6,9})(?!\w)", ()),
        ("address", _AS_WRITTEN, rf"\b\d{{1,5}}[a-z]?[ ]+(?:{_CAPITAL}[ ]+){{1,3}}{_STREET}{_PLACE}", ()),
        (
            "address",
            _AS_WRITTEN,
            r"\b[A-ZÄÖÜ][\wäöüß-]*(?:straße|strasse|str\.|weg|platz|allee|gasse|ring|ufer|damm)[ ]+\d{1,4}[a-z]?"
            rf"(?:,?[ ]+\d{{5}}[ ]+{_CAPITAL})?",
            ("str", "weg ", "platz ", "allee ", "gasse ", "ring ", "ufer ", "damm "),
        ),
        (
            "address",
            _ANY,
            r"\b(?:zip(?: code)?|PLZ|postcode|postal code)[ ]*:?[ ]*(?P<it>[A-Z0-9][A-Z0-9 -]{3,8}\d[A-Z]{0,2})\b",
            ("zip", "plz", "post"),
        ),
        (
            "address",
            _ANY,
            r"\b(?:(?:lives|living|resides|residing|resident)(?:[ ]+alone)?[ ]+at|address|wohnhaft(?:[ ]+in)?|anschrift|"
            r"adresse)"
            r"[ ]*:?[ ]+(?P<it>[^,.;\n]*\d[^,.;\n]*)",
            ("liv", "resid", "address", "wohnhaft", "anschrift", "adresse"),
        ),
        ("address", _AS_WRITTEN, r"\b[A-Z]{2}[ ]+(?P<it>\d{5}(?:-\d{4})?)\b", ()),
        ("address", _AS_WRITTEN, r"\b[A-Z]{1,2}\d[A-Z\d]?[ ]\d[A-Z]{2}\b", ()),
        # ages over 89 identify (45 CFR 164.514)
        (
            "age",
            _ANY,
            r"\b(?P<it>9\d|1[01]\d)(?=[ -]?(?:years?|yrs?|yo|y/o|jahre?n?|jährige[rn]?)\b|[ ]?y/?o?\b)",
            (),
        ),
        ("age", _ANY, r"\b(?:aged?|alter)[ ]*:?[ ]*(?P<it>9\d|1[01]\d)\b", ("age", "alter")),
        ("id", _AS_WRITTEN, r"\b(?=[A-Z0-9-]*\d{4})(?=[A-Z0-9-]*[A-Z])[A-Z0-9]+(?:-[A-Z0-9]+)+\b", ()),
        ("id", _AS_WRITTEN, r"\b\d{8,}\b", ()),
    )
)
_TITLE = (
    r"(?:Dr|Prof|Mr|Mrs|Ms|Miss|Mx|Sir|Herrn?|Frau|Mme|Mlle|Sig|Sister|Nurse|Schwester|Pfleger|Doctor|Professor|OA|OÄ|CA|PD|"
    r"Oberarzt|Oberärztin|Chefarzt|Chefärztin|Hausarzt|Hausärztin)\b\.?(?:[ ]+(?:med|Dr|Prof|h\.c)\b\.?)*[ ]+"
)
_LABEL = (
    r"patient(?:'s)?(?: name)?|name|nachname|vorname|surname|first name|last name|next of kin|emergency contact|contact|"
    r"guardian|"
    r"attending(?: physician)?|physician|consultant|surgeon|provider|author|signed|dictated|"
    r"referring(?: physician)?|cc|patientin|"
    r"ansprechpartner|angehörige[r]?|behandelnder arzt|behandelnde ärztin|unterzeichnet|gez\.|i\.\s?A\."
)
_DONE_BY = (
    r"(?:seen|reviewed|signed|dictated|referred|reported|examined|operated|accompanied|admitted|assessed|discussed|"
    r"brought in)[ ]+"
    r"(?:by|with|on)|(?:überwiesen|untersucht|operiert|begleitet|unterzeichnet|aufgenommen|besprochen)[ ]+(?:von|durch|mit)|"
    r"discussed[ ]+with|rücksprache[ ]+mit|spoke[ ]+(?:to|with)"
)
_RELATIVE = (
    r"(?:wife|husband|son|daughter|mother|father|brother|sister|partner|carer|neighbou?r|friend|ehefrau|ehemann|sohn|tochter|mutter|"
    r"vater|bruder|schwester|partnerin|nachbarin?)"
)
_DONE_STARTS = (
    "seen",
    "review",
    "signed",
    "dictat",
    "refer",
    "report",
    "examin",
    "operat",
    "accompan",
    "admit",
    "assess",
    "discuss",
    "brought",
    "überw",
    "untersucht",
    "begleit",
    "unterz",
    "aufgen",
    "besproch",
    "rücksprache",
    "spoke",
)
_RELATIVES = (
    "wife husband son daughter mother father brother sister partner carer neighbo friend ehefrau ehemann sohn tochter "
    "mutter vater bruder schwester nachbar"
)
_NAMED = tuple(
    (re.compile(pattern), needed)
    for pattern, needed in (
        (rf"\b{_TITLE}(?P<it>{_NAME})", ()),
        (rf"(?i:\b(?:{_LABEL}))[ ]*:[ ]*(?:{_TITLE})?(?P<it>{_NAME}(?:,[ ]*{_CAPITAL})?)", (":",)),
        (rf"(?i:\b(?:{_DONE_BY}))[ ]*:?[ ]*(?:{_TITLE})?(?P<it>{_NAME})", _DONE_STARTS),
        (
            rf"(?i:\b(?:his|her|their|the|with|seine[rn]?|ihre[rnm]?|der|die)[ ]+{_RELATIVE}),?[ ]+(?P<it>{_NAME})",
            tuple(_RELATIVES.split()),
        ),
        (
            rf"(?i:\b(?:called|named|known as|namens|genannt))[ ]+(?P<it>{_NAME})",
            ("called", "named", "known as", "namens", "genannt"),
        ),
        (
            rf"(?P<it>{_CAPITAL}(?:[ ]+(?:{_CAPITAL}|{_INITIAL})){{0,2}}),?[ ]+"
            r"(?:MD|DO|RN|MBBS|FRCP|FRCS|PhD|DNP|PA-C|NP)\b",
            (),
        ),
        (
            rf"(?P<it>{_CAPITAL}[ ]+{_CAPITAL})(?=,?[ ]+(?:is[ ]+an?|a|an|ist[ ]+ein[e]?|ein[e]?)[ ]+\d{{1,3}})",
            (),
        ),
        (rf"(?P<it>{_CAPITAL},[ ]+{_CAPITAL})(?=,?[ ]+\(?(?:\*|geb\.|born|DOB|\d{{1,2}}[./]\d))", ()),
    )
)
# capital letters that begin a sentence or name a thing, not a person
_NOT_NAMES = """
the a an he she they it we i his her their this that these those no not on in at by for from with was is has had
will are and or of to patient patientin doctor nurse ward clinic hospital department emergency surgery radiology
cardiology neurology oncology day today yesterday tomorrow monday tuesday wednesday thursday friday saturday
sunday montag dienstag mittwoch donnerstag freitag samstag sonntag der die das ein eine er sie es wir ich ist
war hat hatte wird und oder mit von bei nach vor unter chest heart lung ct mri ecg ekg ed icu gp bp hr history
diagnosis plan exam impression assessment medication allergies blood pain fever unknown none unremarkable
reports denies states complains presents underwent intensivstation station ambulanz klinik krankenhaus aufnahme
entlassung befund anamnese therapie diagnose verlauf labor
"""
_NO_NAME = frozenset(_NOT_NAMES.split())
_SHORTEST_GIVEN = 2


@dataclass(frozen=True)
class Span:
    """A part of a note that was taken out.

    Attributes:
        start, end: characters of the note as it was given.
        kind: ``name``, ``date``, ``id``, ``phone``, ``email``, ``url``, ``ip``, ``address``, ``age``.
    """

    start: int
    end: int
    kind: str


def find_identifiers(text: str, names: Collection[str] = ()) -> list[Span]:
    """Where a note identifies somebody, in the order of the text and without overlaps.

    Args:
        text: the note.
        names: that are known from elsewhere, such as the patient's; they are found wherever they stand, in any case.

    Raises:
        InputError: the note is no text.

    Example:
        >>> [(span.kind, span.start) for span in find_identifiers("Seen on 3 March 2024, call 555-123-4567.")]
        [('date', 8), ('phone', 27)]
    """
    if not isinstance(text, str):
        raise InputError(f"a note is {type(text).__name__}, not text")
    taken = [False] * len(text)
    spans: list[Span] = []

    def take(start: int, end: int, kind: str) -> None:
        if start < end and not any(taken[start:end]):
            taken[start:end] = [True] * (end - start)
            spans.append(Span(start, end, kind))

    folded = text.casefold()
    for kind, pattern, needed in STRUCTURED:
        if _may_stand(needed, folded):
            for found in pattern.finditer(text):
                take(*_part(found), kind)
    words = {word for name in names for word in re.split(r"[\s,]+", name) if len(word) >= _SHORTEST_GIVEN}
    for part in _named(text, folded):
        start, end = _trimmed(text, *part)
        if start < end:
            words |= {w for w in re.split(r"[ ,]+", text[start:end]) if len(w) > 2 and w[0].isupper()}
            take(start, end, "name")
    if words:
        listed = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
        given = {word.casefold() for name in names for word in re.split(r"[\s,]+", name)}
        # a name that the note itself told counts as it is written there: Rose is a name, rose is not
        for found in re.finditer(rf"(?<!\w)(?:{listed})(?!\w)", text, re.IGNORECASE if given else 0):
            if found[0] in words or found[0].casefold() in given:
                take(*found.span(), "name")
    return sorted(spans, key=lambda span: span.start)


def clean_note(text: str, names: Collection[str] = ()) -> tuple[str, list[Span]]:
    """A note whose identifiers are replaced by what they were, and where they stood.

    Args:
        text, names: as of :func:`find_identifiers`.

    Example:
        >>> clean_note("Anna was seen on 3 March 2024.", names=["Anna"])[0]
        '[name] was seen on [date].'
    """
    spans = find_identifiers(text, names)
    parts, done = [], 0
    for span in spans:
        parts += [text[done : span.start], f"[{span.kind}]"]
        done = span.end
    return "".join([*parts, text[done:]]), spans


def _part(found: re.Match[str]) -> tuple[int, int]:
    return found.span("it") if "it" in found.re.groupindex else found.span()


def _named(text: str, folded: str) -> Iterator[tuple[int, int]]:
    for pattern, needed in _NAMED:
        if _may_stand(needed, folded):
            for found in pattern.finditer(text):
                yield _part(found)


def _may_stand(needed: tuple[str, ...], folded: str) -> bool:
    return not needed or any(word in folded for word in needed)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """A name without words at its ends that are none."""
    words = [(m.start() + start, m.end() + start) for m in re.finditer(r"[^\s,]+", text[start:end])]

    def is_name(at: tuple[int, int]) -> bool:
        word = text[at[0] : at[1]]
        # a particle stands inside a name in small letters, an initial has its dot
        return (
            word.rstrip(".'’").casefold() not in _NO_NAME
            or word.islower()
            or (len(word) == 2 and word[1] == ".")
        )

    for at in words:
        if not is_name(at) and at != words[0]:
            # what follows belongs to the next sentence
            words = words[: words.index(at)]
            break
    while words and not is_name(words[0]):
        words = words[1:]
    return (words[0][0], words[-1][1]) if words else (start, start)
