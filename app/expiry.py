"""Expiry (到期清理): every night what has been kept for its whole period is erased, kind by kind, a little at a time.

However many workers sweep, and whenever one of them dies: each batch is a transaction of its own, a request is locked
while it is erased, and how far a kind's rows were gone through is written with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Select, Table, and_, delete, func, or_, select, true, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app import forgetting, holds, metrics, retention
from app.db import Database, is_unavailable
from app.handoffs import SYSTEM
from app.identifiers import first_id, now
from app.keeping import EMERGENCY, KINDS, REQUEST, WITHDRAWN, last_night, parse_period
from app.logs import describe
from app.registry import Registry
from app.tables import (
    alarm,
    callback_refused,
    delivery,
    delivery_attempt,
    guest_link,
    handoff,
    help_request,
    idempotency,
    reading,
    reserved_number,
    sign_in_event,
)
from app.tables import retention as periods

TOGETHER = 20  # requests in one transaction
ROWS_TOGETHER = 500
LOOK_SECONDS = 60.0
_COUNTED = 10_000
_NONE = UUID(int=0)
log = structlog.get_logger()
_ORDINARY = help_request.c.emergency.is_(None)
_REQUESTS: Mapping[str, tuple[ColumnElement[bool], ...]] = {
    REQUEST: (help_request.c.status == "closed", _ORDINARY),
    WITHDRAWN: (help_request.c.status == "withdrawn", _ORDINARY),
    EMERGENCY: (help_request.c.emergency.is_not(None),),
}


async def keep_expiring(database: Database, registry: Registry, hour: int, stopping: asyncio.Event) -> None:
    """Look every minute whether the night's sweep is still to be done, until told to stop."""
    while not stopping.is_set():
        try:
            at = now()
            await sweep(database, registry, at, last_night(at, hour), stopping)
        except Exception as error:
            if not is_unavailable(error):
                log.error("expiry_failed", **describe(error))
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), LOOK_SECONDS)


async def sweep(
    database: Database,
    registry: Registry,
    at: datetime,
    since: datetime | None = None,
    stopping: asyncio.Event | None = None,
) -> dict[str, int]:
    """Erase what is due at `at` of each kind that was not swept `since`, or of all; how much of each."""
    stopping = stopping or asyncio.Event()
    async with database.reading() as connection:
        rows = await retention.rows_of(connection)
    done = {}
    for kind, row in rows.items():
        if kind not in KINDS or (since and row["swept_at"] and row["swept_at"] >= since):
            continue
        done[kind] = 0
        if row["period"] is not None:
            before = parse_period(row["period"]).before(at)
            if kind in _REQUESTS:
                done[kind] = await _requests(database, registry, kind, before, at, stopping)
            else:
                done[kind] = await _rows(database, kind, before, at, stopping)
        if stopping.is_set():
            break
        async with database.writing() as connection:
            await connection.execute(update(periods).where(periods.c.kind == kind).values(swept_at=at))
    if any(done.values()):
        await database.leave_no_trace()
        log.info("expired", **done)
        for kind, count in done.items():
            metrics.ERASED.labels(kind).inc(count)
    return done


async def preview(database: Database, at: datetime) -> dict[str, Any]:
    """`RetentionPreview`: what a sweep at `at` would erase."""
    kinds = []
    async with database.reading() as connection:
        rows = await retention.rows_of(connection)
        for kind in KINDS:
            period = rows[kind]["period"] if kind in rows else None
            before = parse_period(period).before(at) if period else None
            count = 0 if before is None else await _count(connection, kind, before, at, rows[kind]["done_to"])
            kinds.append({"kind": kind, "before": before, "records": count})
    return {"at": at, "kinds": kinds}


async def _count(connection: AsyncConnection, kind: str, before: datetime, at: datetime, done_to: UUID | None) -> int:
    if kind == "reading":
        return await _count_readings(connection, before, at)
    if kind in _REQUESTS:
        some = due_requests(kind, before, at, _COUNTED)
    elif kind in AGED:
        aged = AGED[kind]
        some = select(aged.table.c.id).where(_aged(aged, done_to, before), aged.goes(at)).limit(_COUNTED)
    else:
        some = select(idempotency.c.key_hash).where(idempotency.c.created_at < before).limit(_COUNTED)
    return await connection.scalar(select(func.count()).select_from(some.subquery())) or 0


# ---- requests ----


