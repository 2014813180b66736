"""Events of one partition as one row per patient and code, by DuckDB; then as one row per patient."""

from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.tabular.event_partitions.split import CODE, PARTITION, PATIENT, TIME, VALUE
from medanomaly.tabular.features.event_statistics import (
    SMALLEST_SPREAD,
    STATISTICS_OF_TABLES,
    statistics_table,
)

if TYPE_CHECKING:
    import pyarrow as pa

PATIENT_ID = "patient_id"
# as features.event_statistics has them; of events at one time the later row is the last one
_SQL = {
    "min": f"min({VALUE})",
    "max": f"max({VALUE})",
    "mean": f"avg({VALUE})",
    "last": f"arg_max({VALUE}, ({TIME}::HUGEINT << 32) + place)",
    "count": "count(*)",
    "slope": f"CASE WHEN regr_sxx({VALUE}, hours) > {SMALLEST_SPREAD} THEN regr_slope({VALUE}, hours) END",
}
assert tuple(_SQL) == STATISTICS_OF_TABLES
# equal tables give equal bytes
WRITTEN = {"compression": "zstd", "compression_level": 1, "row_group_size": 2**17, "store_schema": False}


@contextmanager
def opened(memory: str, folder: Path):
    """A DuckDB connection of one thread, so that sums are added in one order, with a limit of memory.

    Args:
        memory: that it may take, such as ``400MB``; what needs more goes to files in ``folder``.
        folder: for files that are gone at the end.

    Raises:
        ConfigurationError: the extra ``scale`` is not installed.
    """
    try:
        import duckdb
    except ImportError as error:
        raise ConfigurationError(
            "events need the extra 'scale'", remedy="pip install 'medanomaly[scale]'"
        ) from error
    with TemporaryDirectory(prefix=".query-", dir=folder, ignore_cleanup_errors=True) as spilled:
        options = {
            "threads": 1, "memory_limit": memory, "temp_directory": spilled,
            "autoinstall_known_extensions": False, "autoload_known_extensions": False,
        }  # fmt: skip
        with duckdb.connect(config=options) as connection:
            yield connection


def aggregate_partition(
    partition: int, path: Path, *, files: Sequence[Path], statistics: Sequence[str], memory: str
) -> dict[str, Any]:
    """Write the statistics of one partition: ``patient``, ``code``, and the statistics that are asked for.

    Args:
        partition: whose events are read.
        path: of the file that is written, in the order of patient and code.
        files: that :func:`medanomaly.tabular.event_partitions.split.split_events` wrote, in the order of the events.
        statistics: to compute.
        memory: see :func:`opened`.

    Returns:
        ``patients``, ``events``, and ``codes``: code -> patients who have it.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    wanted = ", ".join(f"{_SQL[name]} AS {name}" for name in dict.fromkeys((*statistics, "count")))
    query = f"""
        SELECT {PATIENT}, {CODE}, {wanted}
        FROM (
            SELECT *, row_number() OVER () AS place, {TIME} / 3.6e9 AS hours
            FROM (SELECT {PATIENT}, {TIME}, {CODE}, {VALUE} FROM read_parquet($files) WHERE {PARTITION} = $partition)
        )
        GROUP BY {PATIENT}, {CODE}
        ORDER BY {PATIENT}, {CODE}
    """
    with opened(memory, path.parent) as connection:
        given = {"files": [str(file) for file in files], "partition": partition}
        table = connection.sql(query, params=given).to_arrow_table()
    codes = pc.value_counts(table[CODE].combine_chunks()).to_pylist()
    pq.write_table(table, path, use_dictionary=[CODE], **WRITTEN)
    return {
        "patients": len(pc.unique(table[PATIENT])),
        "events": int(pc.sum(table["count"]).as_py() or 0),
        "codes": {row["values"]: row["counts"] for row in sorted(codes, key=lambda row: row["values"])},
    }


def wide_partition(
    item: tuple[int, Path], path: Path, *, patients: Sequence[Path], codes: Sequence[str], statistics: Sequence[str],
    memory: str,
) -> dict[str, Any]:  # fmt: skip
    """Write the features of one partition: one row per patient, in the order of the ids as text.

    Args:
        item: partition, and the file that :func:`aggregate_partition` wrote.
        path: of the file that is written.
        patients: files of the table of patients that was split; none where there is no such table.
        codes: that become columns.
        statistics: of every code.
        memory: see :func:`opened`.

    Returns:
        ``patients``, ``without_events`` and ``not_in_table``.

    Raises:
        InputError: a patient has two rows in the table of patients.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    partition, aggregates = item
    wide = wide_table(pq.read_table(aggregates), codes, statistics)
    counts = {"patients": len(wide), "without_events": 0, "not_in_table": 0}
    if patients:
        with opened(memory, path.parent) as connection:
            query = f"SELECT * EXCLUDE ({PARTITION}) FROM read_parquet($files) WHERE {PARTITION} = $partition"
            given = {"files": [str(file) for file in patients], "partition": partition}
            known = connection.sql(query, params=given).to_arrow_table().to_pandas()
        known = known.rename(columns={PATIENT: PATIENT_ID}).set_index(PATIENT_ID)
        if known.index.has_duplicates:
            twice = known.index[known.index.duplicated()][0]
            raise InputError(
                "the patient has two rows in the table of patients",
                record=twice,
                remedy="Keep one row per patient.",
            )
        counts["not_in_table"] = int((~wide.index.isin(known.index)).sum())
        counts["without_events"] = int((~known.index.isin(wide.index)).sum())
        everybody = wide.index.union(known.index)
        wide = wide.reindex(everybody)
        n_of = [name for name in wide if name.endswith("_count")]
        wide[n_of] = wide[n_of].fillna(0.0)
        wide = known.reindex(everybody).join(wide)
        counts["patients"] = len(wide)
    wide = wide.sort_index().rename_axis(PATIENT_ID).reset_index()
    table = pa.Table.from_pandas(wide, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, path, use_dictionary=False, **WRITTEN)
    return counts


def wide_table(aggregates: "pa.Table", codes: Sequence[str], statistics: Sequence[str]) -> pd.DataFrame:
    """Statistics of patients and codes as one row per patient, as
    :func:`medanomaly.tabular.features.event_statistics.aggregate_events` makes it of the events themselves.

    Args:
        aggregates: that :func:`aggregate_partition` wrote.
        codes: that become columns.
        statistics: of every code.

    Returns:
        Frame indexed by ``patient_id`` (text) with columns ``<code>_<statistic>``; a patient with other codes only is there
        too.
    """
    frame = aggregates.to_pandas()
    patient, ids = pd.factorize(frame[PATIENT].astype("string"))
    chosen = pd.Index(codes).get_indexer(frame[CODE])
    known = chosen >= 0
    values = {name: frame[name].to_numpy(dtype=np.float64)[known] for name in statistics}
    where = patient[known].astype(np.int64) * len(codes) + chosen[known]
    return statistics_table(pd.Index(ids, name=PATIENT_ID), list(codes), where, values, codes, statistics)
