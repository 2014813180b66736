"""A folder in the Medical Event Data Standard (MEDS) as a table: one row per subject or per window."""

from collections import Counter
from pathlib import Path

import pandas as pd

from medanomaly.core.errors import ConfigurationError, DataNotFoundError, InputError
from medanomaly.datasets.raw import RawDataset
from medanomaly.datasets.table import check_matches, read_parquet
from medanomaly.tabular.features import meds_windows
from medanomaly.tabular.features.event_statistics import STATISTICS_OF_TABLES

SPLIT = "meds_split"


class MEDSDataset(RawDataset[pd.DataFrame]):
    """Events of ``<folder>/data/**/*.parquet``, aggregated by code, shard by shard (MEDS keeps a subject in one shard).

    Without ``start`` and ``labels`` there is one row per subject. If ``metadata/subject_splits.parquet`` exists, the column
    ``meds_split`` holds the part of the subject.

    Args:
        folder: the MEDS root.
        codes: prefixes of the codes to aggregate (``LAB`` covers ``LAB//...``); None takes all.
        start: prefix of the codes that open a window of ``hours`` (``ICU_ADMISSION``).
        labels: a MEDS label table (Parquet file, or folder of them, below ``folder`` or anywhere); each of its rows is
            a window of the ``hours`` before its prediction time, with the column ``label``.
        hours: length of the windows.
        min_share: codes that occur in a smaller share of all windows are left out. Labels are not used.
        statistics: of every code; None for all.
    """

    def __init__(
        self,
        *,
        folder: str,
        codes: list[str] | None = None,
        start: str | None = None,
        labels: str | None = None,
        hours: float | None = None,
        min_share: float = 0.05,
        statistics: list[str] | None = None,
        metadata: dict | None = None,
    ):
        if start is not None and labels is not None:
            raise ConfigurationError("start and labels both define the windows", remedy="Give one of them.")
        if (start is not None or labels is not None) and not hours:
            raise ConfigurationError("start or labels without the length of a window", remedy="Give hours.")
        self.folder, self.codes = Path(folder), tuple(codes or ())
        self.start, self.hours, self.min_share = start, hours, min_share
        self.labels = None if labels is None else self.folder / labels
        self.statistics, self.metadata = tuple(statistics or STATISTICS_OF_TABLES), metadata

    def _shards(self) -> list[Path]:
        shards = sorted((self.folder / "data").rglob("*.parquet"))
        if not shards:
            raise DataNotFoundError(
                "there are no MEDS shards",
                remedy="Expected data/**/*.parquet with subject_id, time, code, numeric_value.",
                source=self.folder,
            )
        return shards

    def _shard(self, path: Path, labels: pd.DataFrame | None) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Events of a shard and its windows."""
        events = meds_windows.check_meds_events(read_parquet(path), source=path)
        if labels is not None:
            own = labels[labels["subject_id"].isin(events["subject_id"])]
            return events, meds_windows.windows_before(own, self.hours)
        if self.start is not None:
            return events, meds_windows.windows_after(events, self.start, self.hours)
        return events, meds_windows.whole_subjects(events)

    def _read_labels(self) -> pd.DataFrame | None:
        if self.labels is None:
            return None
        paths = [self.labels] if self.labels.is_file() else sorted(self.labels.rglob("*.parquet"))
        if not paths:
            raise DataNotFoundError(
                "there is no label table",
                remedy="Expected a Parquet file, or a folder of them.",
                source=self.labels,
            )
        labels = pd.concat([read_parquet(path) for path in paths], ignore_index=True)
        if "subject_id" not in labels or labels["subject_id"].isna().any():
            raise InputError("a label has no subject_id", remedy="MEDS requires it.", source=self.labels)
        return labels

    def load(self) -> pd.DataFrame:
        """Choose the codes in a first pass over the shards, and aggregate in a second."""
        labels, shards = self._read_labels(), self._shards()
        counts, n_windows, seen = Counter(), 0, set()
        for path in shards:
            events, windows = self._shard(path, labels)
            subjects = set(events["subject_id"].unique().tolist())
            if again := subjects & seen:
                raise InputError(
                    f"subject {min(again)} is in two shards, so a window would be counted in parts",
                    remedy="MEDS keeps all events of a subject in one shard.",
                    source=path,
                )
            seen |= subjects
            inside = meds_windows.inside_windows(events, windows)
            if self.codes:
                inside = inside[meds_windows.starts_with(inside["code"], self.codes)]
            counts.update(inside.drop_duplicates(["case_id", "code"])["code"].value_counts().to_dict())
            n_windows += len(windows)
        if labels is not None:
            check_matches(
                labels["subject_id"].drop_duplicates(), pd.Series(sorted(seen)), self.folder / "data"
            )
        if n_windows == 0:
            wanted = f"begins with '{self.start}'" if self.start else "has a time"
            raise InputError(
                f"there is no window: no event {wanted}",
                remedy="Correct start or labels.",
                source=self.folder,
            )
        codes = meds_windows.codes_of(counts, n_windows, self.min_share)
        if not codes:
            raise InputError(
                f"no code occurs in {self.min_share:.0%} of {n_windows} windows",
                remedy="Lower min_share or correct codes.",
                source=self.folder,
            )
        tables = [
            meds_windows.window_table(events, windows, codes, self.statistics)
            for events, windows in (self._shard(path, labels) for path in shards)
            if len(windows)
        ]
        table = pd.concat(tables, ignore_index=True)
        # codes without numbers have only counts
        aggregates = [name for name in table.columns if name.rpartition("_")[0] in codes]
        table = table.drop(columns=[name for name in aggregates if table[name].isna().all()])
        splits = self.folder / "metadata" / "subject_splits.parquet"
        if splits.is_file():
            of_subject = read_parquet(splits).set_index("subject_id")["split"]
            table.insert(2, SPLIT, table["subject_id"].map(of_subject).astype("string"))
        return table

    def _exists(self) -> bool:
        return (self.folder / "data").is_dir()

    def _describe(self) -> dict:
        return {"folder": self.folder.as_posix(), "codes": list(self.codes), "hours": self.hours}
