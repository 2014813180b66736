"""Events in any of their formats; what it is, the files say."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from medanomaly.core.errors import ConfigurationError, DataNotFoundError
from medanomaly.tabular.events.account import Account
from medanomaly.tabular.events.description import EventSpec
from medanomaly.tabular.events.form import EventPart, Events, no_patient, sliced
from medanomaly.tabular.events.readers.csv_folder import EVENTS_FILE, read_csv_folder
from medanomaly.tabular.events.readers.fhir import ENDINGS as FHIR_ENDINGS
from medanomaly.tabular.events.readers.fhir import read_fhir
from medanomaly.tabular.events.readers.fhir_parts import fhir_parts
from medanomaly.tabular.events.readers.meds import meds_parts, read_meds
from medanomaly.tabular.events.readers.omop import omop_parts, read_omop
from medanomaly.tabular.events.readers.omop_database import PERSON

READERS = {"omop": read_omop, "fhir": read_fhir, "meds": read_meds, "csv": read_csv_folder}
PARTS = {"omop": omop_parts, "fhir": fhir_parts, "meds": meds_parts}
DATABASES = (".duckdb", ".ddb")


@dataclass(frozen=True)
class EventSource:
    """Where events are.

    Attributes:
        place: the path of a file or a folder, the URL of a database, or what a reader takes.
        form: ``omop``, ``fhir``, ``meds`` or ``csv``; None finds out.
    """

    place: Any
    form: str | None = None


def read_events(source: Any, spec: EventSpec) -> Events:
    """Events of a source in any format.

    Args:
        source: an :class:`EventSource`, or its place.
        spec: the recipe.

    Raises:
        ConfigurationError: it is in none of the formats, or the form that is named does not exist.
        DataNotFoundError: there is nothing at this path.
    """
    given, form = _known(source)
    return READERS[form](given.place, spec)


def event_parts(source: Any, spec: EventSpec, patients: int | None) -> Iterator[EventPart]:
    """Events of a source in any format, so many patients at a time, each with all events.

    MEDS, OMOP, and FHIR in folders or with one resource per line are never in memory as a whole; one JSON document of FHIR,
    tables in memory, and a folder of CSV files are.

    Args:
        source: an :class:`EventSource`, or its place.
        spec: the recipe.
        patients: of a part; None: all.

    Raises:
        ConfigurationError, DataNotFoundError: as of :func:`read_events`.
        InputError: the source cannot be read, a file cannot that may hold events of everybody, or there is no patient.
    """
    given, form = _known(source)
    parts = (
        sliced(READERS[form](given.place, spec), patients)
        if patients is None or form not in PARTS
        else PARTS[form](given.place, spec, patients)
    )
    anybody, accounts = False, []
    for part in parts:
        yield part
        if not anybody and part.events is not None:
            anybody = len(part.events.patients) > 0
            accounts.append(part.events.account.table)
    if not anybody:
        raise no_patient(Account.of(*accounts))


def _known(source: Any) -> tuple[EventSource, str]:
    given = source if isinstance(source, EventSource) else EventSource(source)
    form = given.form or form_of(given.place)
    if form is None and isinstance(given.place, (str, Path)) and not Path(given.place).exists():
        raise DataNotFoundError(
            "there is nothing at this path", source=given.place, remedy="Correct the path of the events."
        )
    if form not in READERS:
        raise ConfigurationError(
            f"there is no format '{form}'" if form else "it is in no format of events",
            source=given.place if isinstance(given.place, (str, Path)) else type(given.place).__name__,
            remedy="Give a folder or a database of OMOP, a file or a folder of FHIR, a folder of MEDS, or a folder with "
            f"{EVENTS_FILE}; form: {', '.join(READERS)} says which it is.",
        )
    return given, form


def form_of(place: Any) -> str | None:
    """The format of a source, by names of files and resources; None where it is none."""
    if isinstance(place, Mapping):
        if isinstance(place.get("resourceType"), str):
            return "fhir"
        tables = place and all(isinstance(table, pd.DataFrame) for table in place.values())
        return "omop" if tables and PERSON in {str(name).lower() for name in place} else None
    if isinstance(place, (str, Path)):
        return _form_of_path(str(place))
    many = isinstance(place, Sequence) and not isinstance(place, bytes) and len(place) > 0
    return "fhir" if many and all(form_of(one) == "fhir" for one in place) else None


def _form_of_path(place: str) -> str | None:
    name = place.lower()
    if "://" in name or name.endswith(DATABASES):
        return "omop"
    if name.endswith(FHIR_ENDINGS):
        return "fhir"
    path = Path(place)
    inside = {one.name.lower() for one in path.iterdir()} if path.is_dir() else set()
    found = {
        "omop": {PERSON, f"{PERSON}.csv", f"{PERSON}.parquet", f"{PERSON}.csv.gz"} & inside,
        "csv": EVENTS_FILE in inside,
        "meds": inside and any((path / "data").rglob("*.parquet")),
        "fhir": any(one.endswith(FHIR_ENDINGS) for one in inside),
    }
    return next((form for form, is_it in found.items() if is_it), None)
