"""The shapes of a patient's beats: clusters that follow the patient, and that lose their vote when they come early.

A beat belongs to the template with which it correlates best over small shifts. Templates are running means. A beat that
fits no template starts a new one, and two templates that have become alike are joined. How normal a cluster is depends on
how often it was seen lately. Early beats lower it, so that a frequent ectopic shape does not become the norm.
"""

from collections import namedtuple

import numpy as np
from numba import njit

from medanomaly.signals.beats.beat_windows import POINTS

MAX_CLUSTERS = 16
SAME_SHAPE = 0.88
ALIKE = 0.95
FORGET = 1.0 - 1.0 / 600.0
SLOWEST = 0.02
# points of the beat window: R-100 ms to R+192 ms; it may be shifted by 42 ms
CORE_START, CORE, MAX_SHIFT = 18, 36, 5
EARLY, EARLY_DECAY, DOMINANT = 0.10, 20.0, 0.2

# per cluster: core template, mean beat, mean prematurity relative to the last beats and to the slow beats of
# the patient, number of beats so far, recent weight
Clusters = namedtuple("Clusters", "template beat prematurity slow members weight count")


def empty_clusters() -> Clusters:
    """No shape seen yet: every array is filled up to ``count[0]``."""
    return Clusters(
        template=np.zeros((MAX_CLUSTERS, 2 * CORE)),
        beat=np.zeros((MAX_CLUSTERS, 2, POINTS)),
        prematurity=np.zeros(MAX_CLUSTERS),
        slow=np.zeros(MAX_CLUSTERS),
        members=np.zeros(MAX_CLUSTERS),
        weight=np.zeros(MAX_CLUSTERS),
        count=np.zeros(1, dtype=np.int64),
    )


@njit(cache=True, nogil=True)
def core_window(beat, shift, out):
    """Write the core of a beat, moved by ``shift`` points and without the mean of each lead, into ``out`` (2 * CORE,)."""
    for lead in range(2):
        mean = 0.0
        for i in range(CORE):
            mean += beat[lead, CORE_START + shift + i]
        mean /= CORE
        for i in range(CORE):
            out[lead * CORE + i] = beat[lead, CORE_START + shift + i] - mean


@njit(cache=True, nogil=True)
def correlate(clusters, beat, correlation, shift):
    """Largest correlation of the beat with each template over all shifts, and its shift."""
    count = clusters.count[0]
    window = np.empty(2 * CORE)
    correlation[:count] = -2.0
    norms = np.empty(count)
    for k in range(count):
        total = 0.0
        for i in range(2 * CORE):
            total += clusters.template[k, i] ** 2
        norms[k] = np.sqrt(total) + 1e-12
    for s in range(-MAX_SHIFT, MAX_SHIFT + 1):
        core_window(beat, s, window)
        norm = 0.0
        for i in range(2 * CORE):
            norm += window[i] * window[i]
        norm = np.sqrt(norm) + 1e-12
        for k in range(count):
            dot = 0.0
            for i in range(2 * CORE):
                dot += window[i] * clusters.template[k, i]
            dot /= norm * norms[k]
            if dot > correlation[k]:
                correlation[k] = dot
                shift[k] = s


@njit(cache=True, nogil=True)
def best_cluster(clusters, correlation):
    """Index of the template that fits best."""
    best = 0
    for k in range(1, clusters.count[0]):
        if correlation[k] > correlation[best]:
            best = k
    return best


@njit(cache=True, nogil=True)
def normality(clusters, out):
    """Write the vote of each cluster into ``out`` and return the largest."""
    largest = 1e-12
    for k in range(clusters.count[0]):
        early = min(0.0, clusters.slow[k] + EARLY)
        out[k] = clusters.weight[k] * np.exp(EARLY_DECAY * early)
        largest = max(largest, out[k])
    return largest


@njit(cache=True, nogil=True)
def _start_cluster(clusters, k, beat, prematurity, slow):
    core_window(beat, 0, clusters.template[k])
    clusters.beat[k] = beat
    clusters.prematurity[k] = prematurity
    clusters.slow[k] = slow
    clusters.members[k] = 1.0
    clusters.weight[k] = 1.0


@njit(cache=True, nogil=True)
def _merge(clusters, into, k, shift):
    """Add cluster k to another one, then close the gap that it leaves."""
    total = clusters.members[into] + clusters.members[k]
    share = clusters.members[k] / total
    window = np.empty(2 * CORE)
    core_window(clusters.beat[k], shift, window)
    for i in range(2 * CORE):
        clusters.template[into, i] += share * (window[i] - clusters.template[into, i])
    clusters.prematurity[into] += share * (clusters.prematurity[k] - clusters.prematurity[into])
    clusters.slow[into] += share * (clusters.slow[k] - clusters.slow[into])
    clusters.beat[into] += share * (clusters.beat[k] - clusters.beat[into])
    clusters.members[into] = total
    clusters.weight[into] += clusters.weight[k]
    last = clusters.count[0] - 1
    clusters.template[k] = clusters.template[last]
    clusters.prematurity[k] = clusters.prematurity[last]
    clusters.slow[k] = clusters.slow[last]
    clusters.beat[k] = clusters.beat[last]
    clusters.members[k] = clusters.members[last]
    clusters.weight[k] = clusters.weight[last]
    clusters.count[0] = last


