"""Beats of a set of recordings: those of each that can be used, and why others cannot."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from medanomaly.core.errors import MedanomalyError
from medanomaly.signals.alarms.rhythm_episodes import silences
from medanomaly.signals.beats.marks import BeatMarks
from medanomaly.signals.beats.params import BeatParams
from medanomaly.signals.beats.table import beats_and_marks
from medanomaly.signals.recordings.recording import Recording
from medanomaly.signals.recordings.recording_set import RecordingSet
from medanomaly.signals.recordings.voltage import ecg_of


@dataclass(frozen=True)
class FoundBeats:
    """Beats of one recording.

    Attributes:
        recording: as it was read.
        ecg: its ECG leads in mV.
        beats, quality, marks: as of :func:`medanomaly.signals.beats.table.beats_and_marks`.
        silences: sentences about stretches without a beat.
    """

    recording: Recording
    ecg: Recording
    beats: pd.DataFrame
    quality: pd.DataFrame
    marks: BeatMarks
    silences: list[str]


def beats_of_each(raw: RecordingSet, params: BeatParams) -> Iterator[tuple[str, FoundBeats | str]]:
    """Every record in turn with its beats, or with the reason why it is refused: one recording costs itself alone."""
    for record, recording in raw.each():
        try:
            if isinstance(recording, MedanomalyError):
                raise recording
            ecg = ecg_of(recording)
            beats, quality, marks = beats_and_marks(ecg, params)
        except Exception as error:  # whatever is wrong with it
            yield record, why_refused(error)
            continue
        at = np.union1d(beats["time_s"], marks.r_peaks / ecg.fs)
        quiet = silences(at, quality, ecg.duration)
        yield record, FoundBeats(recording, ecg, beats, quality, marks, quiet)


def why_refused(error: Exception) -> str:
    """Why a recording cannot be used, in the words of the error."""
    return str(error) if isinstance(error, MedanomalyError) else f"{type(error).__name__}: {error}"
