"""Events of many patients in Parquet files (patient, time, code, value) as one row per patient, past one machine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from medanomaly.core.errors import ConfigurationError, DataNotFoundError
from medanomaly.datasets.pseudonym_key import project_key
from medanomaly.datasets.raw import RawDataset
from medanomaly.partitions.stage import Stage
from medanomaly.partitions.workers import WorkersParams, open_workers
from medanomaly.synthetic.events import EventCohort, draw_events, patient_table
from medanomaly.tabular.event_partitions.features import EventFeatures, event_features, finished_features
from medanomaly.tabular.event_partitions.params import EventParams


class EventPartitionsDataset(RawDataset[pd.DataFrame]):
    """Features of patients, of events in the Parquet files below a folder; partitions of all patients stay on the disk.

    Training reads a sample of the patients, and the pipeline ``scoring`` answers all of them, partition by partition.

    Args:
        folder: holds the files of events, in subfolders or not; they are read in the order of their paths.
        work: folder of what is made: ``features`` in it holds all patients. A run that was stopped goes on there.
        patients: file, or folder of files, with one row per patient (label, age, sex, ...); None where there is none.
        most_patients: that training reads; None reads all.
        seed: of the choice of these.
        workers: see :class:`medanomaly.partitions.workers.WorkersParams`.
        events: see :class:`medanomaly.tabular.event_partitions.params.EventParams`.
    """

    def __init__(
        self,
        *,
        folder: str,
        work: str,
        patients: str | None = None,
        most_patients: int | None = 20_000,
        seed: int = 0,
        workers: Mapping[str, Any] | None = None,
        events: Mapping[str, Any] | None = None,
        metadata: dict | None = None,
    ):
        self.folder, self.work = Path(folder), Path(work)
        self.patients = None if patients is None else Path(patients)
        self.most_patients, self.seed, self.metadata = most_patients, seed, metadata
        self.workers = WorkersParams().replaced(workers or {})
        self.events = EventParams().replaced(events or {})

    def load(self) -> pd.DataFrame:
        """A sample of the patients with their features, all of which are made first."""
        return self.features().sample(self.most_patients, self.seed)

    def features(self) -> EventFeatures:
        """The features of all patients; made where they are not there yet."""
        files, patients = self._files(), self._patients()
        arguments = (files, self.work, self.events)
        found = finished_features(*arguments, project_key(), patients)
        if found is not None:
            return found
        with open_workers(self.workers) as workers:
            return event_features(*arguments, workers, project_key(), patients)

    def _files(self) -> list[Path]:
        files = _parquet(self.folder)
        own = set(self._patients())
        return [file for file in files if file not in own]

    def _patients(self) -> list[Path]:
        return [] if self.patients is None else _parquet(self.patients)

    def _exists(self) -> bool:
        return self.folder.is_dir()

    def _describe(self) -> dict[str, Any]:
        about = {"folder": self.folder.as_posix(), "most_patients": self.most_patients, "seed": self.seed}
        return about | {"events": self.events.model_dump(mode="json")}


class SyntheticEventPartitionsDataset(EventPartitionsDataset):
    """The same of synthetic events, which are written once, file by file; equal for equal arguments.

    Args:
        n_events: of all patients together.
        n_patients: None: one per 500 events, and at least 200.
        work: folder of the events and of what is made of them.
        seed: another seed gives other patients.
        file_events: events of one file.
        options: of :class:`EventPartitionsDataset`.
    """

    def __init__(
        self,
        *,
        n_events: int,
        work: str,
        n_patients: int | None = None,
        seed: int = 0,
        file_events: int = 2_000_000,
        **options: Any,
    ):
        raw = Path(work) / "raw"
        super().__init__(
            folder=str(raw / "events"), patients=str(raw / "patients"), work=work, seed=seed, **options
        )
        if n_events < 1:
            raise ConfigurationError(f"n_events is {n_events}", remedy="Give 1 or more.")
        self.cohort = EventCohort(
            int(n_events), n_patients or max(200, int(n_events) // 500), seed, file_events=file_events
        )

    def features(self) -> EventFeatures:
        """Write the events where they are not there yet, then as of other events."""
        settings = {"cohort": vars(self.cohort), "layout": 1}
        events, people = Stage(self.folder, settings), Stage(self.patients, settings)
        if events.finished is None or people.finished is None:
            with open_workers(self.workers) as workers:
                people.run(workers, _write_patients, [0], cohort=self.cohort)
                events.run(workers, _write_events, range(self.cohort.n_files), cohort=self.cohort)
        return super().features()

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        about = {"n_events": self.cohort.n_events, "n_patients": self.cohort.n_patients, "seed": self.seed}
        return about | {"most_patients": self.most_patients, "events": self.events.model_dump(mode="json")}


def _parquet(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    files = sorted(file for file in path.rglob("*.parquet") if not file.name.startswith("."))
    if not files:
        raise DataNotFoundError(
            "there is no Parquet file", source=path, remedy="Correct the path in the catalog entry."
        )
    return files


def _write_events(file: int, path: Path, *, cohort: EventCohort) -> dict[str, Any]:
    return _written(draw_events(cohort, file), path)


def _write_patients(_: int, path: Path, *, cohort: EventCohort) -> dict[str, Any]:
    return _written(patient_table(cohort), path)


def _written(table: pd.DataFrame, path: Path) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    made = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(made, path, compression="zstd", compression_level=1, row_group_size=2**19)
    return {"rows": len(table)}
