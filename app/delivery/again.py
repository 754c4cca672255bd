"""Send again what was given up, or what a receiver has lost: one delivery, or thousands of them.

The same id and the same bytes, so a receiver that has it already drops it. Thousands go in the lane for bulk, behind
everything new, a few hundred in one transaction.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Select, func, select

from app.db import Database
from app.delivery import outbox
from app.delivery.lanes import Priority
from app.identifiers import first_id, now
from app.jurisdictions import deliveries_within
from app.ledger import write_units
from app.loading import headers, load
from app.problems import Problem
from app.tables import delivery

_BATCH = 250
# An id is made a little after the moment that its row names, and two machines' clocks differ.
_SLACK = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Chosen:
    """All that a receiver was sent since a time; with neither, all that is exhausted; of a place, or of everywhere. Never
    what is pending, nor what was erased, nor what shows more than may be shown now."""

    receiver: str | None = None
    since: datetime | None = None
    place: str | None = None

    def of(self, *columns: object) -> Select[tuple[object, ...]]:
        chosen = select(*columns).select_from(delivery)  # type: ignore[call-overload]
        may_go = (delivery.c.sealed != b"", delivery.c.superseded_at.is_(None))
        chosen = chosen.where(*may_go, *deliveries_within(self.place))
        if self.receiver is None:
            return chosen.where(delivery.c.status == "exhausted")  # type: ignore[no-any-return]
        chosen = chosen.where(delivery.c.receiver == self.receiver, delivery.c.status.in_(("delivered", "exhausted")))
        if self.since is not None:
            chosen = chosen.where(delivery.c.id >= first_id(self.since - _SLACK), delivery.c.created_at >= self.since)
        return chosen  # type: ignore[no-any-return]


class Batch(NamedTuple):
    """What one transaction did. `last` is the id that the next one begins after."""

    looked_at: int
    sent_again: int
    last: UUID


async def redeliver(database: Database, delivery_id: UUID, actor: str, *, place: str | None) -> None:
    """One, in its own lane. Raises `not_found`, `delivery_pending`, `delivery_superseded`, `body_erased`."""
    async with database.reading() as connection:
        one = select(delivery.c.request_id).where(delivery.c.id == delivery_id, *deliveries_within(place))
        found = (await connection.execute(one)).first()
    if found is None:
        raise Problem("not_found")
    at = now()
    async with database.writing() as connection:
        case = await load(connection, found.request_id) if found.request_id is not None else None
        names = (delivery.c.status, delivery.c.handoff_id, delivery.c.sealed, delivery.c.superseded_at)
        before = (await connection.execute(select(*names).where(delivery.c.id == delivery_id))).one()
        if before.superseded_at is not None:
            raise Problem("delivery_superseded")
        if not before.sealed:
            raise Problem("body_erased")
        if not await outbox.send_again(connection, [delivery_id], at):
            raise Problem("delivery_pending")
        if case is not None and before.status == "exhausted" and before.handoff_id is not None:
            data = {"delivery": str(delivery_id)}
            case.record("delivery.sent_again", at, actor, handoff_id=before.handoff_id, data=data)
            await write_units(connection, [case.finish()])
        await database.bell.before_commit(connection)
    database.bell.after_commit()


async def redeliver_all(
    database: Database, chosen: Chosen, actor: str, most: int, after: UUID | None = None
) -> AsyncIterator[Batch]:
    """A batch after the other in the order of the ids, up to `most` deliveries, none that was made since the call."""
    began = now()
    while most > 0:
        batch = await _redeliver_batch(database, chosen, actor, began, min(most, _BATCH), after)
        if batch is None:
            return
        yield batch
        most -= batch.looked_at
        after = batch.last


async def _redeliver_batch(
    database: Database, chosen: Chosen, actor: str, began: datetime, most: int, after: UUID | None
) -> Batch | None:
    names = (delivery.c.id, delivery.c.request_id, delivery.c.handoff_id, delivery.c.status)
    wanted = chosen.of(*names).where(delivery.c.created_at <= began).order_by(delivery.c.id).limit(most)
    if after is not None:
        wanted = wanted.where(delivery.c.id > after)
    at = now()
    async with database.writing() as connection:
        rows = (await connection.execute(wanted)).all()
        if not rows:
            return None
        # A notice to a subscriber is no part of what happened to the request.
        given_up = [row for row in rows if row.status == "exhausted" and row.handoff_id is not None]
        cases = await headers(connection, {row.request_id for row in given_up})
        again = await outbox.send_again(connection, [row.id for row in rows], at, Priority.BULK)
        for row in given_up:
            if row.id in again:
                data = {"delivery": str(row.id)}
                cases[row.request_id].record("delivery.sent_again", at, actor, handoff_id=row.handoff_id, data=data)
        await write_units(connection, [case.finish() for case in cases.values()])
        await database.bell.before_commit(connection)
    database.bell.after_commit()
    return Batch(len(rows), len(again), rows[-1].id)


async def count(database: Database, chosen: Chosen) -> int:
    async with database.reading() as connection:
        return await connection.scalar(chosen.of(func.count())) or 0


async def hurry(database: Database, receiver: str) -> None:
    """What waits for a receiver's next try is tried now: it has a new address, or is back."""
    at, moved = now(), _BATCH
    while moved == _BATCH:
        async with database.writing() as connection:
            moved = await outbox.hurry(connection, receiver, at, _BATCH)
            await database.bell.before_commit(connection)
        database.bell.after_commit()
