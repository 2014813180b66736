"""Volume under the ROC and precision-recall surfaces: ranking quality of a score that may be a little early or late.

Paparrizos, Boniol, Palpanas, Tsay, Elmore, Franklin 2022, "Volume under the surface: a new accuracy evaluation measure for
time-series anomaly detection", PVLDB 15(11), section 4. Around each event a buffer of w / 2 samples on each side gets
labels that fall from 1 like sqrt(1 - distance / w); the area under each curve is taken at 250 thresholds, and the mean over
the widths w = 0, 1, ..., W is the volume. As in the authors' program, buffer samples count as labels only where the score
is above the threshold, the number of positives is the mean of the plain and the extended one, and recall is multiplied
by the share of (merged) events that were touched.

Here every sample is given the first threshold it reaches, once. A width then only needs a histogram of its buffer
over thresholds: the cost is one sort and O(W (buffer + 250)), where the definition goes over all samples for each
threshold and each width.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from medanomaly.core.errors import InputError
from medanomaly.evaluation.series.events import runs


@dataclass(frozen=True)
class VolumeUnderSurface:
    """Volumes, and the areas they are the means of.

    Attributes:
        roc: VUS-ROC.
        pr: VUS-PR.
        roc_by_width: (W + 1,) range-AUC-ROC at each buffer width.
        pr_by_width: (W + 1,) range-AUC-PR.
    """

    roc: float
    pr: float
    roc_by_width: np.ndarray
    pr_by_width: np.ndarray


def volume_under_surface(
    truth: np.ndarray, score: np.ndarray, width: int, n_thresholds: int = 250
) -> VolumeUnderSurface:
    """VUS-ROC and VUS-PR of one series.

    Args:
        truth: (n,) bool, at least one True and one False.
        score: (n,) finite, higher = more anomalous.
        width: W, largest buffer width in samples; about one period of the series.
        n_thresholds: taken at evenly spaced ranks of the score.

    Raises:
        InputError: lengths differ, a score is not finite, there is no event or nothing else, or the width is negative.
    """
    truth, score = np.asarray(truth, dtype=bool), np.asarray(score, dtype=np.float64)
    if truth.shape != score.shape or truth.ndim != 1:
        raise InputError(
            f"{truth.shape} labels and {score.shape} scores", remedy="Give one of each a sample."
        )
    if not truth.any() or truth.all():
        raise InputError(
            f"{int(truth.sum())} of {truth.size} samples are labelled", remedy="Both kinds are needed."
        )
    if not np.isfinite(score).all():
        raise InputError("a score is NaN or infinite", record=int(np.flatnonzero(~np.isfinite(score))[0]))
    if width < 0 or n_thresholds < 1:
        raise InputError(f"a width of {width} and {n_thresholds} thresholds")
    descending = np.sort(score)[::-1]
    threshold = descending[np.linspace(0, score.size - 1, n_thresholds).astype(int)]
    # first threshold that a sample reaches: thresholds fall, so their negatives rise
    reached = np.searchsorted(-threshold, -score, side="left")
    alarms = np.searchsorted(-descending, -threshold, side="right").astype(np.float64)
    roc, pr = _areas(truth, reached, alarms, runs(truth), int(width))
    return VolumeUnderSurface(float(roc.mean()), float(pr.mean()), roc, pr)


@njit(cache=True)
def _areas(truth, reached, alarms, events, width):
    n, n_thresholds, k = len(truth), len(alarms), len(events)
    hits = np.zeros(n_thresholds)
    positives = 0
    for start, end in events:
        positives += end - start
        for i in range(start, end):
            hits[reached[i]] += 1.0
    hits = np.cumsum(hits)
    # first threshold reached anywhere in an event and the buffer around it, widened step by step
    first = np.empty(k, dtype=np.int64)
    for j in range(k):
        first[j] = reached[events[j, 0] : events[j, 1]].min()
    label = np.zeros(n)
    roc, pr = np.empty(width + 1), np.empty(width + 1)
    buffered, touched = np.empty(n_thresholds), np.empty(n_thresholds)
    fall = np.empty(width // 2 + 1)
    for w in range(width + 1):
        half = w // 2
        for d in range(1, half + 1):
            fall[d] = np.sqrt(1.0 - d / w)
        if half > 0 and w % 2 == 0:
            for j in range(k):
                left, right = events[j, 0] - half, events[j, 1] - 1 + half
                if left >= 0:
                    first[j] = min(first[j], reached[left])
                if right < n:
                    first[j] = min(first[j], reached[right])
        buffered[:] = 0.0
        for j in range(k):
            start, end = events[j]
            for i in range(end, min(end + half, n)):
                label[i] += fall[i - end + 1]
            for i in range(max(start - half, 0), start):
                label[i] += fall[start - i]
        for j in range(k):
            start, end = events[j]
            for i in range(end, min(end + half, n)):
                # where buffers overlap, the first visit counts the sum and clears it
                if label[i] > 0 and not truth[i]:
                    buffered[reached[i]] += min(label[i], 1.0)
                label[i] = 0.0
            for i in range(max(start - half, 0), start):
                if label[i] > 0 and not truth[i]:
                    buffered[reached[i]] += min(label[i], 1.0)
                label[i] = 0.0
        touched[:] = 0.0
        groups, j = 0, 0
        while j < k:
            earliest, following = first[j], j + 1
            while following < k and events[following - 1, 1] - 1 + half >= events[following, 0] - half:
                earliest = min(earliest, first[following])
                following += 1
            touched[earliest] += 1.0
            groups += 1
            j = following
        roc[w], pr[w] = _area(hits, buffered, touched, groups, alarms, positives, n)
    return roc, pr


@njit(cache=True)
def _area(hits, buffered, touched, groups, alarms, positives, n):
    """Trapezoids under the ROC curve, and steps under the precision-recall curve, of one width."""
    area = steps = extra = met = 0.0
    before_recall = before_false = 0.0
    for t in range(len(hits)):
        extra += buffered[t]
        met += touched[t]
        true = hits[t] + extra
        usual = positives + extra / 2.0
        recall = min(true / usual, 1.0) * met / groups
        false = (alarms[t] - true) / (n - usual)
        area += (false - before_false) * (recall + before_recall) / 2.0
        steps += (recall - before_recall) * true / alarms[t]
        before_recall, before_false = recall, false
    return area + (1.0 - before_false) * (1.0 + before_recall) / 2.0, steps
