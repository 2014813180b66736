"""Patient-level bootstrap weights from a counter-based generator.

Draw j of resample r is a pure function of (seed, r, j), so the weights do not depend on the number of threads or on which
resamples are computed together. The generator is SplitMix64 (Steele, Lea & Flood 2014, "Fast
splittable pseudorandom number generators", figure 16): one 64-bit hash gives two 32-bit draws, and the
high word of ``draw * n`` is the patient (Lemire 2019, "Fast random integer generation in an interval", without the
rejection step: a patient's chance is off by at most n / 2^32 of itself).

A resample in which a class is empty has no AUROC. It is drawn again from its next sub-stream (seed, r, attempt + 1):
bootstrap conditional on both classes being there.

Everything that is compiled stands in this file, because the cache of compiled code notices changes of one file only.
"""

import numpy as np
from numba import njit

MAX_ATTEMPTS = 1000
BLOCK = 256
# numba turns uint64 combined with int64 into float64, so every constant of the kernels is a uint64
GAMMA, MIX_A, MIX_B = (np.uint64(v) for v in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
S27, S30, S31, S32, LOW32 = (np.uint64(v) for v in (27, 30, 31, 32, 0xFFFFFFFF))


@njit(nogil=True, inline="always", cache=True)
def _mix(z):
    z = (z ^ (z >> S30)) * MIX_A
    z = (z ^ (z >> S27)) * MIX_B
    return z ^ (z >> S31)


@njit(nogil=True, cache=True)
def _hash_block(key, block, n, low, high):
    for i in range(block):
        z = _mix(key + np.uint64(i) * GAMMA)
        low[i] = ((z & LOW32) * n) >> S32
        high[i] = ((z >> S32) * n) >> S32


@njit(nogil=True, cache=True)
def _draw(seed, resample, attempt, weight):
    n = np.uint64(weight.size)
    key = _mix(_mix(seed + GAMMA) + np.uint64(resample) * GAMMA)
    key = _mix(key + np.uint64(attempt) * GAMMA)
    weight[:] = 0
    pairs = weight.size // 2
    low, high = np.empty(BLOCK, dtype=np.uint64), np.empty(BLOCK, dtype=np.uint64)
    for start in range(0, pairs, BLOCK):
        block = min(BLOCK, pairs - start)
        # hashing apart from counting, so that the compiler can hash several draws at once
        _hash_block(key + np.uint64(start + 1) * GAMMA, block, n, low, high)
        for i in range(block):
            weight[low[i]] += 1
            weight[high[i]] += 1
    if weight.size % 2:
        weight[((_mix(key + np.uint64(pairs + 1) * GAMMA) & LOW32) * n) >> S32] += 1


@njit(nogil=True, cache=True)
def draw_weights(seed, resample, n_cases, n_positives, weight):
    """Fill ``weight`` with how often each patient is drawn in resample ``resample``.

    Returns ``(total, positive)``: weighted number of cases and of positives.
    """
    both = False
    for p in range(weight.size):
        if n_positives[p] > 0:
            both = True
            break
    if both:
        both = False
        for p in range(weight.size):
            if n_positives[p] < n_cases[p]:
                both = True
                break
    total, positive = 0, 0
    for attempt in range(MAX_ATTEMPTS):
        _draw(seed, resample, attempt, weight)
        total, positive = 0, 0
        for p in range(weight.size):
            w = np.int64(weight[p])
            total += w * n_cases[p]
            positive += w * n_positives[p]
        if not both or 0 < positive < total:
            break
    return total, positive


@njit(nogil=True, cache=True)
def _fill(seed, first, n_cases, n_positives, weights):
    for r in range(weights.shape[0]):
        draw_weights(seed, first + r, n_cases, n_positives, weights[r])


def patient_weights(
    seed: int, resamples: range, n_cases: np.ndarray, n_positives: np.ndarray | None = None
) -> np.ndarray:
    """How often each patient is drawn in each resample.

    Args:
        seed: 0 or more.
        resamples: numbers of the resamples, one after another.
        n_cases: (patients,) cases of each patient.
        n_positives: (patients,) positive cases of each patient, where a resample must hold both classes.

    Returns:
        (resamples, patients) uint8 counts; each row adds up to the number of patients.
    """
    n_cases = np.asarray(n_cases, dtype=np.int32)
    n_positives = np.zeros_like(n_cases) if n_positives is None else np.asarray(n_positives, dtype=np.int32)
    weights = np.zeros((len(resamples), n_cases.size), dtype=np.uint8)
    _fill(np.uint64(seed), resamples.start, n_cases, n_positives, weights)
    return weights


@njit(nogil=True, cache=True)
def rank_kernel(
    seed, start, stop, n_cases, n_positives, patient, cell, n_levels, has_ties, flagged, offsets, split,
    total, positive, u2, ap, flagged_positive, flagged_negative,
):  # fmt: skip
    """Sums behind ranking and decisions, of resamples ``start`` to ``stop``; the last arguments are filled."""
    n, n_models = cell.shape[1], cell.shape[0]
    weight = np.zeros(n_cases.size, dtype=np.uint8)
    counts = np.zeros(3 * n_levels.max() + 1, dtype=np.int32)
    one_each = n == n_cases.size
    for r in range(start, stop):
        # row 0 is the sample itself: every patient once
        if r == 0:
            weight[:] = 1
            total[r], positive[r] = n_cases.sum(), n_positives.sum()
        else:
            total[r], positive[r] = draw_weights(seed, r, n_cases, n_positives, weight)
        for m in range(n_models):
            levels = n_levels[m]
            last = 3 * levels + 1 if has_ties[m] else 2 * levels + 1
            counts[:last] = 0
            cells = cell[m]
            if one_each:
                for i in range(n):
                    counts[cells[i]] += weight[i]
            else:
                for i in range(n):
                    counts[cells[i]] += weight[patient[i]]
            negatives = total[r] - positive[r]
            above, hits, wins, precision_sum = np.int64(0), np.int64(0), np.int64(0), 0.0
            for k in range(levels):
                above += counts[levels + k]
                tied = np.int64(counts[2 * levels + 1 + k]) if has_ties[m] else np.int64(0)
                p = np.int64(counts[k])
                if p > 0:
                    wins += p * (2 * (negatives - above) - tied)
                    hits += p
                    precision_sum += p * (hits / (hits + above + tied))
                above += tied
            u2[r, m], ap[r, m] = wins, precision_sum
            # flagged cases are few, so they are listed: positives up to split, negatives after it
            s = np.int64(0)
            for i in range(offsets[m], split[m]):
                s += weight[flagged[i]]
            flagged_positive[r, m] = s
            s = np.int64(0)
            for i in range(split[m], offsets[m + 1]):
                s += weight[flagged[i]]
            flagged_negative[r, m] = s


@njit(nogil=True, cache=True)
def probability_kernel(
    seed, start, stop, n_cases, n_positives, patient, squared, gap, bins, n_bins, brier, ece
):
    """Sums behind Brier score and calibration error, of resamples ``start`` to ``stop``; the last two are filled."""
    n_models, n = squared.shape
    weight = np.zeros(n_cases.size, dtype=np.uint8)
    gaps = np.zeros(n_bins, dtype=np.int64)
    for r in range(start, stop):
        if r == 0:
            weight[:] = 1
        else:
            draw_weights(seed, r, n_cases, n_positives, weight)
        for m in range(n_models):
            gaps[:] = 0
            s = np.int64(0)
            for i in range(n):
                w = np.int64(weight[patient[i]])
                s += w * squared[m, i]
                gaps[bins[m, i]] += w * gap[m, i]
            brier[r, m] = s
            s = np.int64(0)
            for b in range(n_bins):
                s += abs(gaps[b])
            ece[r, m] = s
