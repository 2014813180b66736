"""Words of a text: where they stand, and the forms in which spellings, inflections and near synonyms are equal."""

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

# a word, a sign, or the end of a line
WORD = re.compile(r"[^\W_]+")
_PIECE = re.compile(WORD.pattern + r"|\n|[^\w\s]|_")
_APOSTROPHES = frozenset("'’`´ʼ")
# longer ones are no words of a language
LONGEST_WORD = 40


class Word(NamedTuple):
    """A word or sign: ``start`` and ``end`` in the text, what is ``written``, and its normal form ``word``."""

    start: int
    end: int
    written: str
    word: str


def words_of(text: str) -> list[Word]:
    """Words and signs in order; spaces and apostrophes are left out, a line's end is a word of its own."""
    return [
        Word(match.start(), match.end(), match[0], normal(match[0]))
        for match in _PIECE.finditer(text)
        if match[0] not in _APOSTROPHES
    ]


_IRREGULAR = {
    "feet": "foot", "teeth": "tooth", "children": "child", "women": "woman", "men": "man", "irides": "iris",
    "first": "1st", "second": "2nd", "third": "3rd", "fourth": "4th", "fifth": "5th", "grey": "gray",
    "fits": "fits", "eyed": "eye", "eared": "ear", "faced": "face", "lungs": "lung", "sighted": "sight",
    "vertebrae": "vertebra", "bigger": "big", "cheeked": "cheek",
}  # fmt: skip
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l"})
# British and American spelling meet: tumour, generalised, goitre
_OUR = re.compile(r"our(?=$|s$|al|ed$|ing$|ful)")
_ISE = re.compile(r"is(?=(?:e|ed|es|ing|ation)$)")


@lru_cache(maxsize=1 << 16)
def normal(word: str) -> str:
    """A word without case, accents, and differences of British and American spelling."""
    word = word.casefold()
    if not word.isascii():
        word = unicodedata.normalize("NFKD", word.translate(_LIGATURES))
        word = "".join(c for c in word if not unicodedata.combining(c))
    if word in _IRREGULAR:
        word = _IRREGULAR[word]
    elif len(word) > 3:
        # anaemia, oedema
        word = word.replace("ae", "e").replace("oe", "e")
        if "our" in word:
            word = _OUR.sub("or", word)
        if "is" in word:
            word = _ISE.sub("iz", word)
        if word.endswith(("tre", "bre")):
            word = word[:-2] + "er"
    return word


# endings are taken off from the first rule that leaves at least as many letters; then again, until none fits
_ENDINGS: tuple[tuple[str, str, int], ...] = (
    ("bilities", "bil", 3),
    ("bility", "bil", 3),
    ("ble", "bil", 3),
    ("nesses", "", 3),
    ("ness", "", 3),
    ("istic", "", 3),
    ("ities", "", 4),
    ("ism", "", 3),
    ("oses", "", 4),
    ("os", "", 4),
    ("osis", "", 4),
    ("otic", "", 4),
    ("ity", "", 4),
    ("ments", "", 4),
    ("ment", "", 4),
    ("ptic", "ps", 4),
    ("stic", "s", 4),
    ("tures", "t", 4),
    ("ture", "t", 4),
    ("tured", "t", 4),
    ("ions", "", 4),
    ("ion", "", 4),
    ("ical", "", 4),
    ("ial", "", 3),
    ("als", "", 4),
    ("al", "", 4),
    ("ics", "", 4),
    ("ic", "", 3),
    ("ing", "", 4),
    ("ies", "", 4),
    ("ied", "", 4),
    ("ed", "", 4),
    ("ous", "", 4),
    ("ular", "l", 4),
    ("ar", "", 4),
    ("ful", "", 4),
    ("um", "", 5),
    ("us", "", 4),
    ("ly", "", 4),
    ("ses", "s", 4),
    ("xes", "x", 3),
    ("zes", "z", 4),
    ("is", "", 4),
)
# and these at most once, before the others
_PLURALS: tuple[tuple[str, str, int], ...] = (
    ("hes", "h", 4), ("es", "", 4), ("ss", "ss", 0), ("is", "is", 0), ("us", "us", 0), ("s", "", 3),
)  # fmt: skip
_ENDINGS_BY_LETTER = {
    letter: tuple(ending for ending in _ENDINGS if ending[0][-1] == letter)
    for letter in {e[0][-1] for e in _ENDINGS}
}
_VOWELS = frozenset("aeiouy")


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """A normal form without its inflection: ``seizures``, ``hypotonic`` and ``hypotonia`` meet their like."""
    if not word.isalpha() or len(word) > LONGEST_WORD:
        return word
    for ending, new, left in _PLURALS:
        if word.endswith(ending) and len(word) - len(ending) >= left:
            word = word[: len(word) - len(ending)] + new
            break
    shortened = True
    while shortened:
        shortened = False
        for ending, new, left in _ENDINGS_BY_LETTER.get(word[-1], ()):
            if word.endswith(ending) and len(word) - len(ending) >= left:
                shortened = new != ending
                word = word[: len(word) - len(ending)] + new
                break
    while len(word) > 3 and word[-1] in _VOWELS:
        word = word[:-1]
    return word


