"""Escalation (催办、督办): who is late, and who is told. The sweep finds what has to be looked at by its own index.

A step is done in the transaction that moves the handoff's next look past it, with the request's row locked: however
many workers sweep, and whenever one of them dies, each step is done once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clocks
from app.clocks import Planned, Step
from app.db import Database, is_unavailable
from app.delivery.lanes import Priority
from app.delivery.notices import finish
from app.delivery.outbox import enqueue
from app.desk import Desk
from app.handoffs import SYSTEM, resume, tell, urge
from app.identifiers import now
from app.ledger import write_units
from app.lifecycle import Clock
from app.loading import load_all
from app.logs import describe
from app.metrics import OVERDUE
from app.registry import OutdatedSnapshotError, Registry, Snapshot
from app.routing.directory import Agency
from app.tables import handoff, help_request
from app.timeline import Case, Handoff

TOGETHER = 100  # requests in one transaction: whoever else wants to write waits that long
SUSPENSION_LIMIT = "suspension_limit"
_SET_ASIDE = timedelta(hours=1)
_COUNTED = 10_000
_DUE_COLUMN = {
    Clock.SIGN_IN: handoff.c.sign_in_due,
    Clock.ACCEPTANCE: handoff.c.accept_due,
    Clock.COMPLETION: handoff.c.complete_due,
}
log = structlog.get_logger()


async def sweep(
    database: Database,
    registry: Registry,
    at: datetime,
    public_url: str | None = None,
    stopping: asyncio.Event | None = None,
) -> dict[Step, int]:
    """Do everything that is due before `at`, a batch a transaction, unless told to stop; how many of each step."""
    done = dict.fromkeys(Step, 0)
    while not (stopping and stopping.is_set()) and (found := await _due(database, at)):
        try:
            took = await _batch(database, registry, found, at, public_url, done)
        except OutdatedSnapshotError:
            await registry.refresh()
            took = await _one_by_one(database, registry, found, at, public_url, done)
        except Exception as error:
            if is_unavailable(error):
                raise
            took = await _one_by_one(database, registry, found, at, public_url, done)
        if not took:
            break  # another worker has them in hand
    return done


def due_by(at: datetime, most: int) -> Select[UUID]:
    """The requests of the handoffs that are to be looked at before `at`, the longest due first; one may come twice."""
    look = select(handoff.c.request_id).where(handoff.c.next_look_at < at)
    return look.order_by(handoff.c.next_look_at, handoff.c.id).limit(most)


def overdue_by(at: datetime, clock: Clock | None = None) -> tuple[Any, ...]:
    """What makes a handoff overdue, as conditions: computed, never stored."""
    late = (handoff.c.first_due < at,)
    if clock is None:
        return late
    statuses = [status for status, run in clocks.RUN.items() if clock in run]
    return (*late, handoff.c.status.in_(statuses), _DUE_COLUMN[clock] < at)


async def measure_overdue(connection: AsyncConnection) -> None:
    """Set the gauges: from the index of what is overdue alone, each counted to 10,000."""
    at = now()
    for clock in Clock:
        some = select(handoff.c.id).where(*overdue_by(at, clock)).limit(_COUNTED).subquery()
        OVERDUE.labels(clock).set(await connection.scalar(select(func.count()).select_from(some)) or 0)


async def _due(database: Database, at: datetime) -> list[UUID]:
    async with database.reading() as connection:
        return list(dict.fromkeys((await connection.execute(due_by(at, TOGETHER))).scalars()))


async def _batch(
    database: Database,
    registry: Registry,
    request_ids: Collection[UUID],
    at: datetime,
    public_url: str | None,
    done: dict[Step, int],
) -> int:
    """How many of the requests were taken: those that no other worker has in hand."""
    desk = Desk(await registry.current(), at, SYSTEM, public_url)
    counted = dict.fromkeys(Step, 0)
    async with database.writing() as connection:
        free = select(help_request.c.id).where(help_request.c.id.in_(request_ids)).order_by(help_request.c.id)
        taken = (await connection.execute(free.with_for_update(skip_locked=True))).scalars().all()
        cases = await load_all(connection, taken)
        for case in cases.values():
            _look_at(case, desk, counted)
        units = [finish(case, desk.snapshot, at) for case in cases.values()]
        await write_units(connection, units)
        rings = any(unit.rings for unit in units)
        if rings:
            await database.bell.before_commit(connection)
    if rings:
        database.bell.after_commit()
    for step, count in counted.items():
        done[step] += count
    return len(cases)


async def _one_by_one(
    database: Database,
    registry: Registry,
    request_ids: Sequence[UUID],
    at: datetime,
    public_url: str | None,
    done: dict[Step, int],
) -> int:
    """One that can't be looked at keeps nobody else waiting: it is set aside for an hour."""
    took = 0
    for each in request_ids:
        try:
            took += await _batch(database, registry, [each], at, public_url, done)
        except Exception as error:
            if is_unavailable(error):
                raise
            log.error("sweep_failed", request_id=str(each), **describe(error))
            later = update(handoff).where(handoff.c.request_id == each, handoff.c.next_look_at < at)
            async with database.writing() as connection:
                took += (await connection.execute(later.values(next_look_at=at + _SET_ASIDE))).rowcount
    return took


