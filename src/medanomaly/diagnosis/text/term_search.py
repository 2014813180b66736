"""Terms of the ontology while somebody types: by the beginnings of words, in any order, with slips of the pen."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from medanomaly.diagnosis.knowledge.ontology import Ontology
from medanomaly.diagnosis.readers.words import folded
from medanomaly.diagnosis.text.own_names import own_names

# a word of fewer letters is taken as it is written; from so many on, two letters may be wrong
SHORTEST_SLIP, LONG = 4, 8
# behind every letter
LAST = "\U0010ffff"
# words that a word with a slip may mean
_MEANT = 3


class FoundTerm(NamedTuple):
    """A term, and the synonym that was found; empty where it was the name."""

    term: str
    name: str
    synonym: str


class TermSearch:
    """Names and synonyms of one ontology, the project's own names in other languages included.

    Args:
        ontology: whose terms are found.
        common: (terms,) how many diseases have each term; None where nobody knows.
    """

    def __init__(self, ontology: Ontology, common: np.ndarray | None = None):
        self._ontology = ontology
        own: dict[int, list[str]] = {}
        for term, _, text in own_names():
            if (row := ontology.resolve(term).row) is not None:
                own.setdefault(row, []).append(text)
        named = [
            (folded(text), row, text if place else "")
            for row, (name, synonyms) in enumerate(zip(ontology.names, ontology.synonyms, strict=True))
            for place, text in enumerate(
                dict.fromkeys((name, *(synonym.text for synonym in synonyms), *own.get(row, ())))
            )
        ]
        # in alphabetical order, those that begin alike stand together
        named.sort()
        self._keys, rows, self._synonyms = zip(*named, strict=True) if named else ((), (), ())
        self._rows = np.array(rows, dtype=np.int64)
        self._is_synonym = np.array([bool(text) for text in self._synonyms], dtype=bool)
        known = np.zeros(len(ontology)) if common is None else common
        self._rare = -known[self._rows]
        self._length = np.array([len(key) for key in self._keys], dtype=np.int64)
        pairs = sorted({(word, i) for i, key in enumerate(self._keys) for word in key.split()})
        self._words = sorted({word for word, _ in pairs})
        # names that hold a word; those of words that begin alike stand together too
        self._holders = np.array([i for _, i in pairs], dtype=np.int64)
        self._first = np.searchsorted(np.array([word for word, _ in pairs]), [*self._words, LAST])

    def find(self, query: str, most: int = 10) -> list[FoundTerm]:
        """Terms that have every word of the query, the nearest first; none where the query has no letter.

        A whole name goes before one that begins so, and that before one that holds the words; then a common term goes
        before a rare one, a name before a synonym, and a short one before a long one. An id finds its term.

        Args:
            query: what was typed so far; each word may be the beginning of one.
            most: so many terms.
        """
        ontology, typed = self._ontology, folded(query)
        if (row := ontology.resolve(query).row) is not None:
            return [FoundTerm(ontology.ids[row], ontology.names[row], "")]
        found = np.full(len(self._keys), bool(typed))
        for word in typed.split():
            held = found & self._holding([word])
            found = held if held.any() else found & self._holding(self._meant(word))
        at = np.flatnonzero(found)
        begin, equal, end = (
            bisect_left(self._keys, typed), bisect_right(self._keys, typed), bisect_left(self._keys, typed + LAST)
        )  # fmt: skip
        exact, begins = ((at >= begin) & (at < stop) for stop in (equal, end))
        at = at[np.lexsort((self._length[at], self._is_synonym[at], self._rare[at], ~begins, ~exact))]
        first = np.sort(np.unique(self._rows[at], return_index=True)[1])[:most]
        return [
            FoundTerm(ontology.ids[self._rows[i]], ontology.names[self._rows[i]], self._synonyms[i])
            for i in at[first]
        ]

    def _holding(self, beginnings: Iterable[str]) -> np.ndarray:
        """(names,) bool: those with a word that begins so."""
        held = np.zeros(len(self._keys), dtype=bool)
        for beginning in beginnings:
            low, high = (bisect_left(self._words, text) for text in (beginning, beginning + LAST))
            held[self._holders[self._first[low] : self._first[high]]] = True
        return held

    def _meant(self, word: str) -> list[str]:
        """Words, or beginnings of words, that are nearest to one that no name has."""
        if len(word) < SHORTEST_SLIP:
            return []
        slips = 1 if len(word) < LONG else 2
        for choices in (self._words, {known[: len(word)] for known in self._words}):
            near = extract(word, choices, scorer=OSA.distance, score_cutoff=slips, limit=_MEANT)
            if near:
                return [text for text, distance, _ in near if distance == near[0][1]]
        return []
