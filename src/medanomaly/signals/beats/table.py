"""The beats table: position, class and quality of the signal of each beat; cases and quarantine come from it."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from medanomaly.core.cases import age_band
from medanomaly.core.errors import InputError
from medanomaly.signals.beats.aami import aami_class, label_of_class
from medanomaly.signals.beats.marks import BeatMarks, all_beats, beat_marks, marks_no_beat
from medanomaly.signals.beats.params import HIGHEST_RATE, LOWEST_RATE, BeatParams
from medanomaly.signals.peaks.r_peaks import detect_r_peaks
from medanomaly.signals.quality.assessment import quality_at, quality_of_each, quality_table
from medanomaly.signals.recordings.annotated_intervals import interval_mask, intervals
from medanomaly.signals.recordings.recording import Recording

BAD_SIGNAL = "bad signal"
ATTRIBUTES = ("sex", "age")
# name of the anomalous stretches of a source that has no codes of beats
STRETCH = "anomaly"


def beats_of(recording: Recording, params: BeatParams) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Beats and quality windows of one recording; see :func:`beats_and_marks`."""
    return beats_and_marks(recording, params)[:2]


def beats_and_marks(recording: Recording, params: BeatParams) -> tuple[pd.DataFrame, pd.DataFrame, BeatMarks]:
    """Beats and quality windows of one recording, and what its marks are worth.

    Args:
        recording: ECG leads in mV (:func:`~medanomaly.signals.recordings.voltage.ecg_of`), with or without annotations.
        params: which marks are taken, what classes they have, and the limits of good signal.

    Returns:
        Beats: see :func:`beats_table`. Quality: see :func:`~medanomaly.signals.quality.assessment.assess_quality`. Marks:
        with the account of all marks and its notes.

    Raises:
        InputError: the rate is not one at which beats can be scored, or there are fewer beats than ``min_beats``.
    """
    check_rate(recording)
    windows = quality_of_each([recording], params.quality)[0]
    columns, marks = beat_columns(recording, windows, params)
    return beats_table([columns], params), quality_table(recording.record, windows), marks


def check_rate(recording: Recording) -> None:
    """Raise an InputError where the rate of a recording is not one at which beats can be scored."""
    if not LOWEST_RATE <= recording.fs <= HIGHEST_RATE:
        raise InputError(
            f"the sampling rate is {recording.fs:g} Hz",
            record=recording.record,
            remedy=f"Beats need {LOWEST_RATE:g} to {HIGHEST_RATE:,.0f} Hz. Correct the unit of the times, or set resample "
            "in the catalog entry.",
        )


def beat_columns(
    recording: Recording, windows: Sequence[Mapping[str, np.ndarray]], params: BeatParams
) -> tuple[dict[str, np.ndarray], BeatMarks]:
    """What :func:`beats_table` needs of one recording, and what its marks are worth.

    Args:
        recording, params: see :func:`beats_and_marks`.
        windows: its quality, of :func:`~medanomaly.signals.quality.assessment.quality_of_each`.

    Raises:
        InputError: there are fewer beats than ``min_beats``.
    """
    marks = beat_marks(recording, detect_r_peaks(recording.signal, recording.fs))
    sample, symbol = all_beats(marks, recording.fs, detected=params.marks == "detected")
    if len(sample) < params.min_beats:
        raise InputError(
            f"{len(sample)} beat(s) in {recording.duration:.0f} s",
            record=recording.record,
            remedy=f"{params.min_beats} or more are needed; check leads, units and quality.",
        )
    n, time_s = len(sample), sample / recording.fs
    needed = ("lead", "kind", "start_s", "end_s", "quality")
    quality = {name: np.concatenate([of[name] for of in windows]) for name in needed}
    columns = {
        "record": np.full(n, recording.record, dtype=object),
        "patient_id": np.full(n, recording.patient_id, dtype=object),
        "sample": sample.astype(np.int64),
        "time_s": time_s,
        "symbol": np.asarray(symbol, dtype=object),
        "quality": quality_at(quality, time_s),
    }
    if marks_no_beat(recording):
        stretches = intervals(recording.annotations, recording.n_samples)
        if stretches["kind"].eq(STRETCH).any():
            inside = interval_mask(recording.annotations, recording.n_samples)[columns["sample"]]
            columns["stretch"] = inside.astype(np.int8)
    for name in ATTRIBUTES:
        if name in recording.attributes:
            columns[name] = np.full(n, recording.attributes[name], dtype=object)
    return columns, marks


