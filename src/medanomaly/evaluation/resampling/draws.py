"""Patient-level bootstrap weights from a counter-based generator.

Draw j of resample r is a pure function of (seed, r, j), so the weights do not depend on the number of threads or on which
resamples are computed together. The generator is SplitMix64 (Steele, Lea & Flood 2014, "Fast
splittable pseudorandom number generators", figure 16): one 64-bit hash gives two 32-bit draws, and the
high word of ``draw * n`` is the patient (Lemire 2019, "Fast random integer generation in an interval", without the
rejection step: a patient's chance is off by at most n / 2^32 of itself).

A resample in which a class is empty has no AUROC. It is drawn again from its next sub-stream (seed, r, attempt + 1):
bootstrap conditional on both classes being there.
"""

import numpy as np
from numba import njit

MAX_ATTEMPTS = 1000
BLOCK = 256
# numba turns uint64 combined with int64 into float64, so every constant of the kernels is a uint64
GAMMA, MIX_A, MIX_B = (np.uint64(v) for v in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
S27, S30, S31, S32, LOW32 = (np.uint64(v) for v in (27, 30, 31, 32, 0xFFFFFFFF))


@njit(nogil=True, inline="always")
def _mix(z):
    z = (z ^ (z >> S30)) * MIX_A
    z = (z ^ (z >> S27)) * MIX_B
    return z ^ (z >> S31)


@njit(nogil=True)
def _hash_block(key, block, n, low, high):
    for i in range(block):
        z = _mix(key + np.uint64(i) * GAMMA)
        low[i] = ((z & LOW32) * n) >> S32
        high[i] = ((z >> S32) * n) >> S32


@njit(nogil=True)
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


@njit(nogil=True)
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


@njit(nogil=True)
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
