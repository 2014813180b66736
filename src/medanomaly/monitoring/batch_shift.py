"""Do p-values still hold for this batch? Abnormal cases in the batch do not cause a false verdict.

P-values hold while the normal cases of a batch are exchangeable with the calibration cases. A batch also holds an unknown
share of abnormal ones. Two kinds of evidence allow for that.

Facts of acquisition and quality of all cases (sharpness, size, rate, noise, missing values, site, age) must look like those
of a mixture of normal and abnormal calibration cases, in one share that is the same for all facts. Every fact is compared,
and a classifier that was fitted on one half of the cases must tell the other half of the batch from the mixture (Lopez-Paz &
Oquab 2017). Whether scores follow a fact plays no part: a batch that is blurred is noticed although, and because, the score
follows sharpness. Where no abnormal calibration case is known, a difference may be due to illness. Then the verdict is
``unknown`` unless the facts leave no room for as many normal cases as :data:`MOST_ABNORMAL` allows.

Scores of abnormal cases may be anything, so less is asked of them: hardly any abnormal case has a score below the median
calibration score (Storey 2002 estimates the share of true null hypotheses from the same part of the p-values). So the cases
below that median must agree with the calibration cases below it, and they cannot be more than half of the batch.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.monitoring.facts import CalibrationFacts

FEWEST_USUAL = 15
# a batch with fewer normal cases says nothing of them
MOST_ABNORMAL = 0.8
# shares of abnormal cases that may explain the facts of a batch
_SHARES = np.linspace(0, MOST_ABNORMAL, 33)
# with more columns the products of pairs are left out
_MOST_PAIRED = 12
# facts further away than this many standard deviations count as this far
_FARTHEST = 5.0
_RIDGE = 0.3
_TESTS = ("test", "statistic", "p", "p_alone")
TOGETHER = "facts together"


@dataclass(frozen=True)
class ShiftCheck:
    """Verdict on one scored batch.

    Attributes:
        verdict: ``holds`` (no evidence against the p-values), ``broken`` (they are not valid), or ``unknown`` (too few
            cases to tell, or a difference that illness may explain).
        p: p-value of the batch over all tests (Bonferroni), at most 1; NaN where nothing could be tested.
        reason: one sentence without its end.
        tests: one row per test: ``test``, ``statistic``, ``p`` (at the share of abnormal cases that explains all facts best)
            and ``p_alone`` (at the share that explains this one best), sorted by the latter.
        n_usual: number of cases of the batch below the median calibration score.
    """

    verdict: str
    p: float
    reason: str
    tests: pd.DataFrame
    n_usual: int


def check_shift(
    calibration_scores: np.ndarray,
    batch_scores: np.ndarray,
    calibration_facts: CalibrationFacts | None = None,
    batch_facts: pd.DataFrame | None = None,
    level: float = 0.01,
    seed: int = 0,
) -> ShiftCheck:
    """Compare a batch with the calibration cases.

    If p-values hold, the verdict is ``broken`` for at most a share ``level`` of the batches, whatever share of their cases
    up to :data:`MOST_ABNORMAL` is abnormal. This takes for granted that abnormal cases hardly ever score below the median
    calibration score, and that their facts are like those of the abnormal calibration cases, where such are known.

    Args:
        calibration_scores: (m,) of normal cases outside the training of the detector.
        batch_scores: (n,) of the batch, one case per patient.
        calibration_facts: of calibration cases, one case per patient; None: only scores are compared.
        batch_facts: n rows with the same columns.
        level: share of false verdicts.
        seed: of the halves of the classifier.

    Raises:
        InputError: no scores, a NaN, or facts that do not fit.
    """
    calibration, batch = (np.asarray(s, dtype=np.float64) for s in (calibration_scores, batch_scores))
    if not calibration.size or not batch.size or not np.isfinite([*calibration, *batch]).all():
        raise InputError("scores are empty or not finite", remedy="Give finite scores of both.")
    if len(batch) < FEWEST_USUAL:
        reason = f"only {len(batch)} of at least {FEWEST_USUAL} cases: too few to tell"
        return ShiftCheck("unknown", float("nan"), reason, pd.DataFrame(columns=list(_TESTS)), 0)
    rows, n_usual, n_usual_calibration = _score_tests(calibration, batch)
    compared, differs = [], []
    if calibration_facts is not None and batch_facts is not None:
        if len(batch_facts) != len(batch):
            raise InputError(f"{len(batch_facts)} rows of facts for {len(batch)} scores")
        compared, differs = _compared_facts(calibration_facts, batch_facts, seed)
    tests, found = _verdict([*rows, *compared], differs, level, n_usual)
    if found is not None:
        return found
    # few usual cases: the batch is small, nearly all abnormal, or shifted far; these cannot be distinguished
    if n_usual_calibration < FEWEST_USUAL:
        reason = f"only {len(calibration)} calibration cases: too few to tell"
        return ShiftCheck("unknown", float("nan"), reason, tests, n_usual)
    if n_usual < FEWEST_USUAL:
        reason = f"only {n_usual} of {len(batch)} cases look usual: too few to tell"
        return ShiftCheck("unknown", float("nan"), reason, tests, n_usual)
    reason = (
        "usual-looking cases are as they were at calibration"
        if not compared and not differs
        else "cases were taken as at calibration, and usual-looking ones score as they did"
    )
    return ShiftCheck("holds", _together(tests), reason, tests, n_usual)


def check_facts(
    calibration_facts: CalibrationFacts, batch_facts: pd.DataFrame, level: float = 0.01, seed: int = 0
) -> ShiftCheck:
    """Compare how a batch was taken with how the calibration cases were, where patients have many cases each.

    Scores of beats of one person say nothing of each other's independence, so they are not compared.

    Args:
        calibration_facts: of calibration cases, one case per patient.
        batch_facts: (n, k) with the same columns, one row per patient.
        level, seed: as of :func:`check_shift`.

    Returns:
        As :func:`check_shift`; ``n_usual`` is 0.

    Raises:
        InputError: a fact is missing.
    """
    for n, whose in ((len(batch_facts), "patients"), (len(calibration_facts.normal), "calibration patients")):
        if n < FEWEST_USUAL:
            reason = f"only {n} of at least {FEWEST_USUAL} {whose}: too few to tell"
            return ShiftCheck("unknown", float("nan"), reason, pd.DataFrame(columns=list(_TESTS)), 0)
    compared, differs = _compared_facts(calibration_facts, batch_facts, seed)
    tests, found = _verdict(compared, differs, level, 0)
    if found is not None:
        return found
    if not len(tests):
        return ShiftCheck("unknown", float("nan"), "no fact is known of enough patients", tests, 0)
    reason = "recordings were taken as at calibration; their scores are not compared"
    return ShiftCheck("holds", _together(tests), reason, tests, 0)


def _compared_facts(
    known: CalibrationFacts, batch: pd.DataFrame, seed: int
) -> tuple[list[tuple[str, float, float, float]], list[tuple[str, float, float, float]]]:
    """Tests that a shift alone can fail, and tests that illness may fail as well, where no abnormal case is known."""
    illness_known = len(known.abnormal) >= FEWEST_USUAL
    compared = _fact_tests(known, batch, illness_known, seed)
    return (compared, []) if illness_known else (_room_for_normal_cases(known, batch), compared)


def _verdict(
    rows: list[tuple[str, float, float, float]],
    differs: list[tuple[str, float, float, float]],
    level: float,
    n_usual: int,
) -> tuple[pd.DataFrame, ShiftCheck | None]:
    """All tests, and the verdict where one of them speaks."""
    tests = _table(rows)
    p = _together(tests) if len(tests) else 1.0
    if p <= level:
        first = tests["test"].iloc[0]
        reason = f"'{first}' differs from the calibration cases (p = {p:.1g}): p-values are not valid"
        return tests, ShiftCheck("broken", p, reason, tests, n_usual)
    if not differs:
        return tests, None
    found = _table(differs)
    differing = _together(found)
    tests = _table([*rows, *differs])
    if differing > level:
        return tests, None
    reason = (
        f"'{found['test'].iloc[0]}' differs from the calibration cases (p = {differing:.1g}); no abnormal "
        "calibration case is known, so it may be a shift or illness"
    )
    return tests, ShiftCheck("unknown", differing, reason, tests, n_usual)


def _table(rows: list[tuple[str, float, float, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(_TESTS)).sort_values("p_alone", ignore_index=True, kind="stable")


def _together(tests: pd.DataFrame) -> float:
    return min(1.0, float(tests["p"].min()) * len(tests))


def _score_tests(
    calibration: np.ndarray, batch: np.ndarray
) -> tuple[list[tuple[str, float, float, float]], int, int]:
    """Tests of the scores below the median, and how many cases of the batch and of the calibration lie there."""
    # takes longer to import than all else that opening a model and scoring a record need
    from scipy import stats

    middle = np.median(calibration)
    old, new = calibration <= middle, batch <= middle
    counts = [[new.sum(), (~new).sum()], [old.sum(), (~old).sum()]]
    share = stats.fisher_exact(counts, alternative="greater")
    p = float(share.pvalue)
    rows = [("more usual cases than p-values allow", float(new.mean()), p, p)]
    if min(new.sum(), old.sum()) >= FEWEST_USUAL:
        test = stats.ks_2samp(calibration[old], batch[new], method="asymp")
        rows.append(("score", float(test.statistic), float(test.pvalue), float(test.pvalue)))
    return rows, int(new.sum()), int(old.sum())


def _columns(known: CalibrationFacts, batch: pd.DataFrame) -> tuple[list[str], list[np.ndarray]]:
    """Names of facts that say something, and their values in the batch, in normal and in abnormal cases."""
    names, new = known.matrix(batch)
    parts = [new, known.matrix(known.normal)[1], known.matrix(known.abnormal)[1]]
    given = [np.isfinite(part) for part in parts]
    kept = np.minimum(given[0].sum(axis=0), given[1].sum(axis=0)) >= FEWEST_USUAL
    together = np.concatenate(parts)
    kept &= [np.unique(column[np.isfinite(column)]).size > 1 for column in together.T]
    return [name for name, keep in zip(names, kept, strict=True) if keep], [part[:, kept] for part in parts]


def _given(column: np.ndarray) -> np.ndarray:
    return column[np.isfinite(column)]


def _fact_tests(
    known: CalibrationFacts, batch: pd.DataFrame, illness_known: bool, seed: int
) -> list[tuple[str, float, float, float]]:
    """Every fact, and all of them together, at the share of abnormal cases that explains them best.

    At the true share the smallest p-value times their number is valid, so the largest over all shares is as well.
    """
    shares = _SHARES if illness_known else _SHARES[:1]
    names, parts = _columns(known, batch)
    found = []
    for i, name in enumerate(names):
        new, normal, abnormal = (_given(part[:, i]) for part in parts)
        ill = abnormal if illness_known and len(abnormal) > 1 else normal
        statistic, p = _mean_rank_test(new, normal, ill, shares)
        found.append((name, statistic, p))
        if len(np.unique(np.concatenate([new, normal, ill]))) > 2:
            found.append((f"distribution of {name}", *_distribution_test(new, normal, ill, shares)))
    if names:
        found.append((TOGETHER, *_classifier_test(*_expanded(*parts), shares, seed)))
    if not found:
        return []
    best = int(np.argmax(np.min([p for _, _, p in found], axis=0)))
    return [(name, float(statistic[best]), float(p[best]), float(p.max())) for name, statistic, p in found]


def _welch(
    new: np.ndarray, normal: np.ndarray, ill: np.ndarray, shares: np.ndarray, sides: int
) -> tuple[np.ndarray, np.ndarray]:
    """Does the mean of (n, S) values of the batch differ from that of the mixture? ``(t, p)``, both (S,)."""
    from scipy import stats

    weights = np.stack([np.ones_like(shares), 1 - shares, shares])
    means = np.stack([part.mean(axis=0) for part in (new, normal, ill)])
    terms = np.stack([part.var(axis=0, ddof=1) / len(part) for part in (new, normal, ill)]) * weights**2
    # a rare level that happens to be absent has not the variance 0
    spread = np.ptp(np.concatenate([new, normal, ill]), axis=0)
    terms += weights**2 * np.stack([(spread / len(part)) ** 2 / 4 for part in (new, normal, ill)])
    variance = terms.sum(axis=0)
    size = np.array([[len(part) - 1] for part in (new, normal, ill)])
    # values that are all equal cannot differ, and their variance is what rounding leaves
    equal = spread == 0
    variance, terms = np.where(equal, 1.0, variance), np.where(equal, 1.0, terms)
    freedom = variance**2 / (terms**2 / size).sum(axis=0)
    t = np.where(equal, 0.0, means[0] - weights[1] * means[1] - weights[2] * means[2]) / np.sqrt(variance)
    return t, np.where(equal, 1.0, stats.t.sf(np.abs(t) if sides == 2 else t, freedom) * sides)


def _mean_rank_test(
    new: np.ndarray, normal: np.ndarray, ill: np.ndarray, shares: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    from scipy import stats

    ranks = stats.rankdata(np.concatenate([new, normal, ill]))[:, None]
    parts = np.split(ranks / len(ranks), [len(new), len(new) + len(normal)])
    return _welch(*parts, shares, sides=2)


def _distribution_test(
    new: np.ndarray, normal: np.ndarray, ill: np.ndarray, shares: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Kolmogorov-Smirnov distance of a sample from a mixture of two samples, asymptotic p-value."""
    from scipy import special

    at = np.sort(np.concatenate([new, normal, ill]))
    below = [np.searchsorted(np.sort(part), at, side="right") / len(part) for part in (new, normal, ill)]
    distance = np.abs(below[0] - below[1] - np.outer(shares, below[2] - below[1])).max(axis=1)
    size = 1 / (1 / len(new) + (1 - shares) ** 2 / len(normal) + shares**2 / len(ill))
    return distance, special.kolmogorov(np.sqrt(size) * distance)


