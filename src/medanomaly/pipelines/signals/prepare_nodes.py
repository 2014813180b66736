"""Nodes of data processing for signals: from recordings to beats or windows, their quality, and cases."""

import logging

import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.core.cases import DIVIDED_IN_TIME, check_cases
from medanomaly.core.errors import ConfigurationError, MedanomalyError
from medanomaly.core.splits import SplitParams
from medanomaly.datasets.ecg5000 import CutBeats
from medanomaly.parameters import RunParams
from medanomaly.pipelines.provenance import bundle_stamp
from medanomaly.signals.beats.params import BeatParams
from medanomaly.signals.recordings.recording_set import RecordingSet
from medanomaly.signals.series.params import SeriesParams

logger = logging.getLogger(__name__)

IN_TIME = (
    "too few patients to divide: every recording is divided in time, so its figures are those of the same person later "
    "and say nothing of other people"
)


def find_beats(
    raw: RecordingSet | CutBeats, params: BeatParams, run: RunParams
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict]:
    """Beats of every recording, quality of every window, what is set aside and why, and counts that add up."""
    from medanomaly.signals.beats.found import beats_of_each
    from medanomaly.signals.beats.marks import accounted
    from medanomaly.signals.beats.split import divided_in_time
    from medanomaly.signals.beats.table import beats_table, cut_beats, quarantined_beats

    if isinstance(raw, CutBeats):
        beats = cut_beats(raw.cases)
        windows = pd.DataFrame({"record": pd.Series(dtype="string")})
        return (
            beats,
            windows,
            quarantined_beats(beats),
            _summary(run.dataset, "cut_beats", beats, quarantined_beats(beats), raw.notes),
        )
    beats, windows, refused, accounts = [], [], [], {}
    notes = list(raw.notes)
    for record, found in beats_of_each(raw, params):
        if isinstance(found, str):
            refused.append((record, found))
            logger.warning("%s is left out: %s", record, found)
            continue
        notes += [f"{record}: {note}" for note in (*found.ecg.notes, *found.marks.notes, *found.silences)]
        accounts[record] = found.marks.account
        beats.append(found.columns)
        windows.append(found.quality)
    _some(beats, refused, raw, run)
    table = beats_table(beats, params)
    quarantine = quarantined_beats(table, refused)
    notes += [f"record {record} is left out: {why}" for record, why in raw.left_out.items()]
    if "stretch" in table:
        notes.append(
            "recordings without beat codes: a beat counts as anomalous where the source marked the stretch it lies "
            "in, so no "
            "class is known and the edges of stretches blur labels"
        )
    if divided_in_time(table["patient_id"].nunique()):
        notes.append(IN_TIME)
    if said := accounted(accounts.values()):
        notes.append(said)
    summary = _summary(raw.name, "beats", table, quarantine, notes) | {
        "n_recordings": len(beats),
        "n_refused": len(refused),
        "marks": {record: account.as_dict() for record, account in accounts.items() if account.read},
    }
    return table, pd.concat(windows, ignore_index=True), quarantine, summary


def seal_beat_recipe(raw: RecordingSet | CutBeats, params: BeatParams, run: RunParams) -> Bundle:
    """How beats are found, for recordings that come later; of beats that were cut out, their length."""
    from medanomaly.signals.recipe import signal_recipe

    if isinstance(raw, CutBeats):
        reading = {"n_points": int(raw.beats.shape[1])}
        return signal_recipe("cut_beat_recipe", params, reading, bundle_stamp(run.dataset))
    return signal_recipe("beat_recipe", params, raw.reading, bundle_stamp(run.dataset))


def seal_series_recipe(raw: RecordingSet, params: SeriesParams, run: RunParams) -> Bundle:
    """How series are cut into windows, for series that come later."""
    from medanomaly.signals.recipe import signal_recipe

    return signal_recipe("series_recipe", params, raw.reading, bundle_stamp(run.dataset))


def split_beats(raw: RecordingSet | CutBeats, beats: pd.DataFrame, split: SplitParams) -> pd.DataFrame:
    """The case table of the beats that can be trusted; the data set's own test records stay test where they are there."""
    from medanomaly.signals.beats.split import split_beat_cases
    from medanomaly.signals.beats.table import beat_cases

    official = raw.official_split
    if isinstance(raw, CutBeats):
        cases = raw.cases.drop(columns="split_official").assign(record=raw.cases["case_id"])
    else:
        cases = beat_cases(beats)
    return check_cases(split_beat_cases(cases, official, split).drop(columns="record"))


def cut_windows(
    raw: RecordingSet, params: SeriesParams, run: RunParams
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict]:
    """Windows of every series, cases, what is set aside and why, and counts that add up.

    A series teaches and calibrates its own detectors, so the person is in every part, which the case table says.
    """
    from medanomaly.signals.beats.found import why_refused
    from medanomaly.signals.beats.table import quarantined_beats
    from medanomaly.signals.series.windows import series_windows

    tables, refused = [], []
    for record, recording in raw.each():
        try:
            if isinstance(recording, MedanomalyError):
                raise recording
            tables.append(series_windows(recording, raw.patients.get(record, record), params))
        except Exception as error:
            refused.append((record, why_refused(error)))
            logger.warning("%s is left out: %s", record, refused[-1][1])
    _some(tables, refused, raw, run)
    windows = pd.concat(tables, ignore_index=True).astype(
        {"record": "string", "source": "string", "split": "string"}
    )
    cases = pd.DataFrame(
        {
            "case_id": windows["case_id"],
            "patient_id": windows["source"],
            "label": windows["label"],
            "kind": pd.NA,
            "split": windows["split"],
            DIVIDED_IN_TIME: True,
        }
    )
    quarantine = quarantined_beats(
        pd.DataFrame({"quality": [], "record": [], "sample": [], "time_s": []}), refused
    )
    notes = [
        *raw.notes,
        "every series is learnt and calibrated on its own normal beginning: figures say nothing of people never seen",
        "cases are windows of one period; a window is anomalous where it overlaps the annotated stretch",
        "scores are divided by the 90 % quantile of the series' own calibration windows, so that series can be pooled",
        *(f"{record} is left out: {why}" for record, why in raw.left_out.items()),
    ]
    summary = {
        "source": raw.name,
        "cases": "windows",
        "noun": "window",
        "n_records": len(windows),
        "n_kept": len(windows),
        "n_quarantined": 0,
        "n_recordings": len(tables),
        "n_refused": len(refused),
        "reasons": [],
        "notes": notes,
    }
    return windows, check_cases(cases), quarantine, summary


def _some(found: list, refused: list[tuple[str, str]], raw: RecordingSet, run: RunParams) -> None:
    if not found:
        raise ConfigurationError(
            f"none of {len(raw)} recordings could be read",
            source=run.dataset,
            remedy=refused[0][1] if refused else "Bring recordings.",
        )


def _summary(source: str, cases: str, beats: pd.DataFrame, quarantine: pd.DataFrame, notes) -> dict:
    kept = int(beats["quality"].eq("good").sum())
    # recordings that are refused whole are counted as recordings, in n_refused
    of_beats = quarantine[quarantine["column"].ne("recording")]
    return {
        "source": source,
        "cases": cases,
        "noun": "beat",
        "n_records": len(beats),
        "n_kept": kept,
        "n_quarantined": len(beats) - kept,
        "reasons": [
            {"column": column, "reason": reason, "n_records": int(n)}
            for (column, reason), n in of_beats.groupby(["column", "reason"]).size().items()
        ],
        "notes": list(dict.fromkeys(notes)),
    }