def _look_at(case: Case, desk: Desk, counted: dict[Step, int]) -> None:
    for each in case.handoffs:
        if each.next_look_at is None or each.next_look_at >= desk.at:
            continue
        steps = clocks.due_steps(each, desk.snapshot, desk.at)
        each.next_look_at = desk.at
        case.touch(each)
        for planned in steps:
            _do(case, each, planned, desk)
            counted[planned.step] += 1
    if case.handoffs:
        case.settle(desk.at, desk.actor)


def _do(case: Case, late: Handoff, planned: Planned, desk: Desk) -> None:
    if planned.step is Step.RESUME:
        resume(case, late, desk, since=planned.at, reason=SUSPENSION_LIMIT)
        late.next_look_at = planned.at
        tell(case, late, "handoff.resumed", desk, reason=SUSPENSION_LIMIT)
    elif planned.step is Step.URGE:
        urge(case, late, desk, f"{planned.clock}_overdue")
    elif planned.step is Step.REMIND:
        told = _told(late, planned.clock)
        case.record("handoff.due_soon", desk.at, desk.actor, handoff_id=late.id, data=_as_text(late, told))
        tell(case, late, "handoff.due_soon", desk, **told)
    else:
        _supervise(case, late, planned.clock, desk)


def _supervise(case: Case, late: Handoff, clock: Clock, desk: Desk) -> None:
    """The agency, the office above it, and by the notice of the event whoever coordinates: all are told."""
    agency = desk.snapshot.directory.agencies[late.agency_code]
    above = desk.snapshot.directory.superior(agency)
    told = _told(late, clock)
    data = {**_as_text(late, told), "superior": above.code if above else None}
    case.record("handoff.supervised", desk.at, desk.actor, handoff_id=late.id, data=data)
    tell(case, late, "handoff.supervised", desk, priority=Priority.URGED, **told)
    if above and above.is_told:
        enqueue(
            case.unit,
            case.box,
            type="agency.supervised",
            receiver=above.code,
            request_id=case.id,
            handoff_id=late.id,
            data={**_seen_from_above(case, late, agency, desk.snapshot), **told},
            at=desk.at,
            priority=Priority.URGED,
        )


def _seen_from_above(case: Case, late: Handoff, agency: Agency, snapshot: Snapshot) -> dict[str, Any]:
    """Nothing of the person: whoever is above has no part in the request."""
    need = snapshot.needs[late.need]
    return {
        "handoff_id": late.id,
        "receipt_number": case.request["receipt_number"],
        **agency.contact,
        "need": {"code": need.code, "name_zh": need.name_zh, "name_en": need.name_en},
        "division_code": case.request["division_code"],
        "status": late.status,
        "dispatched_at": late.dispatched_at,
    }


def _told(late: Handoff, clock: Clock) -> dict[str, Any]:
    return {"clock": clock, "due_at": dict(clocks.running(late))[clock]}


def _as_text(late: Handoff, told: dict[str, Any]) -> dict[str, Any]:
    """For an event, whose data are what JSON holds."""
    due_at: datetime = told["due_at"]
    at = due_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"agency": late.agency_code, "status": late.status, "clock": told["clock"], "due_at": at}
