"""Rows of files go to partitions of the patients, by a keyed hash of the patient; rows that say too little are left out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from medanomaly.core.errors import DataNotFoundError, InputError, did_you_mean
from medanomaly.tabular.event_partitions.params import EventParams

if TYPE_CHECKING:
    import pyarrow as pa

PATIENT, TIME, CODE, VALUE, PARTITION = "patient", "time", "code", "value", "partition"
# why an event is left out, the first that holds
NO_PATIENT, NO_CODE, NO_TIME, NO_NUMBER, IMPOSSIBLE = (
    "no patient", "no code", "no time", "no finite number", "an impossible value",
)  # fmt: skip
REASONS = (NO_PATIENT, NO_CODE, NO_TIME, NO_NUMBER, IMPOSSIBLE)
MOST_PARTITIONS = 2**16
_MICROSECONDS = {"seconds": 1e6, "minutes": 6e7, "hours": 3.6e9, "days": 8.64e10}
_KEY_LENGTH = 16


class Piece(NamedTuple):
    """What one task reads: some row groups of some files.

    Attributes:
        parts: file, and the row groups of it.
        n_rows: of them together.
    """

    parts: tuple[tuple[Path, tuple[int, ...]], ...]
    n_rows: int


def pieces(files: Sequence[Path], columns: Mapping[str, str], rows: int) -> list[Piece]:
    """Files as pieces of about so many rows, in their order.

    Args:
        files: Parquet files.
        columns: what a column is, in words -> its name; all must be there, with the same types in all files.
        rows: of a piece; a row group is never divided.

    Raises:
        InputError: a file cannot be read, has not these columns, or other types than the first file.
        DataNotFoundError: there is no file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not files:
        raise DataNotFoundError("there is no Parquet file", remedy="Give a folder that holds some.")
    first: dict[str, Any] = {}
    out, parts, n = [], [], 0
    for file in files:
        try:
            metadata = pq.read_metadata(file)
            schema = metadata.schema.to_arrow_schema()
        except FileNotFoundError as error:
            raise DataNotFoundError(
                "there is no such file", source=file, remedy="Correct the path."
            ) from error
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(
                f"the file is no whole Parquet file: {error}",
                source=file,
                remedy="Get it again, or remove it: its events would be missing from the features of their patients.",
            ) from error
        for said, name in columns.items():
            if name not in schema.names:
                raise InputError(
                    f"there is no column '{name}' ({said})",
                    source=file,
                    remedy=f"{did_you_mean(name, schema.names)}The file has {', '.join(schema.names)}.",
                )
            kind = schema.field(name).type
            if first.setdefault(name, kind) != kind:
                raise InputError(
                    f"the type is {kind}, and {first[name]} in {files[0].name}",
                    source=file,
                    column=name,
                    remedy="Write all files with the same types.",
                )
        for group in range(metadata.num_row_groups):
            size = metadata.row_group(group).num_rows
            if n and n + size > rows:
                out.append(_piece(parts, n))
                parts, n = [], 0
            parts.append((file, group))
            n += size
    return [*out, _piece(parts, n)]


def _piece(parts: list[tuple[Path, int]], n: int) -> Piece:
    by_file: dict[Path, list[int]] = {}
    for file, group in parts:
        by_file.setdefault(file, []).append(group)
    return Piece(tuple((file, tuple(groups)) for file, groups in by_file.items()), n)


def partitions_of(patients: "pa.Array", key: str, n: int) -> np.ndarray:
    """(len(patients),) uint16, the partition of each patient: SipHash of its id as text, keyed.

    The keyed BLAKE2b hash of the split has to be asked patient by patient, which takes longer than the rest of the task.

    Args:
        patients: ids, of numbers or text; 7 and "7" are one patient.
        key: 16 letters.
        n: number of partitions.
    """
    import pyarrow as pa

    coded = patients.dictionary_encode()
    names = coded.dictionary.cast(pa.string()).to_numpy(zero_copy_only=False).astype(object)
    hashed = (
        pd.util.hash_array(names, hash_key=key, categorize=False) if len(names) else np.zeros(0, np.uint64)
    )
    return (hashed % np.uint64(n)).astype(np.uint16)[coded.indices.to_numpy()]


def split_events(
    piece: Piece, path: Path, *, params: EventParams, key: str, n_partitions: int
) -> dict[str, Any]:
    """Write the events of a piece to one file, a row group per partition, in which their order is kept.

    Returns:
        ``rows`` of the piece, and ``left_out``: reason -> events. Both add up to what was written.
    """
    columns = [params.patient, params.time, params.code, params.value]
    table = _read(piece, columns, coded=[params.code])
    patient, code = _ids(table[params.patient], "patient"), _codes(table[params.code])
    time, no_time = _microseconds(table[params.time], params.time_unit, piece)
    value = _numbers(table[params.value], piece)
    reasons = {
        NO_PATIENT: _null(patient),
        NO_CODE: _null(code),
        NO_TIME: no_time,
        NO_NUMBER: ~np.isfinite(value),
        IMPOSSIBLE: _impossible(code, value, params.possible),
    }
    kept, left_out = _kept(reasons)
    import pyarrow as pa

    out = pa.table({PATIENT: patient, TIME: time, CODE: code, VALUE: value})
    if not kept.all():
        out = out.filter(pa.array(kept))
    _write(out, path, key, n_partitions)
    return {"rows": table.num_rows, "left_out": left_out}


