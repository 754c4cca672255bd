"""The outbox: a message is the delivery's own row, written in the transaction that gave rise to it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.delivery.lanes import Priority
from app.delivery.schedule import GIVE_UP_AFTER
from app.identifiers import new_id
from app.ledger import Unit
from app.sealing import NO_BOX, Box, kept_at
from app.steps import InSteps, Steps
from app.tables import delivery, delivery_attempt
from app.wire import to_json

UNREADABLE = "unreadable"  # the fault of what was damaged where it is kept: it says nothing of the endpoint


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is in this worker's hands until its lease ends."""

    id: UUID
    receiver: str
    request_id: UUID | None
    handoff_id: UUID | None
    type: str
    lane: Priority
    # None: it can't be opened, so there is nothing to send.
    body: bytes | None
    attempts: int
    created_at: datetime
    give_up_at: datetime
    lease_until: datetime
    box: Box = NO_BOX

    @property
    def is_urgent(self) -> bool:
        return self.lane is Priority.EMERGENCY

    @property
    def began_at(self) -> datetime:
        """When its three days began: when it was made, or when it was last sent again."""
        return self.give_up_at - GIVE_UP_AFTER

    @property
    def was_sent_again(self) -> bool:
        return self.began_at > self.created_at


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: an HTTP status, or a fault in one word. `answer` is cut short; `retry_after` is what it asked for."""

    started_at: datetime
    milliseconds: int
    status_code: int | None
    fault: str | None
    answer: bytes
    retry_after: timedelta | None = None

    @property
    def succeeded(self) -> bool:
        return self.status_code is not None and 200 <= self.status_code < 300


@InSteps
def enqueue(
    unit: Unit,
    box: Box,
    *,
    type: str,  # noqa: A002 - the word of the contract
    receiver: str,
    request_id: UUID | None,
    handoff_id: UUID | None,
    data: dict[str, Any],
    at: datetime,
    priority: Priority = Priority.ORDINARY,
) -> Steps[UUID]:
    """Add a message to a unit of work; its id. Its bytes are fixed here, for every attempt; `box` is its request's, or, if
    it is about none, the service's."""
    delivery_id = new_id()
    body = to_json({"type": type, "timestamp": at, "data": data})
    yield
    unit.insert(
        delivery,
        {
            "id": delivery_id,
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
            "superseded_at": None,
            "digest": box.seal_bytes(hashlib.sha256(body).digest(), kept_at("delivery.digest", delivery_id, receiver)),
            "sealed": box.seal_bytes(body, kept_at("delivery.sealed", delivery_id, receiver)),
        },
    )
    unit.rings = True
    return delivery_id


def digest_of(box: Box, row: Any) -> bytes | None:
    """SHA-256 of a stored message's bytes, as it was queued; None once its request was erased. Raises InvalidTag."""
    return box.unseal_bytes(row.digest, kept_at("delivery.digest", row.id, row.receiver))


# 2xx is the truth whoever heard it, also of one that should not go out any more and was on its way; a failure is only
# for the worker that still holds the claim to say.
_IS_UNDER_WAY = or_(delivery.c.status == "pending", delivery.c.status == "superseded")  # no IN in an executemany
_UNDER_WAY = and_(delivery.c.id == bindparam("b_id"), _IS_UNDER_WAY)
_PENDING = and_(delivery.c.id == bindparam("b_id"), delivery.c.status == "pending")
_MINE = and_(_PENDING, delivery.c.claimed_by == bindparam("b_worker"))
_DELIVERED = (
    update(delivery)
    .where(_UNDER_WAY)
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
    unit, attempt_id = Unit(), new_id()
    unit.insert(
        delivery_attempt,
        {
            "id": attempt_id,
            "delivery_id": claimed.id,
            "number": claimed.attempts + 1,
            "started_at": attempt.started_at,
            "milliseconds": attempt.milliseconds,
            "status_code": attempt.status_code,
            "fault": attempt.fault,
            # What an endpoint answers may name somebody.
            "sealed": claimed.box.seal_bytes(attempt.answer, kept_at("delivery_attempt.sealed", attempt_id)),
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


_HELD = select(delivery.c.id).where(
    delivery.c.id.in_(bindparam("b_ids", expanding=True)),
    delivery.c.status == "pending",
    delivery.c.claimed_by == bindparam("b_worker"),
)


async def held(connection: AsyncConnection, delivery_ids: Collection[UUID], worker_id: UUID) -> set[UUID]:
    """What of that, which it claimed, a worker may still send."""
    ids = list(delivery_ids)
    ids += ids[-1:] * ((1 << (len(ids) - 1).bit_length()) - len(ids))  # a power of two: few statements to prepare
    return set((await connection.execute(_HELD, {"b_ids": ids, "b_worker": worker_id})).scalars())


async def has_arrived(connection: AsyncConnection, delivery_id: UUID) -> bool:
    """Whether any try was answered with 2xx, also one before it was sent again."""
    tries = select(delivery_attempt.c.id).where(delivery_attempt.c.delivery_id == delivery_id)
    return await connection.scalar(tries.where(delivery_attempt.c.status_code.between(200, 299)).limit(1)) is not None


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


async def send_again(
    connection: AsyncConnection, delivery_ids: Collection[UUID], at: datetime, lane: Priority | None = None
) -> set[UUID]:
    """Make deliveries that have ended due again, same id, same bytes; their three days and their schedule begin anew.

    Their attempts are numbered on, and they keep their lane unless one is given. Those that were still pending, and those
    that show more than may be shown now, are left as they are, and out of the answer.
    """
    due: dict[str, Any] = {"status": "pending", "due_at": at, "give_up_at": at + GIVE_UP_AFTER, "ended_at": None}
    if lane is not None:
        due["priority"] = int(lane)
    ended = delivery.c.id.in_(delivery_ids) & delivery.c.status.in_(("delivered", "exhausted"))
    ended &= delivery.c.superseded_at.is_(None)
    again = update(delivery).where(ended).values(**due).returning(delivery.c.id)
    return set((await connection.execute(again)).scalars())


async def hurry(connection: AsyncConnection, receiver: str, at: datetime, most: int) -> int:
    """Make up to `most` of what waits for a receiver's next try due now; how many."""
    waiting = (
        select(delivery.c.id)
        .where(
            delivery.c.status == "pending",
            delivery.c.priority.in_([int(lane) for lane in Priority]),
            delivery.c.receiver == receiver,
            delivery.c.due_at > at,
            delivery.c.claimed_by.is_(None),
        )
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    now_due = update(delivery).where(delivery.c.id.in_(waiting)).values(due_at=at)
    return (await connection.execute(now_due)).rowcount
