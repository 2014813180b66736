"""The recordings of a data set: read one at a time, with what is known before reading."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError, MedanomalyError
from medanomaly.core.splits import patient_position
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
    """

    name: str
    readers: Mapping[str, Callable[[], Recording]]
    patients: Mapping[str, str] = field(default_factory=dict)
    official_split: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __getitem__(self, record: str) -> Recording:
        try:
            read = self.readers[record]
        except KeyError:
            why = f": {self.left_out[record]}" if record in self.left_out else ""
            raise InputError(
                f"there is no record {record} in {self.name}{why}",
                remedy=f"There are {list(self.readers)[:40]}.",
            ) from None
        return read()

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
                yield record, read()
            except MedanomalyError as error:
                yield record, error

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

    def folds(self, n_folds: int, seed: int = 0) -> dict[str, int]:
        """Record -> fold; all records of a patient share a fold, and folds differ by at most one patient.

        Args:
            n_folds: at most the number of patients.
            seed: another seed gives another order.
        """
        return patient_folds(
            {record: self.patients.get(record, record) for record in self.readers}, n_folds, seed
        )


def patient_folds(patients: Mapping[str, str], n_folds: int, seed: int = 0) -> dict[str, int]:
    """Deal patients to folds in the order of a keyed hash of their ids (:func:`medanomaly.core.splits.patient_position`).

    Args:
        patients: record -> patient.
        n_folds: from 2 to the number of patients.
        seed: key of the hash.
    """
    unique = sorted(set(patients.values()))
    if not 2 <= n_folds <= len(unique):
        raise InputError(
            f"{n_folds} folds of {len(unique)} patients", remedy=f"Ask for 2 to {len(unique)} folds."
        )
    order = np.argsort(patient_position(pd.Series(unique), seed), kind="stable")
    fold = {unique[i]: rank % n_folds for rank, i in enumerate(order)}
    return {record: fold[patient] for record, patient in patients.items()}
