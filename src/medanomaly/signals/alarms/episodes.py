"""From scores of beats or samples to episodes. One alarm is raised per episode, which has a beginning and an end.

An episode starts where the score exceeds the upper threshold and lasts until it falls to the lower one (hysteresis).
Episodes with a short gap between them become one. Episodes that are too short or hold too few beats are dropped. An
episode ends where the score is NaN (bad signal): a bad stretch is neither alarm nor normal.
"""

import numpy as np
import pandas as pd

from medanomaly.core.errors import ConfigurationError, InputError

EPISODE_COLUMNS = {
    "record": "string",
    "patient_id": "string",
    "start_s": "float64",
    "end_s": "float64",
    "kind": "string",
    "peak_time_s": "float64",
    "peak_score": "float64",
    "p_value": "float64",
    "n_beats": "int64",
}


def hysteresis(score: np.ndarray, on: float, off: float) -> np.ndarray:
    """Which samples raise an alarm: from a score above ``on`` to one at or below ``off``, or a NaN.

    Args:
        score: (n,) higher = more anomalous, NaN where there is none.
        on: upper threshold.
        off: lower threshold, at most ``on``.

    Returns:
        (n,) bool.

    Raises:
        ConfigurationError: ``off`` lies above ``on``.
    """
    if not off <= on:
        raise ConfigurationError(
            f"alarms start above {on} and end at {off}", remedy="Choose off no higher than on."
        )
    score = np.asarray(score, dtype=np.float64)
    starts, ends = score > on, ~(score > off)
    decides = np.where(starts | ends, np.arange(len(score)), -1)
    last = np.maximum.accumulate(decides) if len(score) else decides
    return (last >= 0) & starts[last]


def episodes_above(
    time_s: np.ndarray,
    score: np.ndarray,
    *,
    on: float,
    off: float | None = None,
    width_s: float = 0.0,
    merge_gap_s: float = 0.0,
    min_length_s: float = 0.0,
    min_beats: int = 1,
    p_value: np.ndarray | None = None,
    record: str = "",
    patient_id: str = "",
    kind: str = "beats",
) -> pd.DataFrame:
    """Episodes of one record.

    Args:
        time_s: (n,) increasing, of each beat or sample.
        score: (n,) higher = more anomalous, NaN where there is none.
        on: an episode starts where the score is above it.
        off: an episode lasts until the score is no higher than this; None takes ``on``.
        width_s: how long one beat or sample lasts (1 / fs for samples).
        merge_gap_s: episodes with at most this gap become one, unless the signal was bad in between.
        min_length_s: shorter episodes are dropped.
        min_beats: episodes with fewer beats or samples above the threshold are dropped.
        p_value: (n,) of the scores. An episode gets the p-value of its peak, which is not corrected for the number of
            beats.
        record: name of the recording.
        patient_id: whose it is.
        kind: of the episodes.

    Returns:
        Episodes table (:data:`EPISODE_COLUMNS`), in order of time, disjoint. ``n_beats`` counts beats or samples above
        the threshold.

    Raises:
        InputError: lengths differ or time does not increase.
        ConfigurationError: ``off`` lies above ``on``, or a length is negative.
    """
    time_s, score = np.asarray(time_s, dtype=np.float64), np.asarray(score, dtype=np.float64)
    if time_s.shape != score.shape or time_s.ndim != 1:
        raise InputError(f"{time_s.shape} times and {score.shape} scores", record=record or None)
    if not (np.diff(time_s) > 0).all():
        raise InputError(
            "times do not increase", record=record or None, remedy="Sort the beats and keep each once."
        )
    if min(width_s, merge_gap_s, min_length_s) < 0 or min_beats < 1:
        raise ConfigurationError(
            "a width, a gap or a length is below 0, or min_beats below 1",
            remedy="Give 0 or more, and 1 beat or more.",
        )
    alarm = hysteresis(score, on, on if off is None else off)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], alarm, [False]]))).reshape(-1, 2)
    first, stop = edges[:, 0], edges[:, 1]
    if len(first) > 1:
        gap = time_s[first[1:]] - (time_s[stop[:-1] - 1] + width_s)
        bad = np.concatenate([[0], np.cumsum(np.isnan(score))])
        apart = (gap > merge_gap_s) | (bad[first[1:]] > bad[stop[:-1]])
        first, stop = first[np.append(True, apart)], stop[np.append(apart, True)]
    n_beats = np.concatenate([[0], np.cumsum(alarm)])
    count = n_beats[stop] - n_beats[first]
    start_s, end_s = time_s[first], time_s[stop - 1] + width_s
    kept = (end_s - start_s >= min_length_s) & (count >= min_beats)
    first, stop, count, start_s, end_s = first[kept], stop[kept], count[kept], start_s[kept], end_s[kept]
    peak = np.array([a + np.nanargmax(score[a:b]) for a, b in zip(first, stop, strict=True)], dtype=np.int64)
    table = pd.DataFrame(
        {
            "record": record,
            "patient_id": patient_id,
            "start_s": start_s,
            "end_s": end_s,
            "kind": kind,
            "peak_time_s": time_s[peak],
            "peak_score": score[peak],
            "p_value": np.nan if p_value is None else np.asarray(p_value, dtype=np.float64)[peak],
            "n_beats": count,
        }
    )
    return table.astype(EPISODE_COLUMNS)
