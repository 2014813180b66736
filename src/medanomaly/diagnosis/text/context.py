"""Whose a symptom is, whether it is there, and how sure that is: phrases with a scope, as in NegEx and ConText."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from medanomaly.diagnosis.text import context_words as told
from medanomaly.diagnosis.text.mentions import Mention, is_barrier
from medanomaly.diagnosis.text.words import Word, normal, word_set

# a ranking is monotone in these: what is likely or past counts more than what is only possible
WEIGHT_LIKELY = 0.75
WEIGHT_PAST = 0.75
WEIGHT_POSSIBLE = 0.5

# words; a longer sentence is divided, as nothing is said of what stands so far away
LONGEST_STATEMENT = 400

_FAMILY_HEADING = re.compile(
    r"^[^\S\n]*(family (?:medical )?history|familienanamnese|ant[eé]c[eé]dents familiaux)[^\S\n]*(?::[^\S\n]*)?\n",
    re.I | re.M,
)
# an empty line, or the next heading
_HEADING_ENDS = re.compile(r"\n[^\S\n]*\n|^[^\n:]{2,40}:", re.M)

# longest phrase first, and of equal phrases the first kind
_KINDS = {
    "no_denial": told.NO_DENIAL,
    "possible": told.POSSIBLE,
    "unlikely": told.UNLIKELY,
    "absent_before": told.ABSENT_BEFORE,
    "absent": told.ABSENT_EITHER,
    "absent_after": told.ABSENT_AFTER,
    "relative": told.RELATIVES,
    "likely": told.LIKELY,
    "past": told.PAST,
    "present": told.PRESENT,
    "compared": told.COMPARED,
    "turn": told.TURNS,
    "patient": told.PATIENT,
}
_WEIGHTS = {
    "likely": WEIGHT_LIKELY,
    "possible": WEIGHT_POSSIBLE,
    "past": WEIGHT_PAST,
    "unlikely": WEIGHT_LIKELY,
}
_EXCLUDING = frozenset(("absent", "absent_before", "absent_after", "unlikely"))
_SPEAK_OF = frozenset((*_EXCLUDING, *_WEIGHTS, "present"))
_UNSURE = frozenset(("likely", "possible", "unlikely"))
_SAYS_ANEW = frozenset((*_UNSURE, "past", "present", "patient"))
_ENDS_STATEMENT = frozenset(".;!?\n")
_OR = word_set("or nor oder ou ni noch")
_AND = word_set("and or nor und oder et ou ni")
# after these words a phrase has said what it says of the words before it
_AFTER_A_STATEMENT = _AND | word_set(
    "by on in at during so to for under today bei im am durch par au a sur dans lors"
)
# between a symptom and the relative who has it: "in the", "of both his"
_OF = word_set("in of from bei von chez de du dans")
_OF_WHOM = _OF | word_set(
    "der la le les the his her their a an and both two three one sa son ses seiner ihrer"
)
_WITH = word_set("with mit avec")
# a relative is not the one who is told of: "he and his sister"
_TOGETHER = word_set("and und et as")
# before a verb of saying: "the mother also first noticed"
_BEFORE_A_REPORT = word_set("also first s both has have had")
_ENDS_RELATIVE = word_set("but however aber jedoch mais whereas while")


@dataclass(frozen=True)
class Said:
    """What a text says of one symptom; ``why`` quotes the phrases that made it more than "the patient has it, surely".

    ``relative`` quotes whose it is where it is not the patient's.
    """

    excluded: bool = False
    weight: float = 1.0
    relative: str = ""
    why: str = ""


class _Phrase(NamedTuple):
    """A phrase: its kind, its first word and one past its last, as positions among the text's words."""

    kind: str
    start: int
    stop: int


def _phrases_of(text: str) -> Iterator[tuple[str, ...]]:
    for phrase in re.split(r";\s*", text.strip()):
        words = tuple(
            normal(word[:-1]) + "*" if word.endswith("*") else normal(word)
            for word in phrase.replace("'", " ").split()
        )
        if words:
            yield words


@cache
def _phrases_by_start() -> dict[str, list[tuple[tuple[str, ...], str]]]:
    """Phrases by the first three letters of their first word, longest first."""
    table: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for kind, text in _KINDS.items():
        for words in _phrases_of(text):
            table.setdefault(words[0].rstrip("*")[:3], []).append((words, kind))
    for phrases in table.values():
        phrases.sort(key=lambda phrase: -len(phrase[0]))
    return table


