"""The courier: claim what is due, send it with no transaction open, record what came back.

One beat is one transaction: it records what was finished since the last one, and claims what there is room for.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app import metrics
from app.config import Settings
from app.db import Database, is_unavailable
from app.delivery import outbox, queue
from app.delivery.endpoints import Endpoints
from app.delivery.holding import Holding
from app.delivery.lanes import Priority, choose
from app.delivery.notices import finish
from app.delivery.outbox import UNREADABLE, Attempt, Claimed
from app.delivery.schedule import next_try
from app.delivery.sender import Session, open_session, send
from app.delivery.superseding import DISCLOSING
from app.delivery.troubles import Change, keep
from app.identifiers import now
from app.ledger import Ledger, Unit, write_units
from app.loading import headers, load
from app.logs import describe
from app.problems import Problem
from app.registry import Registry
from app.sealing import CANT_BE_OPENED
from app.timeline import Case

log = structlog.get_logger()
MayGo = Callable[[Claimed], Awaitable[bool]]
_ACTOR = "system"
_YOUNG_SECONDS = 1.0
_SOCKETS_FOR_EACH = 16
_MOST_RECEIVERS = 256


class Courier:
    """Of one worker. `run()` until `stop()`; what is in hand is finished, what was only claimed is given back."""

    def __init__(
        self,
        worker_id: UUID,
        settings: Settings,
        database: Database,
        ledger: Ledger,
        registry: Registry,
        may_go: MayGo | None = None,
    ) -> None:
        """`may_go` is asked of each message before it is posted."""
        self._id = worker_id
        self._may_go = may_go
        self._settings = settings
        self._database = database
        self._holding = Holding(database, worker_id)
        self._ledger = ledger
        self._registry = registry
        self._endpoints = Endpoints(settings, database, registry)
        self._lease = timedelta(seconds=settings.delivery_lease_seconds)
        # A message is not sent in the last part of its lease: the attempt must end before somebody else may begin.
        self._margin = timedelta(seconds=settings.delivery_total_seconds + 1)
        self._held: dict[str, deque[Claimed]] = {}
        self._late: list[Claimed] = []
        self._began: dict[UUID, float] = {}
        self._finished: list[tuple[Claimed, Unit]] = []
        self._changes: list[Change] = []
        self._seen_up_to: dict[Priority, str] = {}
        self._took_something = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._chance = random.Random()  # noqa: S311 - jitter

    async def run(self) -> None:
        async with open_session(self._settings) as session:
            while not self._stopping:
                self._database.bell.rung.clear()
                self._send_all_held(session)  # one that was resting may be probed by now
                try:
                    await self._endpoints.refresh()
                    pause = await self._beat(session)
                except Exception as error:
                    if not is_unavailable(error):
                        log.error("claim_failed", **describe(error))
                        await self._record_one_by_one()
                    pause = self._settings.poll_seconds
                if pause:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._database.bell.rung.wait(), pause)
            await self._finish()

    def stop(self) -> None:
        self._stopping = True
        self._database.bell.after_commit()

    async def _beat(self, session: Session) -> float:
        """Seconds until there may be something to do again: none if something was claimed and there is still room."""
        snapshot = await self._registry.current()
        finished, self._finished = self._finished, []
        changes, self._changes = self._changes, []
        late, self._late = self._late, []
        room, reserve = self._room(), self._settings.delivery_concurrency // 4 + 1
        claimed: list[Claimed] = []
        waiting: list[queue.Waiting] = []
        try:
            async with self._database.writing() as connection:
                await write_units(connection, [unit for _, unit in finished])
                await outbox.release(connection, self._id, late, now())
                told = await keep(connection, changes, snapshot, now())
                if told:
                    await self._database.bell.before_commit(connection)
                if room + reserve > 0:
                    waiting = await queue.waiting(connection, self._seen_up_to, _MOST_RECEIVERS)
                    at = now()
                    due = [(each.lane, each.receiver) for each in waiting if each.due_at <= at]
                    wanted = choose(room, due, self._may_claim, reserve)
                    if wanted:
                        claimed = await queue.claim(connection, self._id, at, self._lease, wanted)
        except BaseException:
            self._finished = finished + self._finished
            self._changes = changes + self._changes
            self._late = late + self._late
            raise
        if told:
            self._database.bell.after_commit()
        for each in claimed:
            self._hold(each)
        free = self._free()
        for code in {each.receiver for each in claimed}:
            free = self._send_held(code, session, free)
        if room + reserve <= 0:
            return self._settings.poll_seconds
        return 0.0 if self._look_on(waiting, bool(claimed)) else self._pause(waiting)

    def _look_on(self, waiting: list[queue.Waiting], took: bool) -> bool:
        """Whether to look again at once: there are receivers that this round has not come to, or it took something.

        The next beat begins after the last receiver seen, so that each has its turn however many there are.
        """
        of_lane: dict[Priority, list[str]] = {}
        for each in waiting:
            of_lane.setdefault(each.lane, []).append(each.receiver)
        full = (lane for lane, receivers in of_lane.items() if len(receivers) == _MOST_RECEIVERS)
        self._seen_up_to = {lane: of_lane[lane][-1] for lane in full}
        took = took or self._took_something
        self._took_something = took and bool(self._seen_up_to)
        return took or bool(self._seen_up_to)

    def _free(self) -> int:
        """How many more may be sent. One that has waited for its endpoint for a second costs a socket and nothing else,
        and does not keep others waiting too; only the number of sockets is bounded."""
        young = time.monotonic() - _YOUNG_SECONDS
        return self._settings.delivery_concurrency - sum(began > young for began in self._began.values())

    def _room(self) -> int:
        """How many more may be claimed: as many as may be sent, and as many again to follow them while the next beat is
        under way. What has been held for a second waits for its endpoint alone, and does not count either."""
        most = self._settings.delivery_concurrency
        in_hand = len(self._began) + len(self._finished) + sum(map(len, self._held.values()))
        young = now() + self._lease - timedelta(seconds=_YOUNG_SECONDS)
        held = sum(each.lease_until > young for of_one in self._held.values() for each in of_one)
        return min(most + self._free() - held, most * _SOCKETS_FOR_EACH - in_hand)

    def _may_claim(self, code: str, lane: Priority) -> int:
        if lane is Priority.EMERGENCY:  # it goes before what is held
            return self._endpoints.allowance(code, urgent=True)
        allowed = self._endpoints.allowance(code) + self._endpoints.may_follow(code)
        return allowed - len(self._held.get(code, ()))

    def _hold(self, claimed: Claimed) -> None:
        held = self._held.setdefault(claimed.receiver, deque())
        if claimed.is_urgent:
            held.appendleft(claimed)
        else:
            held.append(claimed)

    def _send_held(self, code: str, session: Session, free: int) -> int:
        """Of `free` places those that are left when what is held for an endpoint, and may go to it now, is sent."""
        held = self._held.get(code)
        while held and (free > 0 or held[0].is_urgent):
            if self._endpoints.allowance(code, urgent=held[0].is_urgent) <= 0:
                break
            claimed = held.popleft()
            if claimed.lease_until - now() < self._margin:
                self._late.append(claimed)  # too late to send it safely: it is given back, and claimed anew
                continue
            free -= 1
            self._endpoints.began(code, urgent=claimed.is_urgent)
            self._began[claimed.id] = time.monotonic()
            task = asyncio.create_task(self._deliver(claimed, session))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if not held:
            self._held.pop(code, None)
        return free

    def _send_all_held(self, session: Session, first: str = "") -> None:
        """What may go out of all that is held, beginning with one endpoint's."""
        free = self._send_held(first, session, self._free())
        for code in list(self._held):
            free = self._send_held(code, session, free)

    async def _deliver(self, claimed: Claimed, session: Session) -> None:
        code = claimed.receiver
        try:
            try:
                attempt = await self._attempt(claimed, session) if await self._may_still_go(claimed) else None
            finally:
                self._endpoints.ended(code, urgent=claimed.is_urgent)
            if attempt is not None:
                self._count(claimed, attempt)
                await self._conclude(claimed, attempt)
        except Exception as error:
            # Not recorded: the lease ends, and it is sent again with the same id and bytes.
            expected = isinstance(error, Problem) or is_unavailable(error)
            log.log(30 if expected else 40, "attempt_not_recorded", delivery_id=str(claimed.id), **describe(error))
        finally:
            self._began.pop(claimed.id, None)
            if not self._stopping:
                self._send_all_held(session, first=code)
            self._database.bell.after_commit()

    async def _may_still_go(self, claimed: Claimed) -> bool:
        """What shows something of a person may have been superseded since it was claimed, a moment ago or while it was
        held: it is looked at once more. Anything else only if it was held for its endpoint."""
        was_held = now() - (claimed.lease_until - self._lease) >= timedelta(seconds=_YOUNG_SECONDS)
        try:
            must_look = was_held or claimed.type in DISCLOSING
            if must_look and not await self._holding.still(claimed.id, alone=claimed.is_urgent):
                return False
            if self._may_go is not None and not await self._may_go(claimed):
                return False
        except Exception:
            self._late.append(claimed)  # nothing was sent: it is given back, and claimed anew
            raise
        if claimed.lease_until - now() < self._margin:  # looking took long
            self._late.append(claimed)
            return False
        return True

    async def _attempt(self, claimed: Claimed, session: Session) -> Attempt:
        code = claimed.receiver
        if self._endpoints.is_suspended(code):
            return Attempt(now(), 0, None, "endpoint_suspended", b"")
        attempt = await send(session, await self._endpoints.receiver(code), claimed)
        if attempt.fault != UNREADABLE and (changed := self._endpoints.judge(code, attempt)):
            self._changes.append(changed)
        return attempt

    def _count(self, claimed: Claimed, attempt: Attempt) -> None:
        outcome = "delivered" if attempt.succeeded else attempt.fault or f"{(attempt.status_code or 0) // 100}xx"
        metrics.ATTEMPTS.labels(outcome).inc()
        metrics.DELIVERY_SECONDS.observe(attempt.milliseconds / 1000)
        if claimed.attempts == 0:
            metrics.FIRST_ATTEMPT_SECONDS.observe((attempt.started_at - claimed.created_at).total_seconds())

    async def _conclude(self, claimed: Claimed, attempt: Attempt) -> None:
        """Leave what came back to the next beat, or, when three days have passed, give up."""
        at = now()
        again = None
        if not attempt.succeeded:
            failed = await self._failed_before(claimed) + 1
            again = next_try(failed, at, claimed.give_up_at, self._chance, attempt.retry_after)
        unit = outbox.record(claimed, attempt, self._id, at, again)
        if attempt.succeeded or again is not None:
            self._finished.append((claimed, unit))
        elif await self._give_up(claimed, unit, at):
            metrics.EXHAUSTED.inc()
            log.error("delivery_exhausted", delivery_id=str(claimed.id), receiver=claimed.receiver)

    async def _give_up(self, claimed: Claimed, unit: Unit, at: datetime) -> bool:
        """Write the last attempt's unit and the event that says so; False if the claim was lost: then only the unit."""
        async with self._database.writing() as connection:
            case, is_whole = await self._case_of(connection, claimed)
            given_up = await outbox.give_up(connection, claimed.id, self._id, at)
            units = [unit]
            if given_up and case is not None and claimed.handoff_id is not None:
                data = {"delivery": str(claimed.id), "agency": claimed.receiver, "attempts": claimed.attempts + 1}
                data |= {"fault": UNREADABLE} if claimed.body is None else {}
                case.record("delivery.exhausted", at, _ACTOR, handoff_id=claimed.handoff_id, data=data)
                units.append(finish(case, await self._registry.current()) if is_whole else case.finish())
            await write_units(connection, units)
        return given_up

    async def _case_of(self, connection: AsyncConnection, claimed: Claimed) -> tuple[Case | None, bool]:
        """Whole, unless its data key can't be opened: then it can take an event, and no notice could be sealed."""
        if claimed.request_id is None:
            return None, False
        try:
            return await load(connection, claimed.request_id), True
        except CANT_BE_OPENED:
            return (await headers(connection, [claimed.request_id]))[claimed.request_id], False

    async def _failed_before(self, claimed: Claimed) -> int:
        if not claimed.was_sent_again:
            return claimed.attempts
        async with self._database.reading() as connection:
            return await outbox.failed_since_sent_again(connection, claimed)

    async def _record_one_by_one(self) -> None:
        """One that the database refuses fails alone: its lease ends, and it is sent again with the same id and bytes."""
        finished, self._finished = self._finished, []
        written = await asyncio.gather(*(self._ledger.write(unit) for _, unit in finished), return_exceptions=True)
        for (claimed, _), error in zip(finished, written, strict=True):
            if error is not None:
                log.error("attempt_not_recorded", delivery_id=str(claimed.id), **describe(error))
        changes, self._changes = self._changes, []
        for change in changes:
            try:
                async with self._database.writing() as connection:
                    await keep(connection, [change], await self._registry.current(), now())
            except Exception as error:
                log.error("endpoint_change_not_kept", receiver=change.receiver, **describe(error))

    def _pause(self, waiting: list[queue.Waiting]) -> float:
        """Seconds until something is due that may be sent, or a gate opens; at most the poll interval."""
        at, most = now(), self._settings.poll_seconds
        until = [most]
        for each in waiting:
            if (due_in := (each.due_at - at).total_seconds()) > 0:
                until.append(due_in)
            else:
                # Due but not to be had: its endpoint is busy, or another worker is taking it.
                until.append(self._endpoints.opens_in(each.receiver) or min(0.25, most))
        return max(min(until), 0.001)

    async def _finish(self) -> None:
        held = [*self._late, *(claimed for queue_ in self._held.values() for claimed in queue_)]
        self._late.clear()
        self._held.clear()
        with suppress(Exception):
            async with self._database.writing() as connection:
                await outbox.release(connection, self._id, held, now())
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._settings.stop_seconds * 0.6)
        for task in self._tasks:
            task.cancel()
        await self._record_one_by_one()