@njit(cache=True, nogil=True)
def _join_alike(clusters, k):
    """Join cluster k with the cluster whose mean beat is alike, the lighter into the heavier; True where it did."""
    if clusters.count[0] < 2:
        return False
    correlation, shift = np.empty(MAX_CLUSTERS), np.zeros(MAX_CLUSTERS, dtype=np.int64)
    correlate(clusters, clusters.beat[k], correlation, shift)
    correlation[k] = -2.0
    other = best_cluster(clusters, correlation)
    if correlation[other] < ALIKE:
        return False
    if clusters.weight[other] >= clusters.weight[k]:
        _merge(clusters, other, k, shift[other])
    else:
        _merge(clusters, k, other, -shift[other])
    return True


@njit(cache=True, nogil=True)
def _join_all(clusters):
    """Join clusters of one shape, the lightest first, so that a normal shape is not split into small clusters."""
    joined = True
    while joined:
        joined = False
        for k in np.argsort(clusters.weight[: clusters.count[0]]):
            if _join_alike(clusters, k):
                joined = True
                break


@njit(cache=True, nogil=True)
def follow(clusters, beat, prematurity, slow, correlation, shift):
    """Let the clusters learn from one beat, after it was scored."""
    count = clusters.count[0]
    for k in range(count):
        clusters.weight[k] *= FORGET
    best = best_cluster(clusters, correlation)
    if correlation[best] < SAME_SHAPE:
        if count < MAX_CLUSTERS:
            k = count
            clusters.count[0] += 1
        else:
            k = np.argmin(clusters.weight)
        _start_cluster(clusters, k, beat, prematurity, slow)
        return
    clusters.weight[best] += 1.0
    clusters.members[best] += 1.0
    rate = max(1.0 / clusters.weight[best], SLOWEST)
    window = np.empty(2 * CORE)
    core_window(beat, shift[best], window)
    for i in range(2 * CORE):
        clusters.template[best, i] += rate * (window[i] - clusters.template[best, i])
    rate = max(1.0 / clusters.members[best], SLOWEST)
    clusters.prematurity[best] += rate * (prematurity - clusters.prematurity[best])
    clusters.slow[best] += rate * (slow - clusters.slow[best])
    for lead in range(2):
        for i in range(POINTS):
            clusters.beat[best, lead, i] += rate * (beat[lead, i] - clusters.beat[best, lead, i])
    _join_alike(clusters, best)


@njit(cache=True, nogil=True)
def find_clusters(clusters, beats, prematurity, slow, usable):
    """Find the clusters of a stretch of beats at once: choose leaders, then assign and average twice.

    Args:
        clusters: empty, filled in place.
        beats: (n, 2, POINTS).
        prematurity: (n,) log RR minus that of the beats around.
        slow: (n,) log RR minus the slow RR of the patient.
        usable: (n,) bool, beats that are used.
    """
    n = len(beats)
    correlation, shift = np.empty(MAX_CLUSTERS), np.zeros(MAX_CLUSTERS, dtype=np.int64)
    for j in range(n):
        if not usable[j]:
            continue
        correlate(clusters, beats[j], correlation, shift)
        count = clusters.count[0]
        if count == 0 or (
            count < MAX_CLUSTERS and correlation[best_cluster(clusters, correlation)] < SAME_SHAPE
        ):
            clusters.count[0] += 1
            _start_cluster(clusters, count, beats[j], prematurity[j], slow[j])
    window = np.empty(2 * CORE)
    for _ in range(2):
        count = clusters.count[0]
        members = np.zeros(count)
        slows = np.zeros(count)
        template, whole, early = np.zeros((count, 2 * CORE)), np.zeros((count, 2, POINTS)), np.zeros(count)
        for j in range(n):
            if not usable[j]:
                continue
            correlate(clusters, beats[j], correlation, shift)
            k = best_cluster(clusters, correlation)
            core_window(beats[j], shift[k], window)
            members[k] += 1.0
            template[k] += window
            whole[k] += beats[j]
            early[k] += prematurity[j]
            slows[k] += slow[j]
        kept = 0
        for k in range(count):
            if members[k] > 0:
                clusters.template[kept] = template[k] / members[k]
                clusters.beat[kept] = whole[k] / members[k]
                clusters.prematurity[kept] = early[k] / members[k]
                clusters.slow[kept] = slows[k] / members[k]
                clusters.members[kept] = members[k]
                clusters.weight[kept] = members[k]
                kept += 1
        clusters.count[0] = kept
    _join_all(clusters)