@cache
def _verbs() -> frozenset[str]:
    return frozenset(words[0] for words in _phrases_of(told.VERBS))


@cache
def _reports() -> tuple[tuple[str, ...], ...]:
    return tuple(_phrases_of(told.REPORTS))


def ordinary_words() -> frozenset[str]:
    """Words of all phrases; they are spelled right although no symptom has them in its name."""
    texts = (*_KINDS.values(), told.VERBS, told.REPORTS)
    return frozenset(word.rstrip("*") for text in texts for phrase in _phrases_of(text) for word in phrase)


def _matches(pattern: str, word: str) -> bool:
    return word.startswith(pattern[:-1]) if pattern[-1] == "*" else word == pattern


class _Statement:
    """What lies between two full stops: its phrases, its clauses between commas, and what each says.

    Args:
        words: of the whole text.
        at: positions of the statement's words.
        named: positions that belong to names of symptoms.
    """

    def __init__(self, words: Sequence[Word], at: range, named: frozenset[int]):
        self.words, self.at, self.named = words, at, named
        self.phrases = list(self._find_phrases())
        self.begins = {phrase.start: phrase for phrase in self.phrases}
        self.ends = {phrase.stop: phrase for phrase in self.phrases}
        self.commas = [p for p in at if words[p].written == "," and p not in named]

    def _text(self, position: int) -> str:
        return self.words[position].word

    def _find_phrases(self) -> Iterator[_Phrase]:
        table, position = _phrases_by_start(), self.at.start
        while position < self.at.stop:
            found = None
            if position not in self.named:
                for pattern, kind in table.get(self._text(position)[:3], ()):
                    if (stop := self._match(pattern, position)) is not None:
                        found = _Phrase(kind, position, stop)
                        break
            if found is not None:
                yield found
            position = position + 1 if found is None else found.stop

    def _match(self, pattern: Sequence[str], position: int) -> int | None:
        for part in pattern:
            # "r/o" and "V. a." are written with signs
            while position in self.at and self.words[position].written in {"/", ".", "-"}:
                position += 1
            if position not in self.at or position in self.named or not _matches(part, self._text(position)):
                return None
            position += 1
        return position

    def _clause(self, position: int) -> range:
        """From the comma before to the comma after a position."""
        after = bisect_left(self.commas, position)
        start = self.commas[after - 1] + 1 if after else self.at.start
        stop = self.commas[after] if after < len(self.commas) else self.at.stop
        return range(start, stop)

    def _stands_alone(self, clause: range) -> bool:
        """Whether a clause after a comma says something of its own: it has a verb, a subject, a heading or a phrase."""
        for p in clause:
            if p in self.named:
                continue
            word = self._text(p)
            if word in _OR and p > clause.start:
                return False
            if word in _verbs() or self.words[p].written == ":" or (p == clause.start and word in _WITH):
                return True
            phrase = self.begins.get(p)
            if phrase is not None and phrase.kind in _SAYS_ANEW:
                return True
        return False

    def first_name(self, positions: range) -> int | None:
        """The first of these positions that belongs to the name of a symptom."""
        return next((p for p in positions if p in self.named), None)

    def speaks_of_before(self, phrase: _Phrase) -> bool:
        """Whether a phrase is said of what stands before it: "seizures were absent", but "absent reflexes"."""
        clause = self._clause(phrase.start)
        before = range(clause.start, phrase.start)
        if phrase.kind in ("absent_before", "absent_after"):
            return phrase.kind == "absent_after"
        # "cough, fever, rash: all denied"
        if phrase.kind in _EXCLUDING and self.words[phrase.start - 1].written == ":":
            before = range(self.at.start, phrase.start)
        if self.first_name(before) is None:
            return False
        if phrase.stop not in self.at:
            return True
        following = self.words[phrase.stop]
        if phrase.stop in self.named:
            return False
        return (
            not following.written[0].isalnum()
            or following.word in _AFTER_A_STATEMENT
            or (phrase.stop in self.begins and self.begins[phrase.stop].kind in ("turn", "absent_before"))
        )

    def forward(self, phrase: _Phrase) -> range:
        """What a phrase says something of, after it."""
        stop, clause, named = phrase.stop, self._clause(phrase.stop), False
        while stop < self.at.stop:
            if stop == clause.stop:
                # uncertainty seldom goes past a comma, denial and history do
                following = self._clause(stop + 1)
                if not named or phrase.kind in _UNSURE or self._stands_alone(following):
                    break
                clause = following
                stop += 1
                continue
            if stop in self.named:
                named = True
            else:
                other = self.begins.get(stop)
                if other is not None and (other.kind in ("turn", "present") or self._goes_on(phrase, other)):
                    break
                if other is not None and named and other.kind in _SPEAK_OF and self._text(stop - 1) in _AND:
                    break
                # a verb after the symptom begins to say something else of it
                if named and self._text(stop) in _verbs():
                    break
            stop += 1
        return range(phrase.stop, stop)

    def _goes_on(self, phrase: _Phrase, other: _Phrase) -> bool:
        """Whether another denial takes over what follows."""
        return {phrase.kind, other.kind} <= _EXCLUDING and not self.speaks_of_before(other)

    def backward(self, phrase: _Phrase) -> range:
        """What a phrase says something of, before it."""
        if phrase.kind == "absent_after":
            # with or without a hyphen
            near = 2 if self.words[phrase.start - 1].written == "-" else 1
            return range(max(self.at.start, phrase.start - near), phrase.start)
        start, clause, named = phrase.start, self._clause(phrase.start), False
        while start > self.at.start:
            p = start - 1
            if p < clause.start:
                earlier = self._clause(p)
                earlier = range(earlier.start, min(earlier.stop, p))
                says = any(q in self.begins and self.begins[q].kind in _SPEAK_OF for q in earlier)
                if phrase.kind not in _EXCLUDING or says or self._has_verb(earlier):
                    break
                clause = range(earlier.start, p + 1)
                start = p
                continue
            if p in self.named:
                named = True
            else:
                ending = self.ends.get(start)
                # "suspected but ruled out": of the same symptom
                if ending is not None and named and (ending.kind == "turn" or ending.kind in _SPEAK_OF):
                    break
                # "has ataxia and seizures are absent": what stands after the last "and"
                if named and self._text(p) in _verbs():
                    joins = [
                        q for q in range(p, phrase.start) if self._text(q) in _AND and q not in self.named
                    ]
                    return range(joins[-1] if joins else start, phrase.start)
            start = p
        return range(start, phrase.start)

    def _has_verb(self, clause: range) -> bool:
        return any(self._text(p) in _verbs() for p in clause if p not in self.named)

    def of_relatives(self) -> Iterator[tuple[_Phrase, range]]:
        """Phrases that name relatives, and the words that are said of them."""
        for last, phrase in pairwise((None, *self.phrases)):
            if phrase.kind == "relative" and not self._is_told_of_patient(phrase, last):
                before = self._before_relative(phrase)
                yield phrase, before or range(phrase.stop, self._end_of_relative(phrase))

    def _is_told_of_patient(self, phrase: _Phrase, last: _Phrase | None) -> bool:
        """Whether the relative reports ("the mother denies"), is compared ("like his mother") or shares ("he and she")."""
        after = phrase.stop
        while True:
            if any(self._match(report, after) for report in _reports()):
                return True
            if after not in self.at or self._text(after) not in _BEFORE_A_REPORT:
                break
            after += 1
        if last is None or phrase.start - last.stop > 3:
            return False
        between = {self._text(p) for p in range(last.stop, phrase.start)}
        return last.kind == "compared" or (last.kind == "patient" and bool(between & _TOGETHER))

    def _before_relative(self, phrase: _Phrase) -> range | None:
        """The words before "in the mother", where a symptom is among them."""
        near = range(max(self.at.start, phrase.start - 4), phrase.start)
        of = [p for p in near if self._text(p) in _OF]
        if not of or any(self._text(p) not in _OF_WHOM for p in range(of[-1], phrase.start)):
            return None
        start = of[-1]
        while start > self.at.start:
            ending = self.ends.get(start)
            if ending is not None and ending.kind in {"turn", "relative"}:
                break
            if self.words[start - 1].written == "," and self._stands_alone(self._clause(start)):
                break
            start -= 1
        before = range(start, phrase.start)
        return before if self.first_name(before) is not None else None

    def _end_of_relative(self, phrase: _Phrase) -> int:
        for other in self.phrases:
            if other.start < phrase.stop:
                continue
            # "the mother of the patient has"
            of = any(self._text(p) in _OF for p in range(max(phrase.stop, other.start - 2), other.start))
            if (other.kind == "patient" and not of) or (
                other.kind == "turn" and self._text(other.start) in _ENDS_RELATIVE
            ):
                return other.start
        return self.at.stop


