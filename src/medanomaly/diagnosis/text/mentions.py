"""Where a text names symptoms: the longest names first, in any order of words, with lists taken apart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from medanomaly.diagnosis.text.name_index import MOST_WORDS, Name, NameIndex
from medanomaly.diagnosis.text.spelling import Spelling
from medanomaly.diagnosis.text.words import (
    CONJUNCTIONS,
    LABORATORY,
    SHADES,
    STOP_WORDS,
    Word,
    concept,
    normal,
    stem,
    word_set,
)

# no name goes across these
BARRIERS = frozenset('.;:!?()[]{}\n"|=<>•–—')
_LISTING = frozenset(",/&+")
# a new statement begins with these
_TURNS = word_set(
    "he she they but however although whereas while because who which aber jedoch sondern er sie mais il elle"
)
_COPULAS = word_set("is are was were ist sind war waren est sont etait")
# said of one word, not of a list
_DENYING = word_set("no not absent without")
# words of a list that may stand inside a name: "short (and broad) thumbs", "long (face and) fingers"
_MOST_LEFT_OUT = 2
# a line that is shorter than this ended because its author ended it
_WRAPPED_LINE = 60


@dataclass(frozen=True)
class Mention:
    """A name of a symptom in a text.

    Attributes:
        rows: the term; several where the name means more than one, and then it is not known which.
        positions: its words in the list of words, ascending.
        misspelled: a word was corrected.
    """

    rows: tuple[int, ...]
    positions: tuple[int, ...]
    misspelled: bool

    @property
    def first(self) -> int:
        """Position of its first word."""
        return self.positions[0]

    @property
    def last(self) -> int:
        """Position of its last word."""
        return self.positions[-1]


@dataclass(frozen=True)
class _Piece:
    """A word that counts (``concept``), or one that lists (no ``concept``); ``at``: its positions among the text's words."""

    at: tuple[int, ...]
    word: str
    concept: str
    optional: bool = False
    mistakes: int = 0


@dataclass(frozen=True)
class _Group:
    """Pieces that may be a name: their positions in the run, how many stand before a gap (0: no gap), and the joints ("," or
    "&") between them."""

    picked: tuple[int, ...]
    before_gap: int
    crossed: str


def is_barrier(words: Sequence[Word], at: int, text: str) -> bool:
    """Whether a name or a statement ends at this word. The end of a line that only the width of the page made does not."""
    sign = words[at].written
    if sign == "-":
        # a hyphen inside a word does not, a dash does
        return not (_touches(words, at - 1) and _touches(words, at))
    if sign not in BARRIERS:
        return False
    if sign in ".?":
        # "4.5", "e.g.", "V. a.", "?scoliosis"
        before = words[at - 1] if at else words[at]
        initial = sign == "." and before.written.isalpha() and before.end - before.start == 1
        return not initial and (words[at].end == len(text) or text[words[at].end].isspace())
    if sign != "\n":
        return True
    following = words[at + 1].written if at + 1 < len(words) else "\n"
    begin = text.rfind("\n", 0, words[at].start) + 1
    wrapped = words[at].start - begin >= _WRAPPED_LINE and following[0].islower()
    return not wrapped


def _touches(words: Sequence[Word], at: int) -> bool:
    return 0 <= at < len(words) - 1 and words[at].end == words[at + 1].start


def _pieces(words: Sequence[Word], text: str, index: NameIndex, spelling: Spelling) -> Iterator[list[_Piece]]:
    """Runs of words that can be part of names, divided where no name goes across."""
    run: list[_Piece] = []
    divided = _new_clauses(words, text)
    at = 0
    while at < len(words):
        word, written, positions = words[at].word, words[at].written, (at,)
        if at in divided or is_barrier(words, at, text):
            if run:
                yield run
            run = []
        elif word in CONJUNCTIONS or written in _LISTING:
            run.append(_Piece(positions, word, ""))
        elif written[0].isalnum() and word not in STOP_WORDS:
            mistakes = 0
            if joined := _joined(words, at, index):
                word, positions = joined
            elif (corrected := spelling.correct(word)) is not None:
                word, mistakes = corrected
            of = stem(word)
            run.append(_Piece(positions, word, concept(of), of in SHADES or of in LABORATORY, mistakes))
        at = positions[-1] + 1
    if run:
        yield run


def _new_clauses(words: Sequence[Word], text: str) -> set[int]:
    """Words that divide clauses: turns, and what joins clauses with a verb each: "toes are short and fingers are long"."""
    divided = {p for p, word in enumerate(words) if word.word in _TURNS}
    joint, verb = None, False
    for p, word in enumerate(words):
        if p in divided or (word.written in BARRIERS and is_barrier(words, p, text)):
            joint, verb = None, False
        elif word.word in CONJUNCTIONS or word.written == ",":
            # of ", and" the comma divides
            joint = p if verb and joint != p - 1 else joint
        elif word.word in _COPULAS:
            if joint is not None:
                divided.add(joint)
                joint = None
            verb = True
    return divided