def word_set(text: str) -> frozenset[str]:
    """The words of a text that is written with spaces between them."""
    return frozenset(text.split())


def _stems(text: str) -> frozenset[str]:
    return frozenset(stem(normal(word)) for word in text.split())


# words that say nothing of their own inside the name of a symptom
STOP_WORDS = word_set(
    "a an the of in on at to for by from with as is are was were be been being has have had having do does did his her "
    "its their my your our this that these those there it very too so also quite rather somewhat than "
    "de des du la le les un une d l en au aux est sont a ete son sa ses avec "
    "der die das den dem ein eine einen einem einer bei im am zur zum ist sind war waren wird wurde wurden hat "
    "haben mit von vom seit"
)
CONJUNCTIONS = word_set("and or und oder et ou plus nor ni noch")
# may stand inside the name of a symptom without changing which symptom it is
SHADES = _stems(
    "mild mildly moderate moderately severe severely slight slightly marked markedly significant significantly obvious "
    "clear bilateral bilaterally unilateral left right side sides several many some few numerous multiple known progressive "
    "chronic acute currently still always often now more most new intermittent persistent recurrent generalized "
    "congenital early mostly isolated diffuse extreme extremely profound borderline once again only just "
    # how it was seen
    "mri ct ultrasound scan imaging echocardiography ecg eeg examination xray "
    "leicht leichte schwere starke leger legere"
)
# laboratory terms of the ontology say these, notes mostly do not
LABORATORY = _stems("circulating concentration level levels serum plasma")

_EQUAL = (
    "increased elevated raised high excess excessive elevation",
    "decreased reduced low diminished reduction",
    "abnormal abnormality anomaly anomalous altered",
    "enlarged large big enlargement",
    "small tiny",
    "absent absence missing lack lacking",
    "renal kidney",
    "hepatic liver",
    "cardiac heart",
    "ocular eye",
    "pulmonary lung",
    "cutaneous skin",
    "cerebral brain cerebrum",
    "tooth dental",
    "nasal nose",
    "oral mouth",
    "muscular muscle",
    "visual vision sight",
    "facial face",
    "limb extremity",
    "delayed late delay",
    "difficulty trouble problem difficulties",
    "broad wide",
    "long elongated",
    "bowed bent curved",
    "atrophy wasting",
    "stone calculus calculi",
    "tumor neoplasm",
    "cancer carcinoma",
    "edema swelling swollen",
    "bleeding hemorrhage",
    "rapid fast",
    "recurrent repeated frequent",
    "hypoplasia hypoplastic underdeveloped",
    "hyperextensible hyperelastic",
    "drooping droopy",
    "movement motion",
    "shortened short shortening",
    "inability unable",
)
_CONCEPTS = {stem(normal(word)): stem(normal(group.split()[0])) for group in _EQUAL for word in group.split()}


def concept(of: str) -> str:
    """One stem for all stems that mean the same in names of symptoms, such as ``kidney`` and ``renal``."""
    return _CONCEPTS.get(of, of)