def _expanded(*parts: np.ndarray) -> list[np.ndarray]:
    """Facts in standard deviations of normal cases, with their squares and the products of pairs; missing ones are usual."""
    centre, spread = np.nanmean(parts[1], axis=0), np.nanstd(parts[1], axis=0)
    # what does not vary among normal cases counts in its own unit
    spread = np.where(spread > 1e-9 * (1 + np.abs(centre)), spread, 1.0)
    n = len(centre)
    left, right = np.triu_indices(n) if n <= _MOST_PAIRED else (np.arange(n), np.arange(n))
    values = [np.nan_to_num(np.clip((part - centre) / spread, -_FARTHEST, _FARTHEST)) for part in parts]
    return [np.hstack([z, z[:, left] * z[:, right]]) for z in values]


def _classifier_test(
    new: np.ndarray, normal: np.ndarray, ill: np.ndarray, shares: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Does a linear discriminant, fitted on one half of the cases, tell the other half of the batch from the mixture?

    Returns:
        The larger t of both halves, and twice the smaller p, both (S,).
    """
    rng = np.random.default_rng(seed)
    ill = ill if len(shares) > 1 else normal
    halves = [rng.permutation(np.arange(len(part)) % 2) for part in (new, normal, ill)]
    t, p = [], []
    for half in (0, 1):
        fit, test = (
            [part[(of == half) == used] for part, of in zip((new, normal, ill), halves, strict=True)]
            for used in (False, True)
        )
        directions = _discriminants(*fit, shares)
        statistic, value = _welch(*(part @ directions for part in test), shares, sides=1)
        t.append(statistic)
        p.append(value)
    return np.max(t, axis=0), np.minimum(1, 2 * np.min(p, axis=0))


def _discriminants(new: np.ndarray, normal: np.ndarray, ill: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """(k, S) directions from the mixture to the batch (Fisher 1936), with a ridge."""
    means = [part.mean(axis=0) for part in (new, normal, ill)]
    squares = [part.T @ part / len(part) for part in (new, normal, ill)]
    at = shares[:, None]
    mixture = (1 - at) * means[1] + at * means[2]
    middle = (means[0] + mixture) / 2
    at = at[:, None]
    spread = (squares[0] + (1 - at) * squares[1] + at * squares[2]) / 2 - middle[:, :, None] * middle[:, None]
    size = np.trace(spread, axis1=1, axis2=2) / spread.shape[1]
    spread += (_RIDGE * size + 1e-12)[:, None, None] * np.eye(spread.shape[1])
    direction = np.linalg.solve(spread, (means[0] - mixture)[:, :, None])[:, :, 0].T
    return direction / (np.linalg.norm(direction, axis=0) + 1e-300)


def _room_for_normal_cases(
    known: CalibrationFacts, batch: pd.DataFrame
) -> list[tuple[str, float, float, float]]:
    """Of each fact: is there room for a share of normal cases of ``1 - MOST_ABNORMAL``, whatever the others are?

    Below and above any value at least that share of what the calibration cases have there must be found. The p-value is that
    of the one-sided distance of Kolmogorov and Smirnov.
    """
    least, found = 1 - MOST_ABNORMAL, []
    names, parts = _columns(known, batch)
    for i, name in enumerate(names):
        new, normal = _given(parts[0][:, i]), _given(parts[1][:, i])
        at = np.unique(np.concatenate([new, normal]))
        below, before = (
            [np.searchsorted(np.sort(part), at, side=side) / len(part) for part in (new, normal)]
            for side in ("right", "left")
        )
        lack = max(
            (least * below[1] - below[0]).max(), (least * (1 - before[1]) - (1 - before[0])).max(), 0.0
        )
        size = 1 / (1 / len(new) + least**2 / len(normal))
        # both sides
        p = float(min(1.0, 2 * np.exp(-2 * size * lack**2)))
        found.append((name, float(lack), p, p))
    return found