def _statements(words: Sequence[Word], text: str, named: frozenset[int]) -> Iterator[range]:
    start = comma = 0
    for p in range(len(words)):
        comma = p if words[p].written == "," else comma
        if p - start == LONGEST_STATEMENT:
            stop = comma if comma > start else p
            yield range(start, stop)
            start = stop
        if words[p].written in _ENDS_STATEMENT and p not in named and is_barrier(words, p, text):
            if p > start:
                yield range(start, p)
            start = p + 1
    if start < len(words):
        yield range(start, len(words))


def _quote(words: Sequence[Word], text: str, phrase: _Phrase) -> str:
    return text[words[phrase.start].start : words[phrase.stop - 1].end]


def _headed_lines(words: Sequence[Word], text: str) -> Iterator[tuple[range, _Phrase]]:
    """Lines below a heading "Family history:" up to an empty line or the next heading."""
    starts = [word.start for word in words]
    for match in _FAMILY_HEADING.finditer(text):
        end = _HEADING_ENDS.search(text, match.end())
        stop = end.start() if end else len(text)
        heading, below = (
            range(bisect_left(starts, a), bisect_left(starts, b))
            for a, b in (match.span(1), (match.end(), stop))
        )
        yield below, _Phrase("relative", heading.start, heading.stop)


