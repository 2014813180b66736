"""From scores of beats to alarms: a threshold for a number of false episodes per hour, and the episodes.

Alarms use :func:`~medanomaly.signals.beat_detector.alarm_score.alarm_score`. Fibrillation is an episode of its own, so
inside it only the shape of beats counts. Beats in bad signal are neither alarm nor normal. Beats raise no alarm in the
learning time. Three seconds without a beat are an episode of their own at any time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from medanomaly.core.errors import ConfigurationError
from medanomaly.signals.alarms.episodes import EPISODE_COLUMNS, episodes_above
from medanomaly.signals.alarms.params import EpisodeParams
from medanomaly.signals.alarms.rhythm_episodes import (
    PAUSE_S,
    af_episodes,
    in_episodes,
    noise_episodes,
    pattern_episodes,
    silence_episodes,
)
from medanomaly.signals.beat_detector.alarm_score import alarm_score, ectopic_shape
from medanomaly.signals.beat_detector.params import fitting_learn_s
from medanomaly.signals.quality.assessment import usable_stretches

# step between thresholds that are tried; the alarm score is a sum of tails of at most 7 each
STEP = 0.25


@dataclass(frozen=True)
class RecordingAlarms:
    """What an alarm sees of one recording, beat by beat.

    Attributes:
        record: its name.
        patient_id: whose it is.
        time_s: (n,) of the R peaks.
        score: (n,) alarm score, NaN in bad signal and in the learning time.
        shape: (n,) bool, beats of ectopic shape.
        label: (n,) 0, 1 or NaN where unknown.
        good: (n,) bool.
        fibrillation: episodes table of kind ``AF``.
        silences: episodes table of the stretches without a beat.
        hours: of usable signal after the learning time: windows in which an ECG lead is good; where windows are unknown,
            intervals below 3 s that end in a beat in good signal.
        span: seconds from which on, and up to which, the recording was looked at.
    """

    record: str
    patient_id: str
    time_s: np.ndarray
    score: np.ndarray
    shape: np.ndarray
    label: np.ndarray
    good: np.ndarray
    fibrillation: pd.DataFrame
    silences: pd.DataFrame
    hours: float
    span: tuple[float, float]

    def false_episodes(self, threshold: float, gap_s: float) -> int:
        """Number of runs of flagged beats that are normal by label; beats of a run are at most ``gap_s`` apart.

        Without labels every beat counts as normal.
        """
        return int(self.false_episodes_at(np.array([threshold]), gap_s)[0])

    def false_episodes_at(self, thresholds: np.ndarray, gap_s: float) -> np.ndarray:
        """:meth:`false_episodes` at each of (k,) thresholds."""
        counted = np.isfinite(self.score)
        if np.isfinite(self.label).any():
            counted &= self.label == 0
        time_s, score = self.time_s[counted], self.score[counted]
        # a beat begins a run where it is flagged and no beat shortly before it is
        before = np.full(len(score), -np.inf)
        for lag in range(1, len(score)):
            near = time_s[lag:] - time_s[:-lag] <= gap_s
            if not near.any():
                break
            before[lag:] = np.where(near, np.maximum(before[lag:], score[:-lag]), before[lag:])
        flagged, going_on = np.sort(score), np.sort(np.minimum(score, before))
        return np.searchsorted(going_on, thresholds, "right") - np.searchsorted(flagged, thresholds, "right")


def recording_alarms(
    beats: pd.DataFrame,
    contributions: np.ndarray,
    label: np.ndarray,
    learn_s: float,
    windows: pd.DataFrame | None = None,
    span: tuple[float, float] | None = None,
    r_peaks_s: np.ndarray | None = None,
) -> RecordingAlarms:
    """Alarm scores of one recording.

    Args:
        beats: rows of the beats table of one recording, in order of time.
        contributions: (n, 7) of the beat detector, NaN for beats in bad signal.
        label: (n,) 0, 1 or NaN.
        learn_s: learning time.
        windows: quality windows of the recording, which say what a stretch without beats is.
        span: seconds from which on, and up to which, there should be beats; None takes the first and the last beat.
        r_peaks_s: seconds of the R peaks that the project finds itself: where they are, there is no silence, although the
            source may have marked no beat (flutter).
    """
    time_s = beats["time_s"].to_numpy(dtype=np.float64)
    record, patient = str(beats["record"].iloc[0]), str(beats["patient_id"].iloc[0])
    good = beats["quality"].eq("good").to_numpy() & np.isfinite(contributions).all(axis=1)
    known = np.where(good[:, None], contributions, 0.0)
    shape = ectopic_shape(known)
    # seconds count as samples of 1 Hz: the rhythm needs no finer rate
    fibrillation = af_episodes(time_s, 1.0, ectopic=shape, good=good, record=record, patient_id=patient)
    score = alarm_score(known, in_episodes(time_s, 1.0, fibrillation))
    after = time_s >= learn_s
    first, last = span or (time_s[0], time_s[-1])
    span = (min(float(first), time_s[0]), max(float(last), time_s[-1]))
    peaks = np.zeros(0) if r_peaks_s is None else r_peaks_s
    peaks = peaks[(peaks > span[0]) & (peaks < span[1])]
    if windows is None:
        usable = good[1:] & (np.diff(time_s) < PAUSE_S)
        starts, ends = time_s[:-1][usable], time_s[1:][usable]
    else:
        starts, ends = usable_stretches(windows)
    watched = np.maximum(0.0, np.minimum(ends, span[1]) - np.maximum(starts, max(learn_s, span[0]))).sum()
    return RecordingAlarms(
        record=record,
        patient_id=patient,
        time_s=time_s,
        score=np.where(good & after, score, np.nan),
        shape=shape,
        label=label,
        good=good,
        fibrillation=fibrillation,
        silences=silence_episodes(
            np.union1d([*span, *time_s], peaks), windows, record=record, patient_id=patient
        ),
        hours=watched / 3600,
        span=span,
    )


def alarm_threshold(calibration: Sequence[RecordingAlarms], params: EpisodeParams) -> float:
    """Smallest threshold from which on a NEW patient is expected to have no more false episodes per hour than asked.

    The rate of one patient counts as at most ``params.most`` times the asked one. The threshold is that of conformal risk
    control over patients (Angelopoulos, Bates, Fisch, Lei & Schuster 2024): the rates of the calibration patients and one
    more patient of the highest rate that counts have a mean of at most ``params.per_hour``. Then the expected rate of a
    new patient, so counted, is at most that, whatever the distribution. Patients of higher rates count less than they have,
    so that the threshold is never below :func:`pooled_threshold`. With fewer than ``params.most - 1`` patients no threshold
    can promise anything of a new one, and it is that one.

    Args:
        calibration: of recordings that the detector did not learn from.
        params: the asked rate.

    Raises:
        ConfigurationError: no good signal follows the learning time.
    """
    grid, rates = _rates_by_patient(calibration, params)
    pooled = pooled_threshold(calibration, params)
    if not promised(len(rates), params):
        return pooled
    most = params.most * params.per_hour
    # of all thresholds from here on, the highest rate counts, so that it never falls with the threshold
    counted = np.minimum(np.maximum.accumulate(rates, axis=1), most)
    held = (counted.sum(axis=0) + most) / (len(rates) + 1) <= params.per_hour
    return max(_lowest_held(grid, held), pooled)


def promised(n_patients: int, params: EpisodeParams) -> bool:
    """Whether so many calibration patients are enough to hold the rate of a new one."""
    return n_patients + 1 >= params.most


def pooled_threshold(calibration: Sequence[RecordingAlarms], params: EpisodeParams) -> float:
    """Smallest threshold from which on these recordings together have no more false episodes per hour than asked.

    It holds the rate of these patients. That of new ones is higher on average, the more so the fewer these are.
    """
    grid, rates = _rates_by_patient(calibration, params)
    hours = _hours_by_patient(calibration)
    return _lowest_held(grid, rates.T @ hours / hours.sum() <= params.per_hour)


def cost_at(
    tested: Sequence[RecordingAlarms], threshold: float, params: EpisodeParams
) -> dict[str, float | None]:
    """What a threshold costs: false episodes per hour, and the share of abnormal beats above it."""
    hours = sum(a.hours for a in tested)
    abnormal = sum(int(((a.label == 1) & np.isfinite(a.score)).sum()) for a in tested)
    found = sum(int(((a.label == 1) & (np.nan_to_num(a.score) > threshold)).sum()) for a in tested)
    false = sum(a.false_episodes(threshold, params.gap_s) for a in tested)
    return {
        "threshold": threshold,
        "false_per_hour": false / hours if hours else None,
        "beats": found / abnormal if abnormal else None,
    }


def watched_patients(calibration: Sequence[RecordingAlarms]) -> int:
    """Number of patients of whom any good signal was watched."""
    return len(_hours_by_patient(calibration))


def _hours_by_patient(calibration: Sequence[RecordingAlarms]) -> np.ndarray:
    """(p,) hours of each patient that has any."""
    hours: dict[str, float] = {}
    for alarms in calibration:
        hours[alarms.patient_id] = hours.get(alarms.patient_id, 0.0) + alarms.hours
    return np.array([value for value in hours.values() if value > 0])


def _rates_by_patient(
    calibration: Sequence[RecordingAlarms], params: EpisodeParams
) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds from the highest score downwards, and (p, thresholds) false episodes per hour of each patient."""
    hours = _hours_by_patient(calibration)
    if not len(hours):
        raise ConfigurationError(
            "the calibration recordings have no good signal after the learning time",
            remedy=fitting_learn_s(alarms.span[1] for alarms in calibration),
        )
    highest = max((np.nanmax(a.score) for a in calibration if np.isfinite(a.score).any()), default=0.0)
    grid = np.append(highest, np.arange(np.ceil(highest / STEP) * STEP - STEP, 0.0, -STEP))
    false: dict[str, np.ndarray] = {}
    for alarms in calibration:
        if alarms.hours > 0:
            counts = alarms.false_episodes_at(grid, params.gap_s)
            false[alarms.patient_id] = false.get(alarms.patient_id, 0) + counts
    return grid, np.stack(list(false.values())) / hours[:, None]


