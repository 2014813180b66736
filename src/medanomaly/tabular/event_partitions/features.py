"""From files of events to files of features, one row per patient, in partitions: what is finished survives a stop."""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from medanomaly import __version__
from medanomaly.core.errors import ConfigurationError, InputError, did_you_mean
from medanomaly.core.splits import patient_position
from medanomaly.partitions.stage import Stage, state_of, write_whole
from medanomaly.partitions.workers import Workers
from medanomaly.tabular.event_partitions.aggregates import PATIENT_ID, aggregate_partition, wide_partition
from medanomaly.tabular.event_partitions.params import EventParams
from medanomaly.tabular.event_partitions.split import (
    MOST_PARTITIONS,
    hash_key,
    pieces,
    split_events,
    split_patients,
)
from medanomaly.tabular.features.meds_windows import codes_of

logger = logging.getLogger(__name__)
FEATURES = "features"
SOME_PARTITIONS, SOME_ROWS = 8, 100_000
_SUMMARY = "summary.json"
_COUNTS = ("patients", "without_events", "not_in_table")


@dataclass(frozen=True)
class EventFeatures:
    """Features of all patients.

    Attributes:
        files: one per partition; columns ``patient_id``, those of the table of patients, ``<code>_<statistic>``.
        codes: that became features.
        n_events: that were read.
        left_out: reason -> events that say too little; they are in no feature.
        n_patients: with a row.
        without_events: of them, known from the table of patients only.
        not_in_table: of them, known from events only, where there is a table of patients.
    """

    files: tuple[Path, ...]
    codes: tuple[str, ...]
    n_events: int
    left_out: dict[str, int]
    n_patients: int
    without_events: int
    not_in_table: int

    def sample(self, most: int | None, seed: int = 0) -> pd.DataFrame:
        """The features of so many patients: those of the first partitions, which are a sample by a keyed hash.

        Args:
            most: number of patients; None takes all.
            seed: of the hash that chooses among the patients of the last partition that is read.
        """
        from medanomaly.tabular.table.files import read_table

        tables, n = [], 0
        for file in self.files:
            if most is not None and n >= most:
                break
            table = read_table(file)
            if most is not None and n + len(table) > most:
                order = patient_position(table[PATIENT_ID], seed).argsort(kind="stable")
                table = table.iloc[sorted(order[: most - n])]
            tables.append(table)
            n += len(table)
        return pd.concat(tables, ignore_index=True)


def event_features(
    files: Sequence[Path],
    folder: Path,
    params: EventParams,
    workers: Workers,
    secret: bytes,
    patients: Sequence[Path] = (),
) -> EventFeatures:
    """Make the features of all patients, or find them as an earlier call made them of the same files.

    Args:
        files: Parquet files of events, in the order in which events at the same time happened.
        folder: of what is made; a run that was stopped goes on in it, and ends with the same bytes.
        params: columns, codes, statistics, sizes.
        workers: that make it; their number changes no byte.
        secret: key of the hash that says to which partition a patient belongs.
        patients: Parquet files with one row per patient, whose column of the patient is called as that of the events.

    Raises:
        DataNotFoundError: there is no file.
        InputError: a file cannot be read or lacks a column, no code is left, or no patient of the events is in ``patients``.
    """
    settings = _settings(files, params, secret, patients)
    known = _finished(Path(folder), settings)
    if known is not None:
        return known
    folder, key = Path(folder), hash_key(secret)
    found, about = Stage(folder / FEATURES, settings), folder / _SUMMARY
    split, aggregates = Stage(folder / "events", settings), Stage(folder / "aggregates", settings)
    people = Stage(folder / "patients", settings)
    columns = {name: getattr(params, name) for name in ("patient", "time", "code", "value")}
    todo = pieces(files, columns, params.piece_rows)
    n_rows = sum(piece.n_rows for piece in todo)
    n_partitions = _n_partitions(n_rows, params.partition_rows)
    logger.info("%s events in %s files, %s partitions", f"{n_rows:,}", f"{len(files):,}", n_partitions)
    same: dict[str, Any] = {"key": key, "n_partitions": n_partitions}
    divided = split.finished or split.run(workers, split_events, todo, params=params, **same)
    listed: list[dict[str, Any]] = []
    if patients:
        rows = pieces(patients, {"patient": params.patient}, params.piece_rows)
        listed = people.finished or people.run(workers, split_patients, rows, patient=params.patient, **same)
    logger.info("events divided by patient; statistics per partition")
    made = aggregates.finished or aggregates.run(
        workers, aggregate_partition, range(n_partitions),
        files=split.files(divided), statistics=params.statistics, memory=params.memory,
    )  # fmt: skip
    codes = _codes(made, params)
    wide = found.run(
        workers, wide_partition, list(enumerate(aggregates.files(made))),
        patients=people.files(listed), codes=codes, statistics=params.statistics, memory=params.memory,
    )  # fmt: skip
    left_out: Counter[str] = Counter()
    for record in divided:
        left_out.update(record["facts"]["left_out"])
    summary = {
        "codes": codes,
        "n_events": n_rows,
        "left_out": dict(left_out),
        **{name: sum(record["facts"][name] for record in wide) for name in _COUNTS},
    }
    _check(summary, made, bool(patients))
    write_whole(about, json.dumps(summary | {"settings": _key_of(settings)}, indent=1))
    # larger than all else, and not needed again
    split.remove()
    people.remove()
    return _features(found, summary)


