"""Messages that may not go out any more (作废): they show more of a person than may be shown now.

The bytes of a message never change. One that still waits, or was given up, ends here, and whoever has to be told is told
anew by a message of its own; one that was delivered stays delivered, and is not sent a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.sealing import CANT_BE_OPENED, kept_at
from app.tables import delivery
from app.timeline import Case, Handoff

# The types of messages that show something of the person.
DISCLOSING = ("handoff.dispatched", "handoff.supplemented", "emergency.dispatched")
SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Ended:
    """Those that had not arrived. `is_first`: nothing of the person had been sent to the agency before, as far as anybody
    knows, so nothing of what the timeline says was shown. `has_arrived`: something of the person has been delivered to it."""

    ids: tuple[UUID, ...]
    is_first: bool
    has_arrived: bool


async def supersede(
    connection: AsyncConnection,
    case: Case,
    handoff: Handoff,
    at: datetime,
    may_stay: Callable[[Mapping[str, Any]], bool],
    unsent: UUID | None = None,
) -> Ended:
    """All that a handoff's agency was told of the person, but for messages whose data `may_stay`. One that a worker holds
    may be on its way at this moment, unless it is `unsent`: it is not tried again, and its answer still counts."""
    names = ("id", "receiver", "status", "attempts", "claimed_by", "superseded_at", "sealed")
    its = (
        select(*(delivery.c[name] for name in names))
        .where(delivery.c.request_id == case.id, delivery.c.handoff_id == handoff.id, delivery.c.type.in_(DISCLOSING))
        .order_by(delivery.c.id)
    )
    rows = (await connection.execute(its.with_for_update())).all()
    over = [row for row in rows if row.superseded_at is None and not _stays(case, row, may_stay)]
    waiting = tuple(row.id for row in over if row.status != "delivered")
    these = update(delivery).where(delivery.c.id.in_([row.id for row in over]))
    await connection.execute(these.values(superseded_at=at))
    # Who had claimed it stays named: it may have been sent.
    ended = {"status": SUPERSEDED, "ended_at": func.coalesce(delivery.c.ended_at, at)}
    await connection.execute(update(delivery).where(delivery.c.id.in_(waiting)).values(ended))
    is_first = all(row.attempts == 0 and (row.claimed_by is None or row.id == unsent) for row in rows)
    return Ended(waiting, is_first, any(row.status == "delivered" for row in rows))


def _stays(case: Case, row: Any, may_stay: Callable[[Mapping[str, Any]], bool]) -> bool:
    """What can't be opened does not stay, though it can't be sent either."""
    try:
        return may_stay(
            (case.box.unseal(row.sealed, kept_at("delivery.sealed", row.id, row.receiver)) or {}).get("data", {})
        )
    except CANT_BE_OPENED:
        return False
