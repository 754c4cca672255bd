"""Engines and transactions. The only place that commits, besides the ledger."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.config import Settings
from app.inboxes import Inboxes
from app.master_keys import MasterKeys
from app.sealing import Vault
from app.wire import from_json, to_json

DELIVERIES_CHANNEL = "one_window_deliveries"
WOKEN = "woken"  # of a connection: agencies that are told something by the transaction under way
BUSY_SECONDS = 15
_CONNECT_SECONDS = 5
_CONNECT_ARGS: dict[str, Any] = {"command_timeout": 30, "server_settings": {"application_name": "one-window"}}
_REST_SECONDS = 60
_END_SECONDS = 2
_TRACE_MILLISECONDS = 200
_TRACE_TRIES, _TRACE_PAUSE_SECONDS = 50, 0.02
_SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA secure_delete=ON",  # a key that was destroyed is not left in a free part of the file
    f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}",
    "PRAGMA wal_autocheckpoint=12000",  # pages: who commits has to do it only where no ledger does (docs/decisions/0028)
)
_SMALL_CACHE = "PRAGMA cache_size=-512"  # KiB: there are many that read, and the system keeps the file's pages for all
# The driver asks of each element of an array, by two abstract classes, whether it is an array itself, and that takes half as
# long as writing it (docs/decisions/0026). Ours are lists.
asyncpg.protocol.protocol.IterableABC = asyncpg.protocol.protocol.SizedABC = list


class Bell:
    """Wakes the worker of this process; on PostgreSQL a NOTIFY in the transaction wakes those of the others."""

    def __init__(self, notifies: bool) -> None:
        self.rung = asyncio.Event()
        self._notifies = notifies

    async def before_commit(self, connection: AsyncConnection) -> None:
        if self._notifies:
            await connection.exec_driver_sql(f"NOTIFY {DELIVERIES_CHANNEL}")

    def after_commit(self) -> None:
        self.rung.set()


class Database:
    """One engine; `reading()` for queries, `writing()` for a transaction that commits when its block ends."""

    def __init__(self, settings: Settings) -> None:
        self.is_sqlite = settings.is_sqlite
        self.vault = Vault(MasterKeys(settings), settings.cipher)
        self.engine = _engine(settings, self.vault)
        self._glancing: sqlite3.Connection | None = None
        # Since when each rests. They are taken in turns, so that each stays warm.
        self._direct: deque[tuple[asyncpg.Connection, float]] = deque()
        self._ending: set[asyncio.Task[None]] = set()
        self.bell = Bell(notifies=not self.is_sqlite)
        self.inboxes = Inboxes()
        self._reader = self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="AUTOCOMMIT")
        # SQLite has one writer: waiting here is cheaper than waiting for its lock.
        self.turn: AbstractAsyncContextManager[Any] = asyncio.Lock() if self.is_sqlite else nullcontext()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        async with self._reader.connect() as connection:
            yield connection

    @asynccontextmanager
    async def reading_as_one(self) -> AsyncIterator[AsyncConnection]:
        """For queries that belong together: all of them see the database as the first one found it."""
        async with self.engine.connect() as connection:
            if not self.is_sqlite:  # there a transaction that reads is so by itself
                await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            async with connection.begin():
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A short transaction; on SQLite it holds the write lock from its beginning (BEGIN IMMEDIATE)."""
        async with self.turn, self.engine.connect() as connection:
            await connection.execution_options(writing=True)
            connection.info.pop(WOKEN, None)
            async with connection.begin():
                yield connection
            self.inboxes.ring(connection.info.pop(WOKEN, ()))

    @asynccontextmanager
    async def reshaping(self) -> AsyncIterator[AsyncConnection]:
        """A transaction in which tables may be made anew: SQLite, which can't alter a constraint in place, looks at
        foreign keys at its end only. Raises RuntimeError if rows then name others that are not there."""
        if not self.is_sqlite:
            async with self.writing() as connection:
                yield connection
            return
        async with self.turn, self.engine.connect() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await driver.execute("PRAGMA foreign_keys=OFF")
            try:
                await connection.execution_options(writing=True)
                async with connection.begin():
                    yield connection
                    if (await connection.exec_driver_sql("PRAGMA foreign_key_check")).first() is not None:
                        raise RuntimeError("rows name others that are not there; nothing was changed")
            finally:
                await driver.execute("PRAGMA foreign_keys=ON")

    def glance(self, query: str, given: Sequence[Any]) -> list[Any]:
        """What a query that costs a few seeks finds, at once, on the event loop: SQLite only, where waiting for the turn of
        a thread would cost many times as much. Raises the driver's errors."""
        if self._glancing is None:
            self._glancing = sqlite3.connect(self.engine.url.database or "", isolation_level=None)
            self._glancing.execute("PRAGMA query_only=ON")
            self._glancing.execute("PRAGMA busy_timeout=100")
            self._glancing.execute("PRAGMA cache_size=-1024")  # KiB: the upper pages of a few indexes
        return self._glancing.execute(query, given).fetchall()

    @asynccontextmanager
    async def direct(self) -> AsyncIterator[asyncpg.Connection]:
        """A PostgreSQL connection of the driver's own, for the few that ask all the time: what SQLAlchemy does around a short
        statement costs a multiple of the statement. One that failed is not used again. Errors are SQLAlchemy's, of the same
        kinds as on its own connections."""
        connection = self._kept_one()
        try:
            if connection is None:
                connection = await self._connected(**_CONNECT_ARGS)
                await connection.set_type_codec("timestamptz", schema="pg_catalog", format="tuple", **_INSTANTS)
            yield connection
        except BaseException as error:
            is_closed = connection is not None and connection.is_closed()
            if connection is not None:
                self._end(connection)
            told = _as_sqlalchemy_tells(error, is_closed)
            if is_unavailable(told):  # the others are hardly better: the next ones ask for a server that is
                self._end_those_that_rest()
            if told is error:
                raise
            raise told from error
        self._direct.append((connection, asyncio.get_running_loop().time()))

    def _kept_one(self) -> asyncpg.Connection | None:
        """The one that has rested longest, unless that is so long that something between may have forgotten it."""
        until = asyncio.get_running_loop().time() - _REST_SECONDS
        while self._direct:
            connection, since = self._direct.popleft()
            if since > until and not connection.is_closed():
                return connection
            self._end(connection)
        return None

    def _end_those_that_rest(self) -> None:
        while self._direct:
            self._end(self._direct.popleft()[0])

    def _end(self, connection: asyncpg.Connection) -> None:
        """Beside whoever is told of it. What the server still does for it is cancelled first: it would wait for a lock, and
        write, long after whoever asked was told that nothing was written."""
        ending = asyncio.create_task(_ended(connection))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def _connected(self, **more: Any) -> asyncpg.Connection:
        _, options = self.engine.dialect.create_connect_args(self.engine.url)
        return await _connect(**{**options, **more})

    async def leave_no_trace(self) -> None:
        """On SQLite what was erased leaves the write-ahead log too; while somebody reads an older state it can't, and is
        done the next time. Where another checkpoint is under way, SQLite refuses at once: it is asked again."""
        if not self.is_sqlite:
            return
        async with self.turn, self.engine.connect() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await driver.execute(f"PRAGMA busy_timeout={_TRACE_MILLISECONDS}")  # whoever writes waits meanwhile
            try:
                for _ in range(_TRACE_TRIES):
                    ((is_busy, in_log, _),) = await driver.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
                    if not (is_busy and in_log < 0):
                        break
                    await asyncio.sleep(_TRACE_PAUSE_SECONDS)
            finally:
                await driver.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")

    async def is_reachable(self) -> bool:
        try:
            async with asyncio.timeout(2), self.reading() as connection:
                await connection.execute(text("SELECT 1"))
        except Exception as error:
            if is_unavailable(error):
                return False
            raise
        return True

    async def listen(self, channel: str, hear: Callable[[str], None], lost: asyncio.Event) -> asyncpg.Connection:
        """A PostgreSQL connection of its own: `hear` gets each payload of the channel; sets `lost` at its end."""
        connection = await self._connected()
        connection.add_termination_listener(lambda _: lost.set())
        try:
            await connection.add_listener(channel, lambda *said: hear(said[-1]))
        except BaseException:  # cancelled, too: nobody else would end it
            connection.terminate()
            raise
        return connection

    async def close(self) -> None:
        if self._glancing is not None:
            self._glancing.close()
            self._glancing = None
        self._end_those_that_rest()
        await asyncio.gather(*self._ending)
        await self.engine.dispose()