def _lowest_held(grid: np.ndarray, held: np.ndarray) -> float:
    """The lowest threshold down to which all hold; above the highest score nothing is flagged."""
    n = len(grid) if held.all() else int(np.argmin(held))
    return float(grid[max(n - 1, 0)])


def recording_episodes(
    alarms: RecordingAlarms, threshold: float, reference: np.ndarray, params: EpisodeParams
) -> pd.DataFrame:
    """Every episode of a recording: beats above the threshold, and rhythms as events of their own.

    Args:
        alarms: of the recording.
        threshold: of the alarm score.
        reference: sorted alarm scores of the normal calibration beats, for the p-value of a peak.
        params: gap between episodes.

    Returns:
        Episodes table of kinds ``beats``, ``AF``, ``bigeminy``, ``trigeminy``, ``run``, ``pause``, ``asystole``,
        ``lead off``, ``noise``, in order of time.
    """
    at_least = len(reference) - np.searchsorted(reference, np.nan_to_num(alarms.score), side="left")
    named = {"record": alarms.record, "patient_id": alarms.patient_id}
    flagged = np.nan_to_num(alarms.score) > threshold
    score = np.nan_to_num(alarms.score)
    tables = [
        episodes_above(
            alarms.time_s,
            alarms.score,
            on=threshold,
            merge_gap_s=params.gap_s,
            p_value=(at_least + 1) / (len(reference) + 1),
            **named,
        ),
        alarms.fibrillation,
        pattern_episodes(alarms.time_s, 1.0, flagged, score, **named),
        noise_episodes(alarms.time_s, 1.0, alarms.good, **named),
        alarms.silences,
    ]
    table = pd.concat([t for t in tables if len(t)] or tables[:1], ignore_index=True)
    return table.sort_values(["start_s", "kind"], kind="stable", ignore_index=True).astype(EPISODE_COLUMNS)


def calibration_scores(calibration: Sequence[RecordingAlarms]) -> np.ndarray:
    """Sorted alarm scores of the normal calibration beats; without labels, of all of them."""
    parts = []
    for alarms in calibration:
        labelled = np.isfinite(alarms.label).any()
        parts.append(alarms.score[(alarms.label == 0) if labelled else slice(None)])
    scores = np.concatenate(parts)
    return np.sort(scores[np.isfinite(scores)])
