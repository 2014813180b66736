"""A period of predictions: what came in, what was flagged, what has shifted, and how well the models do.

A period is read from the store. Raw cases of the period, where they are given, add what the store does not hold: columns,
subgroups, refused cases.
"""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.monitoring.drift_reference import (
    compared_columns,
)
from medanomaly.monitoring.params import MonitoringParams
from medanomaly.scoring.batch_sources import ROWS, parts
from medanomaly.scoring.kept_records import KeptRecords
from medanomaly.scoring.models import Models
from medanomaly.scoring.moments import moment_of
from medanomaly.scoring.period_figures import ModalityFigures, PeriodCases, PeriodWarning

if TYPE_CHECKING:
    from medanomaly.store.store import Store

# figures are written with so many digits, so that a period that is measured again gives the same bytes
_DIGITS = 10


def period_of(since: str, until: str, now: datetime | None = None) -> tuple[datetime, datetime]:
    """The two ends of a period in UTC; yesterday where none is named.

    Raises:
        ConfigurationError: one is missing, is no moment, or the end is not after the beginning.
    """
    if not since and not until:
        today = datetime.combine((now or datetime.now(UTC)).astimezone(UTC).date(), time(), UTC)
        return today - timedelta(days=1), today
    ends = [moment_of("since", since), moment_of("until", until)]
    if ends[1] <= ends[0]:
        raise ConfigurationError(f"the period ends at {until}, not after {since}", remedy="Turn them round.")
    return ends[0], ends[1]


def period_name(since: datetime, until: datetime) -> str:
    """As files are called: ``2026-11-01_2026-11-02``, with the time where it does not begin and end at midnight."""
    whole = all(moment.time() == time() for moment in (since, until))
    return "_".join(moment.strftime("%Y-%m-%d" if whole else "%Y-%m-%dT%H%M%S") for moment in (since, until))


def measure_period(models: Models, store: "Store", params: MonitoringParams) -> dict[str, Any]:
    """All figures of a period, as JSON types, and what of them crosses a limit.

    Args:
        models: whose predictions are looked at.
        store: of predictions.
        params: which period, which raw cases, which limits.

    Raises:
        ConfigurationError: the models come without a reference, or the period is none.
        InputError: the raw cases cannot be read at all.
    """
    since, until = period_of(params.since, params.until)
    known_by = moment_of("known_by", params.known_by) if params.known_by else None
    found = store.predictions(since=since, until=until, observed=params.by == "observed", known_by=known_by)
    read = _read(models, store, params) if params.source else {}
    out: dict[str, Any] = {
        "name": period_name(since, until),
        "since": since.isoformat(),
        "until": until.isoformat(),
        "modalities": [],
    }
    warnings: list[PeriodWarning] = []
    n_known = 0
    for modality in models.modalities:
        asked = models.asked(models.recipe(modality=modality))
        mine = found[found["model_hash"].isin([model.bundle.bundle_hash for model in asked])]
        n_known += len(mine)
        if len(mine) or modality in read:
            part = ModalityFigures(models, modality, mine, read.get(modality), params, store, since)
            out["modalities"].append(part.measure())
            warnings += part.warnings
    out["n_of_other_models"] = len(found) - n_known
    out["warnings"] = [{"key": one.key, "sentence": one.sentence} for one in warnings]
    return _plain(out)


def _read(models: Models, store: "Store", params: MonitoringParams) -> dict[str, PeriodCases]:
    """Modality -> raw cases of the period, part by part."""
    source = Path(params.source)
    recipe = models.recipe(str(source), params.modality)
    modality = recipe.bundle.manifest.modality
    kept = KeptRecords(store, recipe)
    cases, columns, facts = [], [], {}
    n_refused = n_findings = 0
    for part in parts(recipe, source, ROWS[modality]):
        n_refused += len(part.refused)
        if not len(part):
            continue
        raw, options = part.take(0, len(part))
        earlier = kept.earlier(raw)
        given = recipe.read(raw, **options, **({} if earlier is None else {"history": earlier}))
        n_refused += len(given.refused)
        n_findings += given.findings["case_id"].nunique()
        if not len(given.cases):
            continue
        every = np.arange(len(given.cases))
        cases.append(given.cases)
        columns.append(compared_columns(given.inputs, every))
        for name, data in given.inputs.items():
            if data.facts is not None:
                facts.setdefault(name, []).append(data.facts(every))
    if not cases:
        raise InputError("no case of it can be read", source=source, remedy="Score it first, which says why.")
    joined = {name: pd.concat(some, ignore_index=True) for name, some in facts.items()}
    return {
        modality: PeriodCases(
            pd.concat(cases, ignore_index=True),
            pd.concat(columns, ignore_index=True),
            joined,
            n_refused,
            n_findings,
        )
    }


def _plain(value: Any) -> Any:
    """JSON types: no NaN, and numbers of so many digits that every machine writes alike."""
    if isinstance(value, Mapping):
        return {str(key): _plain(of) for key, of in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(of) for of in value]
    if value is None or value is pd.NA:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None
    return str(value)


def previous_period(folder: Path, before: str) -> dict[str, Any] | None:
    """The last period that ended before this one began, or with its beginning; None where there is none.

    Args:
        folder: of written periods.
        before: beginning of this one, as in its figures.
    """
    begins = datetime.fromisoformat(before)
    found = [said for said in _written_periods(folder) if datetime.fromisoformat(said["until"]) <= begins]
    return max(found, key=lambda said: said["until"], default=None)


def later_periods(folder: Path, until: str) -> bool:
    """Whether a written period ends after this moment, which is given as in its figures."""
    ends = datetime.fromisoformat(until)
    return any(datetime.fromisoformat(said["until"]) > ends for said in _written_periods(folder))


def _written_periods(folder: Path) -> list[dict[str, Any]]:
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    return [said for said in found if "until" in said]


def changed_warnings(
    period: Mapping[str, Any], previous: Mapping[str, Any] | None
) -> tuple[list[dict], list[dict], list[dict]]:
    """Warnings that are new, that stood before as well, and that stood before and are gone."""
    then = {one["key"]: one for one in (previous or {}).get("warnings", [])}
    now = {one["key"]: one for one in period["warnings"]}
    return (
        [one for key, one in now.items() if key not in then],
        [one for key, one in now.items() if key in then],
        [one for key, one in then.items() if key not in now],
    )


def write_whole(path: Path, text: str) -> None:
    """Write a text file that has its name only once it is whole and on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    with beside.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(beside, path)
