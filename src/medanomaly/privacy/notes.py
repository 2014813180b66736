"""Clinical notes without what identifies people: structured identifiers by their form, names by what stands around them.

What is found is replaced by what it was: ``[date]``, ``[name]``, ``[id]``. Rules are for English and German notes. There is
no dictionary of names: a name is known by its title, by a label such as ``Patient:``, by a verb that needs a person, or
because it is given. Once found, it is taken out wherever it stands.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property

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
_WORD = re.compile(r"\w+")
_ANY, _AS_WRITTEN = re.IGNORECASE, re.NOFLAG
# where a rule can begin: at a number (or the sign before it), at a short word, before a hyphen
_NUMBER, _SHORT, _HYPHEN = "number", "short", "hyphen"
_MONTH_KEYS = "jan feb mar mär apr may mai jun jul aug sep oct okt nov dec dez"
_LONGEST_KEY, _LONGEST_SHORT = 3, 4


@dataclass(frozen=True)
class Rule:
    """What is taken out, and where it can begin: looking there alone costs a tenth of trying every letter.

    Attributes:
        kind: of :class:`Span`.
        pattern: the group ``it`` is taken out, else the whole match.
        begins: ``number``, ``short`` or ``hyphen``; else the first three letters of the words that it begins with.
        needs: it can begin anywhere, in notes that hold one of these as it is written here.
    """

    kind: str
    pattern: re.Pattern[str]
    begins: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    @cached_property
    def part(self) -> str | int:
        """Group that is taken out."""
        return "it" if "it" in self.pattern.groupindex else 0


def _rule(kind: str, flags: re.RegexFlag, pattern: str, begins: str) -> Rule:
    return Rule(kind, re.compile(pattern, flags), tuple(begins.split()))


# where two overlap the first one wins
_STRUCTURED = (
    Rule("email", re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), needs=("@",)),
    Rule(
        "url",
        re.compile(r"(?:https?://|www\.)[^\s<>\"]*[^\s<>\".,;:)]", _ANY),
        needs=("://", "www.", "WWW.", "Www."),
    ),
    _rule("ip", _ANY, r"\b(?:\d{1,3}\.){3}\d{1,3}\b", _NUMBER),
    _rule("id", _ANY, r"\b\d{3}-\d{2}-\d{4}\b", _NUMBER),
    _rule("date", _ANY, rf"\b{_YEAR}[-/.]{_MONTH}[-/.]{_DAY}\b(?:[T ]\d\d:\d\d(?::\d\d)?)?", _NUMBER),
    _rule("date", _ANY, rf"\b{_DAY}[./-]{_MONTH}[./-](?:{_YEAR}|\d\d)\b", _NUMBER),
    _rule("date", _ANY, rf"\b{_MONTH}[/-]{_DAY}[/-](?:{_YEAR}|\d\d)\b", _NUMBER),
    _rule(
        "date",
        _ANY,
        rf"\b{_DAY}(?:st|nd|rd|th|\.)?[ ]+(?:of[ ]+)?(?:{_MONTHS})\b\.?(?:,?[ ]+{_YEAR}\b)?",
        _NUMBER,
    ),
    _rule(
        "date", _ANY, rf"\b(?:{_MONTHS})\b\.?[ ]+{_DAY}(?:st|nd|rd|th)?\b(?:,?[ ]+{_YEAR}\b)?", _MONTH_KEYS
    ),
    _rule("date", _ANY, rf"\b(?:{_MONTHS})\b\.?,?[ ]+{_YEAR}\b", _MONTH_KEYS),
    # without a year, as German notes have it: am 3.4.
    _rule(
        "date", _ANY, rf"\b(?:am|vom|seit|bis|ab)[ ]+(?P<it>{_DAY}\.{_MONTH}\.)(?!\d)", "am vom sei bis ab"
    ),
    _rule(
        "id",
        _ANY,
        rf"\b(?:{_NUMBERED})(?:[ ]+(?:is|was|lautet))?[ ]*[:#]?[ ]*(?P<it>(?=[\w/-]*\d)[A-Z0-9][\w/-]{{2,}})",
        "mrn ssn med rec pat hos cas acc ins pol lic ser nhs stu epi fal ver auf akt",
    ),
    _rule(
        "phone",
        _ANY,
        rf"\b(?:{_TELEPHONE})\b\.?(?:[ ]+(?:number|no\.?|nr\.?))?[ ]*:?[ ]*(?P<it>\+?\(?\d[\d ()/.-]{{2,}}\d)",
        "tel pho fax mob cel pag ble cal dur ext",
    ),
    _rule(
        "phone",
        _ANY,
        r"(?<![\w.])(?:\+\d{1,3}[ ./-]?)?\(?\d{2,5}\)?[ ./-]\d{3,4}[ ./-]\d{3,5}(?!\w|\.\d)",
        _NUMBER,
    ),
    _rule("phone", _ANY, r"(?<![\w.])\+\d{1,3}(?:[ ./-]?\d{2,5}){2,5}(?!\w)", _NUMBER),
    _rule("phone", _ANY, r"(?<![\w.])0\d{2,5}(?:[ ]?[/-][ ]?\d{4,9}|[ ]\d{6,9})(?!\w)", _NUMBER),
    _rule(
        "address", _AS_WRITTEN, rf"\b\d{{1,5}}[a-z]?[ ]+(?:{_CAPITAL}[ ]+){{1,3}}{_STREET}{_PLACE}", _NUMBER
    ),
    Rule(
        "address",
        re.compile(
            r"\b[A-ZÄÖÜ][\wäöüß-]*(?:[Ss]traße|[Ss]trasse|[Ss]tr\.|weg|platz|allee|gasse|ring|ufer|damm)[ ]+\d{1,4}[a-z]?"
            rf"(?:,?[ ]+\d{{5}}[ ]+{_CAPITAL})?"
        ),
        needs=("traße ", "trasse ", "tr. ", "weg ", "platz ", "allee ", "gasse ", "ring ", "ufer ", "damm "),
    ),
    _rule(
        "address",
        _ANY,
        r"\b(?:zip(?: code)?|PLZ|postcode|postal code)[ ]*:?[ ]*(?P<it>[A-Z0-9][A-Z0-9 -]{3,8}\d[A-Z]{0,2})\b",
        "zip plz pos",
    ),
    _rule(
        "address",
        _ANY,
        r"\b(?:(?:lives|living|resides|residing|resident)(?:[ ]+alone)?[ ]+at|address|wohnhaft(?:[ ]+in)?|anschrift|"
        r"adresse)"
        r"[ ]*:?[ ]+(?P<it>[^,.;\n]*\d[^,.;\n]*)",
        "liv res add woh ans adr",
    ),
    _rule("address", _AS_WRITTEN, r"\b[A-Z]{2}[ ]+(?P<it>\d{5}(?:-\d{4})?)\b", _SHORT),
    _rule("address", _AS_WRITTEN, r"\b[A-Z]{1,2}\d[A-Z\d]?[ ]\d[A-Z]{2}\b", _SHORT),
    # ages over 89 identify (45 CFR 164.514)
    _rule(
        "age",
        _ANY,
        r"\b(?P<it>9\d|1[01]\d)(?=[ -]?(?:years?|yrs?|yo|y/o|jahre?n?|jährige[rn]?)\b|[ ]?y/?o?\b)",
        _NUMBER,
    ),
    _rule("age", _ANY, r"\b(?:aged?|alter)[ ]*:?[ ]*(?P<it>9\d|1[01]\d)\b", "age alt"),
    _rule("id", _AS_WRITTEN, r"\b(?=[A-Z0-9-]*\d{4})(?=[A-Z0-9-]*[A-Z])[A-Z0-9]+(?:-[A-Z0-9]+)+\b", _HYPHEN),
    _rule("id", _AS_WRITTEN, r"\b\d{8,}\b", _NUMBER),
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
_NAMED = (
    _rule(
        "name",
        _AS_WRITTEN,
        rf"\b{_TITLE}(?P<it>{_NAME})",
        "dr pro mr mrs ms mis mx sir her fra mme mll sig sis nur sch pfl doc oa oä ca pd obe che hau",
    ),
    _rule(
        "name",
        _AS_WRITTEN,
        rf"(?i:\b(?:{_LABEL}))[ ]*:[ ]*(?:{_TITLE})?(?P<it>{_NAME}(?:,[ ]*{_CAPITAL})?)",
        "pat nam nac vor sur fir las nex eme con gua att phy pro aut sig dic ref cc ans ang beh unt gez i",
    ),
    _rule(
        "name",
        _AS_WRITTEN,
        rf"(?i:\b(?:{_DONE_BY}))[ ]*:?[ ]*(?:{_TITLE})?(?P<it>{_NAME})",
        "see rev sig dic ref rep exa ope acc adm ass dis bro übe unt beg auf bes rüc spo",
    ),
    _rule(
        "name",
        _AS_WRITTEN,
        rf"(?i:\b(?:his|her|their|the|with|seine[rn]?|ihre[rnm]?|der|die)[ ]+{_RELATIVE}),?[ ]+(?P<it>{_NAME})",
        "his her the wit sei ihr der die",
    ),
    _rule(
        "name",
        _AS_WRITTEN,
        rf"(?i:\b(?:called|named|known as|namens|genannt))[ ]+(?P<it>{_NAME})",
        "cal nam kno gen",
    ),
    Rule(
        "name",
        re.compile(
            rf"(?P<it>{_CAPITAL}(?:[ ]+(?:{_CAPITAL}|{_INITIAL})){{0,2}}),?[ ]+"
            r"(?:MD|DO|RN|MBBS|FRCP|FRCS|PhD|DNP|PA-C|NP)\b"
        ),
        needs=(" MD", " DO", " RN", " MBBS", " FRC", " PhD", " DNP", " PA-C", " NP"),
    ),
    Rule(
        "name",
        re.compile(
            rf"(?P<it>{_CAPITAL}[ ]+{_CAPITAL})(?=,?[ ]+(?:is[ ]+an?|a|an|ist[ ]+ein[e]?|ein[e]?)[ ]+\d{{1,3}})"
        ),
        needs=(" a ", " an ", " ein ", " eine "),
    ),
    Rule(
        "name",
        re.compile(rf"(?P<it>{_CAPITAL},[ ]+{_CAPITAL})(?=,?[ ]+\(?(?:\*|geb\.|born|DOB|\d{{1,2}}[./]\d))"),
        needs=(", ",),
    ),
)
_RULES = (*_STRUCTURED, *_NAMED)
_RULES_AT = {
    key: [index for index, rule in enumerate(_RULES) if key in rule.begins]
    for key in {key for rule in _RULES for key in rule.begins}
}
_ANYWHERE = {index for index, rule in enumerate(_RULES) if rule.needs}
_NAME_WORD = re.compile(r"[^ ,]+")
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
    taken = bytearray(len(text))
    spans: list[Span] = []

    def take(start: int, end: int, kind: str) -> None:
        if start < end and not any(taken[start:end]):
            taken[start:end] = b"1" * (end - start)
            spans.append(Span(start, end, kind))

    lowered = _lowered(text)
    told: set[str] = set()
    for rule, starts in _beginnings(text, lowered):
        for found in _found(rule, text, starts):
            start, end = found.span(rule.part)
            if rule.kind == "name":
                start, end = _trimmed(text, start, end)
                told.update(w for w in _NAME_WORD.findall(text[start:end]) if len(w) > 2 and w[0].isupper())
            take(start, end, rule.kind)
    given = {word for name in names for word in re.split(r"[\s,]+", name) if len(word) >= _SHORTEST_GIVEN}
    # a name that the note itself told counts as it is written there: Rose is a name, rose is not
    wherever = [(word, text) for word in told] + [(_lowered(word), lowered) for word in given]
    for word, within in sorted(wherever, key=lambda pair: -len(pair[0])):
        for start, end in _whole_words(word, within):
            take(start, end, "name")
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


def _lowered(text: str) -> str:
    """Small letters, each in its place: the dotted capital I of Turkish would become two."""
    small = text.lower()
    return small if len(small) == len(text) else "".join(c.lower()[0] for c in text)


def _beginnings(text: str, lowered: str) -> Iterator[tuple[Rule, list[int]]]:
    """The rules that may match, in their order, and where they can begin, in the order of the text."""
    at: dict[str, list[int]] = {}
    numbers, shorts, hyphens = [], [], []
    for word in _WORD.finditer(lowered):
        start, end = word.span()
        first = text[start]
        if first.isdigit():
            if start and text[start - 1] in "+(":
                numbers.append(start - 1)
            numbers.append(start)
        else:
            key = lowered[start : start + _LONGEST_KEY] if end - start > _LONGEST_KEY else word[0]
            if key in _RULES_AT:
                at.setdefault(key, []).append(start)
            if end - start <= _LONGEST_SHORT and first.isupper():
                shorts.append(start)
        if lowered[end : end + 1] == "-":
            hyphens.append(start)
    starts: dict[int, list[int]] = {}
    for key, found in (*at.items(), (_NUMBER, numbers), (_SHORT, shorts), (_HYPHEN, hyphens)):
        for index in _RULES_AT[key] if found else ():
            starts[index] = sorted(starts[index] + found) if index in starts else found
    for index in sorted(starts.keys() | _ANYWHERE):
        yield _RULES[index], starts.get(index, [])


def _found(rule: Rule, text: str, starts: list[int]) -> Iterator[re.Match[str]]:
    """The matches that ``rule.pattern.finditer(text)`` gives."""
    if rule.needs:
        if any(part in text for part in rule.needs):
            yield from rule.pattern.finditer(text)
        return
    done, match = 0, rule.pattern.match
    for start in starts:
        if start >= done and (found := match(text, start)):
            done = found.end()
            yield found


def _whole_words(word: str, text: str) -> Iterator[tuple[int, int]]:
    start = text.find(word)
    while start >= 0:
        end = start + len(word)
        if not (_WORD.match(text[start - 1 : start]) or _WORD.match(text[end : end + 1])):
            yield start, end
        start = text.find(word, end)


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
