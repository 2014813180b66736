"""Nodes of data processing for signals: from recordings to beats, their quality, and cases."""

import logging

import pandas as pd

from medanomaly.core.cases import SPLITS, check_cases
from medanomaly.core.errors import ConfigurationError, MedanomalyError
from medanomaly.core.splits import SplitParams, split_by_patient
from medanomaly.parameters import RunParams
from medanomaly.pipelines.data_processing.nodes import DataProcessingParams
from medanomaly.signals.beats import BeatParams, beat_cases, beats_of, quarantined_beats
from medanomaly.signals.recording_set import RecordingSet

logger = logging.getLogger(__name__)


def find_beats(
    raw: RecordingSet, params: BeatParams, run: RunParams
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict]:
    """Beats of every recording, quality of every window, what is set aside and why, and counts that add up."""
    beats, windows, refused = [], [], []
    notes = list(raw.notes)
    for record, recording in raw.each():
        try:
            if isinstance(recording, MedanomalyError):
                raise recording
            of_record, quality = beats_of(recording, params)
        except MedanomalyError as error:
            refused.append((record, str(error)))
            logger.warning("%s is left out: %s", record, error)
            continue
        notes += [f"{record}: {note}" for note in recording.notes]
        beats.append(of_record)
        windows.append(quality)
    if not beats:
        raise ConfigurationError(
            f"none of {len(raw)} recordings could be read",
            source=run.dataset,
            remedy=refused[0][1] if refused else "Bring recordings.",
        )
    table = pd.concat(beats, ignore_index=True)
    quarantine = quarantined_beats(table, refused)
    notes += [f"record {record} is left out: {why}" for record, why in raw.left_out.items()]
    kept = int(table["quality"].eq("good").sum())
    summary = {
        "source": raw.name,
        "n_records": len(table),
        "n_kept": kept,
        "n_quarantined": len(table) - kept,
        "n_recordings": len(beats),
        "reasons": [
            {"column": column, "reason": reason, "n_records": int(n)}
            for (column, reason), n in quarantine.groupby(["column", "reason"]).size().items()
        ],
        "notes": list(dict.fromkeys(notes)),
    }
    return table, pd.concat(windows, ignore_index=True), quarantine, summary


def split_beats(raw: RecordingSet, beats: pd.DataFrame, params: DataProcessingParams) -> pd.DataFrame:
    """The case table of the beats that can be trusted; the data set's own test records stay test where they are there."""
    cases, split = beat_cases(beats), params.split
    own = cases["record"].map(dict(raw.official_split))
    part = split_by_patient(cases["patient_id"], cases["label"], split)
    if own.eq("test").any():
        # what is left is divided between train and calibration alone
        rest = split.train / (split.train + split.calibration)
        without = SplitParams(
            train=rest * 0.999,
            calibration=(1 - rest) * 0.999,
            test=0.001,
            seed=split.seed,
            anomalous_patients="split",
        )
        part = split_by_patient(cases["patient_id"], cases["label"], without).replace("test", "calibration")
        part = part.mask(own.eq("test").fillna(False), "test")
    cases.insert(4, "split", part)
    empty = [name for name in SPLITS if not cases["split"].eq(name).any()]
    if empty:
        raise ConfigurationError(
            f"no beat falls into {' and '.join(empty)}: {cases['patient_id'].nunique()} patients are too few to divide",
            remedy="Bring recordings of more patients.",
        )
    return check_cases(cases.drop(columns="record"))