def beats_table(columns: Sequence[Mapping[str, np.ndarray]], params: BeatParams) -> pd.DataFrame:
    """Beats of one or more recordings, one row per beat.

    Args:
        columns: of each recording, of :func:`beat_columns`.
        params: what classes the marks have.

    Returns:
        ``record``, ``patient_id``, ``sample``, ``time_s``, ``symbol`` (empty where unknown), ``aami`` (NA where unknown),
        ``quality`` (good or bad), ``stretch`` (1 inside an anomalous stretch; only where a source marks such stretches and
        no beats), then the attributes ``sex`` and ``age`` where a recording has them.
    """
    if any(list(of) != list(columns[0]) for of in columns):
        return pd.concat([beats_table([of], params) for of in columns], ignore_index=True)
    # one table of all recordings is made in a fraction of the time of one per recording
    joined = {name: np.concatenate([of[name] for of in columns]) for name in columns[0]}
    table = pd.DataFrame(
        {
            "record": pd.array(joined["record"], dtype="string"),
            "patient_id": pd.array(joined["patient_id"], dtype="string"),
            "sample": joined["sample"],
            "time_s": joined["time_s"],
            "symbol": pd.array(joined["symbol"], dtype="string"),
            "aami": aami_class(joined["symbol"], params.classes).array,
            "quality": pd.array(joined["quality"], dtype="string"),
        }
    )
    if "stretch" in joined:
        table["stretch"] = pd.array(joined["stretch"], dtype="Int8")
    for name in ATTRIBUTES:
        if name in joined:
            table[name] = pd.array(joined[name], dtype="str")
    return table


def case_id(record: pd.Series, sample: pd.Series) -> pd.Series:
    """``<record>:<sample>``."""
    return record.astype("string") + ":" + sample.astype("string")


def beat_names(beats: pd.DataFrame) -> dict[str, str]:
    """case_id of each beat to the name that a reader knows it by: ``100 at 12:05.3``, in minutes and seconds.

    Args:
        beats: ``record``, ``sample`` and ``time_s``, one row per beat.
    """
    return {
        f"{beat.record}:{beat.sample}": f"{beat.record} at {clock(beat.time_s)}"
        for beat in beats[["record", "sample", "time_s"]].itertuples()
    }


def clock(time_s: float) -> str:
    """Minutes and seconds, such as ``12:05.3``."""
    tenths = round(10 * time_s)
    return f"{tenths // 600}:{tenths % 600 / 10:04.1f}"


def beat_cases(beats: pd.DataFrame) -> pd.DataFrame:
    """Cases of the beats in good signal, with their record and without a split; ``kind`` is the AAMI class.

    Beats in bad signal are neither alarm nor normal, so they are not cases. Paced and unclassifiable beats have no label.
    """
    good = beats[beats["quality"].eq("good")].reset_index(drop=True)
    label = label_of_class(good["aami"])
    kind = good["aami"].mask((label != 1).fillna(True))
    if "stretch" in good:
        label = label.fillna(good["stretch"])
        kind = kind.fillna(good["stretch"].map({1: STRETCH}).astype("string"))
    cases = pd.DataFrame(
        {
            "case_id": case_id(good["record"], good["sample"]),
            "patient_id": good["patient_id"].astype("string"),
            "label": label,
            "kind": kind,
        }
    )
    if "sex" in good:
        cases["sex"] = good["sex"].astype("string")
    if "age" in good:
        cases["age_band"] = age_band(pd.to_numeric(good["age"], errors="coerce"))
    cases["record"] = good["record"].astype("string")
    return cases


def cut_beats(cases: pd.DataFrame) -> pd.DataFrame:
    """Beats table of beats that were cut out of a recording that is not available: no position, no time, no class.

    Args:
        cases: ``case_id``, ``patient_id``.
    """
    n = len(cases)
    return pd.DataFrame(
        {
            "record": cases["case_id"].astype("string"),
            "patient_id": cases["patient_id"].astype("string"),
            "sample": np.zeros(n, dtype=np.int64),
            "time_s": np.full(n, np.nan),
            "symbol": pd.array([""] * n, dtype="string"),
            "aami": pd.array([pd.NA] * n, dtype="string"),
            "quality": pd.array(["good"] * n, dtype="string"),
        }
    )


def quarantined_beats(beats: pd.DataFrame, refused: Sequence[tuple[str, str]] = ()) -> pd.DataFrame:
    """Quarantine table: beats in bad signal, and recordings that could not be used.

    Args:
        beats: beats of all recordings.
        refused: name of a recording, and why.
    """
    bad = beats[beats["quality"].eq("bad")]
    rows = pd.DataFrame(
        {
            "record": bad["record"].astype("string"),
            "case_id": case_id(bad["record"], bad["sample"]),
            "column": "signal",
            "value": bad["time_s"].map("{:.1f} s".format),
            "reason": BAD_SIGNAL,
        }
    )
    whole = pd.DataFrame(
        [
            {"record": record, "case_id": record, "column": "recording", "value": "", "reason": why}
            for record, why in refused
        ],
        columns=list(rows.columns),
    )
    return pd.concat([rows, whole], ignore_index=True).astype("string")
