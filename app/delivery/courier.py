"""The courier: claim what is due, send it with no transaction open, record what came back."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from app import metrics
from app.config import Settings
from app.db import Database, is_unavailable
from app.delivery.breaker import Breaker
from app.delivery.outbox import (
    Attempt,
    Claimed,
    claim_due,
    failed_since_sent_again,
    give_up,
    next_due,
    record,
    release,
)
from app.delivery.schedule import next_try
from app.delivery.sender import Session, open_session, send
from app.identifiers import now
from app.ledger import Ledger, Unit, write_units
from app.logs import describe
from app.problems import Problem
from app.registry import Registry
from app.routing.directory import Agency
from app.timeline import load

log = structlog.get_logger()
_ACTOR = "system"
_YOUNG_SECONDS = 1.0
_SOCKETS_FOR_EACH = 16


class Courier:
    """Of one worker. `run()` until `stop()`; what is in hand is finished, what was only claimed is given back."""

    def __init__(
        self, worker_id: UUID, settings: Settings, database: Database, ledger: Ledger, registry: Registry
    ) -> None:
        self._id = worker_id
        self._settings = settings
        self._database = database
        self._ledger = ledger
        self._registry = registry
        self._lease = timedelta(seconds=settings.delivery_lease_seconds)
        # A message is not sent in the last part of its lease: the attempt must end before somebody else may begin.
        self._margin = timedelta(seconds=settings.delivery_total_seconds + 1)
        self._held: dict[str, deque[Claimed]] = {}
        self._in_flight: Counter[str] = Counter()
        self._began: dict[UUID, float] = {}
        self._breakers: dict[str, Breaker] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._chance = random.Random()  # noqa: S311 - jitter

    async def run(self) -> None:
        async with open_session(self._settings) as session:
            while not self._stopping:
                self._database.bell.rung.clear()
                for agency_code in list(self._held):
                    self._send_held(agency_code, session)  # one that was resting may be probed by now
                try:
                    took = await self._claim(session)
                    pause = 0.0 if took else await self._pause()
                except Exception as error:
                    if not is_unavailable(error):
                        log.error("claim_failed", **describe(error))
                    took, pause = False, self._settings.poll_seconds
                if not took:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._database.bell.rung.wait(), pause)
            await self._finish()

    def stop(self) -> None:
        self._stopping = True
        self._database.bell.after_commit()

    async def _claim(self, session: Session) -> bool:
        """Whether to look again at once: something was taken and there is still room."""
        room = self._room()
        if room < max(self._settings.delivery_concurrency // 2, 1):
            return False
        async with self._database.writing() as connection:
            claimed = await claim_due(connection, self._id, now(), self._lease, room, self._busy())
        for each in claimed:
            self._held.setdefault(each.agency_code, deque()).append(each)
        for agency_code in {each.agency_code for each in claimed}:
            self._send_held(agency_code, session)
        return bool(claimed)

    def _room(self) -> int:
        """How many more may be sent. One that has waited for its endpoint for a second costs a socket and nothing else,
        and does not keep others waiting too; only the number of sockets is bounded."""
        young = time.monotonic() - _YOUNG_SECONDS
        most = self._settings.delivery_concurrency
        busy = sum(began > young for began in self._began.values())
        return min(most - busy, most * _SOCKETS_FOR_EACH - len(self._began))

    def _busy(self) -> list[str]:
        """Agencies that can take no more now: at their limit, resting, or with something still held for them."""
        at = time.monotonic()
        codes = {*self._in_flight, *self._breakers, *self._held}
        return [code for code in codes if code in self._held or self._in_flight[code] >= self._allowance(code, at)]

    def _allowance(self, agency_code: str, at: float) -> int:
        breaker = self._breakers.get(agency_code)
        most = self._settings.delivery_per_agency
        return most if breaker is None else breaker.allowance(at, most)

    def _send_held(self, agency_code: str, session: Session) -> None:
        held = self._held.get(agency_code)
        while held and self._in_flight[agency_code] < self._allowance(agency_code, time.monotonic()):
            claimed = held.popleft()
            if claimed.lease_until - now() < self._margin:
                continue  # too late to send it safely: when the lease ends it is claimed again
            self._in_flight[agency_code] += 1
            self._began[claimed.id] = time.monotonic()
            task = asyncio.create_task(self._deliver(claimed, session))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if not held:
            self._held.pop(agency_code, None)

    async def _deliver(self, claimed: Claimed, session: Session) -> None:
        code = claimed.agency_code
        try:
            attempt = await send(session, await self._agency(code), claimed)
            self._judge(code, attempt)
            self._count(claimed, attempt)
            await self._record(claimed, attempt)
        except Exception as error:
            # Not recorded: the lease ends, and it is sent again with the same id and bytes.
            expected = isinstance(error, Problem) or is_unavailable(error)
            log.log(30 if expected else 40, "attempt_not_recorded", delivery_id=str(claimed.id), **describe(error))
        finally:
            self._in_flight[code] -= 1
            self._began.pop(claimed.id, None)
            if not self._in_flight[code]:
                del self._in_flight[code]
            if not self._stopping:
                self._send_held(code, session)
            if len(self._began) <= self._settings.delivery_concurrency // 2:
                self._database.bell.after_commit()

    async def _agency(self, code: str) -> Agency | None:
        """An agency that seems to have no endpoint is looked at again: it may just have been given one."""
        agency = (await self._registry.current()).directory.agencies.get(code)
        if agency is None or agency.endpoint is None:
            agency = (await self._registry.refresh()).directory.agencies.get(code)
        return agency

    def _judge(self, agency_code: str, attempt: Attempt) -> None:
        if attempt.succeeded:
            self._breakers.pop(agency_code, None)
            return
        breaker = self._breakers.setdefault(agency_code, Breaker())
        if breaker.failed(time.monotonic()):
            log.warning("endpoint_rests", agency=agency_code, failures=breaker.failures, fault=attempt.fault)

    def _count(self, claimed: Claimed, attempt: Attempt) -> None:
        outcome = "delivered" if attempt.succeeded else attempt.fault or f"{(attempt.status_code or 0) // 100}xx"
        metrics.ATTEMPTS.labels(outcome).inc()
        metrics.DELIVERY_SECONDS.observe(attempt.milliseconds / 1000)
        if claimed.attempts == 0:
            metrics.FIRST_ATTEMPT_SECONDS.observe((attempt.started_at - claimed.created_at).total_seconds())

    async def _record(self, claimed: Claimed, attempt: Attempt) -> None:
        at = now()
        again = None
        if not attempt.succeeded:
            failed = await self._failed_before(claimed) + 1
            again = next_try(failed, at, claimed.give_up_at, self._chance)
        unit = record(claimed, attempt, self._id, at, again)
        if attempt.succeeded or again is not None:
            await self._ledger.write(unit)
        elif await self._give_up(claimed, unit, at):
            metrics.EXHAUSTED.inc()
            log.error("delivery_exhausted", delivery_id=str(claimed.id), agency=claimed.agency_code)

    async def _give_up(self, claimed: Claimed, unit: Unit, at: datetime) -> bool:
        """Write the last attempt's unit and the event that says so; False if the claim was lost: then only the unit."""
        async with self._database.writing() as connection:
            case = await load(connection, claimed.request_id)
            given_up = await give_up(connection, claimed.id, self._id, at)
            units = [unit]
            if given_up:
                data = {"delivery": str(claimed.id), "agency": claimed.agency_code, "attempts": claimed.attempts + 1}
                case.record("delivery.exhausted", at, _ACTOR, handoff_id=claimed.handoff_id, data=data)
                units.append(case.finish())
            await write_units(connection, units)
        return given_up

    async def _failed_before(self, claimed: Claimed) -> int:
        if not claimed.was_sent_again:
            return claimed.attempts
        async with self._database.reading() as connection:
            return await failed_since_sent_again(connection, claimed)

    async def _pause(self) -> float:
        """Seconds until something is due or a breaker may be probed, at most the poll interval."""
        async with self._database.reading() as connection:
            at = await next_due(connection)
        until_due = (at - now()).total_seconds() if at else self._settings.poll_seconds
        if until_due <= 0:
            # Due but not to be had: its agency is busy, or another worker is taking it.
            until_due = min(0.25, self._settings.poll_seconds)
        return min(until_due, self._settings.poll_seconds)

    async def _finish(self) -> None:
        held = [claimed for queue in self._held.values() for claimed in queue]
        self._held.clear()
        with suppress(Exception):
            async with self._database.writing() as connection:
                await release(connection, self._id, held, now())
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._settings.stop_seconds * 0.6)
        for task in self._tasks:
            task.cancel()