def due_requests(
    kind: str, before: datetime, at: datetime, most: int, after: tuple[datetime, UUID] | None = None
) -> Select[Any]:
    """Those of a kind that ended before that, were not erased and are not held, the longest ended first."""
    ended = (help_request.c.closed_at, help_request.c.id)
    due = select(help_request.c.id, help_request.c.closed_at).where(
        *_REQUESTS[kind],
        help_request.c.closed_at < before,
        help_request.c.erased_at.is_(None),
        help_request.c.id.not_in(holds.held(at)),
    )
    if after is not None:
        due = due.where(tuple_(*ended) > after)
    return due.order_by(*ended).limit(most)


async def _requests(
    database: Database, registry: Registry, kind: str, before: datetime, at: datetime, stopping: asyncio.Event
) -> int:
    done, after = 0, None
    while not stopping.is_set():
        async with database.reading() as connection:
            found = (await connection.execute(due_requests(kind, before, at, TOGETHER, after))).all()
        if not found:
            break
        ids = [row.id for row in found]
        try:
            done += await _erase(database, registry, ids, kind, at)
        except Exception as error:
            if is_unavailable(error):
                raise
            done += await _one_by_one(database, registry, ids, kind, at)
        after = (found[-1].closed_at, found[-1].id)
    return done


async def _one_by_one(database: Database, registry: Registry, ids: Collection[UUID], kind: str, at: datetime) -> int:
    """One that can't be erased keeps no other; it is tried again the next night."""
    done = 0
    for each in ids:
        try:
            done += await _erase(database, registry, [each], kind, at)
        except Exception as error:
            if is_unavailable(error):
                raise
            log.error("erasure_failed", request_id=str(each), **describe(error))
    return done


async def _erase(database: Database, registry: Registry, ids: Collection[UUID], kind: str, at: datetime) -> int:
    """Those of them that no other worker has in hand, that nobody holds, and about which nothing is under way."""
    snapshot, done = await registry.current(), 0
    async with database.writing() as connection:
        for case in await forgetting.load_shut(connection, ids, skip_locked=True):
            if (
                not case.has_ended
                or case.request["erased_at"] is not None
                or await holds.of_request(connection, case.id, at)
            ):
                continue
            if await forgetting.is_being_told(connection, case.id):
                continue
            await forgetting.forget(connection, case, snapshot, at, SYSTEM, {"why": "period", "kind": kind})
            done += 1
    return done


# ---- other rows ----


@dataclass(frozen=True, slots=True)
class Aged:
    """Rows whose ids tell their age. Those that go are deleted, or what is sealed in them is emptied."""

    table: Table
    goes: Callable[[datetime], ColumnElement[bool]]
    empties: bool = False


def _not_held(column: ColumnElement[Any]) -> Callable[[datetime], ColumnElement[bool]]:
    """`column` names a handoff."""
    return lambda at: column.not_in(select(handoff.c.id).where(handoff.c.request_id.in_(holds.held(at))))


def _done_with(at: datetime) -> ColumnElement[bool]:
    of_nobody_held = or_(delivery.c.request_id.is_(None), delivery.c.request_id.not_in(holds.held(at)))
    is_done = delivery.c.status.in_(("delivered", "superseded"))
    return and_(is_done, delivery.c.sealed != forgetting.EMPTY, of_nobody_held)


def _answered(at: datetime) -> ColumnElement[bool]:
    of_held = select(delivery.c.id).where(
        delivery.c.id == delivery_attempt.c.delivery_id, delivery.c.request_id.in_(holds.held(at))
    )
    return and_(delivery_attempt.c.sealed != forgetting.EMPTY, ~of_held.exists())


AGED: Mapping[str, Aged] = {
    # What was given up keeps its bytes until its request is erased: it can still be sent again.
    "delivery_body": Aged(delivery, _done_with, empties=True),
    "attempt_answer": Aged(delivery_attempt, _answered, empties=True),
    "callback_refused": Aged(callback_refused, _not_held(callback_refused.c.handoff_id)),
    "reserved_number": Aged(reserved_number, lambda _: true()),
    "guest_link": Aged(guest_link, _not_held(guest_link.c.handoff_id)),
    "sign_in": Aged(sign_in_event, lambda _: true()),
    "alarm": Aged(alarm, lambda _: alarm.c.acknowledged_at.is_not(None)),
}


class Step(NamedTuple):
    """What one transaction did; `done_to`: how far a kind was gone through. None: the next night looks at what stayed."""

    rows: int
    done_to: UUID | None
    more: bool


