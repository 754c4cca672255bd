"""Readings (查阅记录): who looked at whose data, what of it, what for. It is on disk before the data is shown.

Readings that come together are written together. Each process has a chain of its own, begun anew when a group could
not be written: a row holds the hash of the one before it, so that none can be changed, added or taken out between two
others unseen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

import structlog
from sqlalchemy import Select, bindparam, func, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from app import metrics
from app.bulk import insert_rows
from app.db import Database, is_unavailable
from app.deadlines import CHINA
from app.hashchain import GENESIS, reading_hash
from app.identifiers import first_id, new_id, now
from app.logs import describe
from app.problems import unavailable
from app.tables import alarm, reading

# Whoever looks again within this time is not written down again.
STANDS_FOR_SECONDS = 15 * 60
SHOWN_ALL_THE_SAME_AFTER = 2.0
_MOST_REMEMBERED = 10_000
_PAGE = 1_000
HOURLY, DAILY = "readings_per_hour", "readings_per_day"
OWN_DAILY = "own_work_per_day"
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reading:
    """`unrelated`: not part of the work that the reader has at this moment. Without a request somebody was looked up who is
    not there, or not within the reader's reach."""

    actor: str
    role: str
    agency_code: str | None
    request_id: UUID | None
    handoff_id: UUID | None
    shown: tuple[str, ...]
    legal_basis: str | None
    way: str
    purpose: str
    stated: bool
    unrelated: bool


_Group: TypeAlias = list[tuple[Reading, asyncio.Future[None]]]


class Readings:
    """Written in groups by whichever reader's turn it is; `most`: of how many people's data before an alarm, by its kind."""

    def __init__(self, database: Database, most: Mapping[str, int]) -> None:
        self._database = database
        self._most = most
        self._turn = asyncio.Lock()
        self._waiting: _Group = []
        self._writing: set[asyncio.Task[None]] = set()
        self._known: dict[Reading, float] = {}
        self._alarmed: set[tuple[str, str, datetime]] = set()
        self._begin_chain()

    def _begin_chain(self) -> None:
        self._chain, self._number, self._head = new_id(), 0, GENESIS

    async def record(self, seen: Reading, *, must: bool = True) -> None:
        """Returns when it is on disk. Where it can't be written it raises, and nothing may be shown; unless it need not
        be (`must`), because somebody is in danger: then it is logged."""
        try:
            async with asyncio.timeout(None if must else SHOWN_ALL_THE_SAME_AFTER):
                await self._record(seen)
        except Exception as error:
            if must:
                raise unavailable() if is_unavailable(error) else error from None
            log.error("reading_not_recorded", request_id=str(seen.request_id), actor=seen.actor, **describe(error))

    async def _record(self, seen: Reading) -> None:
        if seen.request_id is not None and self._known.get(seen, 0) > time.monotonic():
            return  # of two who were not found nobody can say whether they are one
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((seen, written))
        task = asyncio.create_task(self._write_in_turn())  # others may hang on it: it goes on though its reader left
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        await written

    async def _write_in_turn(self) -> None:
        async with self._turn:
            group, self._waiting = self._waiting, []
            if group:
                await self._write_all(group)

    async def _write_all(self, group: _Group) -> None:
        try:
            await self._write([seen for seen, _ in group])
        except BaseException as error:
            self._begin_chain()  # whether it was written is not sure: nothing more hangs on it
            for _, written in group:
                if not written.done():
                    written.set_exception(error if isinstance(error, Exception) else unavailable())
                    written.exception()  # its reader may have left
            return
        if len(self._known) > _MOST_REMEMBERED:
            self._known.clear()
        until = time.monotonic() + STANDS_FOR_SECONDS
        for seen, written in group:
            self._known[seen] = until
            if not written.done():
                written.set_result(None)

    async def _write(self, group: Collection[Reading]) -> None:
        at, number, head = now(), self._number, self._head
        rows = []
        for seen in group:
            number += 1
            row = {"id": new_id(), "chain": self._chain, "number": number, "at": at, **asdict(seen)}
            row |= {"shown": list(seen.shown)}
            head = row["hash"] = reading_hash(head, row)
            rows.append(row)
        suspects = {(seen.actor, seen.unrelated) for seen in group}
        async with self._database.writing() as connection:
            await insert_rows(connection, {reading: rows})
            raised = [each for who in suspects for each in await self._raised(connection, *who, at)]
        self._number, self._head = number, head
        for kind, actor, count in raised:
            metrics.READING_ALARMS.labels(kind).inc()
            log.warning("reading_alarm", kind=kind, actor=actor, count=count)

    async def _raised(
        self, connection: AsyncConnection, actor: str, unrelated: bool, at: datetime
    ) -> list[tuple[str, str, int]]:
        """The alarms that the actor's last reading raises: each once for its hour, or its day."""
        raised = []
        for kind in (HOURLY, DAILY) if unrelated else (OWN_DAILY,):
            most, since = self._most[kind], _began(kind, at)
            if (kind, actor, since) in self._alarmed:
                continue
            count = await connection.scalar(how_many(actor, since, most, unrelated=unrelated)) or 0
            if count > most:
                self._alarmed = {each for each in self._alarmed if each[2] >= _began(DAILY, at)} | {
                    (kind, actor, since)
                }
                row = {"id": new_id(), "kind": kind, "actor": actor, "since": since, "count": count, "raised_at": at}
                if (await connection.execute(_RAISE, row)).rowcount == 1:
                    raised.append((kind, actor, count))
        return raised


