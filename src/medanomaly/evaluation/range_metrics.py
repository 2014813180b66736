"""Affiliation precision and recall: how far alarms lie from events, against alarms thrown at random.

Huet, Navarro, Rossi 2022, "Local evaluation of time series anomaly detection algorithms" (KDD), section 3. Time is cut
into one zone for each event, at the middle of every gap. Precision of a zone is the mean over its alarms of the chance
that a random instant of the zone lies at least as far from the event; recall the mean over the event of the chance that
a random instant lies at least as far as the nearest alarm. Both chances are piecewise linear, so the trapezoid rule
between their corners is exact. A random alarm scores about 0.5: nothing here is bad before it is below that.
"""

import numpy as np

from medanomaly.core.errors import InputError


def affiliation(events: np.ndarray, alarms: np.ndarray, length: float) -> tuple[float, float]:
    """Affiliation precision and recall.

    Args:
        events: (k, 2) start and end of true events, disjoint, in order, k >= 1, each longer than nothing.
        alarms: (m, 2) likewise, m may be 0.
        length: time runs from 0 to it.

    Returns:
        ``(precision, recall)``; precision is the mean over the zones that have an alarm, NaN where none has.

    Raises:
        InputError: there is no event, or an interval is empty, out of order or outside the time.
    """
    events, alarms = _checked("event", events, length), _checked("alarm", alarms, length)
    if not len(events):
        raise InputError("there is no event", remedy="Affiliation needs at least one.")
    borders = np.concatenate([[0.0], (events[:-1, 1] + events[1:, 0]) / 2, [length]])
    precision, recall = [], []
    for event, low, high in zip(events, borders[:-1], borders[1:], strict=True):
        inside = np.clip(alarms[(alarms[:, 1] > low) & (alarms[:, 0] < high)], low, high)
        recall.append(_recall(inside, event, low, high) if len(inside) else 0.0)
        if len(inside):
            precision.append(_precision(inside, event, low, high))
    return (float(np.mean(precision)) if precision else float("nan")), float(np.mean(recall))


def _checked(what: str, intervals: np.ndarray, length: float) -> np.ndarray:
    intervals = np.asarray(intervals, dtype=np.float64).reshape(-1, 2)
    if (intervals[:, 1] <= intervals[:, 0]).any():
        raise InputError(f"an {what} has no length", remedy="Give start < end; the end is not included.")
    if (intervals[1:, 0] < intervals[:-1, 1]).any():
        raise InputError(f"{what}s overlap or are not in order", remedy="Merge and sort them.")
    if len(intervals) and (intervals[0, 0] < 0 or intervals[-1, 1] > length):
        raise InputError(f"an {what} lies outside the time from 0 to {length:g}")
    return intervals


def _integral(function, low: float, high: float, corners: np.ndarray) -> float:
    """Integral of a function that is linear between corners."""
    inside = corners[(corners > low) & (corners < high)]
    x = np.unique(np.concatenate([[low], inside, [high]]))
    return float(np.trapezoid(function(x), x))


def _precision(alarms: np.ndarray, event: np.ndarray, low: float, high: float) -> float:
    start, end = event

    def survival(x):
        distance = np.maximum(np.maximum(start - x, x - end), 0.0)
        return (np.maximum(start - distance - low, 0) + np.maximum(high - end - distance, 0)) / (high - low)

    corners = np.array([start - (high - end), end + (start - low)])
    total = 0.0
    for a, b in alarms:
        # inside the event no instant lies nearer, so the chance jumps to 1 there
        total += max(0.0, min(b, end) - max(a, start))
        if a < start:
            total += _integral(survival, a, min(b, start), corners)
        if b > end:
            total += _integral(survival, max(a, end), b, corners)
    return total / float((alarms[:, 1] - alarms[:, 0]).sum())


def _recall(alarms: np.ndarray, event: np.ndarray, low: float, high: float) -> float:
    starts, ends = alarms[:, 0], alarms[:, 1]

    def survival(y):
        gaps = np.maximum(np.maximum(starts[:, None] - y, y - ends[:, None]), 0.0).min(axis=0)
        return (np.maximum(y - gaps - low, 0) + np.maximum(high - y - gaps, 0)) / (high - low)

    corners = np.concatenate(
        [starts, ends, (ends[:-1] + starts[1:]) / 2, (low + starts) / 2, (high + ends) / 2]
    )
    return _integral(survival, event[0], event[1], corners) / float(event[1] - event[0])
