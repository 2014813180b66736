"""Misspelled words: the one word of the names that was meant, or none."""

from functools import lru_cache

from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from medanomaly.diagnosis.text.name_index import NameIndex
from medanomaly.diagnosis.text.words import LONGEST_WORD, normal, stem, word_set

# these say the opposite of each other and differ in one or two letters
_OPPOSITES = (
    ("hyper", "hypo"), ("micro", "macro"), ("brachy", "dolicho"), ("tachy", "brady"), ("pre", "post"), ("in", "ex"),
    ("ab", "ad"), ("an", "en"), ("oligo", "poly"), ("endo", "exo"), ("intra", "inter"), ("supra", "infra"),
)  # fmt: skip

# right words that are one or two letters from a word of a name; found in technical and medical prose
_ORDINARY = word_set(
    "such three value typically term optional being public type mean many even rare property match "
    "distinct would very trust work whose name version referred read apply gene responsible path need "
    "included device join permission signal party held received vary sampling create want among rank "
    "recorded sustained poor basis hold charge member provide plus designed done prevent preserve find "
    "latter sure stored inherited identify regarded act initially scaled stated temporary peak world "
    "score week exclusively simply search directly excluding know scale latest validation phenomena range "
    "compare feeling showing scored developer varied perceive meet creating clinic scoring ontology "
    "popular radical slower parentheses sweep patient hospital doctor nurse letter second opinion visit "
    "table tablet school paper morning evening regular healthy photo photographed lives living plan "
    "planned ward care cared start started sleep"
)


def _opposite(one: str, other: str) -> bool:
    return any(
        (one.startswith(a) and other.startswith(b)) or (one.startswith(b) and other.startswith(a))
        for a, b in _OPPOSITES
    )


class Spelling:
    """Corrects words that no name has. Two letters that changed places count as one mistake.

    Args:
        index: names whose words are right.
        ordinary: normal forms of words that are right although no name has them.
    """

    def __init__(self, index: NameIndex, ordinary: frozenset[str]):
        self.index = index
        self.ordinary = ordinary | {normal(word + ending) for word in _ORDINARY for ending in ("", "s")}
        # words come back, in one note and from note to note
        self.correct = lru_cache(maxsize=1 << 14)(self._correct)

    def _correct(self, word: str) -> tuple[str, int] | None:
        """The word that was meant and the number of mistakes; None where the word is right or the choice is not clear.

        Words of four letters or more may have one mistake, from eight letters on two. The first letter has to be right, no
        other word may be as near, and with two mistakes no opposite (hypo-, hyper-) at three.
        """
        n = len(word)
        if not 4 <= n <= LONGEST_WORD or not word.isalpha():
            return None
        root = stem(word)
        # a short root may belong to another word: statue, status
        if word in self.index.words or word in self.ordinary or (len(root) > 4 and root in self.index.stems):
            return None
        allowed = 1 if n < 8 else 2
        near = []
        for length in range(n - allowed, n + allowed + 1):
            choices = self.index.words_by_start.get((word[0], length), ())
            # one more than allowed, so that an opposite just behind the best is seen
            near += extract(word, choices, scorer=OSA.distance, score_cutoff=allowed + 1, limit=4)
        if not near:
            return None
        near.sort(key=lambda found: (found[1], found[0]))
        best, mistakes, _ = near[0]
        if mistakes > allowed:
            return None
        for other, distance, _ in near[1:]:
            if stem(other) == stem(best):
                continue
            if distance == mistakes or (distance == 3 and mistakes == 2 and _opposite(best, other)):
                return None
        return best, int(mistakes)
