"""eICU demo as hourly tables: ``dyn`` (measurements), ``sta`` (patient), ``outc`` (outcome), Parquet."""

from pathlib import Path

import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.datasets.raw import RawDataset
from medanomaly.datasets.sources import not_found
from medanomaly.datasets.table import check_matches, read_parquet
from medanomaly.tabular.features.event_statistics import (
    STATISTICS_OF_TABLES,
    aggregate_events,
    events_from_grid,
)

CASE, TIME = "stay_id", "time"


class EICUDataset(RawDataset[pd.DataFrame]):
    """One row per stay: ``stay_id``, the columns of ``sta`` and ``outc``, then ``<variable>_<statistic>`` of ``dyn``.

    The layout is that of a YAIB cohort: ``dyn`` has one row per stay and hour.

    Args:
        folder: holds ``dyn.parquet``, ``sta.parquet`` and ``outc.parquet``.
        hours: length of the window since admission; later measurements are left out.
        statistics: of every variable; None for all.
    """

    def __init__(
        self,
        *,
        folder: str,
        hours: float = 24.0,
        statistics: list[str] | None = None,
        metadata: dict | None = None,
    ):
        self.folder, self.hours, self.metadata = Path(folder), hours, metadata
        self.statistics = tuple(statistics or STATISTICS_OF_TABLES)

    def _read(self, name: str, needed: set[str]) -> pd.DataFrame:
        path = self.folder / f"{name}.parquet"
        if not path.is_file():
            raise not_found(path)
        table = read_parquet(path)
        if missing := needed - set(table.columns):
            raise InputError(
                f"columns {sorted(missing)} are missing",
                remedy=f"The table has {list(table.columns)}.",
                source=path,
            )
        if name != "dyn" and (again := table[CASE].duplicated()).any():
            raise InputError(
                f"stay {table.loc[again, CASE].iloc[0]} has two rows",
                remedy="Keep one row per stay.",
                source=path,
            )
        return table

    def load(self) -> pd.DataFrame:
        """Read and aggregate the stays, in the order of ``sta``."""
        grid = self._read("dyn", {CASE, TIME})
        stays, outcomes = self._read("sta", {CASE}), self._read("outc", {CASE, "label"})
        check_matches(stays[CASE], outcomes[CASE], self.folder / "outc.parquet")
        check_matches(stays[CASE], grid[CASE].drop_duplicates(), self.folder / "dyn.parquet")
        stays = stays.merge(outcomes, on=CASE, how="left", validate="one_to_one")
        events = events_from_grid(grid, CASE, TIME)
        aggregates = aggregate_events(
            events[events["hours"] <= self.hours],
            pd.Index(stays[CASE]),
            tuple(grid.columns.drop([CASE, TIME])),
            self.statistics,
        )
        return pd.concat([stays, aggregates.set_axis(stays.index)], axis=1)

    def _exists(self) -> bool:
        return all((self.folder / f"{name}.parquet").is_file() for name in ("dyn", "sta", "outc"))

    def _describe(self) -> dict:
        return {"folder": self.folder.as_posix(), "hours": self.hours}