def _joined(words: Sequence[Word], at: int, index: NameIndex) -> tuple[str, tuple[int, ...]] | None:
    """ "micro cephaly" and "near-sighted" as one word, where names have it only so."""
    after = at + 1
    if after < len(words) and words[after].written == "-" and _touches(words, at):
        after += 1
    if after >= len(words) or not words[after].written[0].isalpha():
        return None
    one, other = words[at].word, words[after].word
    joined = normal(one + other)
    known = joined in index.words or (len(joined) > 8 and stem(joined) in index.stems)
    # both have a meaning of their own, in one name
    apart = {one, other} <= index.words and concept(stem(other)) in index.mates.get(concept(stem(one)), ())
    if len(joined) < 7 or not known or apart:
        return None
    return joined, tuple(range(at, after + 1))


def _groups(run: Sequence[_Piece], index: NameIndex) -> Iterator[_Group]:
    """All groups of neighbouring pieces whose concepts stand together in some name, with at most one gap."""
    mates = index.mates
    for start, piece in enumerate(run):
        if piece.concept not in mates:
            continue
        open_groups = [_Group((start,), 0, "")]
        while open_groups:
            group = open_groups.pop()
            yield group
            if len(group.picked) == MOST_WORDS:
                continue
            together = [mates[run[p].concept] for p in group.picked]
            for to, before_gap, crossed in _next_pieces(run, group):
                new = run[to].concept
                if all(new in mate for mate in together) and all(new != run[p].concept for p in group.picked):
                    open_groups.append(_Group((*group.picked, to), before_gap, crossed))


def _next_pieces(run: Sequence[_Piece], group: _Group) -> Iterator[tuple[int, int, str]]:
    """Where a group may go on: ``(position, before_gap, crossed)``."""
    at, crossed = group.picked[-1] + 1, group.crossed
    if at < len(run) and not run[at].concept:
        at, crossed = at + 1, crossed + ("," if run[at].word == "," else "&")
    while at < len(run) and run[at].concept:
        yield at, group.before_gap, crossed
        if not run[at].optional:
            break
        at += 1
    if group.before_gap:
        return
    first, left_out = group.picked[-1] + 1, 0
    for last in range(first, len(run) - 1):
        left_out += bool(run[last].concept)
        if left_out > _MOST_LEFT_OUT or last - first > 2 * _MOST_LEFT_OUT:
            break
        # a list stands between: "short (and broad) thumbs", "long (face and) fingers"
        if left_out and run[last + 1].concept and bool(run[first].concept) != bool(run[last].concept):
            yield last + 1, len(group.picked), group.crossed


def _named(
    run: Sequence[_Piece],
    group: _Group,
    words: Sequence[Word],
    text: str,
    index: NameIndex,
    ordinary: frozenset[str],
) -> tuple[int, int, list[Name]] | None:
    """How well the best names fit, their rank, and these names: fit 0 word for word, 1 but for inflection, 2 by meaning."""
    pieces = [run[p] for p in group.picked]
    candidates = index.names.get(tuple(sorted(piece.concept for piece in pieces)))
    if candidates is None or (group.before_gap and any(piece.word in _DENYING for piece in pieces)):
        return None
    written = tuple(sorted(piece.word for piece in pieces))
    stems = tuple(sorted(map(stem, written)))
    mistakes = sum(piece.mistakes for piece in pieces)
    if mistakes and len(pieces) == 1 and not _sure_alone(pieces[0]):
        return None
    passage = text[words[pieces[0].at[0]].start : words[pieces[-1].at[-1]].end]
    best: tuple[int, int] = (3, 0)
    names: list[Name] = []
    for name in candidates:
        if not set(group.crossed) <= set(name.joints):
            continue
        if name.abbreviation and passage not in (name.abbreviation, name.abbreviation + "s"):
            continue
        fit = 0 if name.words == written else 1 if name.stems == stems else 2
        # "negative" is no negativism
        if len(pieces) == 1 and (fit == 2 or (fit == 1 and pieces[0].word in ordinary)):
            continue
        if (fit, name.rank) < best:
            best, names = (fit, name.rank), []
        if (fit, name.rank) == best:
            names.append(name)
    return (*best, names) if names else None


def _sure_alone(piece: _Piece) -> bool:
    """Whether a corrected word may name a symptom without a second word that confirms it."""
    return len(piece.word) >= 6 * piece.mistakes


def find_mentions(words: Sequence[Word], text: str, index: NameIndex, spelling: Spelling) -> list[Mention]:
    """Names of symptoms in the order of the text. A word belongs to one name, or to several that share it in a list."""
    mentions: list[Mention] = []
    for run in _pieces(words, text, index, spelling):
        found = []
        for group in _groups(run, index):
            named = _named(run, group, words, text, index, spelling.ordinary)
            if named is not None:
                fit, rank, names = named
                found.append((group.before_gap > 0, -len(group.picked), fit, rank, group, names))
        found.sort(key=lambda one: one[:4])
        taken: set[int] = set()
        for *_, group, names in found:
            used = taken.intersection(group.picked)
            if used:
                before, after = set(group.picked[: group.before_gap]), set(group.picked[group.before_gap :])
                # "short thumb" may share "thumb" with "broad thumb", nothing more
                if not group.before_gap or not (used <= before or used <= after) or used >= set(group.picked):
                    continue
            taken.update(group.picked)
            row = index.choose(names)
            rows = (row,) if row is not None else tuple(sorted({name.row for name in names}))
            at = tuple(sorted(position for p in group.picked for position in run[p].at))
            mentions.append(Mention(rows, at, any(run[p].mistakes for p in group.picked)))
    return sorted(mentions, key=lambda mention: mention.positions)