def split_patients(piece: Piece, path: Path, *, patient: str, key: str, n_partitions: int) -> dict[str, Any]:
    """The same for a table of patients, whose columns are kept as they are; a row without a patient is left out."""
    table = _read(piece, None, coded=[])
    ids = _ids(table[patient], patient)
    kept, left_out = _kept({NO_PATIENT: _null(ids)})
    import pyarrow as pa

    out = table.drop_columns([patient]).add_column(0, PATIENT, ids.cast(pa.string()))
    _write(out.filter(pa.array(kept)), path, key, n_partitions)
    return {"rows": table.num_rows, "left_out": left_out}


def _kept(reasons: Mapping[str, np.ndarray]) -> tuple[np.ndarray, dict[str, int]]:
    """Rows for which no reason holds, and how many each reason took: a row counts once, for the first reason."""
    kept, counts = np.ones(len(next(iter(reasons.values()))), dtype=bool), {}
    for reason, holds in reasons.items():
        counts[reason] = int((kept & holds).sum())
        kept &= ~holds
    return kept, {reason: n for reason, n in counts.items() if n}


def _read(piece: Piece, columns: list[str] | None, coded: list[str]) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = []
    for file, groups in piece.parts:
        try:
            with pq.ParquetFile(file, read_dictionary=coded) as source:
                tables.append(source.read_row_groups(list(groups), columns=columns, use_threads=False))
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(
                f"the file cannot be read: {error}",
                source=file,
                remedy="Get it again, or remove it: its events would be missing from the features of their patients.",
            ) from error
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def _array(column: "pa.ChunkedArray") -> "pa.Array":
    import pyarrow as pa

    whole = column.combine_chunks()
    # an empty column has no chunk
    return whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)


def _ids(column: "pa.ChunkedArray", name: str) -> "pa.Array":
    import pyarrow as pa

    ids = _array(column)
    ids = ids.dictionary_decode() if pa.types.is_dictionary(ids.type) else ids
    if pa.types.is_integer(ids.type):
        return ids.cast(pa.int64())
    if pa.types.is_string(ids.type) or pa.types.is_large_string(ids.type):
        return ids.cast(pa.string())
    raise InputError(
        f"ids of patients are {ids.type}", column=name, remedy="Write them as whole numbers or as text."
    )


def _codes(column: "pa.ChunkedArray") -> "pa.DictionaryArray":
    import pyarrow as pa

    codes = _array(column)
    if not pa.types.is_dictionary(codes.type):
        codes = codes.dictionary_encode()
    return pa.DictionaryArray.from_arrays(codes.indices.cast(pa.int32()), codes.dictionary.cast(pa.string()))


def _null(array: "pa.Array") -> np.ndarray:
    if not array.null_count:
        return np.zeros(len(array), dtype=bool)
    return array.is_null().to_numpy(zero_copy_only=False)


def _numbers(column: "pa.ChunkedArray", piece: Piece) -> np.ndarray:
    import pyarrow as pa

    values = _array(column)
    if not (
        pa.types.is_integer(values.type)
        or pa.types.is_floating(values.type)
        or pa.types.is_decimal(values.type)
    ):
        raise InputError(
            f"values are {values.type}", source=piece.parts[0][0], remedy="Give numbers as numbers."
        )
    return values.cast(pa.float64()).to_numpy(zero_copy_only=False)


def _microseconds(column: "pa.ChunkedArray", unit: str, piece: Piece) -> tuple[np.ndarray, np.ndarray]:
    """(n,) int64 and which are not known."""
    import pyarrow as pa

    times = _array(column)
    unknown = _null(times)
    if pa.types.is_timestamp(times.type) or pa.types.is_date(times.type):
        whole = times.cast(pa.timestamp("us", getattr(times.type, "tz", None)), safe=False).cast(pa.int64())
        return whole.fill_null(0).to_numpy(zero_copy_only=False), unknown
    if pa.types.is_integer(times.type) or pa.types.is_floating(times.type):
        numbers = times.cast(pa.float64()).to_numpy(zero_copy_only=False) * _MICROSECONDS[unit]
        unknown = ~(np.abs(numbers) < 2.0**62)
        return np.where(unknown, 0.0, np.round(numbers)).astype(np.int64), unknown
    raise InputError(
        f"times are {times.type}", source=piece.parts[0][0], remedy="Give timestamps, dates, or numbers."
    )


def _impossible(
    code: "pa.DictionaryArray", value: np.ndarray, possible: Mapping[str, tuple[float, float]]
) -> np.ndarray:
    names = code.dictionary.to_pylist()
    if not set(possible) & set(names):
        return np.zeros(len(value), dtype=bool)
    # one more for events without a code
    bounds = np.array([*(possible.get(name, (-np.inf, np.inf)) for name in names), (-np.inf, np.inf)])
    at = code.indices.fill_null(len(names)).to_numpy()
    return (value < bounds[at, 0]) | (value > bounds[at, 1])


def _write(table: "pa.Table", path: Path, key: str, n_partitions: int) -> None:
    """One row group per partition, so that a query for one reads no other."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    partition = partitions_of(_array(table[PATIENT]), key, n_partitions)
    table = table.append_column(PARTITION, pa.array(partition))
    order = np.argsort(partition, kind="stable")
    stops = np.searchsorted(partition[order], np.arange(n_partitions), side="right")
    # read once and then removed, so time counts more than space
    options = {"compression": "lz4", "write_statistics": [PARTITION]}
    with pq.ParquetWriter(path, table.schema, **options) as writer:
        start = 0
        for stop in stops:
            if stop > start:
                rows = int(stop - start)
                writer.write_table(table.take(pa.array(order[start:stop])), row_group_size=rows)
            start = stop


def hash_key(secret: bytes) -> str:
    """16 letters of a secret for :func:`partitions_of`."""
    import hashlib

    return hashlib.blake2b(secret, person=b"events").hexdigest()[:_KEY_LENGTH]
