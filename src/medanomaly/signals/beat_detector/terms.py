"""Ways in which a beat can be out of the ordinary for its patient.

The terms are: prematurity of the beat's shape (``cpm``), RR interval relative to the patient's slow beats (``rr``, and to
still slower ones), distance to the normal shapes (``shape``), residual from the nearest normal shape (``resid``), the
stretch before the QRS complex (``P``) and the RR interval itself (``abs``). All are large for abnormal beats and need
0.25 s of signal after the R peak; none needs the next beat.

The first minutes of a recording are learned as a block. The beats of the block are scored in hindsight, with windows
centred on them. Every later beat is scored with what came before it, and then learned from. Offline, the block is the
whole recording.
"""

from collections import namedtuple

import numpy as np
from numba import njit

from medanomaly.signals.beat_detector.clusters import (
    DOMINANT,
    MAX_CLUSTERS,
    best_cluster,
    correlate,
    empty_clusters,
    find_clusters,
    follow,
    normality,
)

CPM, RR, SLOW_RR, SHAPE, RESID, P, ABS, LOCAL_RR = range(8)
N_TERMS = 8
# quantiles of the RR intervals that represent the patient's normal rhythm; the second finds it where it is rare
QUANTILES = (0.75, 0.90)
# numbers of beats that are remembered: for the slow RR, its spread, the running RR, the ordinary values, the
# local rate
SLOW, SPREAD, RECENT, ORDINARY, LOCAL = 300, 64, 16, 100, 11
PREMATURE = -0.2
RR_LIMITS_S = (0.15, 4.0)

# what is remembered of the beats before, the newest value last; ``seen`` counts the values of each
History = namedtuple("History", "rr over pairs ordinary seen")


def empty_history() -> History:
    """Nothing seen yet."""
    return History(
        rr=np.zeros(SLOW),
        over=np.zeros(SPREAD),
        pairs=np.zeros(RECENT),
        ordinary=np.zeros((ORDINARY, 3)),
        seen=np.zeros(4, dtype=np.int64),
    )


@njit(cache=True, nogil=True)
def _push(values, value):
    values[:-1] = values[1:]
    values[-1] = value


@njit(cache=True, nogil=True)
def _remember_rr(history, log_rr, reference):
    """Remember one more RR interval: for the slow quantile, the spread and the mean of two, log((rr[i-1] + rr[i]) / 2)."""
    if history.seen[0] > 0:
        pair = np.log(0.5 * (np.exp(log_rr) + np.exp(history.rr[-1])))
        _push(history.pairs, pair)
        history.seen[2] = min(history.seen[2] + 1, RECENT)
    _push(history.rr, log_rr)
    history.seen[0] = min(history.seen[0] + 1, SLOW)
    _push(history.over, log_rr if log_rr - reference > PREMATURE else np.nan)
    history.seen[1] = min(history.seen[1] + 1, SPREAD)


@njit(cache=True, nogil=True)
def _remember_ordinary(history, raw):
    history.ordinary[:-1] = history.ordinary[1:]
    history.ordinary[-1, 0] = raw[SHAPE]
    history.ordinary[-1, 1] = raw[RESID]
    history.ordinary[-1, 2] = raw[P]
    history.seen[3] = min(history.seen[3] + 1, ORDINARY)


@njit(cache=True, nogil=True)
def _spread(log_rr):
    """Median absolute deviation of the RR intervals that are not premature; NaN marks premature ones. It needs three."""
    kept = log_rr[~np.isnan(log_rr)]
    if len(kept) < 3:
        return 0.2
    return np.median(np.abs(kept - np.median(kept)))


@njit(cache=True, nogil=True)
def _quantiles(log_rr):
    """The two ``QUANTILES``, linear between values."""
    ordered = np.sort(log_rr)
    last = len(ordered) - 1
    out = np.empty(2)
    for i in range(2):
        place = QUANTILES[i] * last
        low = int(place)
        high = min(low + 1, last)
        out[i] = ordered[low] + (place - low) * (ordered[high] - ordered[low])
    return out[0], out[1]


@njit(cache=True, nogil=True)
def _two_leads(beat, reference, first, last):
    """Dot product and squared norms of two beats over points first..last, each lead without its mean."""
    dot, own, other = 0.0, 0.0, 0.0
    n = last - first + 1
    for lead in range(2):
        a_mean, b_mean = 0.0, 0.0
        for i in range(first, last + 1):
            a_mean += beat[lead, i] / n
            b_mean += reference[lead, i] / n
        for i in range(first, last + 1):
            a, b = beat[lead, i] - a_mean, reference[lead, i] - b_mean
            dot += a * b
            own += a * a
            other += b * b
    return dot, own, other


