"""The tables of OMOP from wherever they are, as views of DuckDB: files, a database by its URL, tables in memory."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from medanomaly.core.errors import ConfigurationError, DataNotFoundError, InputError

if TYPE_CHECKING:
    import duckdb

PERSON = "person"
_ROWS = 200_000


class Table(NamedTuple):
    """Names of the columns of a table of events; empty where it has no such column."""

    concept: str
    source: str
    day: str
    at: str
    value: str = ""
    unit: str = ""
    unit_source: str = ""
    operator: str = ""
    text: str = ""


def _plain(name: str, time: str) -> Table:
    return Table(f"{name}_concept_id", f"{name}_source_value", f"{time}_date", f"{time}_datetime")


TABLES = {
    "measurement": Table(
        "measurement_concept_id", "measurement_source_value", "measurement_date", "measurement_datetime",
        "value_as_number", "unit_concept_id", "unit_source_value", "operator_concept_id", "value_source_value",
    ),
    "observation": Table(
        "observation_concept_id", "observation_source_value", "observation_date", "observation_datetime",
        "value_as_number", "unit_concept_id", "unit_source_value", "", "value_as_string",
    ),
    "condition_occurrence": _plain("condition", "condition_start"),
    "drug_exposure": _plain("drug", "drug_exposure_start"),
    "procedure_occurrence": _plain("procedure", "procedure"),
    "death": Table("", "", "death_date", "death_datetime"),
}  # fmt: skip
_VISIT_COLUMNS = (
    "person_id", "visit_concept_id", "visit_start_date", "visit_start_datetime", "visit_end_date",
    "visit_end_datetime",
)  # fmt: skip
PERSON_COLUMNS = (
    "person_id", "gender_concept_id", "year_of_birth", "month_of_birth", "day_of_birth", "birth_datetime",
)  # fmt: skip
CONCEPT_COLUMNS = ("concept_id", "vocabulary_id", "concept_code")
_USED_COLUMNS = {
    PERSON: PERSON_COLUMNS,
    "visit_occurrence": _VISIT_COLUMNS,
    "concept": CONCEPT_COLUMNS,
    **{name: ("person_id", *filter(None, of)) for name, of in TABLES.items()},
}


@contextmanager
def readable(database: "Database") -> Iterator[None]:
    """Errors of a query name the source.

    Raises:
        DataNotFoundError: there is no table ``person``.
        InputError: a table cannot be read.
    """
    if PERSON not in database.columns:
        raise DataNotFoundError(
            "there is no table 'person'",
            source=database.name,
            remedy="Give the folder, the file or the database that holds the tables of OMOP CDM 5.3 or 5.4.",
        )
    try:
        yield
    except database.Error as error:
        raise InputError(
            f"a table cannot be read: {_short(error)}", source=database.name, remedy="Correct the file."
        ) from error


def _short(error: Exception) -> str:
    return str(error).splitlines()[0]


class Database:
    """Tables of OMOP as views of DuckDB.

    Attributes:
        columns: table -> names of its columns, in lower case.
        name: of the source, in messages.
        low, high: rows of persons with an id from ``low`` on and below ``high`` are read; None: no such limit.
    """

    low: int | None = None
    high: int | None = None

    def __init__(self, connection: "duckdb.DuckDBPyConnection", name: object):
        import duckdb

        self.connection, self.name, self.Error = connection, name, duckdb.Error
        self.columns: dict[str, set[str]] = {}

    def describe(self, table: str) -> None:
        """Note the columns of a table, which from now on is there."""
        found = self.connection.execute(f'SELECT * FROM "{table}" LIMIT 0').description
        self.columns[table] = {column[0].lower() for column in found}

    def cast(self, table: str, column: str, of: str) -> str:
        """SQL of a column as a type; what does not fit the type, and a column that is not there, is NULL."""
        return f'TRY_CAST("{column}" AS {of})' if column in self.columns[table] else f"CAST(NULL AS {of})"

    def rows(self, table: str) -> str:
        """SQL of the rows of a table that are read; rows without a person are in the first part."""
        person = self.cast(table, "person_id", "BIGINT")
        limits = [
            *([] if self.low is None else [f"{person} >= {self.low}"]),
            *([] if self.high is None else [f"coalesce({person} < {self.high}, {self.low is None})"]),
        ]
        return f'(SELECT * FROM "{table}" WHERE {" AND ".join(limits)})' if limits else f'"{table}"'

    def frame(self, sql: str) -> pd.DataFrame:
        """The result of a query."""
        return self.connection.execute(sql).df()


@contextmanager
def opened(source: Any) -> Iterator[Database]:
    """The tables of a source, which are closed at the end.

    Raises:
        ConfigurationError: DuckDB or SQLAlchemy is not installed.
        DataNotFoundError: there is no such file or folder.
        InputError: the source cannot be read.
    """
    try:
        import duckdb
    except ImportError as error:
        raise ConfigurationError(
            "OMOP is read by DuckDB, which is not installed", remedy="pip install 'medanomaly[interchange]'."
        ) from error
    with tempfile.TemporaryDirectory(prefix="medanomaly-") as folder:
        if isinstance(source, (str, Path)) and Path(source).is_file():
            try:
                connection = duckdb.connect(str(source), read_only=True)
            except duckdb.Error as error:
                raise InputError(f"it is no file of DuckDB: {_short(error)}", source=source) from error
        else:
            connection = duckdb.connect()
        try:
            connection.execute(f"SET temp_directory = '{folder}'")
            # it would stand between the lines of a command
            connection.execute("SET enable_progress_bar = false")
            # events are put in order later
            connection.execute("SET preserve_insertion_order = false")
            database = Database(connection, "tables" if isinstance(source, Mapping) else source)
            _add_tables(database, source)
            yield database
        finally:
            connection.close()


def _add_tables(database: Database, source: Any) -> None:
    connection = database.connection
    if isinstance(source, Mapping):
        for name, table in source.items():
            if name.lower() in _USED_COLUMNS:
                connection.register(name.lower(), table)
                database.describe(name.lower())
    elif "://" in str(source):
        _copy_from_url(database, str(source))
    elif Path(source).is_file():
        for (name,) in connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema <> 'information_schema'"
        ).fetchall():
            if name.lower() in _USED_COLUMNS:
                database.describe(name.lower())
    elif Path(source).is_dir():
        _add_files(database, Path(source))
    else:
        raise DataNotFoundError(
            "there is no such file or folder", source=source, remedy="Correct the path of the OMOP tables."
        )


def _add_files(database: Database, folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        name = path.name.lower().partition(".")[0]
        if name not in _USED_COLUMNS or name in database.columns:
            continue
        if path.is_dir():
            made = f"read_parquet({_quoted(path / '**' / '*.parquet')})"
        elif path.name.lower().endswith(".parquet"):
            made = f"read_parquet({_quoted(path)})"
        elif path.name.lower().endswith((".csv", ".csv.gz", ".tsv", ".txt")):
            made = _of_csv(database, path)
        else:
            continue
        try:
            database.connection.execute(f'CREATE TEMP VIEW "{name}" AS SELECT * FROM {made}')
            database.describe(name)
        except database.Error as error:
            raise InputError(f"it is no table: {_short(error)}", source=path) from error


def _of_csv(database: Database, path: Path) -> str:
    import gzip

    opener = gzip.open if path.name.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8", errors="replace") as file:
        head = file.readline()
    # files of Athena have tabs, and quotes that mean nothing
    tabs = head.count("\t") > head.count(",")
    mark = "delim='\t', quote=''" if tabs else "delim=',', quote='\"'"
    return f"read_csv({_quoted(path)}, header=true, all_varchar=true, {mark})"


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _copy_from_url(database: Database, url: str) -> None:
    """The columns that are read, part by part: a server needs no extension of DuckDB."""
    try:
        import sqlalchemy as sa
    except ImportError as error:
        raise ConfigurationError(
            "a database is read by SQLAlchemy, which is not installed",
            remedy="pip install 'medanomaly[interchange,store]'.",
        ) from error
    try:
        at = sa.engine.make_url(url)
        database.name = at.render_as_string(hide_password=True)
        engine = sa.create_engine(at)
        inspector = sa.inspect(engine)
        schemas = [None, *inspector.get_schema_names()]
        tables: dict[str, str] = {}
        schema = None
        for schema in schemas:
            tables = {name.lower(): name for name in inspector.get_table_names(schema)}
            if PERSON in tables:
                break
        with engine.connect().execution_options(stream_results=True) as connection:
            for name in set(tables) & set(_USED_COLUMNS):
                found = inspector.get_columns(tables[name], schema)
                wanted = [c["name"] for c in found if c["name"].lower() in _USED_COLUMNS[name]]
                selected = sa.select(*map(sa.column, wanted)).select_from(
                    sa.table(tables[name], schema=schema)
                )
                for i, part in enumerate(pd.read_sql(selected, connection, chunksize=_ROWS)):
                    database.connection.register("part", part.rename(columns=str.lower).astype("string"))
                    database.connection.execute(
                        f'INSERT INTO "{name}" SELECT * FROM part' if i
                        else f'CREATE TEMP TABLE "{name}" AS SELECT * FROM part'
                    )  # fmt: skip
                    database.connection.unregister("part")
                database.describe(name)
        engine.dispose()
    except sa.exc.SQLAlchemyError as error:
        raise InputError(
            f"the database cannot be read: {type(error).__name__}",
            source=database.name,
            remedy="Check the URL, the driver, and whether the tables may be read.",
        ) from error
