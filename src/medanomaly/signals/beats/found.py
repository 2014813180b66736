"""Beats of a set of recordings: those of each that can be used, and why others cannot."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from medanomaly.core.errors import MedanomalyError
from medanomaly.signals.alarms.rhythm_episodes import silences
from medanomaly.signals.beats.marks import BeatMarks
from medanomaly.signals.beats.params import BeatParams
from medanomaly.signals.beats.table import beat_columns, check_rate
from medanomaly.signals.quality.assessment import BAD, quality_of_each, quality_table
from medanomaly.signals.recordings.recording import Recording
from medanomaly.signals.recordings.recording_set import RecordingSet
from medanomaly.signals.recordings.voltage import ecg_of

# values of recordings whose quality is assessed together; a long recording is one by itself
TOGETHER = 500_000


@dataclass(frozen=True)
class FoundBeats:
    """Beats of one recording.

    Attributes:
        recording: as it was read.
        ecg: its ECG leads in mV.
        columns: of its beats, of :func:`medanomaly.signals.beats.table.beat_columns`.
        windows: quality of each lead, of :func:`medanomaly.signals.quality.assessment.quality_of_each`.
        marks: what its marks are worth.
        silences: sentences about stretches without a beat.
    """

    recording: Recording
    ecg: Recording
    columns: dict[str, np.ndarray]
    windows: list[dict[str, np.ndarray]]
    marks: BeatMarks
    silences: list[str]

    @property
    def quality(self) -> pd.DataFrame:
        """Quality windows, see :func:`medanomaly.signals.quality.assessment.assess_quality`."""
        return quality_table(self.ecg.record, self.windows)

    @property
    def has_bad_window(self) -> bool:
        """Whether :attr:`quality` has a bad window, found without making it."""
        return any((of["quality"] == BAD).any() for of in self.windows)


def beats_of_each(raw: RecordingSet, params: BeatParams) -> Iterator[tuple[str, FoundBeats | str]]:
    """Every record in turn with its beats, or with the reason why it is refused: one recording costs itself alone."""
    for some in _together(raw):
        windows = iter(_windows_of([ecg for _, _, ecg in some if isinstance(ecg, Recording)], params))
        for record, recording, ecg in some:
            try:
                # what was wrong with it so far is raised here
                if not isinstance(ecg, Recording):
                    raise ecg
                found = next(windows)
                if isinstance(found, Exception):
                    raise found
                columns, marks = beat_columns(ecg, found, params)
            except Exception as error:  # whatever is wrong with it
                yield record, why_refused(error)
                continue
            at = np.union1d(columns["time_s"], marks.r_peaks / ecg.fs)
            quiet = silences(at, lambda ecg=ecg, found=found: quality_table(ecg.record, found), ecg.duration)
            yield record, FoundBeats(recording, ecg, columns, found, marks, quiet)


def _together(raw: RecordingSet) -> Iterator[list[tuple[str, Recording | None, Recording | Exception]]]:
    """Records with their recording and its ECG, or what is wrong with it; short ones come several at a time."""
    some: list[tuple[str, Recording | None, Recording | Exception]] = []
    n_samples = 0
    for record, recording in raw.each():
        ecg: Recording | Exception
        try:
            if isinstance(recording, MedanomalyError):
                raise recording
            ecg = ecg_of(recording)
            check_rate(ecg)
        except Exception as error:  # whatever is wrong with it
            some.append((record, None, error))
            continue
        some.append((record, recording, ecg))
        n_samples += ecg.signal.size
        if n_samples >= TOGETHER:
            yield some
            some, n_samples = [], 0
    if some:
        yield some


def _windows_of(
    ecgs: Sequence[Recording], params: BeatParams
) -> list[list[dict[str, np.ndarray]] | Exception]:
    """Quality of each; where they fail together, each by itself."""
    try:
        return list(quality_of_each(ecgs, params.quality))
    except Exception as error:  # whatever is wrong with one of them
        if len(ecgs) == 1:
            return [error]
        return [_windows_of([one], params)[0] for one in ecgs]


def why_refused(error: Exception) -> str:
    """Why a recording cannot be used, in the words of the error."""
    return str(error) if isinstance(error, MedanomalyError) else f"{type(error).__name__}: {error}"
