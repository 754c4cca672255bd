"""The rows of a whole group in one go: one statement and one round trip on PostgreSQL, one turn of one thread on SQLite.

Through the asynchronous driver a group of 32 submissions is some twenty awaits, each of which waits its turn behind
the requests that are being taken in; that was two thirds of a submission's cost (docs/decisions/0003).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from operator import itemgetter
from typing import Any, Protocol

from sqlalchemy import JSON, Boolean, Connection, DateTime, Dialect, Engine, LargeBinary, String, Table, create_engine
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import DELIVERIES_CHANNEL, Database, prepare_sqlite
from app.inboxes import CHANNEL, payload_of
from app.tables import metadata

_MOST_ROWS = 128
_MOST_VARIABLES = 32_766  # of one statement: SQLite's own default; the builds of some systems take more
Rows = Mapping[Table, Sequence[Mapping[str, Any]]]
_POSTGRESQL: Dialect = asyncpg_dialect()  # type: ignore[no-untyped-call]
_ORDER = {table: position for position, table in enumerate(metadata.sorted_tables)}


class Bulk(Protocol):
    async def write(self, rows: Rows, *, rings: bool, woken: Collection[str]) -> None:
        """Insert all rows, parents first, and commit; or insert none and raise the database's error.

        `rings`: workers are told; `woken`: the agencies whose inboxes have news, for those who wait for them.
        """

    def close(self) -> None: ...


def bulk_for(database: Database) -> Bulk:
    return _SqliteBulk(database) if database.is_sqlite else _PostgresBulk(database)


def in_order(tables: Sequence[Table] | Mapping[Table, Any]) -> list[Table]:
    """Parents before children."""
    return sorted(tables, key=_ORDER.__getitem__)


async def insert_rows(connection: AsyncConnection, rows: Rows) -> None:
    """Inside the caller's transaction, parents first."""
    tables = tuple(in_order(rows))
    if connection.dialect.name != "sqlite":
        if tables:
            statement = _postgres_statement(tables, rings=False, wakes=False)
            await connection.exec_driver_sql(statement, tuple(_arrays(tables, rows, connection.dialect)))
        return
    for table in tables:
        values = _values_for(table, connection.dialect)
        await connection.exec_driver_sql(_sqlite_insert(table, 1), [tuple(values(row)) for row in rows[table]])


class _PostgresBulk:
    """One statement of data-modifying CTEs over arrays: its text depends on the tables alone, so it is prepared once,
    and foreign keys are checked at its end. Without BEGIN it is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, rows: Rows, *, rings: bool, woken: Collection[str]) -> None:
        tables = tuple(in_order(rows))
        statement = _postgres_statement(tables, rings, bool(woken))
        values = _arrays(tables, rows, self._database.engine.dialect)
        if woken:
            values.append(payload_of(woken))
        async with self._database.reading() as connection:
            await connection.exec_driver_sql(statement, tuple(values))

    def close(self) -> None:
        pass


def _arrays(tables: Sequence[Table], rows: Rows, dialect: Dialect) -> list[Any]:
    values: list[Any] = []
    for table in tables:
        for name, process in _columns(table, dialect):
            column = [row[name] for row in rows[table]]
            values.append([None if v is None else process(v) for v in column] if process else column)
    return values


@cache
def _postgres_statement(tables: tuple[Table, ...], rings: bool, wakes: bool) -> str:
    parts, number = [], 0
    for table in tables:
        arrays, chosen = [], []
        for column in table.c:
            number += 1
            of_json = isinstance(column.type, JSON)
            kind = "TEXT" if of_json or isinstance(column.type, String) else column.type.compile(dialect=_POSTGRESQL)
            arrays.append(f"${number}::{kind}[]")
            chosen.append(f"{column.name}::JSONB" if of_json else column.name)
        names = ", ".join(column.name for column in table.c)
        source = f"unnest({', '.join(arrays)}) AS given ({names})"
        insertion = f"INSERT INTO {table.name} ({names}) SELECT {', '.join(chosen)} FROM {source}"  # noqa: S608
        parts.append(f"{table.name}_in AS ({insertion})")
    told = ["1"]
    if rings:
        told.append(f"pg_notify('{DELIVERIES_CHANNEL}', '')")
    if wakes:
        told.append(f"pg_notify('{CHANNEL}', ${number + 1}::TEXT)")
    return f"WITH {', '.join(parts)} SELECT {', '.join(told)}"


class _SqliteBulk:
    """A connection of its own. What waits (for the write lock, for the disk) waits in a thread; the statements run on
    the event loop: in a thread each of them would wait for the interpreter's lock, which a busy loop holds for 5 ms."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._engine: Engine = create_engine(
            database.engine.url.set(drivername="sqlite+pysqlite"), hide_parameters=True, pool_size=1, max_overflow=0
        )
        prepare_sqlite(self._engine)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")

    async def write(self, rows: Rows, *, rings: bool, woken: Collection[str]) -> None:
        wait_for = partial(asyncio.get_running_loop().run_in_executor, self._thread)
        async with self._database.turn:
            connection = await wait_for(self._engine.connect)
            try:
                connection = connection.execution_options(writing=True)
                transaction = await wait_for(connection.begin)
                _insert(connection, rows)
                await wait_for(transaction.commit)
            finally:
                connection.close()  # what was not committed is rolled back
        self._database.inboxes.ring(woken)

    def close(self) -> None:
        self._thread.shutdown()
        self._engine.dispose()


def _insert(connection: Connection, rows: Rows) -> None:
    for table in in_order(rows):
        values = _values_for(table, connection.dialect)
        flat = [value for row in rows[table] for value in values(row)]
        columns, at = len(table.c), 0
        for size in _pieces(len(rows[table]), columns):
            piece = flat[at : at + size * columns]
            connection.exec_driver_sql(_sqlite_insert(table, size), tuple(piece))
            at += size * columns


def _pieces(rows: int, columns: int) -> list[int]:
    """As few statements as may be."""
    most = min(_MOST_ROWS, _MOST_VARIABLES // columns)
    return [most] * (rows // most) + ([rows % most] if rows % most else [])


@cache
def _sqlite_insert(table: Table, rows: int) -> str:
    names = ", ".join(column.name for column in table.c)
    marks = f"({', '.join('?' * len(table.c))})"
    return f"INSERT INTO {table.name} ({names}) VALUES {', '.join([marks] * rows)}"  # noqa: S608


@cache
def _values_for(table: Table, dialect: Dialect) -> Callable[[Mapping[str, Any]], list[Any]]:
    """From a row to the driver's values, in the order of the columns."""
    pick = itemgetter(*(column.name for column in table.c))
    processors = [(n, process) for n, (_, process) in enumerate(_columns(table, dialect)) if process]

    def values(row: Mapping[str, Any]) -> list[Any]:
        found = list(pick(row))
        for position, process in processors:
            value = found[position]
            if value is not None:
                found[position] = process(value)
        return found

    return values


@cache
def _columns(table: Table, dialect: Dialect) -> list[tuple[str, Any]]:
    """Each column with what turns its value into the driver's, or None where the driver takes it as it is."""
    found = []
    for column in table.c:
        process = column.type.dialect_impl(dialect).bind_processor(dialect)
        found.append((column.name, None if _taken_as_it_is(column.type, dialect) else process))
    return found


def _taken_as_it_is(kind: Any, dialect: Dialect) -> bool:
    if dialect.name == "sqlite":
        return isinstance(kind, Boolean | LargeBinary)
    return not isinstance(kind, JSON) and isinstance(kind, DateTime | String)
