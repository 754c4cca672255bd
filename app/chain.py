"""The chain (值守链): who has not signed in to an emergency is followed by the next to call, each step once.

First the agency's duty list in its order, then the same department in the division above, which gets a handoff too,
then the county's coordinator.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import Database, is_unavailable
from app.delivery.notices import finish
from app.desk import Desk
from app.handoffs import SYSTEM, beside, dispatch
from app.identifiers import now
from app.ledger import write_units
from app.lifecycle import SIGNED_FOR, HandoffStatus
from app.loading import load
from app.logs import describe
from app.registry import OutdatedSnapshotError, Registry, Snapshot
from app.routing.directory import Agency
from app.routing.rules import COORDINATOR, Role, local_day
from app.tables import emergency_watch, handoff
from app.timeline import Case, Handoff

LOOK_SECONDS = 1.0
_MOST = 100
_SET_ASIDE = timedelta(minutes=5)
log = structlog.get_logger()


class Step(NamedTuple):
    """Who is followed next; `agency` is given where it gets a handoff of its own, `name` is nobody's business."""

    to: str  # duty, higher or coordinator
    office: str
    phone: str | None
    name: str | None = None
    agency: Agency | None = None


async def keep_following(
    database: Database, registry: Registry, public_url: str | None, stopping: asyncio.Event
) -> None:
    """Look again and again at who was waited for too long, until told to stop."""
    while not stopping.is_set():
        try:
            while not stopping.is_set() and await follow(database, registry, public_url, now()) == _MOST:
                pass
        except Exception as error:
            if not is_unavailable(error):
                log.error("chain_not_followed", **describe(error))
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), LOOK_SECONDS)


async def follow(database: Database, registry: Registry, public_url: str | None, at: datetime) -> int:
    """Take every step that is due at `at`, each in a transaction of its own; how many there were."""
    due = emergency_watch.c.due_at <= at
    late = select(emergency_watch.c.handoff_id, handoff.c.request_id)
    late = late.join_from(emergency_watch, handoff, emergency_watch.c.handoff_id == handoff.c.id)
    async with database.reading() as connection:
        rows = (await connection.execute(late.where(due).order_by(emergency_watch.c.due_at).limit(_MOST))).all()
    taken = 0
    for row in rows:
        try:
            await _take_step(database, Desk(await registry.current(), at, SYSTEM, public_url), row)
            taken += 1
        except OutdatedSnapshotError:
            await registry.refresh()  # and at the next look
        except Exception as error:
            if is_unavailable(error):
                raise
            # One that can't be followed keeps nobody behind it waiting.
            log.error("chain_step_failed", handoff_id=str(row.handoff_id), **describe(error))
            later = update(emergency_watch).where(emergency_watch.c.handoff_id == row.handoff_id)
            async with database.writing() as connection:
                await connection.execute(later.values(due_at=at + _SET_ASIDE))
    return taken


async def _take_step(database: Database, desk: Desk, late: Any) -> None:
    async with database.writing() as connection:
        case = await load(connection, late.request_id)
        watched = await _still_due(connection, late.handoff_id, desk.at)
        if watched is None:
            return  # another worker was faster
        silent = case.handoff(late.handoff_id)
        this = emergency_watch.c.handoff_id == silent.id
        if silent.status is not HandoffStatus.DISPATCHED or _is_relieved(case, silent, desk.snapshot):
            await connection.execute(update(emergency_watch).where(this).values(due_at=None))
            return
        steps = steps_of(silent, case.request["division_code"], desk.snapshot)
        step = steps[min(watched.position, len(steps) - 1)]  # the duty list may have become shorter
        _record(case, silent, step, desk)
        is_last = watched.position + 1 >= len(steps)
        minutes = desk.snapshot.aid.terms_of(case.request["division_code"], local_day(desk.at)).sign_in_minutes
        next_at = None if is_last else desk.at + timedelta(minutes=minutes)
        moved = {"position": watched.position + 1, "due_at": next_at, "called": step.office, "phone": step.phone}
        await connection.execute(update(emergency_watch).where(this).values(moved))
        await write_units(connection, [finish(case, desk.snapshot)])
        await database.bell.before_commit(connection)
    database.bell.after_commit()


async def _still_due(connection: AsyncConnection, handoff_id: UUID, at: datetime) -> Any:
    """Its row, if nobody has followed it since it was found; the request is locked, so nobody does now."""
    found = select(emergency_watch).where(emergency_watch.c.handoff_id == handoff_id, emergency_watch.c.due_at <= at)
    return (await connection.execute(found)).first()


def steps_of(silent: Handoff, division_code: str, snapshot: Snapshot) -> list[Step]:
    """Everybody who may be followed for an agency, in order; the coordinator of where it happened is always the last."""
    agencies = snapshot.directory.agencies
    own = agencies[silent.agency_code]
    steps = [Step("duty", each.office, each.phone, each.name) for each in snapshot.duties.get(own.code, ())]
    if higher := snapshot.directory.superior(own):
        steps.append(Step("higher", higher.name_zh, higher.phone, agency=higher))
    coordinator = snapshot.directory.resolve(COORDINATOR, division_code)
    name, phone = (coordinator.name_zh, coordinator.phone) if coordinator else ("县协调机制", None)
    return [*steps, Step("coordinator", name, phone)]


def _is_relieved(case: Case, silent: Handoff, snapshot: Snapshot) -> bool:
    """Whether it only stood behind an office of its own department, which has signed in meanwhile."""
    agencies = snapshot.directory.agencies
    signed = (agencies[each.agency_code] for each in case.of_need(silent.need) if each.status in SIGNED_FOR)
    own = agencies[silent.agency_code].department
    return not silent.mandatory and any(each.department == own for each in signed)


def _record(case: Case, silent: Handoff, step: Step, desk: Desk) -> None:
    data = {
        "agency": silent.agency_code,
        "called": step.to,
        "office": step.office,
        "phone": step.phone,
        "reason": "not_signed_in",
    }
    note = {"name": step.name} if step.name else None
    case.record("emergency.escalated", desk.at, SYSTEM, handoff_id=silent.id, data=data, note=note)
    higher = step.agency
    if higher is not None and all(each.agency_code != higher.code for each in case.of_need(silent.need)):
        added = beside(silent, higher, desk, role=Role.CO_HANDLER, mandatory=False)
        case.open_more(added)
        dispatch(case, added, desk)
