"""The rows of a whole group in one go: one statement and one round trip on PostgreSQL, a few statements a table on SQLite.

Through the asynchronous driver a group of 32 submissions is some twenty awaits, each of which waits its turn behind
the requests that are being taken in; that was two thirds of a submission's cost (docs/decisions/0003).
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from enum import StrEnum
from functools import cache, lru_cache
from itertools import chain
from operator import index, itemgetter
from typing import Any, Protocol

import structlog
from sqlalchemy import JSON, Boolean, Column, DateTime, Dialect, LargeBinary, String, Table
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.columns import Packed, packed
from app.db import DELIVERIES_CHANNEL, Database, sqlite_maintainer, sqlite_writer
from app.inboxes import CHANNEL, payload_of
from app.logs import describe
from app.tables import metadata

log = structlog.get_logger()
Rows = Mapping[Table, Sequence[Any]]  # of mappings, or of objects, that have each column by its name
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
    tables, dialect = in_order(rows), connection.dialect
    if dialect.name != "sqlite":
        if tables:
            statement, values = _postgres_rows(rows, dialect)
            await connection.exec_driver_sql(statement, tuple(values))
        return
    for table in tables:
        names, values = _filled(table, _picked(table, rows[table]), dialect)
        await connection.exec_driver_sql(_sqlite_insert(table, names, 1), list(zip(*values, strict=True)))


def _picked(table: Table, rows: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The values of each row, in the order of the columns."""
    return list(map(_pick(table, isinstance(rows[0], Mapping)), rows))


def _filled(
    table: Table, picked: Sequence[tuple[Any, ...]], dialect: Dialect
) -> tuple[tuple[str, ...], list[list[Any]]]:
    """The columns that some row has a value for (half of a new handoff's has none), and of each the driver's values."""
    names: list[str] = []
    values: list[list[Any]] = []
    for (name, turned, may_be_blank), of_rows in zip(_columns(table, dialect), zip(*picked, strict=True), strict=True):
        if may_be_blank and of_rows[0] is None and of_rows.count(None) == len(of_rows):
            continue
        names.append(name)
        values.append(turned(of_rows))
    return tuple(names), values


@cache
def _pick(table: Table, of_mappings: bool) -> Callable[[Any], tuple[Any, ...]]:
    names = table.c.keys()
    if of_mappings:
        return itemgetter(*names)
    # As if it were written out, of our own tables' names: the interpreter learns where each attribute of the object is, an
    # `attrgetter` never does.
    written_out = f"lambda row: ({''.join(f'row.{name}, ' for name in names)})"
    of_each: Callable[[Any], tuple[Any, ...]] = eval(written_out)  # noqa: S307 # nosec B307
    return of_each


@cache
def _columns(table: Table, dialect: Dialect) -> list[tuple[str, Callable[[tuple[Any, ...]], list[Any]], bool]]:
    """Each column with what turns its values into the driver's, and whether it may be left out."""
    turn = _for_sqlite if dialect.name == "sqlite" else _for_postgres
    return [(each.name, turn(each, dialect), bool(each.nullable) and each.server_default is None) for each in table.c]


def _for_postgres(column: Column[Any], dialect: Dialect) -> Callable[[tuple[Any, ...]], list[Any]]:
    process: Any = column.type.dialect_impl(dialect).bind_processor(dialect)
    if process is None or (not isinstance(column.type, JSON) and isinstance(column.type, Boolean | DateTime | String)):
        return list  # as they are
    return lambda values: [None if value is None else process(value) for value in values]


_NULL = float("nan")  # SQLite stores it as NULL (sqlite.org/c3ref/bind_blob.html)


def _for_sqlite(column: Column[Any], dialect: Dialect) -> Callable[[tuple[Any, ...]], list[Any]]:
    """Of None, bytes, truths and members of an enumeration its driver asks at length whether somebody adapts them, and keeps
    the interpreter's lock meanwhile: it is given none of them."""
    process: Any = column.type.dialect_impl(dialect).bind_processor(dialect)
    if isinstance(column.type, LargeBinary | Boolean):
        process = bytearray if isinstance(column.type, LargeBinary) else index
    elif isinstance(column.type, Packed):
        process = _packed

    def turned(values: tuple[Any, ...]) -> list[Any]:
        turn = process or (str.__str__ if isinstance(values[0], StrEnum) else None)
        if not column.nullable:
            return list(map(turn, values) if turn else values)
        if turn is None:
            return [_NULL if value is None else value for value in values]
        return [_NULL if value is None else turn(value) for value in values]

    return turned


def _packed(content: bytes) -> bytearray:
    return bytearray(packed(content))


