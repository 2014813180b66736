"""Samples, events, and how well alarms meet events: raw point counts, and counts of whole events.

An event is a run of marked samples, kept as ``(start, end)`` with the end not included. An event is found when an alarm
touches it, or comes within a tolerance; an alarm that touches none is false. Long events count once, as they do for the
nurse who is called.
"""

from dataclasses import dataclass

import numpy as np

from medanomaly.core.errors import InputError


@dataclass(frozen=True)
class Counts:
    """Hits, false alarms and misses, of samples or of events."""

    true_positives: int
    false_positives: int
    false_negatives: int
    found: int  # alarms that met an event; true_positives counts events

    @property
    def precision(self) -> float:
        """Share of alarms that met something; NaN without an alarm."""
        alarms = self.found + self.false_positives
        return self.found / alarms if alarms else float("nan")

    @property
    def recall(self) -> float:
        """Share of events met; NaN without an event."""
        events = self.true_positives + self.false_negatives
        return self.true_positives / events if events else float("nan")

    @property
    def f1(self) -> float:
        """Harmonic mean of both; 0 where nothing was met, NaN where there is neither event nor alarm."""
        if self.found + self.false_positives + self.true_positives + self.false_negatives == 0:
            return float("nan")
        if self.true_positives == 0 or self.found == 0:
            return 0.0
        return 2 * self.precision * self.recall / (self.precision + self.recall)


def runs(marked: np.ndarray) -> np.ndarray:
    """Runs of marked samples.

    Args:
        marked: (n,) bool or 0/1.

    Returns:
        (k, 2) int64, start and end (not included) of each run, in order.
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], np.asarray(marked, dtype=bool), [False]])))
    return edges.reshape(-1, 2).astype(np.int64)


def event_counts(events: np.ndarray, alarms: np.ndarray, tolerance: float = 0.0) -> Counts:
    """Counts of whole events and whole alarms.

    Args:
        events: (k, 2) start and end (not included) of true events, in order, in any unit of time.
        alarms: (m, 2) of alarms, likewise.
        tolerance: how far an alarm may end before, or start after, an event and still belong to it.

    Returns:
        Counts: ``true_positives`` events met, ``false_negatives`` events missed, ``found`` alarms that met one,
        ``false_positives`` alarms that met none.
    """
    events, alarms = _intervals("event", events), _intervals("alarm", alarms)
    met, useful = _touching(events, alarms, tolerance), _touching(alarms, events, tolerance)
    return Counts(int(met.sum()), int((~useful).sum()), int((~met).sum()), int(useful.sum()))


def _intervals(what: str, intervals: np.ndarray) -> np.ndarray:
    intervals = np.asarray(intervals, dtype=np.float64).reshape(-1, 2)
    if (intervals[:, 1] < intervals[:, 0]).any():
        raise InputError(f"an {what} ends before it starts")
    if (intervals[1:, 0] < intervals[:-1, 1]).any():
        raise InputError(f"{what}s overlap or are not in order", remedy="Merge and sort them.")
    return intervals


def _touching(intervals: np.ndarray, others: np.ndarray, tolerance: float) -> np.ndarray:
    """Which intervals meet any of the others, all half-open; at a positive tolerance, gaps up to it count."""
    if tolerance > 0:
        # both lists are in order: those that end in time begin at `first`, those that start in time stop at `last`
        first = np.searchsorted(others[:, 1], intervals[:, 0] - tolerance, side="left")
        last = np.searchsorted(others[:, 0], intervals[:, 1] + tolerance, side="right")
    else:
        first = np.searchsorted(others[:, 1], intervals[:, 0], side="right")
        last = np.searchsorted(others[:, 0], intervals[:, 1], side="left")
    return last > first
