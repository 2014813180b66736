"""A user's own folder of recordings as a Kedro dataset."""

from collections.abc import Sequence
from dataclasses import replace

from medanomaly.datasets.recordings import RecordingsDataset
from medanomaly.signals.readers.folder import RecordingFolder
from medanomaly.signals.recordings.recording_set import RecordingSet


class SignalFolderDataset(RecordingsDataset):
    """A user's own folder: WFDB, EDF, EDF+, BDF, CSV and npz, in any mix.

    Args:
        folder, fs, units, csv, resample: as of :class:`medanomaly.signals.readers.folder.RecordingFolder`.
        leads: as for :class:`RecordingsDataset`.
    """

    def __init__(
        self,
        *,
        folder: str,
        leads: Sequence[str] | None = None,
        fs: float | None = None,
        units: str | dict[str, str] | None = None,
        csv: dict | None = None,
        resample: float | None = None,
        metadata: dict | None = None,
    ):
        super().__init__(folder=folder, leads=leads, metadata=metadata)
        self.options = {"fs": fs, "units": units, "csv": dict(csv or {}), "resample": resample}

    def recordings(self) -> RecordingSet:
        """One recording per file of a known format; segments of a multi-segment WFDB record belong to that record."""
        found = RecordingFolder(self.folder, self.leads, **self.options).recordings()
        return replace(found, reading=found.reading | self.options)
