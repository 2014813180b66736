"""Metrics table of ranked lists: is the right answer at the top, near it, and inside of the set that was promised?

Cases of one publication are drawn together, so intervals are those of new publications. A case whose answer is not among the
candidates counts as missed everywhere.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from medanomaly.evaluation.params import EvaluationParams
from medanomaly.evaluation.ranked_answers import checked_ranks
from medanomaly.evaluation.resampling.draws import patient_weights
from medanomaly.evaluation.resampling.intervals import percentile_interval
from medanomaly.evaluation.resampling.ratio_intervals import mean_interval

TOP = (1, 3, 10)
COLUMNS = ("metric", "value", "ci_low", "ci_high", "n")


def macro_interval(
    values: np.ndarray, group: Sequence, publication: Sequence, params: EvaluationParams
) -> tuple[float, float, float]:
    """Mean over groups of the mean over their cases, with the percentile interval of resampled publications.

    Args:
        values: (n,) one per case.
        group: (n,) such as the disease of each case.
        publication: (n,) whose cases are drawn together.
        params: seed, resamples, confidence.
    """
    if not len(values):
        return np.nan, np.nan, np.nan
    groups, publications = pd.factorize(np.asarray(group))[0], pd.factorize(np.asarray(publication))[0]
    sums = np.zeros((2, publications.max() + 1, groups.max() + 1))
    np.add.at(sums[0], (publications, groups), np.asarray(values, dtype=float))
    np.add.at(sums[1], (publications, groups), 1.0)
    value = float((sums[0].sum(axis=0) / sums[1].sum(axis=0)).mean())
    if sums.shape[1] < 2:
        return value, np.nan, np.nan
    weights = patient_weights(params.seed, range(params.n_resamples), np.bincount(publications)).astype(float)
    with np.errstate(invalid="ignore"):
        drawn = np.nanmean((weights @ sums[0]) / (weights @ sums[1]), axis=1)
    return value, *map(float, percentile_interval(drawn, params.confidence))


def ranking_metrics(
    rank: np.ndarray,
    answer: Sequence,
    publication: Sequence,
    params: EvaluationParams,
    in_set: np.ndarray | None = None,
    set_size: np.ndarray | None = None,
) -> pd.DataFrame:
    """Metrics of n cases whose answer is known.

    Args:
        rank: (n,) rank of the right answer, inf where it was not ranked.
        answer: (n,) the right answers, for the mean over them.
        publication: (n,) whose cases are drawn together.
        params: seed, resamples, confidence.
        in_set: (n,) bool, whether the set of the case holds the right answer; None leaves coverage out.
        set_size: (n,) answers in the set.

    Returns:
        ``metric`` (``top_1``, ``top_3``, ``top_10``, ``mrr``, ``macro_top_1``, ``macro_top_10``, ``coverage``,
        ``set_size``), ``value``, ``ci_low``, ``ci_high``, ``n``.

    Raises:
        InputError: a rank is below 1 or missing.
    """
    rank = checked_ranks(rank)
    found = {f"top_{k}": mean_interval(rank <= k, publication, params) for k in TOP}
    found["mrr"] = mean_interval(1 / rank, publication, params)
    for k in (TOP[0], TOP[-1]):
        found[f"macro_top_{k}"] = macro_interval(rank <= k, answer, publication, params)
    if in_set is not None:
        found["coverage"] = mean_interval(np.asarray(in_set, dtype=bool), publication, params)
    if set_size is not None:
        found["set_size"] = mean_interval(np.asarray(set_size, dtype=float), publication, params)
    rows = [(name, *values, len(rank)) for name, values in found.items()]
    return pd.DataFrame(rows, columns=list(COLUMNS))
