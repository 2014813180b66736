"""Every metric of every model from the same patient-level resamples.

Patients, not cases, are drawn with replacement (Efron & Tibshirani 1993, chapter 8: resample the independent units). A
resample is an integer weight a patient; all models and metrics see the same weights, so the difference between two
models is paired without further work. Scores are sorted once (``ranking.fold``); a resample is one pass over the
cases. Sums are integers (probabilities in fixed point), and the one floating-point sum, of the average precision, is added
in a fixed order: no figure depends on the number of threads.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.evaluation.known_metrics import METRICS
from medanomaly.evaluation.probability_calibration import equal_mass_bins
from medanomaly.evaluation.resampling.draws import probability_kernel, rank_kernel
from medanomaly.evaluation.resampling.ranking import fold


@dataclass(frozen=True)
class ResampledCases:
    """The cases that one set of resamples is drawn from, with every model's answers.

    Attributes:
        patient: (n,) patient of each case, anything sortable; equal values are drawn together.
        positive: (n,) bool.
        score: (n, models) float64, finite.
        flagged: (n, models) bool, or None.
        probability: (n, models) float64 in [0, 1], or None.
    """

    patient: np.ndarray
    positive: np.ndarray
    score: np.ndarray
    flagged: np.ndarray | None = None
    probability: np.ndarray | None = None


@dataclass(frozen=True)
class Resamples:
    """Sums over each resample; row 0 of every array is the sample itself, rows 1.. the resamples.

    Attributes:
        total: (1 + resamples,) weighted number of cases.
        positive: (1 + resamples,) weighted number of positives.
        u2: (1 + resamples, models) twice the Mann-Whitney U.
        ap: (1 + resamples, models) positives times average precision.
        flagged_positive: (1 + resamples, models).
        flagged_negative: (1 + resamples, models).
        brier: (1 + resamples, models), NaN without probabilities.
        ece: (1 + resamples, models), NaN without probabilities.
    """

    total: np.ndarray
    positive: np.ndarray
    u2: np.ndarray
    ap: np.ndarray
    flagged_positive: np.ndarray
    flagged_negative: np.ndarray
    brier: np.ndarray
    ece: np.ndarray

    @property
    def p(self) -> np.ndarray:
        """(1 + resamples, 1) anomalous cases."""
        return self.positive[:, None].astype(float)

    @property
    def n(self) -> np.ndarray:
        """(1 + resamples, 1) normal cases."""
        return (self.total - self.positive)[:, None].astype(float)

    @property
    def tp(self) -> np.ndarray:
        """(1 + resamples, models) anomalous cases that are flagged."""
        return self.flagged_positive.astype(float)

    @property
    def fp(self) -> np.ndarray:
        """(1 + resamples, models) normal cases that are flagged."""
        return self.flagged_negative.astype(float)

    def metric(self, name: str) -> np.ndarray:
        """(1 + resamples, models) values of a metric, NaN where it is undefined (0 / 0)."""
        if name not in METRICS:
            raise ConfigurationError(f"the bootstrap has no metric '{name}'")
        above, below = np.broadcast_arrays(*METRICS[name].fraction(self))
        return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


def _fixed_point(x: np.ndarray, largest_total: int) -> tuple[np.ndarray, float]:
    """Values in [-1, 1] as int64 with as many bits as cannot overflow when ``largest_total`` of them are added."""
    one = float(1 << min(50, 62 - int(largest_total).bit_length()))
    return np.rint(x * one).astype(np.int64), one


def bootstrap(
    sample: ResampledCases,
    n_resamples: int,
    seed: int,
    n_bins: int = 10,
    threads: int = 1,
) -> Resamples:
    """Draw patients with replacement and sum up what every metric needs.

    Args:
        sample: n cases of which at least one is there.
        n_resamples: how many resamples.
        seed: 0 or more; results depend on it, on the patients and on nothing else.
        n_bins: equal-mass bins of the calibration error, fixed from the full sample.
        threads: threads over which the resamples are spread; same numbers for any count.

    Returns:
        The sums, row 0 for the sample itself.
    """
    if len(sample.positive) == 0:
        raise InputError("there is no case to resample")
    if not np.isfinite(sample.score).all():
        raise InputError("a score is NaN or infinite", remedy="Detectors must give finite scores.")
    unique, codes = np.unique(np.asarray(sample.patient), return_inverse=True)
    # cases in the order of their patients: results do not depend on the order of rows, and memory is read in line
    order = np.argsort(codes, kind="stable")
    patient = codes[order].astype(np.int32)
    positive = np.asarray(sample.positive, dtype=bool)[order]
    score = np.asarray(sample.score, dtype=np.float64)[order]
    n_cases = np.bincount(patient, minlength=unique.size).astype(np.int32)
    n_positives = np.bincount(patient[positive], minlength=unique.size).astype(np.int32)
    n_models, rows = score.shape[1], n_resamples + 1
    folded = [fold(score[:, m], positive) for m in range(n_models)]
    lists = _flagged_lists(sample.flagged, order, positive, patient, n_models)

    total, drawn_positive = np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.int64)
    u2, ap = np.zeros((rows, n_models), dtype=np.int64), np.zeros((rows, n_models))
    flagged_positive, flagged_negative = np.zeros_like(u2), np.zeros_like(u2)
    outputs = (total, drawn_positive, u2, ap, flagged_positive, flagged_negative)
    # unsigned, so that no index has to be looked at for being negative
    cell = np.stack([f.cell for f in folded]).astype(np.uint32)
    levels = np.array([f.n_levels for f in folded], dtype=np.int64)
    ties = np.array([f.has_ties for f in folded])
    inputs = (n_cases, n_positives, patient, cell, levels, ties, *_join(lists))
    _spread(rank_kernel, seed, rows, threads, (*inputs, *outputs))

    brier, ece = np.full((rows, n_models), np.nan), np.full((rows, n_models), np.nan)
    if sample.probability is not None:
        probability = np.asarray(sample.probability, dtype=np.float64)[order].T
        given = np.isfinite(probability).all(axis=1)
        if given.any():
            probability = probability[given]
            bins = np.stack([equal_mass_bins(p, n_bins) for p in probability])
            largest = int(n_cases.max()) * unique.size
            squared, one = _fixed_point((probability - positive) ** 2, largest)
            gap, _ = _fixed_point(probability - positive, largest)
            sums = np.zeros((2, rows, int(given.sum())), dtype=np.int64)
            inputs = (n_cases, n_positives, patient, squared, gap, bins, int(bins.max()) + 1)
            _spread(probability_kernel, seed, rows, threads, (*inputs, sums[0], sums[1]))
            brier[:, given], ece[:, given] = sums / one / total[None, :, None]
    return Resamples(*outputs, brier, ece)


def _flagged_lists(flagged, order, positive, patient, n_models) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each model the patients of its flagged positives and of its flagged negatives."""
    if flagged is None:
        return [(patient[:0], patient[:0])] * n_models
    flagged = np.asarray(flagged, dtype=bool)[order]
    return [(patient[flagged[:, m] & positive], patient[flagged[:, m] & ~positive]) for m in range(n_models)]


def _join(lists) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    joined = np.concatenate([part for pair in lists for part in pair])
    ends = np.cumsum([len(part) for pair in lists for part in pair])
    return joined, np.concatenate([[0], ends[1::2]]), ends[0::2]


def _spread(kernel, seed: int, rows: int, threads: int, arguments: tuple) -> None:
    """Run a kernel over all rows, in ranges on several threads; every row is written by its own range alone."""
    seed = np.uint64(seed)
    edges = np.linspace(0, rows, min(threads, rows) + 1).astype(np.int64)
    if len(edges) == 2:
        kernel(seed, edges[0], edges[1], *arguments)
        return
    with ThreadPoolExecutor(len(edges) - 1) as pool:
        jobs = [pool.submit(kernel, seed, a, b, *arguments) for a, b in pairwise(edges)]
        for job in jobs:
            job.result()
