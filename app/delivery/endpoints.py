"""The endpoints that this worker sends to: what each may be sent now, how it fares, and that people are told."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select

from app import metrics
from app.config import Settings
from app.db import Database
from app.delivery.breaker import BreakerState, Gate
from app.delivery.outbox import Attempt
from app.delivery.troubles import Change, to_be_ended
from app.identifiers import now
from app.receivers import Receiver
from app.registry import Registry, Snapshot
from app.tables import endpoint_state

log = structlog.get_logger()
_LONGEST_REST = timedelta(hours=1)
_GONE = 410
_HURRIED = (429, 503)


class Endpoints:
    """Of one worker: another one has its own breakers, and finds out by itself. What they find is kept in rows."""

    def __init__(self, settings: Settings, database: Database, registry: Registry) -> None:
        self._settings = settings
        self._database = database
        self._registry = registry
        self._snapshot: Snapshot | None = None
        self._gates: dict[str, Gate] = {}
        self._since: dict[str, datetime] = {}
        self._suspended: frozenset[str] = frozenset()
        self._to_be_ended: frozenset[str] = frozenset()
        self._looked_at: float | None = None

    async def refresh(self) -> None:
        """Look, every `refresh_seconds`, at what the county has set and at who was suspended or taken back."""
        self._snapshot = await self._registry.current()
        at = time.monotonic()
        if self._looked_at is None or at - self._looked_at >= self._settings.refresh_seconds:
            suspended = select(endpoint_state.c.receiver).where(endpoint_state.c.suspended_at.is_not(None))
            async with self._database.reading() as connection:
                self._suspended = frozenset((await connection.execute(suspended)).scalars())
                self._to_be_ended = await to_be_ended(connection, now())
            self._looked_at = at

    def is_suspended(self, code: str) -> bool:
        return code in self._suspended

    async def receiver(self, code: str) -> Receiver | None:
        """One that seems to have no endpoint is looked at again: it may just have been given one."""
        receiver = (await self._registry.current()).receiver(code)
        if receiver is None or receiver.endpoint is None:
            receiver = (await self._registry.refresh()).receiver(code)
        return receiver

    def allowance(self, code: str, *, urgent: bool = False) -> int:
        """How many more messages it may be sent now."""
        most, per_second = self._limits(code)
        gate = self._gates.get(code)
        if gate is None:
            if per_second is None:
                return most
            gate = self._gates[code] = Gate()
        return gate.allowance(time.monotonic(), most, per_second, urgent=urgent)

    def may_follow(self, code: str) -> int:
        """How many more may be held, to be sent as soon as others have ended."""
        most, per_second = self._limits(code)
        gate = self._gates.get(code)
        return most if gate is None else gate.may_follow(time.monotonic(), most, per_second)

    def opens_in(self, code: str) -> float:
        """Seconds until time alone lets something through; 0 if it is not time that it waits for."""
        gate = self._gates.get(code)
        if gate is None:
            return 0.0
        at = time.monotonic()
        return gate.opens_at(at, self._limits(code)[1]) - at

    def began(self, code: str, *, urgent: bool) -> None:
        self._gates.setdefault(code, Gate()).began(time.monotonic(), self._limits(code)[1], urgent=urgent)

    def ended(self, code: str, *, urgent: bool) -> None:
        gate = self._gates[code]
        gate.ended(urgent=urgent)
        if gate.is_idle:
            del self._gates[code]

    def judge(self, code: str, attempt: Attempt) -> Change | None:
        """What an attempt says about its endpoint, if anything is different now."""
        at = time.monotonic()
        gate = self._gates.setdefault(code, Gate())
        before = gate.breaker.state(at)
        slow = attempt.milliseconds >= self._settings.delivery_slow_seconds * 1000
        if attempt.succeeded and not slow:
            gate.breaker.succeeded()
        else:
            gate.breaker.failed(at)
        if attempt.retry_after is not None and attempt.status_code in _HURRIED:
            gate.rests_until = at + min(attempt.retry_after, _LONGEST_REST).total_seconds()
        after = gate.breaker.state(at)
        gone = attempt.status_code == _GONE
        ends_trouble = code in self._to_be_ended and attempt.succeeded and after is BreakerState.CLOSED
        if after is before and not gone and not ends_trouble:
            if gate.is_idle:
                del self._gates[code]
            return None
        fault = attempt.fault or ("slow" if attempt.succeeded else f"http_{attempt.status_code}")
        return self._changed(code, gate, after, None if after is BreakerState.CLOSED and not gone else fault, gone)

    def _changed(self, code: str, gate: Gate, state: BreakerState, fault: str | None, gone: bool) -> Change:
        at = now()
        if state is BreakerState.CLOSED:
            since = at
            self._since.pop(code, None)
            self._to_be_ended -= {code}
        else:
            since = self._since.setdefault(code, at)
        metrics.ENDPOINTS_RESTING.set(len(self._since))
        if gone:
            self._suspended |= {code}
        # Whoever reads this has to reach the agency by other means.
        phone = getattr(self._snapshot.receiver(code), "phone", None) if self._snapshot else None
        event = "endpoint_suspended" if gone else f"endpoint_{state}"
        log.log(20 if state is BreakerState.CLOSED and not gone else 30, event, receiver=code, fault=fault, phone=phone)
        pause = gate.breaker.open_until - time.monotonic()
        return Change(
            receiver=code,
            breaker=state,
            since=since,
            failures=gate.breaker.failures,
            fault=fault,
            probe_at=at + timedelta(seconds=pause) if state is BreakerState.OPEN else None,
            suspended_at=at if gone else None,
        )

    def _limits(self, code: str) -> tuple[int, int | None]:
        receiver = self._snapshot.receiver(code) if self._snapshot else None
        default = self._settings.delivery_per_agency
        if receiver is None:
            return default, None
        return receiver.max_in_flight or default, receiver.per_second
