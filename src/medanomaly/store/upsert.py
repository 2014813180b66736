"""Insert rows, or leave or renew those that are there: one construct for the three dialects. SQLAlchemy has no MERGE."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.compiler import SQLCompiler

ROWS_AT_ONCE = 10_000


class Upsert(Executable, sa.ClauseElement):
    """Rows into a table; parameters have the names of its columns.

    Args:
        table: with a primary key, which says whether a row is there already.
        update: columns that a row that is there takes from the new one; without any it stays as it is.
        newer: a row that is there is renewed only if the new one is at least as late in this column.
    """

    inherit_cache = False

    def __init__(self, table: sa.Table, update: Sequence[str] = (), newer: str | None = None):
        self.table, self.update, self.newer = table, tuple(update), newer

    @property
    def keys(self) -> list[str]:
        """Names of the columns of the primary key."""
        return [column.name for column in self.table.primary_key.columns]


def _names(compiler: SQLCompiler, element: Upsert) -> tuple[str, list[str], list[str]]:
    """Table, columns and their bound parameters as they are written in this dialect."""
    columns = list(element.table.columns)
    written = [compiler.preparer.quote(column.name) for column in columns]
    bound = [compiler.process(sa.bindparam(column.name, type_=column.type)) for column in columns]
    return compiler.preparer.format_table(element.table), written, bound


@compiles(Upsert)
def _on_conflict(element: Upsert, compiler: SQLCompiler, **_) -> str:
    """SQLite and PostgreSQL."""
    table, columns, bound = _names(compiler, element)
    quote = compiler.preparer.quote
    text = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(bound)}) "
    text += f"ON CONFLICT ({', '.join(map(quote, element.keys))}) DO "
    if not element.update:
        return f"{text}NOTHING"
    text += f"UPDATE SET {', '.join(f'{quote(name)} = excluded.{quote(name)}' for name in element.update)}"
    if element.newer is None:
        return text
    newer = quote(element.newer)
    return f"{text} WHERE excluded.{newer} >= {table}.{newer}"


@compiles(Upsert, "oracle")
def _merge(element: Upsert, compiler: SQLCompiler, **_) -> str:
    table, columns, bound = _names(compiler, element)
    quote = compiler.preparer.quote
    given = ", ".join(f"{value} {name}" for name, value in zip(columns, bound, strict=True))
    same = " AND ".join(f"t.{quote(key)} = s.{quote(key)}" for key in element.keys)
    text = f"MERGE INTO {table} t USING (SELECT {given} FROM dual) s ON ({same})"
    if element.update:
        text += f" WHEN MATCHED THEN UPDATE SET {', '.join(f't.{quote(n)} = s.{quote(n)}' for n in element.update)}"
        if element.newer is not None:
            newer = quote(element.newer)
            text += f" WHERE s.{newer} >= t.{newer}"
    values = ", ".join(f"s.{name}" for name in columns)
    return f"{text} WHEN NOT MATCHED THEN INSERT ({', '.join(columns)}) VALUES ({values})"


def execute_rows(connection: sa.Connection, statement: Upsert, rows: Sequence[dict]) -> None:
    """Send rows in parts, so that neither side holds all of them at once."""
    for start in range(0, len(rows), ROWS_AT_ONCE):
        connection.execute(statement, rows[start : start + ROWS_AT_ONCE])