def _engine(settings: Settings, vault: Vault) -> AsyncEngine:
    common: dict[str, Any] = {
        "json_serializer": lambda value: to_json(value).decode(),
        "json_deserializer": from_json,
        "pool_size": settings.database_pool,
        "max_overflow": 0,
        "pool_timeout": 10,
        "hide_parameters": True,
        "execution_options": {"vault": vault},
    }
    if not settings.is_sqlite:
        return create_async_engine(
            settings.database_url,
            pool_pre_ping=False,
            connect_args={"async_creator_fn": _connect, **_CONNECT_ARGS},
            **common,
        )
    settings.check_folder()
    engine = create_async_engine(settings.database_url, pool_use_lifo=True, **common)
    event.listen(engine.sync_engine, "do_connect", lambda *_: settings.make_file())
    prepare_sqlite(engine.sync_engine)
    return engine


async def _connect(*, host: Any = None, port: Any = None, **options: Any) -> asyncpg.Connection:
    """To the first host that is what the address asks for. One that does not answer costs its own seconds only: the
    driver's limit is for all hosts together, and a first one that lost its power would use it up each time."""
    places = zip(host, port, strict=True) if isinstance(host, list) else [(host, port)]
    for one, its_port in places:
        try:
            return await asyncpg.connect(host=one, port=its_port, timeout=_CONNECT_SECONDS, **options)
        except _NOT_THIS_HOST as error:
            refused = error
    raise refused


