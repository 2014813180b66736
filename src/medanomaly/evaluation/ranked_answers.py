"""Figures of ranked answers, such as the diseases of a case: the rank of the true answer is all they need.

A rank counts ties against the answer (two that are equal and first are both second) and is infinite where the true answer is
not among the candidates. Intervals resample groups of cases, such as those of one publication.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from medanomaly.core.errors import InputError
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.evaluation.resampling.draws import patient_weights
from medanomaly.evaluation.resampling.intervals import percentile_interval
from medanomaly.evaluation.resampling.ratio_intervals import mean_interval, ratio_intervals

TOP = (1, 3, 10)
METRIC_COLUMNS = ("metric", "value", "ci_low", "ci_high", "n")
FIGURE_COLUMNS = ("figure", "value", "ci_low", "ci_high", "n", "n_groups")


def rank_of(scores: np.ndarray, true: int) -> float:
    """Rank of candidate ``true`` with ties against it; infinite for -1 (no candidate) and for a score of -inf."""
    if true < 0 or not np.isfinite(scores[true]):
        return np.inf
    return float(np.count_nonzero(scores >= scores[true]))


def checked_ranks(ranks: np.ndarray) -> np.ndarray:
    """Ranks as float64, or :class:`InputError` where one is below 1 or NaN."""
    ranks = np.asarray(ranks, dtype=np.float64)
    if not (ranks >= 1).all():
        raise InputError(
            "a rank is below 1 or NaN", remedy="The best rank is 1, a missing answer has infinity."
        )
    return ranks


def rank_figures(
    ranks: np.ndarray,
    groups: np.ndarray,
    *,
    top: Sequence[int] = TOP,
    n_resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Share of cases whose true answer is among the first k, and the mean reciprocal rank, with intervals.

    Args:
        ranks: (n,) rank of the true answer.
        groups: (n,) what is resampled as one, such as a publication.
        top: values of k.
        n_resamples: resamples of groups.
        seed: of the draws.
        confidence: level.

    Returns:
        ``FIGURE_COLUMNS``, figures ``top_1`` and so on, then ``mrr``.
    """
    ranks = checked_ranks(ranks)
    above = np.column_stack([ranks <= k for k in top] + [1 / ranks])
    value, low, high = ratio_intervals(
        above, np.ones_like(above), groups, n_resamples=n_resamples, seed=seed, confidence=confidence
    )
    table = pd.DataFrame({"figure": [*(f"top_{k}" for k in top), "mrr"], "value": value})
    return table.assign(ci_low=low, ci_high=high, n=len(ranks), n_groups=pd.Series(groups).nunique())


def macro_top(ranks: np.ndarray, answer: np.ndarray, k: int = 1) -> float:
    """Mean over the true answers of the share of their cases within the first k: frequent answers count no more."""
    hit = pd.Series(checked_ranks(ranks) <= k)
    return float(hit.groupby(np.asarray(answer, dtype=object)).mean().mean())


