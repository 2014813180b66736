"""A folder of three CSV files: ``patients.csv``, ``visits.csv`` and ``events.csv``.

``patients.csv``: ``patient_id, sex (F or M), birth``. ``visits.csv``: ``patient_id, start, end, kind``; it is needed for
cases that are visits. ``events.csv``: ``patient_id, time, code, value, unit``, with codes as the recipe writes them.
Times are as in ISO 8601."""

from pathlib import Path

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.tabular.events.account import NOT_ASKED, QUARANTINED, USED, Account
from medanomaly.tabular.events.description import VISITS, EventSpec
from medanomaly.tabular.events.form import (
    NO_CODE,
    PATIENT_COLUMNS,
    TEXT_VALUE,
    VISIT_COLUMNS,
    Events,
    birth_day,
    bound_of,
    of_known_patients,
    timed,
)
from medanomaly.tabular.events.readers.fhir import NOT_ASKED_CODE, TWICE, checked_visits
from medanomaly.tabular.table.files import read_table

EVENTS_FILE, PATIENTS_FILE, VISITS_FILE = "events.csv", "patients.csv", "visits.csv"
_SEX = {"f": "F", "female": "F", "m": "M", "male": "M"}


def read_csv_folder(source: str | Path, spec: EventSpec) -> Events:
    """Events of a folder of CSV files.

    Args:
        source: the folder.
        spec: the recipe; codes that it does not name are counted and left out.

    Raises:
        DataNotFoundError: a file is not there.
        InputError: a column is missing.
    """
    folder, account = Path(source), Account()
    patients = _patients(folder, account)
    visits = pd.DataFrame(columns=list(VISIT_COLUMNS))
    if spec.cases == "visit":
        visits = _table(folder / VISITS_FILE, VISIT_COLUMNS)
        kind = visits["kind"].str.lower().where(visits["kind"].str.lower().isin(VISITS), "other")
        known = visits["patient_id"].isin(patients["patient_id"])
        visits = visits.assign(patient_id=visits["patient_id"].where(known), kind=kind)
    visits = checked_visits(visits, VISITS_FILE, account)
    return Events(_events(folder, spec, patients, account), patients, visits, account)


def _table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    table = read_table(path).astype(object)
    if missing := [name for name in columns if name not in table]:
        raise InputError(
            f"columns {missing} are missing", remedy=f"It has to have {list(columns)}.", source=path
        )
    return table[list(columns)]


def _patients(folder: Path, account: Account) -> pd.DataFrame:
    table = _table(folder / PATIENTS_FILE, PATIENT_COLUMNS)
    account.read(PATIENTS_FILE, len(table))
    again = table["patient_id"].duplicated() | table["patient_id"].isna()
    account.add(PATIENTS_FILE, QUARANTINED, TWICE, n=int(again.sum()))
    table = table[~again].reset_index(drop=True)
    account.add(PATIENTS_FILE, USED, n=len(table))
    birth = [birth_day(*str(one)[:10].split("-")) if pd.notna(one) else pd.NaT for one in table["birth"]]
    return table.assign(
        sex=table["sex"].str.lower().map(_SEX).astype("string"),
        birth=pd.Series(birth, index=table.index, dtype="datetime64[us]"),
    )


def _events(folder: Path, spec: EventSpec, patients: pd.DataFrame, account: Account) -> pd.DataFrame:
    columns = ("patient_id", "time", "code", "value", "unit")
    events = _table(folder / EVENTS_FILE, columns).assign(source=EVENTS_FILE)
    account.read(EVENTS_FILE, len(events))
    named, asked = events["code"].notna(), events["code"].isin(list(spec.meanings))
    account.add(EVENTS_FILE, QUARANTINED, NO_CODE, n=int((~named).sum()))
    account.add(EVENTS_FILE, NOT_ASKED, NOT_ASKED_CODE, n=int((named & ~asked).sum()))
    events = events[asked].reset_index(drop=True)
    written = events["value"].astype("string").str.strip().fillna("")
    parts = written.str.extract(r"^(<=|>=|<|>)?\s*(.*)$")
    value = pd.to_numeric(parts[1], errors="coerce").astype("float64")
    mark = parts[0].fillna("")
    problem = np.where(value.isna() & (written != ""), TEXT_VALUE, "")
    problem = np.where((mark != "") & value.notna(), mark.map(bound_of), problem)
    events = events.assign(value=value, problem=problem, unit=events["unit"].fillna(""))
    for name in ("code", "unit", "problem", "source"):
        events[name] = events[name].astype(object).astype("category")
    return timed(of_known_patients(events, patients, account), account)
