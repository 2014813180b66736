"""The Human Phenotype Ontology (HPO): terms, names, synonyms, parents and ancestors, and what became of old ids."""

import gzip
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import sparse

from medanomaly.core.errors import DataNotFoundError, InputError

# symptoms stand below this term; onset, inheritance, frequency and modifiers stand beside it
ROOT = "HP:0000118"
_SYNONYM = re.compile(r'^"((?:[^"\\]|\\.)*)"\s*(EXACT|BROAD|NARROW|RELATED)?')
_LANGUAGE = re.compile(r'(?:language|lang)="([A-Za-z-]+)"')
_ID = re.compile(r"(?i)^(?:.*[/#])?HP[:_](\d{7})$")


class Synonym(NamedTuple):
    """Another name of a term. ``scope`` is EXACT, BROAD, NARROW or RELATED, ``language`` a code such as ``en``."""

    text: str
    scope: str
    language: str


class Resolved(NamedTuple):
    """Row of a symptom, or None; ``reason`` says why there is none, or which id took the place of the one given."""

    row: int | None
    reason: str


@dataclass(frozen=True)
class Ontology:
    """The branch "Phenotypic abnormality" of one release.

    Attributes:
        version: release, such as ``2025-01-16``.
        ids: (n,) ids in ascending order; the position is the row of a term everywhere else.
        names: (n,) labels.
        synonyms: (n,) other names of each term.
        index: row of each id.
        parents: (n, n) bool, row = term, column = its direct parents inside the branch.
        ancestors: (n, n) bool, row = term, column = itself and all that it is a kind of.
        replaced: ids that were merged or replaced, to the id that took their place.
        other: ids outside the branch (onset, inheritance, modifiers) to their names.
        obsolete: withdrawn ids without one successor, to their name and the ids to consider.
    """

    version: str
    ids: tuple[str, ...]
    names: tuple[str, ...]
    synonyms: tuple[tuple[Synonym, ...], ...]
    index: dict[str, int]
    parents: sparse.csr_array
    ancestors: sparse.csr_array
    replaced: dict[str, str]
    other: dict[str, str]
    obsolete: dict[str, tuple[str, tuple[str, ...]]]

    def __len__(self) -> int:
        return len(self.ids)

    def resolve(self, given: str) -> Resolved:
        """Row of a term by its id in any spelling (``HP:0001250``, ``hp_0001250``, an address that ends with it)."""
        match = _ID.match(str(given).strip())
        if match is None:
            return Resolved(None, f"'{given}' is no HPO id such as HP:0001250")
        term = f"HP:{match[1]}"
        if term in self.index:
            return Resolved(self.index[term], "")
        if term in self.replaced:
            new = self.replaced[term]
            if new in self.index:
                row = self.index[new]
                return Resolved(row, f"{term} was replaced by {new} ({self.names[row]})")
            term = new
        if term in self.other:
            return Resolved(
                None,
                f"{term} ({self.other[term]}) is no symptom: it says onset, inheritance, course or a detail",
            )
        if term in self.obsolete:
            name, consider = self.obsolete[term]
            choice = f"; consider {', '.join(consider)}" if consider else ""
            return Resolved(None, f"{term} ({name}) was withdrawn from the ontology{choice}")
        return Resolved(None, f"{term} is not in the HPO release {self.version}")

    def ancestor_rows(self, row: int) -> np.ndarray:
        """Rows of a term and of all that it is a kind of, ascending."""
        return self.ancestors.indices[self.ancestors.indptr[row] : self.ancestors.indptr[row + 1]]

    def top_down(self) -> np.ndarray:
        """(n,) rows, every term after all its ancestors."""
        return np.argsort(np.diff(self.ancestors.indptr), kind="stable")

    def children(self) -> sparse.csr_array:
        """(n, n) bool, row = term, column = its direct children."""
        return sparse.csr_array(self.parents.T)

    def descendants(self) -> sparse.csr_array:
        """(n, n) bool, row = term, column = itself and all its kinds."""
        return sparse.csr_array(self.ancestors.T)


def open_text(path: Path):
    """A text file, plain or compressed by gzip.

    Raises:
        DataNotFoundError: there is no such file.
    """
    if not path.is_file():
        raise DataNotFoundError("the file does not exist", source=path)
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")


def _stanzas(path: Path) -> tuple[str, list[dict[str, list[str]]]]:
    """Release and terms of an OBO file, each term as its tags with their values."""
    version, terms, current = "", [], None
    try:
        with open_text(path) as lines:
            for line in lines:
                if line[0] == "[":
                    current = {} if line.startswith("[Term]") else None
                    if current is not None:
                        terms.append(current)
                    continue
                tag, found, value = line.partition(": ")
                if not found:
                    continue
                if current is not None:
                    if tag in _TAGS:
                        current.setdefault(tag, []).append(value.rstrip("\n"))
                elif tag == "data-version" and not terms:
                    version = value.strip().rpartition("/")[2]
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
        raise InputError(
            f"the file cannot be read: {error}", remedy="Give hp.obo, plain or .gz.", source=path
        ) from error
    return version, terms