def paired_gain(
    ranks: np.ndarray,
    baseline: np.ndarray,
    groups: np.ndarray,
    *,
    top: Sequence[int] = TOP,
    n_resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """How much more often the true answer is among the first k than with a baseline on the same cases.

    Both are measured on the same resamples of groups, so what makes a publication easy for both cancels.

    Returns:
        ``FIGURE_COLUMNS``; a value above 0 is a gain.
    """
    a, b = checked_ranks(ranks), checked_ranks(baseline)
    above = np.column_stack([(a <= k).astype(float) - (b <= k) for k in top])
    value, low, high = ratio_intervals(
        above, np.ones_like(above), groups, n_resamples=n_resamples, seed=seed, confidence=confidence
    )
    table = pd.DataFrame({"figure": [f"top_{k}" for k in top], "value": value})
    return table.assign(ci_low=low, ci_high=high, n=len(a), n_groups=pd.Series(groups).nunique())


def selective_accuracy(confidence: np.ndarray, right: np.ndarray, coverage: Sequence[float]) -> np.ndarray:
    """Share of right answers among the most confident ``coverage`` of the cases; ties in confidence count as a whole.

    Args:
        confidence: (n,) of each answer.
        right: (n,) bool.
        coverage: shares of the cases that are answered, each in (0, 1].

    Returns:
        One share per coverage. Where cases tie at the cut, the tied ones count with their mean.
    """
    confidence, right = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    order = np.argsort(-confidence, kind="stable")
    _, tie = np.unique(-confidence[order], return_inverse=True)
    mean = np.bincount(tie, right[order]) / np.bincount(tie)
    running = np.cumsum(mean[tie])
    answered = np.maximum(np.round(np.asarray(coverage) * len(right)).astype(int), 1)
    return running[answered - 1] / answered


def one_against_rest(scores: np.ndarray, answer: np.ndarray) -> float:
    """AUROC of each answer against all others, mean over the answers: are its own cases those where it scores highest?

    Args:
        scores: (n, k) of each case and answer, on one scale for all cases; -inf where an answer is no candidate.
        answer: (n,) column of the true answer, -1 where it has none. An answer without a case, or that all cases have, is
            left out.
    """
    scores, answer = np.asarray(scores), np.asarray(answer)
    found = []
    for column in np.unique(answer[answer >= 0]):
        own = answer == column
        n, rest = int(own.sum()), int((~own).sum())
        if rest:
            found.append((rankdata(scores[:, column])[own].sum() - n * (n + 1) / 2) / (n * rest))
    return float(np.mean(found)) if found else float("nan")


def named_figures(true: Sequence, named: Sequence) -> dict[str, float]:
    """How good it is to name one answer per case, or none: each answer against the rest, mean over the true answers.

    Args:
        true: (n,) true answers.
        named: (n,) what is named; None where nothing is.

    Returns:
        ``macro_f1``; ``sensitivity``: of the cases of an answer, the share where it is named; ``specificity``: of all other
        cases, the share where it is not; ``precision``: of the cases with a named answer, the share where it is right (NaN
        where nothing is named); ``named``: share of the cases with a named answer.
    """
    true, named = np.asarray(true, dtype=object), np.asarray(named, dtype=object)
    said = np.array([value is not None for value in named], dtype=bool)
    right = said & (true == named)
    answers, own = np.unique(true.astype(str), return_inverse=True)
    place = pd.Series(range(len(answers)), index=answers)
    called = place.reindex(named[said].astype(str)).dropna().to_numpy(dtype=np.int64)
    n = np.bincount(own, minlength=len(answers))
    hits = np.bincount(own[right], minlength=len(answers))
    calls = np.bincount(called, minlength=len(answers))
    rest = len(true) - n
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "macro_f1": float((2 * hits / (n + calls)).mean()),
            "sensitivity": float((hits / n).mean()),
            "specificity": float(np.nanmean(np.where(rest > 0, 1 - (calls - hits) / rest, np.nan))),
            "precision": float(np.divide(right.sum(), said.sum())),
            "named": float(said.mean()),
        }


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
        ``publication_coverage`` (the same as a mean over publications), ``set_size``), ``value``, ``ci_low``, ``ci_high``,
        ``n``.

    Raises:
        InputError: a rank is below 1 or missing.
    """
    rank = checked_ranks(rank)
    found = {f"top_{k}": mean_interval(rank <= k, publication, params) for k in TOP}
    found["mrr"] = mean_interval(1 / rank, publication, params)
    for k in (TOP[0], TOP[-1]):
        found[f"macro_top_{k}"] = macro_interval(rank <= k, answer, publication, params)
    if in_set is not None:
        inside = np.asarray(in_set, dtype=bool)
        found["coverage"] = mean_interval(inside, publication, params)
        found["publication_coverage"] = macro_interval(inside, publication, publication, params)
    if set_size is not None:
        found["set_size"] = mean_interval(np.asarray(set_size, dtype=float), publication, params)
    rows = [(name, *values, len(rank)) for name, values in found.items()]
    return pd.DataFrame(rows, columns=list(METRIC_COLUMNS))