def read_context(words: Sequence[Word], text: str, mentions: Sequence[Mention]) -> list[Said]:
    """What the text says of each mention, in their order."""
    named = frozenset(p for mention in mentions for p in mention.positions)
    said: dict[int, list[_Phrase]] = {p: [] for p in named}

    def say(phrase: _Phrase, of: range) -> None:
        for p in of:
            if p in said:
                said[p].append(phrase)

    for lines, heading in _headed_lines(words, text):
        say(heading, lines)
    for at in _statements(words, text, named):
        statement = _Statement(words, at, named)
        if statement.first_name(at) is None:
            continue
        for phrase in statement.phrases:
            if phrase.kind in _SPEAK_OF and phrase.kind != "present":
                of = (
                    statement.backward(phrase)
                    if statement.speaks_of_before(phrase)
                    else statement.forward(phrase)
                )
                say(phrase, of)
        for phrase, of in statement.of_relatives():
            say(phrase, of)
    out = []
    for mention in mentions:
        phrases = said[mention.first]
        sign = _sign_after(words, mention)
        relative = next((q for q in phrases if q.kind == "relative"), None)
        weights = [_WEIGHTS[q.kind] for q in phrases if q.kind in _WEIGHTS]
        excluded = any(q.kind in _EXCLUDING for q in phrases)
        unsure = [q.start for q in phrases if q.kind in _UNSURE]
        ruled_out = max((q.start for q in phrases if q.kind in _EXCLUDING), default=-1)
        # what was never there is surely not there, and so is what was suspected and then ruled out
        if excluded and (
            not unsure or max(unsure) < mention.first < ruled_out or mention.last < max(unsure) < ruled_out
        ):
            weights = []
        why = ", ".join(dict.fromkeys(f"'{_quote(words, text, q)}'" for q in phrases if q.kind in _SPEAK_OF))
        if sign is not None:
            excluded, why = sign == "-", f"'({sign})'"
        if _asked(words, text, mention):
            weights.append(WEIGHT_POSSIBLE)
            why = ", ".join(filter(None, ("'?'", why)))
        out.append(
            Said(
                excluded=excluded,
                weight=min(weights, default=1.0),
                relative=_quote(words, text, relative) if relative else "",
                why=why,
            )
        )
    return out


def _sign_after(words: Sequence[Word], mention: Mention) -> str | None:
    """``+`` or ``-`` of "seizures (-)"."""
    after = [word.written for word in words[mention.last + 1 : mention.last + 4]]
    if len(after) == 3 and after[0] == "(" and after[2] == ")" and after[1] in {"+", "-", "−", "–"}:
        return "+" if after[1] == "+" else "-"
    return None


def _asked(words: Sequence[Word], text: str, mention: Mention) -> bool:
    """Whether a question mark stands right before the name: "?scoliosis"."""
    start = words[mention.first].start
    return start > 0 and text[start - 1] == "?"
