"""OMOP CDM 5.3 and 5.4: a folder of CSV or Parquet files, a file of DuckDB, a database by its URL, or tables in memory.

The columns that are read have the same names in 5.3 and 5.4; a table or column that is not there counts as empty, except the
table ``person``. Where the source has the table ``concept``, events also go by the code of their vocabulary
(``LOINC/2823-3``), and units by their code. Source: https://ohdsi.github.io/CommonDataModel/cdm54.html.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medanomaly.core.errors import DataNotFoundError
from medanomaly.tabular.events.account import NOT_ASKED, QUARANTINED, USED, Account
from medanomaly.tabular.events.codes import NO_UNIT, units_of_concepts
from medanomaly.tabular.events.description import DEATH, EventSpec
from medanomaly.tabular.events.form import (
    NO_TIME,
    PATIENT_COLUMNS,
    UNKNOWN_PATIENT,
    VISIT_COLUMNS,
    EventPart,
    Events,
    birth_day,
    bound_of,
)
from medanomaly.tabular.events.readers.fhir import NOT_ASKED_CODE, TWICE, checked_visits
from medanomaly.tabular.events.readers.omop_database import (
    CONCEPT_COLUMNS,
    PERSON,
    PERSON_COLUMNS,
    TABLES,
    Database,
    Table,
    opened,
    readable,
)

NO_CONCEPT = "no standard concept (concept 0), and no feature names its source value"
_SEX = {8507: "M", 8532: "F"}
_VISITS = {9201: "inpatient", 262: "inpatient", 8717: "inpatient", 9202: "outpatient", 9203: "emergency"}


_OPERATOR = (
    "CASE {} WHEN 4171756 THEN '<' WHEN 4172704 THEN '>' WHEN 4171754 THEN '<=' WHEN 4171755 THEN '>=' END"
)
# "<5" as text, where there is no number
_BOUND = r"^\s*(<=|>=|<|>)\s*([0-9]+\.?[0-9]*)\s*$"


def read_omop(source: Mapping[str, pd.DataFrame] | str | Path, spec: EventSpec) -> Events:
    """Events of an OMOP database.

    Args:
        source: a folder with one CSV or Parquet file per table (or one folder of Parquet files per table), a file of
            DuckDB, the URL of a database as SQLAlchemy takes it, or table -> rows.
        spec: the recipe; concepts that it does not name are counted and left out.

    Raises:
        DataNotFoundError: there is no such folder or file, or no table ``person`` in it.
        InputError: a file cannot be read as a table.
        ConfigurationError: DuckDB, or SQLAlchemy for a URL, is not installed.
    """
    with opened(source) as database:
        return _read(database, spec)


def omop_parts(source: Any, spec: EventSpec, patients: int) -> Iterator[EventPart]:
    """The same, so many patients at a time; a database of a URL is copied once.

    Args:
        source: as of :func:`read_omop`.
        spec: the recipe.
        patients: of a part.

    Raises:
        DataNotFoundError, InputError, ConfigurationError: as of :func:`read_omop`.
    """
    with opened(source) as database:
        for low, high in _ranges(database, patients):
            database.low, database.high = low, high
            yield EventPart(_read(database, spec))


def _read(database: Database, spec: EventSpec) -> Events:
    account = Account()
    with readable(database):
        patients = _patients(database, account)
        visits = _visits(database, spec, account)
        parts = [
            _events(database, name, spec, patients, account) for name in TABLES if name in database.columns
        ]
    return Events(_together(parts), patients, visits, account)


def _ranges(database: Database, patients: int) -> Iterator[tuple[int | None, int | None]]:
    """From which id on, and before which, the patients of each part are."""
    with readable(database):
        person = database.cast(PERSON, "person_id", "BIGINT")
        ids = database.frame(
            f'SELECT DISTINCT {person} AS id FROM "{PERSON}" WHERE {person} IS NOT NULL ORDER BY id'
        )
    starts = ids["id"].tolist()[patients::patients]
    # whoever is in no table of persons is in some part, too, so that every event is counted
    return zip([None, *starts], [*starts, None], strict=True)


def _patients(database: Database, account: Account) -> pd.DataFrame:
    columns = ", ".join(
        f"{database.cast(PERSON, name, 'TIMESTAMP' if name == 'birth_datetime' else 'BIGINT')} AS {name}"
        for name in PERSON_COLUMNS
    )
    table = database.frame(f"SELECT {columns} FROM {database.rows(PERSON)} ORDER BY ALL")
    account.read(PERSON, len(table))
    lost = table["person_id"].isna() | table["person_id"].duplicated()
    account.add(PERSON, QUARANTINED, TWICE, n=int(lost.sum()))
    table = table[~lost].reset_index(drop=True)
    account.add(PERSON, USED, n=len(table))
    birth = table["birth_datetime"].astype("datetime64[us]")
    parts = table.loc[birth.isna(), ["year_of_birth", "month_of_birth", "day_of_birth"]]
    birth[birth.isna()] = pd.Series(
        [birth_day(*row) for row in parts.itertuples(index=False)], index=parts.index, dtype="datetime64[us]"
    )
    return pd.DataFrame(
        {
            "patient_id": table["person_id"].astype("int64").astype(str).astype(object),
            "sex": table["gender_concept_id"].map(_SEX).astype("string"),
            "birth": birth,
        }
    )[list(PATIENT_COLUMNS)]


def _visits(database: Database, spec: EventSpec, account: Account) -> pd.DataFrame:
    name = "visit_occurrence"
    if name not in database.columns:
        if spec.cases == "visit":
            raise DataNotFoundError(
                "there is no table 'visit_occurrence', and cases are visits",
                source=database.name,
                remedy="Give the table, or set cases: patient.",
            )
        return checked_visits(pd.DataFrame(columns=list(VISIT_COLUMNS)), name, account)

    def time(of: str) -> str:
        at = database.cast(name, f"visit_{of}_datetime", "VARCHAR")
        return f"coalesce({at}, {database.cast(name, f'visit_{of}_date', 'VARCHAR')})"

    table = database.frame(
        f"""SELECT v.person, {time("start")} AS "start", {time("end")} AS "end", v.concept FROM
        (SELECT *, {database.cast(name, "person_id", "BIGINT")} AS person,
        {database.cast(name, "visit_concept_id", "BIGINT")} AS concept FROM {database.rows(name)}) v
        SEMI JOIN (SELECT {database.cast(PERSON, "person_id", "BIGINT")} AS person FROM {database.rows(PERSON)}) p
        ON v.person = p.person"""
    )
    n = database.connection.execute(f"SELECT count(*) FROM {database.rows(name)}").fetchone()[0]
    account.read(name, n - len(table))
    account.add(name, QUARANTINED, UNKNOWN_PATIENT, n=n - len(table))
    visits = pd.DataFrame(
        {
            "patient_id": table["person"].astype("int64").astype(str).astype(object),
            "start": table["start"],
            "end": table["end"],
            "kind": table["concept"].map(_VISITS).fillna("other"),
        }
    )
    return checked_visits(visits, name, account)


def _events(
    database: Database, name: str, spec: EventSpec, patients: pd.DataFrame, account: Account
) -> pd.DataFrame | None:
    of, cast = TABLES[name], database.cast

    def column(what: str, kind: str) -> str:
        return cast(name, what, kind) if what else f"CAST(NULL AS {kind})"

    operator = _OPERATOR.format(column(of.operator, "BIGINT"))
    text, number = column(of.text, "VARCHAR"), column(of.value, "DOUBLE")
    base = f"""(SELECT {cast(name, "person_id", "BIGINT")} AS person,
        coalesce({column(of.concept, "BIGINT")}, 0) AS concept,
        CASE WHEN coalesce({column(of.concept, "BIGINT")}, 0) = 0 THEN {column(of.source, "VARCHAR")} END AS origin,
        coalesce({column(of.unit, "BIGINT")}, 0) AS unit, {column(of.unit_source, "VARCHAR")} AS unit_text,
        coalesce({operator}, CASE WHEN {number} IS NULL THEN regexp_extract({text}, '{_BOUND}', 1) END, '') AS mark,
        coalesce({number}, TRY_CAST(regexp_extract({text}, '{_BOUND}', 2) AS DOUBLE)) AS value,
        {column(of.at, "TIMESTAMP")} AS at, {column(of.day, "DATE")} AS day FROM {database.rows(name)})"""
    keys = ("concept", "origin", "unit", "unit_text", "mark")
    kinds = database.frame(f"SELECT {', '.join(keys)}, count(*) AS n FROM {base} GROUP BY ALL ORDER BY ALL")
    account.read(name, int(kinds["n"].sum()))
    codes = _codes(database, kinds, of, spec)
    named = pd.Series([code is not None for code in codes], index=kinds.index, dtype=bool)
    nothing = (kinds["concept"] == 0) & (of.concept != "") & ~named
    account.add(name, QUARANTINED, NO_CONCEPT, n=int(kinds.loc[nothing, "n"].sum()))
    account.add(name, NOT_ASKED, NOT_ASKED_CODE, n=int(kinds.loc[~named & ~nothing, "n"].sum()))
    kinds = kinds[named].reset_index(drop=True)
    if kinds.empty:
        return None
    codes = [code for code in codes if code is not None]
    connection = database.connection
    connection.register("kinds", kinds.assign(kind=np.arange(len(kinds), dtype=np.int32)))
    people = pd.DataFrame(
        {"person": patients["patient_id"].astype("int64"), "who": np.arange(len(patients), dtype=np.int32)}
    )
    connection.register("people", people)
    same = " AND ".join(f"b.{key} IS NOT DISTINCT FROM k.{key}" for key in keys)
    # by convention midnight stands for a time of day that is not known
    found = connection.execute(
        f"""SELECT coalesce(p.who, -1) AS who, k.kind AS kind, b.value AS value,
        coalesce(b.at, CAST(b.day AS TIMESTAMP)) AS time,
        b.at IS NULL OR b.at = date_trunc('day', b.at) AS by_day
        FROM {base} b JOIN kinds k ON {same} LEFT JOIN people p ON b.person = p.person"""
    ).fetchnumpy()
    connection.unregister("kinds")
    connection.unregister("people")
    return _as_events(found, kinds, codes, _units(database, kinds), name, patients, account)


def _as_events(found, kinds, codes, units, name, patients, account: Account) -> pd.DataFrame:
    def of_kind(values: list[str]) -> pd.Categorical:
        number, levels = pd.factorize(pd.Index(values, dtype=object))
        return pd.Categorical.from_codes(number[np.asarray(found["kind"])], categories=levels)

    value, time = found["value"], found["time"]
    who = np.asarray(found["who"], dtype=np.int32)
    events = pd.DataFrame(
        {
            "patient_id": pd.Categorical.from_codes(who, categories=pd.Index(patients["patient_id"])),
            "time": np.ma.filled(time, np.datetime64("NaT")).astype("datetime64[us]"),
            "by_day": np.ma.filled(found["by_day"], False).astype(bool),
            "code": of_kind(codes),
            "value": np.ma.filled(np.ma.asarray(value, dtype="float64"), np.nan),
            "unit": of_kind(units),
            "problem": of_kind([bound_of(mark) if mark else "" for mark in kinds["mark"]]),
            "source": pd.Categorical.from_codes(np.zeros(len(who), dtype=np.int8), categories=[name]),
        },
        copy=False,
    )
    known, dated = who >= 0, events["time"].notna().to_numpy()
    account.add_each(events[~known], QUARANTINED, UNKNOWN_PATIENT)
    account.add_each(events[known & ~dated], QUARANTINED, NO_TIME)
    good = known & dated
    return events if good.all() else events[good].reset_index(drop=True)


def _codes(database: Database, kinds: pd.DataFrame, of: Table, spec: EventSpec) -> list[str | None]:
    """The name of each kind in the recipe; None where the recipe does not ask for it."""
    if not of.concept:
        return [DEATH if DEATH in spec.meanings else None] * len(kinds)
    vocabulary = _concepts(database, kinds["concept"])
    out: list[str | None] = []
    for concept, origin in zip(kinds["concept"].tolist(), kinds["origin"].tolist(), strict=True):
        names = [f"SOURCE/{origin}"] if concept == 0 else [f"OMOP/{concept}"]
        if concept and concept in vocabulary.index:
            system, code = vocabulary.loc[concept]
            names.append(f"{system}/{code}")
        out.append(next((name for name in names if name in spec.meanings), None))
    return out


def _units(database: Database, kinds: pd.DataFrame) -> list[str]:
    """The unit of each kind as text: of its concept, else as the source wrote it."""
    known, vocabulary = units_of_concepts(), _concepts(database, kinds["unit"])
    out = []
    for concept, text in zip(kinds["unit"].tolist(), kinds["unit_text"].tolist(), strict=True):
        written = "" if text is None or pd.isna(text) else str(text).strip()
        if concept in known:
            out.append(known[concept])
        elif concept and concept in vocabulary.index:
            out.append(str(vocabulary.loc[concept, "concept_code"]))
        elif concept and written.lower() in NO_UNIT:
            out.append(f"concept {concept}")
        else:
            out.append(written)
    return out


def _concepts(database: Database, wanted: pd.Series) -> pd.DataFrame:
    """Vocabulary and code of concepts, as far as the source has them."""
    if "concept" not in database.columns:
        return pd.DataFrame(columns=list(CONCEPT_COLUMNS)).set_index("concept_id")
    numbers = sorted({int(one) for one in wanted if one}) or [0]
    table = database.frame(
        f"""SELECT {database.cast("concept", "concept_id", "BIGINT")} AS concept_id, vocabulary_id, concept_code
        FROM "concept" WHERE {database.cast("concept", "concept_id", "BIGINT")} IN ({", ".join(map(str, numbers))})"""
    )
    return table.drop_duplicates("concept_id").set_index("concept_id")


def _together(parts: list[pd.DataFrame | None]) -> pd.DataFrame:
    """Events of all tables, with categories that they share."""
    found = [part for part in parts if part is not None]
    if not found:
        from medanomaly.tabular.events.form import no_events

        return no_events()
    if len(found) == 1:
        return found[0]
    columns = {}
    for name in found[0].columns:
        if isinstance(found[0][name].dtype, pd.CategoricalDtype):
            columns[name] = pd.api.types.union_categoricals([part[name] for part in found])
        else:
            columns[name] = np.concatenate([part[name].to_numpy() for part in found])
    return pd.DataFrame(columns, copy=False)
