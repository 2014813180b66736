import re
from pathlib import Path

import pytest
import sqlalchemy as sa
import sqlglot
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.dialects.oracle.base import RESERVED_WORDS
from sqlalchemy.dialects.oracle.oracledb import dialect as oracle_dialect
from sqlalchemy.schema import CreateIndex, CreateTable
from tests.store.answers import KEY, answers

import medanomaly.store
from medanomaly.core.errors import ConfigurationError
from medanomaly.store import raw_records, truths
from medanomaly.store import store as whole
from medanomaly.store.database import head_revision, migrate, migration_sql, open_engine, revision_of
from medanomaly.store.schema import metadata
from medanomaly.store.store import Store
from medanomaly.store.upsert import Upsert

both = pytest.mark.parametrize("new_database", ["sqlite", "postgresql"], indirect=True)
# words that Oracle keeps for itself or gives a meaning in a query, beyond the list of SQLAlchemy
MORE_WORDS = {
    "access", "audit", "cluster", "column", "comment", "compress", "date", "exclusive", "file", "identified", "increment",
    "initial", "level", "lock", "long", "maxextents", "minus", "mode", "modify", "noaudit", "nowait", "number", "offline",
    "online", "option", "pctfree", "prior", "raw", "resource", "row", "rowid", "rownum", "session", "share", "size", "start",
    "successful", "synonym", "sysdate", "uid", "user", "validate", "varchar2", "whenever",
}  # fmt: skip
LIMIT = 30
UPSERTS = [
    made for part in (whole, truths, raw_records) for made in vars(part).values() if isinstance(made, Upsert)
]


@both
def test_tables_go_up_down_and_up_again(new_database):
    engine = open_engine(new_database)
    for revision, tables in (("head", len(metadata.tables)), ("base", 0), ("head", len(metadata.tables))):
        migrate(engine, revision)
        with engine.begin() as connection:
            assert len(set(sa.inspect(connection).get_table_names()) - {"alembic_version"}) == tables
            assert revision_of(connection) == (head_revision() if tables else None)
    engine.dispose()
    with Store.open(new_database, key=KEY) as store:
        assert store.record(answers()) == 10
        assert store.verify().whole


@both
def test_migrations_make_the_tables_that_the_code_describes(new_database):
    engine = open_engine(new_database)
    migrate(engine)
    with engine.begin() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_tables_of_a_later_version_are_left_alone(new_database):
    engine = open_engine(new_database)
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(ConfigurationError, match="revision 9999"):
        Store.open(new_database, key=KEY)


@pytest.mark.parametrize("new_database", ["sqlite"], indirect=True)
def test_sqlite_keeps_what_is_committed_and_checks_foreign_keys(store):
    with store.engine.begin() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 60_000}
    with pytest.raises(sa.exc.IntegrityError):
        with store.engine.begin() as connection:
            connection.exec_driver_sql(
                "INSERT INTO explanation (prediction_id, place, feature) VALUES ('x', 1, 'y')"
            )


# Oracle: what can be checked without a server


def oracle():
    made = oracle_dialect()
    # the oldest version that is supported; a newer one would be given types that it lacks
    made.server_version_info = (19, 0)
    return made


def oracle_tables():
    tables = [str(CreateTable(table).compile(dialect=oracle())) for table in metadata.sorted_tables]
    indexes = [index for table in metadata.sorted_tables for index in table.indexes]
    return [*tables, *(str(CreateIndex(index).compile(dialect=oracle())) for index in indexes)]


def oracle_statements():
    assert len(UPSERTS) == 6
    return {made.table.name: str(made.compile(dialect=oracle())) for made in UPSERTS}


def checked_types(sql):
    assert not re.search(r"\bBOOLEAN\b|\bJSON\b", sql)
    assert not re.search(r"VARCHAR2?(?!2?\(\d+ CHAR\))\b", sql)
    # DATE would drop the zone and the fraction of a second
    assert not re.search(r"\bDATE\b", sql)
    assert sql.count("TIMESTAMP") == sql.count("TIMESTAMP WITH TIME ZONE")
    assert '"' not in sql


def test_every_type_of_oracle_keeps_what_it_is_given():
    every = "\n".join(oracle_tables())
    checked_types(every)
    assert every.count("TIMESTAMP WITH TIME ZONE") == 7
    assert every.count("BINARY_DOUBLE") == 9
    assert "CLOB" in every


def test_names_fit_oracle():
    names = {
        name
        for table in metadata.sorted_tables
        for name in (
            table.name,
            *table.columns.keys(),
            *(constraint.name for constraint in table.constraints),
            *(index.name for index in table.indexes),
        )
    }
    assert None not in names
    assert max(map(len, names)) <= LIMIT
    assert not names & ({word.lower() for word in RESERVED_WORDS} | MORE_WORDS)


@pytest.mark.parametrize("table", sorted(made.table.name for made in UPSERTS))
def test_a_merge_of_oracle_binds_every_value(table):
    sql = oracle_statements()[table]
    columns = list(metadata.tables[table].columns.keys())
    assert re.findall(r":(\w+)", sql) == columns
    # no text and no number stands in it
    assert "'" not in sql
    assert not re.search(r"(?<![\w:])\d", sql)
    parsed = sqlglot.parse_one(sql, read="oracle")
    assert isinstance(parsed, sqlglot.exp.Merge)
    assert {key.name for key in metadata.tables[table].primary_key} == {
        column.name for column in parsed.args["on"].find_all(sqlglot.exp.Column)
    }
    assert ("WHEN MATCHED" in sql) == (table == "ground_truth")


def test_the_migrations_of_oracle_are_written_without_a_server():
    sql = migration_sql("oracle")
    checked_types(sql)
    made = re.findall(r"CREATE TABLE (\w+)", sql)
    assert set(made) == {*metadata.tables, "alembic_version"}
    assert "CREATE OR REPLACE TRIGGER audit_event_no_change" in sql
    names = re.findall(r"(?:TABLE|INDEX|CONSTRAINT|TRIGGER) (\w+)", sql)
    assert max(map(len, names)) <= LIMIT
    for statement in oracle_tables():
        # the same columns in the same types as the code describes
        for line in statement.splitlines():
            assert not line.startswith("\t") or line.strip(" \t,") in sql


@pytest.mark.parametrize("dialect", ["postgresql", "sqlite"])
def test_migrations_are_written_for_an_administrator(dialect):
    assert "CREATE TABLE audit_event" in migration_sql(dialect)


def test_the_package_for_oracle_says_that_it_was_not_run():
    text = (Path(medanomaly.store.__file__).parent / "oracle/scoring_queue.sql").read_text()
    assert "WAS NOT RUN ON A REAL ORACLE" in text
    tables = text[: text.index("CREATE OR REPLACE PACKAGE")]
    assert not re.search(r"\bBOOLEAN\b|VARCHAR2(?!\(\d+ CHAR\))", text.replace("IN VARCHAR2", ""))
    assert tables.count("TIMESTAMP") - tables.count("SYSTIMESTAMP") == tables.count(
        "TIMESTAMP WITH TIME ZONE"
    )
    # only the body opens and closes blocks
    assert text.count("\n/\n") == text.count("CREATE ")
    for name in ("put", "take", "done", "failed"):
        assert f"END {name};" in text