def prepare_sqlite(engine: Engine) -> None:
    """Durable, with foreign keys, and with transactions that begin when we say so."""

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself; _begin does
        cursor = connection.cursor()
        for pragma in (*_SQLITE_PRAGMAS, _SMALL_CACHE):
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get("writing")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def sqlite_writer(path: str) -> sqlite3.Connection:
    """A connection of the driver's own with the same properties, for one thread; another may close it. What inserts begins a
    transaction, which holds the write lock."""
    connection = sqlite3.connect(path, isolation_level="IMMEDIATE", check_same_thread=False, cached_statements=256)
    for pragma in _SQLITE_PRAGMAS:
        connection.execute(pragma)
    # Each page that a statement of many rows changes is kept until its end, for an error in the last row.
    connection.execute("PRAGMA temp_store=MEMORY")
    connection.execute("PRAGMA wal_autocheckpoint=0")  # the ledger sees to it
    return connection


def sqlite_maintainer(path: str) -> sqlite3.Connection:
    """One that changes no row, for one thread; another may close it. Raises the driver's error where there is no file."""
    file = Path(path).absolute().as_uri()
    return sqlite3.connect(f"{file}?mode=rw", uri=True, isolation_level=None, check_same_thread=False)


# The server counts microseconds from here.
_POSTGRES_EPOCH, _MICROSECOND = datetime(2000, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


# The rows of a submission name the same few moments again and again, and the driver works each out anew.
@lru_cache(1024)
def _counted(at: datetime) -> tuple[int]:
    return ((at - _POSTGRES_EPOCH) // _MICROSECOND,)


def _instant(counted: tuple[int]) -> datetime:
    return _POSTGRES_EPOCH + counted[0] * _MICROSECOND


_INSTANTS = {"encoder": _counted, "decoder": _instant}


async def _ended(connection: asyncpg.Connection) -> None:
    with suppress(Exception):
        await connection.close(timeout=_END_SECONDS)
    connection.terminate()


class _Told(Exception):  # noqa: N818
    """What the driver said in a sentence, without its details, which quote the row."""


def _as_sqlalchemy_tells(error: BaseException, is_closed: bool) -> BaseException:
    if not isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError | asyncpg.InternalClientError):
        return error
    told = _Told(f"{type(error).__name__}: {error.args[0] if error.args else ''}")
    told.__cause__ = error
    kind: type[DBAPIError] = DBAPIError
    if isinstance(error, asyncpg.InterfaceError):
        kind = InterfaceError
    elif isinstance(error, asyncpg.IntegrityConstraintViolationError):
        kind = IntegrityError
    return kind(None, None, told, hide_parameters=True, connection_invalidated=is_closed)


# A standby that lags may not even know the database yet.
_NOT_THIS_HOST = (OSError, asyncpg.PostgresError, asyncpg.TargetServerAttributeNotMatched)


def is_unavailable(error: BaseException) -> bool:
    """Whether `error` says that the database is away, as against a fault of ours or of the caller."""
    if isinstance(error, DBAPIError):
        if error.connection_invalidated or isinstance(error, InterfaceError | OperationalError):
            return True
        return isinstance(error.orig, BaseException) and is_unavailable(error.orig.__cause__ or error.orig)
    return isinstance(
        error,
        OSError
        | PoolTimeoutError
        | TimeoutError
        | asyncpg.PostgresConnectionError
        | asyncpg.CannotConnectNowError
        | asyncpg.TooManyConnectionsError
        | asyncpg.AdminShutdownError
        | asyncpg.CrashShutdownError
        | asyncpg.InsufficientResourcesError
        | asyncpg.ReadOnlySQLTransactionError
        | asyncpg.InternalClientError  # asked between the server's last word and the connection's end
        | asyncpg.TargetServerAttributeNotMatched  # no host is the primary just now
        | asyncpg.UndefinedTableError,  # not migrated yet
    ) or (isinstance(error, asyncpg.InterfaceError) and "connection" in str(error))
