"""Group commit: units of work that wait at the same moment share one transaction.

A unit computes its rows first; the ledger merges the rows of all waiting units per table, commits once, and
answers each waiter only after that commit. A unit that the database refuses fails alone: the group is rolled back
and its units are run one by one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence, Sized
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sqlalchemy import Table, TextClause, Update, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.bulk import bulk_for, insert_rows
from app.db import WOKEN, Database, is_unavailable
from app.inboxes import CHANNEL, payload_of
from app.problems import unavailable

_Line: TypeAlias = "deque[tuple[Unit, asyncio.Future[None]]]"
_NOTIFY = text("SELECT pg_notify(:channel, :payload)")


@dataclass(slots=True)
class Unit:
    """Rows that are written together or not at all. Inserts run first, parents before children, then updates. A row that is
    inserted is a mapping, or an object, that has each column by its name (of one table all are one or the other), and is
    stored as it is when it is written."""

    inserts: dict[Table, list[Any]] = field(default_factory=dict)
    updates: list[tuple[Update | TextClause, dict[str, Any]]] = field(default_factory=list)
    rings: bool = False
    woken: set[str] = field(default_factory=set)  # agencies with news in their inboxes

    def insert(self, table: Table, *rows: Any) -> None:
        if rows:
            self.inserts.setdefault(table, []).extend(rows)

    def update(self, statement: Update | TextClause, parameters: dict[str, Any]) -> None:
        """`statement` must be a module-level constant: equal statements of a group are sent together."""
        self.updates.append((statement, parameters))


async def write_units(connection: AsyncConnection, units: Sequence[Unit]) -> None:
    """Write units inside the caller's transaction."""
    rows = _merged(units)
    updates: dict[int, tuple[Update | TextClause, list[dict[str, Any]]]] = {}
    for unit in units:
        for statement, parameters in unit.updates:
            updates.setdefault(id(statement), (statement, []))[1].append(parameters)
    await insert_rows(connection, rows)
    for statement, parameter_sets in updates.values():
        await connection.execute(statement, parameter_sets)
    if woken := _woken(units):
        if connection.dialect.name == "sqlite":
            connection.info.setdefault(WOKEN, set()).update(woken)
        else:
            await connection.execute(_NOTIFY, {"channel": CHANNEL, "payload": payload_of(woken)})


def _merged(units: Sequence[Unit]) -> dict[Table, list[Any]]:
    rows: dict[Table, list[Any]] = {}
    for unit in units:
        for table, inserted in unit.inserts.items():
            rows.setdefault(table, []).extend(inserted)
    return rows


def _woken(units: Sequence[Unit]) -> set[str]:
    return {code for unit in units for code in unit.woken}


class Ledger:
    """Its own few writer tasks; `write()` from any task of the same loop."""

    def __init__(
        self,
        database: Database,
        *,
        group: int = 64,
        observe_group: Callable[[int], None] | None = None,
        gather: Callable[[Sized], Awaitable[None]] | None = None,
    ) -> None:
        """`gather` returns when what waits is worth a transaction."""
        self._database = database
        self._bulk = bulk_for(database)
        self._group = group
        self._observe = observe_group or (lambda size: None)
        self._gather = gather
        self._waiting: _Line = deque()
        self._urgent: _Line = deque()
        self._arrived = asyncio.Event()
        self._urgent_arrived = asyncio.Event()
        self._stopping = False
        self._writers: list[asyncio.Task[None]] = []
        self._urgent_writer: asyncio.Task[None] | None = None

    def start(self) -> None:
        writers = 1 if self._database.is_sqlite else 2
        ordinary = (self._run(self._waiting, self._arrived, self._gather) for _ in range(writers))
        self._writers = [asyncio.create_task(each, name=f"ledger-{n}") for n, each in enumerate(ordinary)]
        # A writer of its own waits for no group: it is next at the database.
        self._urgent_writer = asyncio.create_task(self._run(self._urgent, self._urgent_arrived), name="ledger-urgent")

    async def stop(self) -> None:
        """Write all that waits, then end; later writes are refused as unavailable."""
        self._stopping = True
        self._arrived.set()
        self._urgent_arrived.set()
        await asyncio.gather(*self._writers, *filter(None, [self._urgent_writer]))
        self._bulk.close()

    async def write(self, unit: Unit, *, urgent: bool = False) -> None:
        """Returns when the unit is on disk. What is urgent waits for none of what does, and is a group of its own.

        Raises the database's error if it refused the unit (IntegrityError for a broken constraint), the
        `unavailable` problem if the database is away. A waiter cancelled before its group was formed writes nothing.
        """
        if self._stopping or not self._writers:
            raise unavailable()
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._urgent if urgent else self._waiting).append((unit, written))
        (self._urgent_arrived if urgent else self._arrived).set()
        await written

    async def _run(
        self, waiting: _Line, arrived: asyncio.Event, gather: Callable[[Sized], Awaitable[None]] | None = None
    ) -> None:
        while True:
            while not waiting:
                if self._stopping:
                    return
                arrived.clear()
                await arrived.wait()
            if gather:
                await gather(waiting)
            group = self._take(waiting)
            if group:
                await self._commit(group)

    def _take(self, waiting: _Line) -> list[tuple[Unit, asyncio.Future[None]]]:
        group: list[tuple[Unit, asyncio.Future[None]]] = []
        while waiting and len(group) < self._group:
            unit, written = waiting.popleft()
            if not written.done():  # else its waiter was cancelled
                group.append((unit, written))
        return group

    async def _commit(self, group: list[tuple[Unit, asyncio.Future[None]]]) -> None:
        try:
            await self._transaction([unit for unit, _ in group])
        except Exception as error:
            if is_unavailable(error):
                _answer(group, unavailable())
            elif len(group) == 1:
                _answer(group, error)
            else:
                for each in group:
                    await self._commit([each])
        else:
            self._observe(len(group))
            _answer(group, None)

    async def _transaction(self, units: list[Unit]) -> None:
        rings = any(unit.rings for unit in units)
        if any(unit.updates for unit in units):
            async with self._database.writing() as connection:
                await write_units(connection, units)
                if rings:
                    await self._database.bell.before_commit(connection)
        else:
            await self._bulk.write(_merged(units), rings=rings, woken=_woken(units))
        if rings:
            self._database.bell.after_commit()


def _answer(group: list[tuple[Unit, asyncio.Future[None]]], error: Exception | None) -> None:
    for _, written in group:
        if written.done():
            continue
        if error is None:
            written.set_result(None)
        else:
            written.set_exception(error)
