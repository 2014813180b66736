"""Two diseases in one patient: pairs that explain the symptoms together, each symptom by the better of the two."""

import numpy as np
import pandas as pd

from medanomaly.diagnosis.ranking.ranker import CodedCase, Ranker, best_first

PAIR_COLUMNS = ("case_id", "rank", "disease", "partner", "log_ratio")


def best_partners(ranker: Ranker, case: CodedCase, top: int = 10, candidates: int = 60) -> pd.DataFrame:
    """The diseases that explain most together with their best partner.

    A single ranking asks one disease to explain everything, so the second disease of a patient stands low. Here a symptom
    counts with the larger of the two log ratios.

    Args:
        ranker: of the case.
        case: its observed symptoms are explained; excluded ones play no part.
        top: how many diseases.
        candidates: how many diseases are tried, the best for the whole case and the best for any single symptom.

    Returns:
        ``PAIR_COLUMNS``, best pairs first; empty without an observed symptom.
    """
    if not len(case.observed):
        return pd.DataFrame(columns=list(PAIR_COLUMNS))
    rows = np.stack(
        [w * ranker.of_symptom(int(t))[0] for t, w in zip(case.observed, case.weight, strict=True)]
    )
    chosen = [best_first(ranker.scores(case), candidates)[0]]
    # what explains part of the symptoms very well, whatever it says of the others
    some = np.where(ranker.ranked, np.maximum(rows, 0).sum(axis=0), -np.inf)
    chosen.append(best_first(some, candidates)[0])
    columns = np.unique(np.concatenate(chosen))
    of = rows[:, columns]
    together = np.maximum(of[:, :, None], of[:, None, :]).sum(axis=0)
    np.fill_diagonal(together, -np.inf)
    if len(columns) < 2:
        return pd.DataFrame(columns=list(PAIR_COLUMNS))
    partner = together.argmax(axis=1)
    best = together.max(axis=1)
    # of equal pairs, the disease that explains more alone
    order = np.lexsort((-of.sum(axis=0), -best))[:top]
    diseases = ranker.profiles.diseases
    return pd.DataFrame(
        {
            "case_id": case.case_id,
            "rank": np.arange(1, len(order) + 1),
            "disease": [diseases[d] for d in columns[order]],
            "partner": [diseases[d] for d in columns[partner[order]]],
            "log_ratio": best[order],
        }
    )
