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


def _names(element: Upsert, compiler: SQLCompiler) -> tuple[str, list[str]]:
    """Table and columns as they are written in this dialect."""
    columns = [compiler.preparer.quote(column.name) for column in element.table.columns]
    return compiler.preparer.format_table(element.table), columns


def _bound(element: Upsert, compiler: SQLCompiler) -> list[str]:
    """A bound parameter per column."""
    columns = element.table.columns
    return [compiler.process(sa.bindparam(column.name, type_=column.type)) for column in columns]


@compiles(Upsert, "sqlite")
def _one_row(element: Upsert, compiler: SQLCompiler, **_) -> str:
    table, columns = _names(element, compiler)
    values = ", ".join(_bound(element, compiler))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values}) {_on_conflict(element, compiler)}"


@compiles(Upsert, "postgresql")
def _arrays(element: Upsert, compiler: SQLCompiler, **_) -> str:
    """All rows in one statement, one array per column: a statement per row would wait for the server each time."""
    table, columns = _names(element, compiler)
    arrays = [sa.bindparam(c.name, type_=sa.ARRAY(c.type)) for c in element.table.columns]
    values = ", ".join(compiler.process(sa.cast(array, array.type)) for array in arrays)
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({values}) {_on_conflict(element, compiler)}"


def _on_conflict(element: Upsert, compiler: SQLCompiler) -> str:
    quote = compiler.preparer.quote
    text = f"ON CONFLICT ({', '.join(map(quote, element.keys))}) DO "
    if not element.update:
        return f"{text}NOTHING"
    text += f"UPDATE SET {', '.join(f'{quote(name)} = excluded.{quote(name)}' for name in element.update)}"
    if element.newer is None:
        return text
    newer = quote(element.newer)
    return f"{text} WHERE excluded.{newer} >= {compiler.preparer.format_table(element.table)}.{newer}"


@compiles(Upsert, "oracle")
def _merge(element: Upsert, compiler: SQLCompiler, **_) -> str:
    table, columns = _names(element, compiler)
    quote = compiler.preparer.quote
    given = ", ".join(
        f"{value} {name}" for name, value in zip(columns, _bound(element, compiler), strict=True)
    )
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
    """Send rows in parts, so that neither side holds all of them at once; a key that is renewed may be there once only."""
    names = [column.name for column in statement.table.columns]
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some = rows[start : start + ROWS_AT_ONCE]
        if connection.dialect.name == "postgresql":
            connection.execute(statement, {name: [row[name] for row in some] for name in names})
        else:
            connection.execute(statement, some)
