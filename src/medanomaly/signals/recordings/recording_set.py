"""The recordings of a data set: read one at a time, with what is known before reading."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from medanomaly.core.errors import InputError, MedanomalyError
from medanomaly.signals.recordings.recording import Recording


@dataclass(frozen=True)
class RecordingSet(Mapping[str, Recording]):
    """Record name -> recording; each ``recordings[name]`` reads the file, so that only one is in memory.

    Attributes:
        name: of the data set.
        readers: record -> function that reads it.
        patients: record -> patient, where known before reading.
        official_split: record -> ``train`` or ``test`` in the data set's own split; empty where there is none.
        left_out: record -> why it is left out.
        notes: what a user should know about the data set.
        reading: options with which files are read and leads are chosen, for files that come later.
    """

    name: str
    readers: Mapping[str, Callable[[], Recording]]
    patients: Mapping[str, str] = field(default_factory=dict)
    official_split: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    reading: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, record: str) -> Recording:
        try:
            read = self.readers[record]
        except KeyError:
            why = f": {self.left_out[record]}" if record in self.left_out else ""
            raise InputError(
                f"there is no record {record} in {self.name}{why}",
                remedy=f"There are {list(self.readers)[:40]}.",
            ) from None
        return _read(record, read)

    def __contains__(self, record: object) -> bool:
        return record in self.readers

    def __iter__(self) -> Iterator[str]:
        return iter(self.readers)

    def __len__(self) -> int:
        return len(self.readers)

    def each(self) -> Iterator[tuple[str, Recording | MedanomalyError]]:
        """Every record in turn, or the error that says why it cannot be read; no record is dropped silently."""
        for record, read in self.readers.items():
            try:
                yield record, _read(record, read)
            except MedanomalyError as error:
                yield record, error

    def changed(self, change: Callable[[Recording], Recording]) -> "RecordingSet":
        """The same records, each of which goes through a function when it is read."""
        readers = {record: lambda read=read: change(read()) for record, read in self.readers.items()}
        return replace(self, readers=readers)

    def table(self) -> pd.DataFrame:
        """One row per record, also for those left out: ``record``, ``patient_id``, ``split_official``, ``left_out``."""
        records = [*self.readers, *self.left_out]
        return pd.DataFrame(
            {
                "record": records,
                "patient_id": [self.patients.get(record, record) for record in records],
                "split_official": [self.official_split.get(record) for record in records],
                "left_out": [self.left_out.get(record) for record in records],
            }
        ).astype("string")

    def summary(self) -> dict:
        """Counts and notes for the report."""
        parts = pd.Series(dict(self.official_split), dtype="object").value_counts()
        return {
            "data_set": self.name,
            "records": len(self.readers),
            "patients": len({self.patients.get(record, record) for record in self.readers}),
            "split": {str(part): int(n) for part, n in parts.items()} or "none of its own",
            "left_out": dict(self.left_out),
            "notes": list(self.notes),
        }


def _read(record: str, read: Callable[[], Recording]) -> Recording:
    """Read a recording; whatever a damaged file does to a decoder becomes an error that names the recording."""
    try:
        return read()
    except MedanomalyError:
        raise
    except MemoryError as error:
        raise InputError(
            "the recording does not fit into the memory", record=record, remedy="Divide it."
        ) from error
    except Exception as error:
        raise InputError(
            f"the recording cannot be read: {type(error).__name__}: {error}",
            record=record,
            remedy="Get the file again, or remove it.",
        ) from error