def finished_features(
    files: Sequence[Path], folder: Path, params: EventParams, secret: bytes, patients: Sequence[Path] = ()
) -> EventFeatures | None:
    """What an earlier call of :func:`event_features` with these arguments made; None where it did not end."""
    return _finished(Path(folder), _settings(files, params, secret, patients))


def _settings(
    files: Sequence[Path], params: EventParams, secret: bytes, patients: Sequence[Path]
) -> dict[str, Any]:
    try:
        import duckdb
        import pyarrow as pa
    except ImportError as error:
        raise ConfigurationError(
            "events need the extra 'scale'", remedy="pip install 'medanomaly[scale]'"
        ) from error
    return {
        "events": state_of(files),
        "patients": state_of(patients),
        "params": params.model_dump(mode="json"),
        # the key itself stays where it is
        "key": hashlib.sha256(hash_key(secret).encode()).hexdigest()[:16],
        "versions": [__version__, duckdb.__version__, pa.__version__, pd.__version__],
    }


def _finished(folder: Path, settings: Mapping[str, Any]) -> EventFeatures | None:
    found, about = Stage(folder / FEATURES, settings), folder / _SUMMARY
    if not about.is_file() or found.finished is None:
        return None
    summary = json.loads(about.read_text("utf-8"))
    return _features(found, summary) if summary["settings"] == _key_of(settings) else None


def _n_partitions(n_rows: int, rows: int) -> int:
    """At least some, so that few events keep several workers busy too; their number must not depend on the workers."""
    some = min(SOME_PARTITIONS, -(-n_rows // SOME_ROWS))
    return min(max(1, some, -(-n_rows // rows)), MOST_PARTITIONS)


def _check(summary: Mapping[str, Any], aggregates: Sequence[Mapping[str, Any]], has_table: bool) -> None:
    """Every event that was read is in a feature or was left out for a reason."""
    used, left = sum(part["facts"]["events"] for part in aggregates), sum(summary["left_out"].values())
    if used + left != summary["n_events"]:
        raise InputError(
            f"{summary['n_events']:,} events were read, {used:,} are in features and {left:,} were left out",
            source="events",
            remedy="The files changed while they were read. Start again.",
        )
    for reason, n in summary["left_out"].items():
        logger.warning("%s events were left out: %s", f"{n:,}", reason)
    if has_table and summary["not_in_table"] + summary["without_events"] == summary["patients"]:
        raise InputError(
            "no patient of the events is in the table of patients",
            source="patients",
            remedy="Write ids in the same way in both.",
        )


def _codes(aggregates: Sequence[Mapping[str, Any]], params: EventParams) -> tuple[str, ...]:
    """Codes that become features."""
    counts: Counter[str] = Counter()
    for part in aggregates:
        counts.update(part["facts"]["codes"])
    n_patients = sum(part["facts"]["patients"] for part in aggregates)
    if params.codes is not None:
        if absent := sorted(set(params.codes) - set(counts)):
            near = did_you_mean(absent[0], counts)
            raise InputError(
                f"no event has the code '{absent[0]}'", source="events", remedy=f"{near}Correct codes."
            )
        return params.codes
    codes = codes_of(counts, n_patients, params.min_share)
    if not codes:
        raise InputError(
            f"no code occurs in {params.min_share:.0%} of {n_patients:,} patients",
            source="events",
            remedy="Lower min_share, or name codes.",
        )
    return codes


def _features(found: Stage, summary: Mapping[str, Any]) -> EventFeatures:
    return EventFeatures(
        files=tuple(found.files(found.finished)),
        codes=tuple(summary["codes"]),
        n_events=summary["n_events"],
        left_out=dict(summary["left_out"]),
        n_patients=summary["patients"],
        without_events=summary["without_events"],
        not_in_table=summary["not_in_table"],
    )


def _key_of(settings: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
