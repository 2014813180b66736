"""Connections to the three databases, and the migrations of their tables."""

from io import StringIO
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from medanomaly.core.errors import ConfigurationError

# where a URL names the database only
DRIVERS = {"postgresql": "postgresql+pg8000", "postgres": "postgresql+pg8000", "oracle": "oracle+oracledb"}
DIALECTS = ("sqlite", "postgresql", "oracle")
# so long a writer waits for another one
BUSY_SECONDS = 60
# marks a transaction that writes: SQLite has to be told at its beginning
WRITES = "medanomaly_writes"
_LOCK = 6_842_117


def database_url(url: str | Path) -> sa.URL:
    """A URL with the driver of the project; a path is a file of SQLite.

    Raises:
        ConfigurationError: it is no URL, or of another database.
    """
    text = str(url)
    try:
        made = sa.make_url(text if "://" in text else f"sqlite:///{text}")
    except (sa.exc.ArgumentError, ValueError) as error:
        raise ConfigurationError(
            "this is no URL of a database", remedy="Give sqlite:///file.db or postgresql://user@host/name."
        ) from error
    made = made.set(drivername=DRIVERS.get(made.drivername, made.drivername))
    if made.get_backend_name() not in DIALECTS:
        raise ConfigurationError(
            f"the store does not know the database '{made.get_backend_name()}'",
            remedy=f"It knows {', '.join(DIALECTS)}.",
        )
    return made


def open_engine(url: str | Path) -> sa.Engine:
    """An engine with the settings that the store relies on.

    Raises:
        ConfigurationError: no such database, or its driver is not installed.
    """
    address = database_url(url)
    name = address.get_backend_name()
    options: dict[str, Any] = {}
    if name == "sqlite":
        if address.database in (None, "", ":memory:"):
            options = {"poolclass": sa.StaticPool}
        else:
            Path(address.database).parent.mkdir(parents=True, exist_ok=True)
        options |= {"connect_args": {"check_same_thread": False, "timeout": BUSY_SECONDS}}
    else:
        # a connection that the server or a firewall has closed is replaced, not an error
        options = {"pool_pre_ping": True}
    try:
        engine = sa.create_engine(address, **options)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"the driver '{error.name}' is not installed",
            remedy="Install the extra 'sql' for PostgreSQL or 'oracle' for Oracle.",
        ) from error
    if name == "sqlite":
        sa.event.listen(engine, "connect", _sqlite_settings)
        sa.event.listen(engine, "begin", _sqlite_begin)
    if name == "oracle":
        sa.event.listen(engine, "connect", _oracle_settings)
    return engine


def _sqlite_settings(connection: Any, _: Any) -> None:
    # the driver would begin transactions when it sees fit; the event below does it
    connection.isolation_level = None
    # FULL: what is committed survives a power cut, not only the end of the process
    for setting in (
        f"busy_timeout = {BUSY_SECONDS * 1000}", "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"
    ):  # fmt: skip
        connection.execute(f"PRAGMA {setting}")


def _sqlite_begin(connection: sa.Connection) -> None:
    # a transaction that reads first and writes later fails where another one wrote in between
    immediate = connection.get_execution_options().get(WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _oracle_settings(connection: Any, _: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER SESSION SET TIME_ZONE = 'UTC'")


def migrations() -> Config:
    """The configuration of Alembic; no file is needed."""
    config = Config()
    config.set_main_option("script_location", "medanomaly.store:migrations")
    config.set_main_option("path_separator", "os")
    return config


def migrate(engine: sa.Engine, revision: str = "head") -> None:
    """Bring the tables to a revision, forwards or backwards; of two processes one waits for the other.

    Args:
        engine: of :func:`open_engine`.
        revision: ``head``, ``base`` or the name of one.
    """
    config = migrations()
    with engine.execution_options(**{WRITES: True}).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config.attributes["connection"] = connection
        known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
        now = revision_of(connection)
        if revision == "head" and now == known[0]:
            return
        if now is not None and now not in known:
            raise ConfigurationError(
                f"the tables of the store are of revision {now}, which this version does not know",
                remedy="Use the version of medanomaly that made them, or a later one.",
            )
        forwards = revision == "head" or (
            revision != "base" and (now is None or known.index(revision) < known.index(now))
        )
        (command.upgrade if forwards else command.downgrade)(config, revision)


def revision_of(connection: sa.Connection) -> str | None:
    """The revision of the tables; None where there are none."""
    return MigrationContext.configure(connection).get_current_revision()


def head_revision() -> str:
    """The newest revision that this version knows."""
    return ScriptDirectory.from_config(migrations()).get_current_head()


def migration_sql(dialect: str, revision: str = "head") -> str:
    """The statements of the migrations as text, for an administrator who runs them himself.

    Args:
        dialect: ``oracle``, ``postgresql`` or ``sqlite``.
        revision: up to which one.
    """
    written = StringIO()
    config = migrations()
    config.output_buffer = written
    config.attributes["dialect"] = dialect
    command.upgrade(config, revision, sql=True)
    return written.getvalue()
