"""Symptoms in words: names and synonyms of terms as the ontology has them, whatever the case and the punctuation."""

import re
import unicodedata
from functools import cached_property, lru_cache

from medanomaly.diagnosis.knowledge.ontology import Ontology, Resolved

# a name goes before a synonym, and an exact synonym before one that is broader or narrower
_RANK = {"EXACT": 1}
_SHOWN = 3


def folded(text: str) -> str:
    """Lower case, without punctuation and double spaces."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


class Words:
    """Terms by id, name and synonym; readers take it in place of the ontology where symptoms may be words.

    Args:
        ontology: whose terms they are.
    """

    def __init__(self, ontology: Ontology):
        self.ontology = ontology
        self.ids = ontology.ids
        # names come back from patient to patient
        self.resolve = lru_cache(maxsize=1 << 14)(self._resolve)

    @cached_property
    def _rows(self) -> dict[str, dict[int, int]]:
        """Folded name -> rows that it may mean -> the best rank."""
        found: dict[str, dict[int, int]] = {}
        for row, (name, synonyms) in enumerate(zip(self.ontology.names, self.ontology.synonyms, strict=True)):
            for text, rank in ((name, 0), *((s.text, _RANK.get(s.scope, 2)) for s in synonyms)):
                rows = found.setdefault(folded(text), {})
                rows[row] = min(rank, rows.get(row, rank))
        return found

    @cached_property
    def _withdrawn(self) -> dict[str, str]:
        """Folded name of what is no symptom, or was withdrawn -> its id."""
        of = {folded(name): term for term, (name, _) in self.ontology.obsolete.items()}
        return of | {folded(name): term for term, name in self.ontology.other.items()}

    def knows(self, text: str) -> bool:
        """Whether this is one term; cheaper than to ask why it is none."""
        return (
            self.ontology.resolve(text).row is not None
            if _is_id(text)
            else len(self._best(folded(text))) == 1
        )

    def _best(self, key: str) -> list[int]:
        rows = self._rows.get(key, {})
        return [row for row, rank in rows.items() if rank == min(rows.values())]

    def _resolve(self, text: str) -> Resolved:
        """The term of an id or of words; None with the reason where there is none, or more than one."""
        if _is_id(text):
            return self.ontology.resolve(text)
        key = folded(text)
        best = self._best(key)
        if len(best) == 1:
            return Resolved(best[0], "")
        if best:
            named = [self._shown(row) for row in best[:_SHOWN]]
            return Resolved(None, f"'{text}' may mean {' or '.join(named)}; give the id")
        if key in self._withdrawn:
            return self.ontology.resolve(self._withdrawn[key])
        return Resolved(None, f"'{text}' is no name of a symptom in the HPO{self._near(key)}")

    def _shown(self, row: int) -> str:
        return f"{self.ontology.ids[row]} ({self.ontology.names[row]})"

    def _near(self, key: str) -> str:
        from rapidfuzz import fuzz, process

        near = process.extractOne(key, self._rows.keys(), scorer=fuzz.ratio, score_cutoff=75) if key else None
        return "" if near is None else f"; did you mean {self._shown(self._best(near[0])[0])}?"


def _is_id(text: str) -> bool:
    return re.search(r"(?i)HP[:_]\d", text) is not None