@njit(cache=True, nogil=True)
def _shape_terms(clusters, beat, correlation, votes, raw):
    """Fill shape, resid and P, before the ordinary values are subtracted; True where the beat's cluster is dominant."""
    largest = normality(clusters, votes)
    own = best_cluster(clusters, correlation)
    distance, nearest = np.inf, -1
    for k in range(clusters.count[0]):
        penalty = 0.1 * max(0.0, np.log(largest / max(votes[k], 1e-300)))
        distance = min(distance, 1.0 - correlation[k] + penalty)
        if votes[k] >= DOMINANT * largest and (nearest < 0 or correlation[k] > correlation[nearest]):
            nearest = k
    normal = clusters.beat[nearest]
    raw[SHAPE] = np.log(max(distance, 0.0) + 0.01)
    # R-100 ms .. R+142 ms: amplitude counts
    dot, a, b = _two_leads(beat, normal, 18, 47)
    raw[RESID] = np.log(max(a + b - 2.0 * dot, 0.0) / (b + 1e-12) + 0.001)
    # R-233 ms .. R-75 ms
    dot, a, b = _two_leads(beat, normal, 2, 21)
    raw[P] = np.log(max(1.0 - dot / (np.sqrt(a * b) + 1e-12), 0.0) + 0.01)
    return votes[own] >= DOMINANT * largest


@njit(cache=True, nogil=True)
def _own_prematurity(clusters, own, q):
    """Mean prematurity of the cluster, shrunk towards the beat's own where the cluster is small."""
    members = min(clusters.members[own], 30.0)
    share = members / (members + 5.0)
    return -(share * clusters.prematurity[own] + (1.0 - share) * q)


@njit(cache=True, nogil=True)
def score_next(clusters, history, beat, log_rr, rr_known, usable, raw):
    """Score one beat with what came before it, then learn from it.

    Args:
        clusters: of the patient, changed in place.
        history: of the patient, changed in place.
        beat: (2, POINTS) window.
        log_rr: log of the RR interval before the beat, in seconds.
        rr_known: False where that interval crosses a bad stretch; the beat then counts as neither early nor late.
        usable: False where the beat itself is in bad signal; it is scored, but nothing is learned from it.
        raw: (N_TERMS,) filled: the terms, and the log of the local RR interval.
    """
    recent = history.rr[SLOW - min(RECENT, history.seen[0]) :]
    running = np.median(recent)
    if not rr_known:
        log_rr = running
    reference, slowest = _quantiles(history.rr[SLOW - history.seen[0] :])
    spread = _spread(history.over[SPREAD - history.seen[1] :])
    q = log_rr - (np.median(history.pairs[RECENT - history.seen[2] :]) if history.seen[2] > 2 else running)
    raw[RR] = -(log_rr - reference) / np.sqrt(spread * spread + 0.05 * 0.05)
    raw[SLOW_RR] = -(log_rr - slowest) / np.sqrt(spread * spread + 0.05 * 0.05)
    raw[ABS] = -log_rr
    raw[LOCAL_RR] = np.log(np.mean(np.exp(history.rr[SLOW - min(LOCAL, history.seen[0]) :])))

    correlation, shift = np.empty(MAX_CLUSTERS), np.zeros(MAX_CLUSTERS, dtype=np.int64)
    correlate(clusters, beat, correlation, shift)
    votes = np.empty(MAX_CLUSTERS)
    dominant = _shape_terms(clusters, beat, correlation, votes, raw)
    raw[CPM] = _own_prematurity(clusters, best_cluster(clusters, correlation), q)
    looks_normal = usable and dominant and log_rr - running > PREMATURE
    before = history.ordinary[ORDINARY - history.seen[3] :]
    ordinary = np.array([np.median(before[:, 0]), np.median(before[:, 1]), np.median(before[:, 2])])
    if looks_normal:
        _remember_ordinary(history, raw)
    raw[SHAPE] -= ordinary[0]
    raw[RESID] -= ordinary[1]
    raw[P] -= ordinary[2]
    if usable:
        follow(clusters, beat, q, log_rr - reference, correlation, shift)
    if rr_known:
        _remember_rr(history, log_rr, reference)


