"""Which symptom to ask for next: the one whose answer is expected to tell most about the disease.

The gain of a question is the mutual information of its answer and the disease, in bits (Lindley 1956), under the
probabilities of the best candidates and the frequencies of the symptom among them.
"""

import numpy as np
import pandas as pd

from medanomaly.diagnosis.ranking.ranker import CodedCase, Ranker, best_first

QUESTION_COLUMNS = ("case_id", "term", "name", "gain_bits", "yes", "for_disease", "against_disease")
# no disease has a symptom surely, and none is free of it
SMALLEST, LARGEST = 0.01, 0.95


def next_questions(
    ranker: Ranker,
    case: CodedCase,
    top: int = 5,
    candidates: int = 30,
    among: np.ndarray | None = None,
    scores: np.ndarray | None = None,
) -> pd.DataFrame:
    """The ``top`` questions of largest expected gain.

    Args:
        ranker: of the case.
        case: what is known so far; what it implies already is not asked.
        top: how many questions.
        candidates: how many of the best diseases are told apart.
        among: rows of the ontology that may be asked; None allows every symptom of a candidate.
        scores: (n,) scores of the case where they are known, such as those of a re-ranker.

    Returns:
        ``QUESTION_COLUMNS``: ``gain_bits`` is the expected gain, ``yes`` the probability of the answer yes, ``for_disease``
        the candidate that a yes speaks for most, ``against_disease`` the one that it speaks against most.
    """
    scores = ranker.scores(case) if scores is None else scores
    best = best_first(scores, candidates)[0]
    if not len(best):
        return pd.DataFrame(columns=list(QUESTION_COLUMNS))
    p = np.exp(scores[best] - scores[best].max()).astype(np.float64)
    p /= p.sum()
    table = ranker.comparison.by_disease[best]
    known = _answered(ranker, case)
    terms = np.unique(table.indices) if among is None else np.asarray(among)
    terms = terms[~known[terms]]
    if not len(terms):
        return pd.DataFrame(columns=list(QUESTION_COLUMNS))
    share = np.clip(table[:, terms].toarray(), SMALLEST, LARGEST)
    yes = p @ share
    gain = _entropy(yes) - p @ _entropy(share)
    order = np.lexsort((terms, -gain))[:top]
    change = share[:, order] - yes[order]
    return pd.DataFrame(
        {
            "case_id": case.case_id,
            "term": [ranker.ids[t] for t in terms[order]],
            "name": [ranker.names[t] for t in terms[order]],
            "gain_bits": gain[order],
            "yes": yes[order],
            "for_disease": [
                ranker.profiles.diseases[d] for d in best[np.argmax(p[:, None] * change, axis=0)]
            ],
            "against_disease": [
                ranker.profiles.diseases[d] for d in best[np.argmin(p[:, None] * change, axis=0)]
            ],
        }
    )


def _entropy(share: np.ndarray) -> np.ndarray:
    """Bits of an answer that is yes with this probability."""
    return -(share * np.log2(share) + (1 - share) * np.log2(1 - share))


def _answered(ranker: Ranker, case: CodedCase) -> np.ndarray:
    """(terms,) bool: what the case has, what that is a kind of, what it has not, and the kinds of that."""
    known = np.zeros(len(ranker.ids), dtype=bool)
    for row in case.observed:
        known[ranker.above(int(row))] = True
    for row in case.excluded:
        known[ranker.below(int(row))] = True
    return known


def with_answer(ranker: Ranker, case: CodedCase, term: int, yes: bool) -> CodedCase:
    """The case with the answer to a question.

    What reports list as absent was looked for because the disease often has it, so the ranker gives it little weight. What
    was asked here was not chosen that way: a no counts in full.
    """
    observed, weight, excluded, excluded_weight = (
        case.observed, case.weight, case.excluded, case.excluded_weight,
    )  # fmt: skip
    if yes:
        observed, weight = _inserted(observed, weight, term, 1.0)
    else:
        full = 1 / ranker.params.excluded if ranker.params.excluded else 1.0
        excluded, excluded_weight = _inserted(excluded, excluded_weight, term, full)
    return CodedCase(case.case_id, observed, weight, excluded, excluded_weight)


def _inserted(
    rows: np.ndarray, weights: np.ndarray, term: int, weight: float
) -> tuple[np.ndarray, np.ndarray]:
    at = int(np.searchsorted(rows, term))
    if at < len(rows) and rows[at] == term:
        weights = weights.copy()
        weights[at] = weight
        return rows, weights
    return np.insert(rows, at, term), np.insert(weights, at, weight)