class _PostgresBulk:
    """One statement of data-modifying CTEs over arrays: its text depends on the tables and columns alone, so it is
    prepared once, and foreign keys are checked at its end. Without BEGIN it is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, rows: Rows, *, rings: bool, woken: Collection[str]) -> None:
        statement, values = _postgres_rows(rows, self._database.engine.dialect, rings=rings, woken=woken)
        async with self._database.direct() as connection:
            await connection.fetch(statement, *values)

    def close(self) -> None:
        pass


def _postgres_rows(
    rows: Rows, dialect: Dialect, *, rings: bool = False, woken: Collection[str] = ()
) -> tuple[str, list[Any]]:
    """A statement, and an array for each of the columns that some row fills."""
    tables: list[tuple[Table, tuple[str, ...]]] = []
    values: list[Any] = []
    for table in in_order(rows):
        names, of_each = _filled(table, _picked(table, rows[table]), dialect)
        tables.append((table, names))
        values += of_each
    if woken:
        values.append(payload_of(woken))
    return _postgres_statement(tuple(tables), rings, bool(woken)), values


@lru_cache(1024)
def _postgres_statement(tables: tuple[tuple[Table, tuple[str, ...]], ...], rings: bool, wakes: bool) -> str:
    parts, number = [], 0
    for table, filled in tables:
        chosen = []
        for name in filled:
            number += 1
            kind = table.c[name].type
            of_json = isinstance(kind, JSON)
            element = "TEXT" if of_json or isinstance(kind, String) else kind.compile(dialect=_POSTGRESQL)
            chosen.append(f"unnest(${number}::{element}[]){'::JSONB' if of_json else ''}")
        insertion = f"INSERT INTO {table.name} ({', '.join(filled)}) SELECT {', '.join(chosen)}"
        parts.append(f"{table.name}_in AS ({insertion})")
    told = ["1"]
    if rings:
        told.append(f"pg_notify('{DELIVERIES_CHANNEL}', '')")
    if wakes:
        told.append(f"pg_notify('{CHANNEL}', ${number + 1}::TEXT)")
    return f"WITH {', '.join(parts)} SELECT {', '.join(told)}"


class _SqliteBulk:
    """A connection of its own, in a thread of its own: SQLite works while the event loop computes. Of each table it is given
    many rows a statement, since after each one the thread waits for the interpreter's lock. What has gathered in the
    write-ahead log goes to the database's file from another thread, beside the next groups, and where that is too much, before
    the next one (docs/decisions/0028)."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._path = database.engine.url.database or ""
        self._connection: sqlite3.Connection | None = None
        self._putting_away: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._second_thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._checkpoint: Future[None] | None = None
        self._groups = self._pages_of_log = 0

    async def write(self, rows: Rows, *, rings: bool, woken: Collection[str]) -> None:
        dialect = self._database.engine.dialect
        statements = [each for table in in_order(rows) for each in _sqlite_statements(table, rows[table], dialect)]
        async with self._database.turn:
            try:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._commit, statements)
            except sqlite3.Error as error:
                raise DBAPIError.instance(None, None, error, sqlite3.Error, hide_parameters=True) from error
            self._groups += 1
            if self._groups % _CHECKPOINT_GROUPS == 0 and (self._checkpoint is None or self._checkpoint.done()):
                await self._see_to_the_log()
        self._database.inboxes.ring(woken)

    async def _see_to_the_log(self) -> None:
        """Beside the next groups, or, where the log is long, before them: it begins anew only when all of it was put away, and
        beside the writing that hardly happens."""
        if self._pages_of_log < _LONG_LOG:
            with suppress(RuntimeError):  # no thread can be had
                self._checkpoint = self._second_thread.submit(self._put_away)
                return
        await asyncio.get_running_loop().run_in_executor(self._thread, self._put_away)
        self._pages_of_log = 0

    def _commit(self, statements: list[tuple[str, list[Any]]]) -> None:
        try:
            if self._connection is None:
                self._connection = sqlite_writer(self._path)
            for statement, values in statements:  # by `executemany` there are fewer waits for the interpreter's lock
                self._connection.executemany(statement, [values])
            self._connection.commit()
        except BaseException:
            self._let_go()
            raise

    def _put_away(self) -> None:
        """What is in the write-ahead log goes to the database's file, as far as nobody is held up by it (PASSIVE,
        sqlite.org/c3ref/wal_checkpoint_v2.html)."""
        try:
            if self._putting_away is None:
                self._putting_away = sqlite_maintainer(self._path)
            ((_, self._pages_of_log, _),) = self._putting_away.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.Error as error:
            log.warning("log_not_put_away", **describe(error))

    def _let_go(self) -> None:
        """What was not committed is rolled back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        self._thread.shutdown()
        self._second_thread.shutdown(cancel_futures=True)
        self._let_go()
        if self._putting_away is not None:
            self._putting_away.close()


_CHECKPOINT_GROUPS, _LONG_LOG = 16, 4_000
_ROWS = (64, 48, 16, 8, 4, 2, 1)  # of a statement: as many as 16 requests often have of a table


def _sqlite_statements(table: Table, rows: Sequence[Any], dialect: Dialect) -> Iterator[tuple[str, list[Any]]]:
    """Statements of so many rows that they are few and stay prepared, each with its values; the longest hold 240 KB each
    while they are."""
    left = _picked(table, rows)
    while left:
        count = next(each for each in _ROWS if each <= len(left))
        some, left = left[:count], left[count:]
        names, values = _filled(table, some, dialect)
        yield _sqlite_insert(table, names, count), list(chain.from_iterable(zip(*values, strict=True)))


@lru_cache(1024)
def _sqlite_insert(table: Table, names: tuple[str, ...], rows: int) -> str:
    one = f"({', '.join('?' * len(names))})"
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES {', '.join([one] * rows)}"  # noqa: S608
