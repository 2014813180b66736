"""All names of symptoms, looked up by the words that they are made of, in any order and inflection."""

import gc
import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from medanomaly.diagnosis.knowledge.ontology import Ontology
from medanomaly.diagnosis.text.own_names import own_names
from medanomaly.diagnosis.text.words import (
    CONJUNCTIONS,
    LABORATORY,
    STOP_WORDS,
    WORD,
    concept,
    normal,
    stem,
    word_set,
)

# longer names are sentences, which nobody writes again word for word
MOST_WORDS = 9
_SCOPES = {"EXACT": 1, "RELATED": 2, "NARROW": 3, "BROAD": 3}
# "ADHD", "D-TGA", "TgAbs": at least two capitals and no more than seven signs
_ABBREVIATION = re.compile(r"^(?=(?:.*[A-Z]){2})[A-Za-z0-9-]{2,7}$")
# names that are everyday words with another meaning
_EVERYDAY = word_set("corn boil cutting hopping jumping piles rosette fisting inertia hostile")
_WITHOUT_MEANING = STOP_WORDS | CONJUNCTIONS
_JOINS = re.compile(r"/|\b(?:and|or|und|oder|et|ou)\b")
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})


class Name(NamedTuple):
    """A name of the term of ``row``.

    ``words`` and ``stems`` are sorted, without stop words. ``rank`` is 0 for the label, 1 for an exact synonym, 2 and 3 for
    looser ones. ``joints``: the signs "," and "&" (and, or) that the name has itself. ``abbreviation``: the spelling that
    counts, or empty.
    """

    row: int
    words: tuple[str, ...]
    stems: tuple[str, ...]
    rank: int
    joints: str
    abbreviation: str


@dataclass(frozen=True)
class NameIndex:
    """Names of all terms of an ontology. Built in less than a second, so it is not sealed anywhere.

    Attributes:
        ontology: whose terms these are.
        names: names by the sorted concepts of their words.
        mates: concepts that stand together in some name, for each concept.
        words: normal forms of all words in names.
    """

    ontology: Ontology
    names: dict[tuple[str, ...], list[Name]]
    mates: dict[str, set[str]]
    words: set[str]

    @cached_property
    def stems(self) -> set[str]:
        """Stems of all words in names."""
        return {stem(word) for word in self.words}

    @cached_property
    def words_by_start(self) -> dict[tuple[str, int], list[str]]:
        """Words of letters by their first letter and length, which a misspelled word is compared with."""
        groups: dict[tuple[str, int], list[str]] = {}
        for word in sorted(self.words):
            if word.isalpha() and len(word) > 3:
                groups.setdefault((word[0], len(word)), []).append(word)
        return groups

    def choose(self, candidates: list[Name]) -> int | None:
        """Row of the term that names of equal standing mean: one that is a kind of none but the others; else None."""
        rows = sorted({name.row for name in candidates})
        if len(rows) == 1:
            return rows[0]
        for row in rows:
            if all(row in self.ontology.ancestor_rows(other) for other in rows):
                return row
        return None


def _spellings(text: str, language: str) -> tuple[str, ...]:
    if language != "de" or text.isascii():
        return (text,)
    text = unicodedata.normalize("NFC", text)
    return tuple(dict.fromkeys((text, text.translate(_UMLAUTS))))


def build_index(ontology: Ontology) -> NameIndex:
    """Index labels, synonyms and the project's own names of every term.

    Own names of terms that this release lacks are left out.
    """
    # the collector would walk through all that was made so far, again and again: a third of the time
    collects = gc.isenabled()
    gc.disable()
    try:
        return _build(ontology)
    finally:
        if collects:
            gc.enable()


def _build(ontology: Ontology) -> NameIndex:
    own: dict[int, list[str]] = {}
    for term, language, text in own_names():
        if (row := ontology.resolve(term).row) is not None:
            own.setdefault(row, []).extend(_spellings(text, language))

    names: dict[tuple[str, ...], list[Name]] = {}
    mates: dict[str, set[str]] = {}
    known: set[str] = set()
    forms = _Forms()
    for row, (label, synonyms) in enumerate(zip(ontology.names, ontology.synonyms, strict=True)):
        texts = {label: 0}
        for synonym in synonyms:
            # two capitals, such as CP or MI, mean something else in every department
            if not (len(synonym.text) == 2 and synonym.text.isupper()):
                for text in _spellings(synonym.text, synonym.language):
                    texts.setdefault(text, _SCOPES.get(synonym.scope, 3))
        for text in own.get(row, ()):
            texts.setdefault(text, 1)
        seen: set[tuple[tuple[str, ...], str]] = set()
        for text, rank in texts.items():
            bare = text.partition(" (")[0] if text.endswith(")") else text
            parts = list(filter(None, map(forms.__getitem__, WORD.findall(bare))))
            if not parts or len(parts) > MOST_WORDS or bare.casefold() in _EVERYDAY:
                continue
            words, stems, concepts = (tuple(sorted(part)) for part in zip(*parts, strict=True))
            abbreviation = bare if " " not in bare and _ABBREVIATION.match(bare) else ""
            if (words, abbreviation) in seen:
                continue
            seen.add((words, abbreviation))
            known.update(words)
            joints = ("," if "," in bare else "") + ("&" if _JOINS.search(bare) else "")
            name = Name(row, words, stems, rank, joints, abbreviation)
            concepts = frozenset(concepts)
            # also without the words of laboratories, where something is left: a note seldom says "circulating"
            for of in (concepts, concepts - LABORATORY) if concepts & LABORATORY else (concepts,):
                if of:
                    names.setdefault(tuple(sorted(of)), []).append(name)
                    for one in of:
                        mates.setdefault(one, set()).update(of)
    return NameIndex(ontology, names, mates, known)


class _Forms(dict):
    """Normal form, stem and concept of each written word, made once; nothing for words without meaning of their own."""

    def __missing__(self, written: str) -> tuple[str, str, str] | None:
        word = normal(written)
        root = stem(word)
        self[written] = None if word in _WITHOUT_MEANING else (word, root, concept(root))
        return self[written]
