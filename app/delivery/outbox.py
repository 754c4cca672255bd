"""The outbox: a message is the delivery's own row, written in the transaction that gave rise to it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.delivery.schedule import GIVE_UP_AFTER
from app.identifiers import new_id
from app.ledger import Unit
from app.sealing import seal_bytes, unseal_bytes
from app.tables import delivery, delivery_attempt
from app.wire import to_json


class Priority(IntEnum):
    """Lower is sent first."""

    EMERGENCY = 0
    URGED = 1
    ORDINARY = 2


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is in this worker's hands until its lease ends."""

    id: UUID
    receiver: str
    request_id: UUID
    handoff_id: UUID
    type: str
    body: bytes
    attempts: int
    created_at: datetime
    give_up_at: datetime
    lease_until: datetime

    @property
    def began_at(self) -> datetime:
        """When its three days began: when it was made, or when it was last sent again."""
        return self.give_up_at - GIVE_UP_AFTER

    @property
    def was_sent_again(self) -> bool:
        return self.began_at > self.created_at


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: an HTTP status, or a fault in one word. `answer` is cut short."""

    started_at: datetime
    milliseconds: int
    status_code: int | None
    fault: str | None
    answer: bytes

    @property
    def succeeded(self) -> bool:
        return self.status_code is not None and 200 <= self.status_code < 300


def enqueue(
    unit: Unit,
    *,
    type: str,  # noqa: A002 - the word of the contract
    receiver: str,
    request_id: UUID,
    handoff_id: UUID,
    data: dict[str, Any],
    at: datetime,
    priority: Priority = Priority.ORDINARY,
) -> None:
    """Add a message to a unit of work. Its bytes are fixed here, for every attempt."""
    body = to_json({"type": type, "timestamp": at, "data": data})
    unit.insert(
        delivery,
        {
            "id": new_id(),
            "receiver": receiver,
            "request_id": request_id,
            "handoff_id": handoff_id,
            "type": type,
            "status": "pending",
            "priority": int(priority),
            "attempts": 0,
            "due_at": at,
            "claimed_by": None,
            "created_at": at,
            "give_up_at": at + GIVE_UP_AFTER,
            "ended_at": None,
            "digest": hashlib.sha256(body).digest(),
            "sealed": seal_bytes(body),
        },
    )
    unit.rings = True


async def claim_due(
    connection: AsyncConnection,
    worker_id: UUID,
    at: datetime,
    lease: timedelta,
    limit: int,
    busy: Collection[str],
) -> list[Claimed]:
    """Take up to `limit` due deliveries, most urgent first, none of the `busy` agencies.

    PostgreSQL passes over rows that another worker is taking (SKIP LOCKED); on SQLite the caller holds the
    database's one write lock. Either way the lease is the row's new `due_at`.
    """
    claimed: list[Claimed] = []
    for lane in Priority:
        if len(claimed) < limit:
            claimed += await _claim_lane(connection, lane, worker_id, at, lease, limit - len(claimed), busy)
    return claimed


async def _claim_lane(
    connection: AsyncConnection,
    lane: Priority,
    worker_id: UUID,
    at: datetime,
    lease: timedelta,
    limit: int,
    busy: Collection[str],
) -> list[Claimed]:
    # A lane at a time: equality on the index's first column makes the rest of it the order that is asked for.
    first = (
        select(delivery.c.id)
        .where(delivery.c.status == "pending", delivery.c.priority == int(lane), delivery.c.due_at <= at)
        .order_by(delivery.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    if busy:
        first = first.where(delivery.c.receiver.not_in(sorted(busy)))
    due = first.cte("due")
    taken = (
        update(delivery)
        .where(delivery.c.id == due.c.id)
        .values(due_at=at + lease, claimed_by=worker_id)
        .returning(
            delivery.c.id,
            delivery.c.receiver,
            delivery.c.request_id,
            delivery.c.handoff_id,
            delivery.c.type,
            delivery.c.sealed,
            delivery.c.attempts,
            delivery.c.created_at,
            delivery.c.give_up_at,
        )
    )
    rows = (await connection.execute(taken)).all()
    claimed = [
        Claimed(
            id=row.id,
            receiver=row.receiver,
            request_id=row.request_id,
            handoff_id=row.handoff_id,
            type=row.type,
            body=unseal_bytes(row.sealed),
            attempts=row.attempts,
            created_at=row.created_at,
            give_up_at=row.give_up_at,
            lease_until=at + lease,
        )
        for row in rows
    ]
    return sorted(claimed, key=lambda each: each.id)


async def next_due(connection: AsyncConnection) -> datetime | None:
    """When the next pending delivery is due, leased ones included."""
    lanes = [
        select(func.min(delivery.c.due_at))
        .where(delivery.c.status == "pending", delivery.c.priority == int(lane))
        .scalar_subquery()
        for lane in Priority
    ]
    row = (await connection.execute(select(*lanes))).one()
    return min((at for at in row if at is not None), default=None)


# 2xx is the truth whoever heard it; a failure is only for the worker that still holds the claim to say.
_PENDING = and_(delivery.c.id == bindparam("b_id"), delivery.c.status == "pending")
_MINE = and_(_PENDING, delivery.c.claimed_by == bindparam("b_worker"))
_DELIVERED = (
    update(delivery)
    .where(_PENDING)
    .values(status="delivered", attempts=delivery.c.attempts + 1, ended_at=bindparam("b_at"), claimed_by=None)
)
_TRY_AGAIN = (
    update(delivery)
    .where(_MINE)
    .values(attempts=delivery.c.attempts + 1, due_at=bindparam("b_due_at"), claimed_by=None)
)
_EXHAUSTED = (
    update(delivery)
    .where(_MINE)
    .values(status="exhausted", attempts=delivery.c.attempts + 1, ended_at=bindparam("b_at"), claimed_by=None)
)
_RELEASE = update(delivery).where(_MINE).values(due_at=bindparam("b_due_at"), claimed_by=None)


def record(claimed: Claimed, attempt: Attempt, worker_id: UUID, at: datetime, try_again_at: datetime | None) -> Unit:
    """The unit of work that keeps an attempt and what became of its delivery: delivered, or tried again.

    With no time to try again, `give_up` says in the same transaction what became of it.
    """
    unit = Unit()
    unit.insert(
        delivery_attempt,
        {
            "id": new_id(),
            "delivery_id": claimed.id,
            "number": claimed.attempts + 1,
            "started_at": attempt.started_at,
            "milliseconds": attempt.milliseconds,
            "status_code": attempt.status_code,
            "fault": attempt.fault,
            "sealed": seal_bytes(attempt.answer),  # what an endpoint answers may name somebody
        },
    )
    if attempt.succeeded:
        unit.update(_DELIVERED, {"b_id": claimed.id, "b_at": at})
    elif try_again_at is not None:
        unit.update(_TRY_AGAIN, {"b_id": claimed.id, "b_worker": worker_id, "b_due_at": try_again_at})
    return unit


async def give_up(connection: AsyncConnection, delivery_id: UUID, worker_id: UUID, at: datetime) -> bool:
    """Make a delivery exhausted; False if the worker has lost its claim, and another one says what becomes of it."""
    given_up = await connection.execute(_EXHAUSTED, {"b_id": delivery_id, "b_worker": worker_id, "b_at": at})
    return given_up.rowcount == 1


async def failed_since_sent_again(connection: AsyncConnection, claimed: Claimed) -> int:
    """How many tries have failed since its three days began anew: its schedule goes by these, not by all of them."""
    tries = select(func.count()).where(
        delivery_attempt.c.delivery_id == claimed.id, delivery_attempt.c.started_at >= claimed.began_at
    )
    return await connection.scalar(tries) or 0


async def release(connection: AsyncConnection, worker_id: UUID, claimed: Collection[Claimed], at: datetime) -> None:
    """Give back what was claimed and not tried."""
    if claimed:
        await connection.execute(
            _RELEASE, [{"b_id": each.id, "b_worker": worker_id, "b_due_at": at} for each in claimed]
        )


async def send_again(connection: AsyncConnection, delivery_id: UUID, at: datetime) -> bool:
    """Make an exhausted delivery due again, same id, same bytes, and its three days and their schedule begin anew.

    Its attempts are numbered on. False if it isn't exhausted.
    """
    again = (
        update(delivery)
        .where(delivery.c.id == delivery_id, delivery.c.status == "exhausted")
        .values(status="pending", due_at=at, give_up_at=at + GIVE_UP_AFTER, ended_at=None)
    )
    return (await connection.execute(again)).rowcount == 1
