"""Due times by the calendar as it is known now: what rested on days that were not known, or were changed, is worked
out again from its own start.

Nothing is kept of how far a pass has come: what is done already is found to be right and left alone, so a pass that
was cut off begins anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Column, ColumnElement, Select, and_, literal, or_, select, tuple_, update

from app import clocks, metrics
from app.config import Settings
from app.db import Database, is_unavailable
from app.deadlines import CHINA, WorkingCalendar
from app.delivery.lanes import Priority
from app.delivery.notices import finish
from app.desk import Desk
from app.handoffs import SYSTEM, tell
from app.identifiers import now
from app.ledger import write_units
from app.lifecycle import HandoffStatus
from app.loading import from_row, load_all
from app.logs import describe
from app.registry import OutdatedSnapshotError, Registry
from app.routing.rules import local_day
from app.tables import calendar_change, handoff
from app.timeline import DUES, Case, Handoff
from app.working_days import warning

_BATCH = 250
# By then every process sees the change: nothing is dispatched by the calendar of before any more.
_SEEN_BY_ALL = timedelta(minutes=3)
# In the order in which handoffs move on, so that none slips by.
_RUNNING = (
    *(HandoffStatus.DISPATCHED, HandoffStatus.RECEIVED, HandoffStatus.IN_PROGRESS),
    *(HandoffStatus.SUSPENDED, HandoffStatus.IN_PROGRESS),
)
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Chosen:
    """Handoffs, in the order of an index."""

    where: ColumnElement[bool]
    order: tuple[Column[Any], ...]

    def after(self, last: Handoff | None) -> Select[Any]:
        following = select(handoff).where(self.where).order_by(*self.order)
        if last is None:
            return following
        place = (literal(getattr(last, column.name), column.type) for column in self.order)
        return following.where(tuple_(*self.order) > tuple_(*place))


class Rescheduler:
    """One task of a worker. Several beside each other find nothing to do where another was first."""

    def __init__(self, settings: Settings, database: Database, registry: Registry) -> None:
        self._settings = settings
        self._database = database
        self._registry = registry
        self._looked_at: set[UUID] = set()
        self._warned_on: date | None = None

    async def run(self, stopping: asyncio.Event) -> None:
        """Until told to stop; never cancelled in the middle of a transaction."""
        while not stopping.is_set():
            try:
                await self.look(now(), stopping)
            except Exception as error:
                if not is_unavailable(error) and not isinstance(error, OutdatedSnapshotError):
                    log.error("rescheduling_failed", **describe(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), self._settings.refresh_seconds)

    async def look(self, at: datetime, stopping: asyncio.Event) -> None:
        """Reschedule what the calendar has changed, and warn of its end."""
        async with self._database.reading() as connection:
            open_changes = select(calendar_change).where(calendar_change.c.settled_at.is_(None))
            changes = (await connection.execute(open_changes.order_by(calendar_change.c.id))).mappings().all()
        calendar = (await self._registry.refresh()).calendar
        self._warn(calendar, local_day(at))
        for chosen in _now_known(calendar):
            await self._pass(chosen, stopping)
            if stopping.is_set():
                return
        for change in changes:
            settles = at >= change["changed_at"] + _SEEN_BY_ALL
            if not settles and change["id"] in self._looked_at:
                continue
            for status in _RUNNING:
                await self._pass(_rests_on(change, status), stopping)
            if stopping.is_set():
                return
            self._looked_at.add(change["id"])
            if settles:
                async with self._database.writing() as connection:
                    this = calendar_change.c.id == change["id"]
                    await connection.execute(update(calendar_change).where(this).values(settled_at=at))

    def _warn(self, calendar: WorkingCalendar, today: date) -> None:
        metrics.CALENDAR_KNOWN_DAYS.set(calendar.days_left(today))
        if self._warned_on != today and (text := warning(calendar, today)):
            self._warned_on = today
            log.warning("calendar_ends", known_until=str(calendar.known_until), zh=text.zh, en=text.en)

    async def _pass(self, chosen: Chosen, stopping: asyncio.Event) -> None:
        """Over all that is chosen, at most 250 requests in one transaction after the other."""
        async for requests in self._differing(chosen):
            if requests:
                await self._reschedule(requests)
            if stopping.is_set():
                return

    async def _differing(self, chosen: Chosen) -> AsyncIterator[set[UUID]]:
        """By batch, the requests with a handoff whose due times are not what they would be now; read without a lock."""
        last: Handoff | None = None
        while True:
            batch = chosen.after(last).limit(_BATCH)
            async with self._database.reading() as connection:
                found = [from_row(row) for row in (await connection.execute(batch)).mappings()]
            if not found:
                return
            snapshot = await self._registry.refresh()
            yield {each.request_id for each in found if each.clocks != clocks.current(each, snapshot)}
            if len(found) < _BATCH:
                return
            last = found[-1]

    async def _reschedule(self, requests: set[UUID]) -> None:
        # Fresh for each batch: the calendar may change again while a long pass is under way.
        snapshot = await self._registry.refresh()
        desk = Desk(snapshot, now(), SYSTEM, self._settings.public_url)
        async with self._database.writing() as connection:
            units = []
            for case in (await load_all(connection, requests)).values():
                running = [each for each in case.handoffs if each.is_open and each.status is not HandoffStatus.WAITING]
                moved = [each for each in running if reschedule(case, each, desk)]
                if moved:
                    units.append(finish(case, snapshot))
            await write_units(connection, units)
            if rings := any(unit.rings for unit in units):
                await self._database.bell.before_commit(connection)
        if rings:
            self._database.bell.after_commit()


def _now_known(calendar: WorkingCalendar) -> tuple[Chosen, Chosen]:
    """Provisional and, by the calendar of then, due on a day that is known by now; or without a time to complete."""
    provisional = and_(handoff.c.due_provisional, handoff.c.closed_at.is_(None))
    end = datetime.combine(calendar.known_until, time.max, CHINA).astimezone(UTC)
    return (
        Chosen(and_(provisional, handoff.c.complete_due <= end), (handoff.c.complete_due, handoff.c.id)),
        Chosen(and_(provisional, handoff.c.complete_due.is_(None)), (handoff.c.id,)),
    )


def _rests_on(change: Mapping[Any, Any], status: HandoffStatus) -> Chosen:
    """Running, begun before the last of the changed days, and due on the first of them or later."""
    first = datetime.combine(change["first_day"], time.min, CHINA).astimezone(UTC)
    last = datetime.combine(change["last_day"], time.max, CHINA).astimezone(UTC)
    over = or_(*(handoff.c[name] >= first for name in DUES))
    return Chosen(and_(handoff.c.status == status, handoff.c.dispatched_at <= last, over), (handoff.c.id,))


def reschedule(case: Case, handoff: Handoff, desk: Desk) -> bool:
    """Set a handoff's clocks by the calendar as it is known now; False if they stood so already.

    The event says each time that moved, before and after, and which became earlier. The agency is told of moved times,
    not of provisional ones that have turned out right.
    """
    before, after = handoff.clocks, clocks.current(handoff, desk.snapshot)
    if after == before:
        return False
    moved = [name for name in DUES if getattr(before, name) != getattr(after, name)]
    data: dict[str, Any] = {"from": handoff.status, "to": handoff.status, "due_provisional": after.due_provisional}
    for name in moved:
        data |= {f"{name}_before": getattr(before, name), name: getattr(after, name)}
    data["earlier"] = [name for name in moved if _is_earlier(getattr(after, name), getattr(before, name))]
    handoff.set_clocks(after)
    case.touch(handoff)
    case.record("handoff.rescheduled", desk.at, desk.actor, handoff_id=handoff.id, data=data)
    if moved:
        tell(case, handoff, "handoff.rescheduled", desk, priority=Priority.BULK)
    return True


def _is_earlier(due_at: datetime | None, than: datetime | None) -> bool:
    return due_at is not None and than is not None and due_at < than