@njit(cache=True, nogil=True)
def _around(j, n, width):
    """First index, and the one after the last, of at most ``width`` neighbours centred on j; moved inside at the ends."""
    first = max(0, min(j - width // 2, n - width))
    return first, min(n, first + width)


@njit(cache=True, nogil=True)
def _block_rhythm(log_rr, rr_known):
    """RR with unknown values filled, its running median, both slow quantiles, RR where not premature, and prematurity."""
    n = len(log_rr)
    known = np.flatnonzero(rr_known)
    rr = log_rr.copy()
    overall = np.median(rr[known]) if len(known) else 0.0
    running, q = np.empty(n), np.empty(n)
    pairs = np.full(n, np.nan)
    for j in range(1, n):
        if rr_known[j] and rr_known[j - 1]:
            pairs[j] = np.log(0.5 * (np.exp(rr[j]) + np.exp(rr[j - 1])))
    for j in range(n):
        a, b = _around(j, n, RECENT + 1)
        near = rr[a:b][rr_known[a:b]]
        running[j] = np.median(near) if len(near) else overall
    for j in range(n):
        if not rr_known[j]:
            rr[j] = running[j]
    reference, slowest = np.empty(n), np.empty(n)
    over = np.empty(n)
    for j in range(n):
        a, b = _around(j, n, SLOW)
        reference[j], slowest[j] = _quantiles(rr[a:b])
        over[j] = rr[j] if rr[j] - reference[j] > PREMATURE else np.nan
        a, b = _around(j, n, RECENT)
        near = pairs[a:b]
        near = near[~np.isnan(near)]
        q[j] = rr[j] - (np.median(near) if len(near) > 2 else running[j])
    return rr, running, reference, slowest, over, q


@njit(cache=True, nogil=True)
def learn_block(clusters, history, beats, log_rr, rr_known, usable, raw):
    """Learn a stretch of beats at once and score them in hindsight.

    Args:
        clusters: empty, filled in place.
        history: empty, filled in place as if the beats had arrived one by one.
        beats: (n, 2, POINTS) windows, at least one usable.
        log_rr: (n,) log of the RR interval before each beat, in seconds.
        rr_known: (n,) bool.
        usable: (n,) bool.
        raw: (n, N_TERMS) filled.
    """
    n = len(beats)
    rr, running, reference, slowest, over, q = _block_rhythm(log_rr, rr_known)
    find_clusters(clusters, beats, q, rr - reference, usable)

    correlation, shift = np.empty(MAX_CLUSTERS), np.zeros(MAX_CLUSTERS, dtype=np.int64)
    votes = np.empty(MAX_CLUSTERS)
    looks_normal = np.zeros(n, dtype=np.bool_)
    for j in range(n):
        a, b = _around(j, n, SPREAD)
        spread = _spread(over[a:b])
        raw[j, RR] = -(rr[j] - reference[j]) / np.sqrt(spread * spread + 0.05 * 0.05)
        raw[j, SLOW_RR] = -(rr[j] - slowest[j]) / np.sqrt(spread * spread + 0.05 * 0.05)
        raw[j, ABS] = -rr[j]
        a, b = _around(j, n, LOCAL)
        raw[j, LOCAL_RR] = np.log(np.mean(np.exp(rr[a:b])))
        correlate(clusters, beats[j], correlation, shift)
        dominant = _shape_terms(clusters, beats[j], correlation, votes, raw[j])
        raw[j, CPM] = _own_prematurity(clusters, best_cluster(clusters, correlation), q[j])
        looks_normal[j] = usable[j] and dominant and rr[j] - running[j] > PREMATURE
        if rr_known[j]:
            _remember_rr(history, rr[j], reference[j])
        if looks_normal[j]:
            _remember_ordinary(history, raw[j])
    chosen = np.flatnonzero(looks_normal)
    if len(chosen) == 0:
        chosen = np.arange(n)
        for j in range(n):
            _remember_ordinary(history, raw[j])
    if history.seen[0] == 0:
        _remember_rr(history, running[0], running[0])
    values = raw[chosen, SHAPE : P + 1].copy()
    # the window moves only where its members change
    last, centre = -1, np.zeros(3)
    place = np.searchsorted(chosen, np.arange(n))
    for j in range(n):
        a, b = _around(place[j], len(chosen), ORDINARY)
        if a != last:
            last = a
            for c in range(3):
                centre[c] = np.median(values[a:b, c])
        for c in range(3):
            raw[j, SHAPE + c] -= centre[c]


@njit(cache=True, nogil=True)
def score_following(clusters, history, beats, log_rr, rr_known, usable, raw):
    """``score_next`` over (n, 2, POINTS) beats in order."""
    for j in range(len(beats)):
        score_next(clusters, history, beats[j], log_rr[j], rr_known[j], usable[j], raw[j])


def log_rr_before(samples: np.ndarray, fs: float, usable: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log RR interval before each beat in seconds, clipped to 0.15-4 s, and where it is known.

    It is not known before the first beat, or where this beat or the one before is in bad signal.
    """
    rr = np.clip(np.diff(samples) / fs, *RR_LIMITS_S)
    known = np.concatenate([[False], usable[1:] & usable[:-1]])
    return np.log(np.concatenate([rr[:1], rr])), known


def beat_terms(
    beats: np.ndarray, log_rr: np.ndarray, rr_known: np.ndarray, usable: np.ndarray, n_block: int
) -> np.ndarray:
    """All terms of one recording: the first ``n_block`` beats in hindsight, the others in order.

    Args:
        beats: (n, 2, POINTS) windows.
        log_rr: (n,) log RR interval before each, in seconds.
        rr_known: (n,) bool.
        usable: (n,) bool.
        n_block: beats that are learned together, 1 or more.

    Returns:
        (n, N_TERMS) float64: see ``score_next``.
    """
    clusters, history = empty_clusters(), empty_history()
    raw = np.empty((len(beats), N_TERMS))
    block, rest = slice(0, n_block), slice(n_block, len(beats))
    learn_block(clusters, history, beats[block], log_rr[block], rr_known[block], usable[block], raw[block])
    score_following(clusters, history, beats[rest], log_rr[rest], rr_known[rest], usable[rest], raw[rest])
    return raw