_TAGS = frozenset(("id", "name", "alt_id", "synonym", "is_a", "is_obsolete", "replaced_by", "consider"))


def _synonym(value: str) -> Synonym | None:
    match = _SYNONYM.match(value)
    if match is None:
        return None
    language = _LANGUAGE.search(value[match.end() :])
    text = re.sub(r"\\(.)", r"\1", match[1])
    return Synonym(text, match[2] or "RELATED", language[1].lower() if language else "en")


def _reference(value: str) -> str:
    """The id of ``HP:0001507 ! Growth abnormality`` or of ``HP:0001507 {source=...}``."""
    return value.split(maxsplit=1)[0]


def _closure(parents: sparse.csr_array) -> sparse.csr_array:
    """Reflexive and transitive closure, by squaring until nothing is added."""
    reached = sparse.csr_array(parents + sparse.eye_array(parents.shape[0], dtype=bool, format="csr"))
    while True:
        # counts of ways can pass what a byte holds, so they are counted in int32
        ways = reached.astype(np.int32)
        further = sparse.csr_array((ways @ ways).astype(bool))
        if further.nnz == reached.nnz:
            further.sort_indices()
            return further
        reached = further


def read_ontology(path: Path) -> Ontology:
    """Read ``hp.obo`` of a release, plain or .gz.

    Source: OBO flat file format 1.2; Gargano et al. 2024, "The Human Phenotype Ontology in 2024".

    Raises:
        DataNotFoundError: there is no such file.
        InputError: it is no HPO, or it is damaged.
    """
    path = Path(path)
    version, stanzas = _stanzas(path)
    wanted = "Give hp.obo of a release of the Human Phenotype Ontology, plain or .gz."
    live: dict[str, dict[str, list[str]]] = {}
    replaced: dict[str, str] = {}
    obsolete: dict[str, tuple[str, tuple[str, ...]]] = {}
    for stanza in stanzas:
        if "id" not in stanza:
            raise InputError("a term has no id", remedy=wanted, source=path)
        term = stanza["id"][0].strip()
        if stanza.get("is_obsolete", [""])[0].strip() == "true":
            name = stanza.get("name", [""])[0].removeprefix("obsolete ")
            successors = [_reference(value) for value in stanza.get("replaced_by", ())]
            consider = [_reference(value) for value in stanza.get("consider", ())]
            # where there are several, only the person who wrote the old term knows which one is meant
            if len(successors or consider) == 1:
                replaced[term] = (successors or consider)[0]
            else:
                obsolete[term] = (name, tuple(successors + consider))
        else:
            live[term] = stanza
            replaced |= dict.fromkeys((value.strip() for value in stanza.get("alt_id", ())), term)
    if ROOT not in live:
        raise InputError(f"there is no term {ROOT} (Phenotypic abnormality)", remedy=wanted, source=path)
    parents_of = {term: [_reference(v) for v in stanza.get("is_a", ())] for term, stanza in live.items()}
    children: dict[str, list[str]] = {}
    for term, parents in parents_of.items():
        for parent in parents:
            children.setdefault(parent, []).append(term)
    branch, todo = {ROOT}, [ROOT]
    while todo:
        new = [child for child in children.get(todo.pop(), ()) if child not in branch]
        branch.update(new)
        todo += new
    ids = tuple(sorted(branch))
    index = {term: row for row, term in enumerate(ids)}
    pairs = [(index[t], index[p]) for t in ids for p in parents_of[t] if p in index]
    rows, columns = np.array(pairs, dtype=np.int32).reshape(-1, 2).T
    parents = sparse.csr_array((np.ones(len(pairs), dtype=bool), (rows, columns)), shape=(len(ids), len(ids)))
    synonyms = tuple(
        tuple(s for s in map(_synonym, live[term].get("synonym", ())) if s is not None) for term in ids
    )
    return Ontology(
        version=version or "unknown",
        ids=ids,
        names=tuple(live[term].get("name", [term])[0].strip() for term in ids),
        synonyms=synonyms,
        index=index,
        parents=parents,
        ancestors=_closure(parents),
        replaced={old: _last(old, replaced) for old in replaced if old not in live},
        other={term: live[term].get("name", [term])[0].strip() for term in live if term not in index},
        obsolete=obsolete,
    )


def _last(term: str, replaced: dict[str, str]) -> str:
    """Where a chain of replacements ends; a circle ends where it began."""
    seen = {term}
    while (term := replaced.get(term, term)) not in seen:
        seen.add(term)
    return term