def how_many(actor: str, since: datetime, most: int, *, unrelated: bool = True) -> Select[Any]:
    """People whose data an actor looked at beside its own work, or in it, and how often it looked somebody up and found
    nobody; each counted to one more than is looked for."""
    of_kind = reading.c.unrelated if unrelated else ~reading.c.unrelated
    looks = select(reading.c.request_id).where(reading.c.actor == actor, reading.c.at >= since, of_kind)
    people = looks.where(reading.c.request_id.is_not(None)).distinct().limit(most + 1).subquery()
    misses = looks.where(reading.c.request_id.is_(None)).limit(most + 1).subquery()
    counted = [select(func.count()).select_from(each).scalar_subquery() for each in (people, misses)]
    return select(counted[0] + counted[1])


_RAISE = text(
    "INSERT INTO alarm (id, kind, actor, since, count, raised_at) "
    "VALUES (:id, :kind, :actor, :since, :count, :raised_at) ON CONFLICT (kind, actor, since) DO NOTHING"
).bindparams(*(bindparam(name, type_=alarm.c[name].type) for name in ("id", "since", "raised_at")))


def _began(kind: str, at: datetime) -> datetime:
    local = at.astimezone(CHINA).replace(minute=0, second=0, microsecond=0)
    return (local if kind == HOURLY else local.replace(hour=0)).astimezone(UTC)


async def breaks(connection: AsyncConnection) -> AsyncIterator[tuple[UUID, int]]:
    """The chain and number of the first reading of each chain at which it does not hold."""
    chain, number, head, broken = UUID(int=0), 0, GENESIS, False
    while rows := await _page_after(connection, chain, number):
        for row in rows:
            if row["chain"] != chain:
                chain, number, head, broken = row["chain"], 0, GENESIS, False
            holds = row["number"] == number + 1 and reading_hash(head, row) == row["hash"]
            if not holds and not broken:
                broken = True
                yield chain, number + 1
            number, head = row["number"], row["hash"]


async def _page_after(connection: AsyncConnection, chain: UUID, number: int) -> list[Mapping[Any, Any]]:
    query = (
        select(reading)
        .where(tuple_(reading.c.chain, reading.c.number) > (chain, number))
        .order_by(reading.c.chain, reading.c.number)
        .limit(_PAGE)
    )
    return list((await connection.execute(query)).mappings())


async def heads(connection: AsyncConnection, since: datetime, until: datetime) -> dict[UUID, tuple[int, bytes]]:
    """Of each chain that was written to in that time, its last number and hash then."""
    written = select(reading.c.chain, func.max(reading.c.number).label("number"))
    written = written.where(reading.c.id >= first_id(since), reading.c.id < first_id(until)).group_by(reading.c.chain)
    last_of = written.subquery()
    query = select(reading.c.chain, reading.c.number, reading.c.hash).join_from(
        reading, last_of, (reading.c.chain == last_of.c.chain) & (reading.c.number == last_of.c.number)
    )
    return {row.chain: (row.number, row.hash) for row in await connection.execute(query)}