async def _rows(database: Database, kind: str, before: datetime, at: datetime, stopping: asyncio.Event) -> int:
    done, more = 0, True
    mine = select(periods.c.done_to).where(periods.c.kind == kind).with_for_update(skip_locked=True)
    while more and not stopping.is_set():
        async with database.writing() as connection:
            row = (await connection.execute(mine)).first()
            if row is None:
                break  # another worker has it in hand
            step = await _step(connection, kind, row.done_to, before, at)
            await connection.execute(update(periods).where(periods.c.kind == kind).values(done_to=step.done_to))
        done, more = done + step.rows, step.more
    return done


async def _step(connection: AsyncConnection, kind: str, done_to: UUID | None, before: datetime, at: datetime) -> Step:
    if kind == "idempotency":
        return await _drop_keys(connection, before)
    if kind == "reading":
        return await _drop_readings(connection, done_to, before, at)
    aged = AGED[kind]
    found = select(aged.table.c.id).where(_aged(aged, done_to, before)).order_by(aged.table.c.id).limit(ROWS_TOGETHER)
    ids = list((await connection.execute(found)).scalars())
    if not ids:
        return Step(0, done_to if aged.empties else None, more=False)
    these = (aged.table.c.id.in_(ids), aged.goes(at))
    change: Any = update(aged.table).where(*these).values(sealed=forgetting.EMPTY)
    count = (await connection.execute(change if aged.empties else delete(aged.table).where(*these))).rowcount
    more = len(ids) == ROWS_TOGETHER
    return Step(count, ids[-1] if more or aged.empties else None, more=more)


def _aged(aged: Aged, done_to: UUID | None, before: datetime) -> ColumnElement[bool]:
    return (aged.table.c.id > (done_to or _NONE)) & (aged.table.c.id < first_id(before))


async def _drop_keys(connection: AsyncConnection, before: datetime) -> Step:
    key = (idempotency.c.api_key_id, idempotency.c.key_hash)
    found = select(*key).where(idempotency.c.created_at < before).order_by(idempotency.c.created_at)
    old = (await connection.execute(found.limit(ROWS_TOGETHER))).all()
    if old:
        await connection.execute(delete(idempotency).where(tuple_(*key).in_([tuple(row) for row in old])))
    return Step(len(old), None, more=len(old) == ROWS_TOGETHER)


async def _next_chain(connection: AsyncConnection, after: UUID | None, before: datetime) -> UUID | None:
    began = select(reading.c.chain).where(reading.c.chain > (after or _NONE), reading.c.chain < first_id(before))
    chain: UUID | None = await connection.scalar(began.order_by(reading.c.chain).limit(1))
    return chain


async def _chain_goes(connection: AsyncConnection, chain: UUID, before: datetime, at: datetime) -> bool:
    """Whether all of a chain goes: else it would not hold any more."""
    of_chain = reading.c.chain == chain
    last = await connection.scalar(select(reading.c.at).where(of_chain).order_by(reading.c.number.desc()).limit(1))
    if last is None or last >= before:
        return False
    of_held = select(reading.c.id).where(reading.c.request_id.in_(holds.held(at)), of_chain).limit(1)
    return await connection.scalar(of_held) is None


async def _count_readings(connection: AsyncConnection, before: datetime, at: datetime) -> int:
    count, chain = 0, None
    while count < _COUNTED and (chain := await _next_chain(connection, chain, before)):
        if await _chain_goes(connection, chain, before, at):
            count += await connection.scalar(select(func.count()).where(reading.c.chain == chain)) or 0
    return min(count, _COUNTED)


async def _drop_readings(connection: AsyncConnection, done_to: UUID | None, before: datetime, at: datetime) -> Step:
    """Whole chains, from their ends, so that what is left of one that is half gone still holds."""
    chain = await _next_chain(connection, done_to, before)
    if chain is None:
        return Step(0, None, more=False)  # the next night looks at those again that went on
    if not await _chain_goes(connection, chain, before, at):
        return Step(0, chain, more=True)
    of_chain = select(reading.c.number).where(reading.c.chain == chain).order_by(reading.c.number.desc())
    numbers = list((await connection.execute(of_chain.limit(ROWS_TOGETHER))).scalars())
    gone = delete(reading).where(reading.c.chain == chain, reading.c.number >= numbers[-1])
    return Step((await connection.execute(gone)).rowcount, done_to, more=True)
