"""The bootstrap in plain numpy: an oracle for the compiled kernels, equal to the last bit."""

import numpy as np

from medanomaly.evaluation.probability_calibration import equal_mass_bins
from medanomaly.evaluation.resampling.bootstrap import ResampledCases, Resamples, _fixed_point, _flagged_lists
from medanomaly.evaluation.resampling.draws import (
    GAMMA,
    LOW32,
    MAX_ATTEMPTS,
    MIX_A,
    MIX_B,
    S27,
    S30,
    S31,
    S32,
)
from medanomaly.evaluation.resampling.ranking import Cells, fold, rank_sums

_MASK = (1 << 64) - 1
_GAMMA, _MIX_A, _MIX_B = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def numpy_bootstrap(
    sample: ResampledCases, n_resamples: int, seed: int, n_bins: int = 10, threads: int = 1
) -> Resamples:
    """As ``bootstrap``, one resample after another."""
    unique, codes = np.unique(np.asarray(sample.patient), return_inverse=True)
    order = np.argsort(codes, kind="stable")
    patient = codes[order]
    positive, score = sample.positive[order], sample.score[order]
    n_cases = np.bincount(patient, minlength=unique.size)
    n_positives = np.bincount(patient[positive], minlength=unique.size)
    n_models, rows = score.shape[1], n_resamples + 1
    folded = [fold(score[:, m], positive) for m in range(n_models)]
    lists = _flagged_lists(sample.flagged, order, positive, patient, n_models)
    outputs = (
        *np.zeros((2, rows), dtype=np.int64),
        np.zeros((rows, n_models), dtype=np.int64),
        np.zeros((rows, n_models)),
        *np.zeros((2, rows, n_models), dtype=np.int64),
    )
    _rank_numpy(seed, n_cases, n_positives, patient, folded, lists, outputs)
    brier, ece = np.full((2, rows, n_models), np.nan)
    if sample.probability is not None:
        probability = sample.probability[order].T
        bins = np.stack([equal_mass_bins(p, n_bins) for p in probability])
        largest = int(n_cases.max()) * unique.size
        squared, one = _fixed_point((probability - positive) ** 2, largest)
        gap, _ = _fixed_point(probability - positive, largest)
        sums = np.zeros((2, rows, n_models), dtype=np.int64)
        _probability_numpy(seed, n_cases, n_positives, patient, squared, gap, bins, sums)
        brier, ece = sums / one / outputs[0][None, :, None]
    return Resamples(*outputs, brier, ece)


def _mix_int(z: int) -> int:
    z &= _MASK
    z = ((z ^ (z >> 30)) * _MIX_A) & _MASK
    z = ((z ^ (z >> 27)) * _MIX_B) & _MASK
    return z ^ (z >> 31)


def _draw_numpy(seed: int, resample: int, attempt: int, n: int) -> np.ndarray:
    key = _mix_int(_mix_int(seed + _GAMMA) + resample * _GAMMA)
    key = _mix_int(key + attempt * _GAMMA)
    counter = np.arange(1, n // 2 + n % 2 + 1, dtype=np.uint64)
    z = np.full(counter.size, key, dtype=np.uint64) + counter * GAMMA
    z = (z ^ (z >> S30)) * MIX_A
    z = (z ^ (z >> S27)) * MIX_B
    z ^= z >> S31
    low = ((z & LOW32) * np.uint64(n)) >> S32
    high = ((z >> S32) * np.uint64(n)) >> S32
    drawn = np.concatenate([low, high[: n // 2]]).astype(np.int64)
    return np.bincount(drawn, minlength=n)


def draw_weights_numpy(
    seed: int, resample: int, n_cases: np.ndarray, n_positives: np.ndarray
) -> tuple[np.ndarray, int, int]:
    """How often each patient is drawn in one resample.

    Args:
        seed: any 64-bit seed.
        resample: number of the resample, from 0.
        n_cases: (patients,) cases of each patient.
        n_positives: (patients,) positive cases of each patient.

    Returns:
        ``(weight, total, positive)``: (patients,) counts that add up to the number of patients, and the weighted number
        of cases and of positives.
    """
    both = bool(n_positives.any() and (n_positives < n_cases).any())
    weight, total, positive = np.zeros(n_cases.size, dtype=np.int64), 0, 0
    for attempt in range(MAX_ATTEMPTS):
        weight = _draw_numpy(seed, resample, attempt, n_cases.size)
        total, positive = int(weight @ n_cases), int(weight @ n_positives)
        if not both or 0 < positive < total:
            break
    return weight, total, positive


def _weights(seed, row, n_cases, n_positives) -> tuple[np.ndarray, int, int]:
    if row == 0:
        return np.ones(n_cases.size, dtype=np.int64), int(n_cases.sum()), int(n_positives.sum())
    return draw_weights_numpy(seed, row, n_cases, n_positives)


def _rank_numpy(seed, n_cases, n_positives, patient, folded: list[Cells], lists, outputs) -> None:
    total, positive, u2, ap, flagged_positive, flagged_negative = outputs
    for r in range(len(total)):
        weight, total[r], positive[r] = _weights(seed, r, n_cases, n_positives)
        case_weight = weight[patient]
        for m, cells in enumerate(folded):
            # bincount sums in float64, exact for counts below 2^53
            counts = np.bincount(cells.cell, weights=case_weight, minlength=3 * cells.n_levels + 1)
            u2[r, m], ap[r, m] = rank_sums(counts.astype(np.int64), cells.n_levels)
            flagged_positive[r, m] = weight[lists[m][0]].sum()
            flagged_negative[r, m] = weight[lists[m][1]].sum()


def _probability_numpy(seed, n_cases, n_positives, patient, squared, gap, bins, sums) -> None:
    for r in range(sums.shape[1]):
        case_weight = _weights(seed, r, n_cases, n_positives)[0][patient]
        for m in range(len(squared)):
            gaps = np.zeros(int(bins.max()) + 1, dtype=np.int64)
            np.add.at(gaps, bins[m], case_weight * gap[m])
            sums[0, r, m] = (case_weight * squared[m]).sum()
            sums[1, r, m] = np.abs(gaps).sum()
