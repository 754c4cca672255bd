"""The number of the last event of a handoff, which grows with everything that happens to it: what an entity tag says."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.tables import event


async def last_event(connection: AsyncConnection, request_id: UUID, handoff_id: UUID) -> int:
    """The sequence of the last event of a handoff, which grows with everything that happens to it; 0: none yet."""
    return (await last_events(connection, {handoff_id: request_id})).get(handoff_id, 0)


async def last_events(connection: AsyncConnection, requests: Mapping[UUID, UUID]) -> dict[UUID, int]:
    """The same of many handoffs, given with their requests; those without an event are left out."""
    of_handoffs = event.c.request_id.in_(set(requests.values())) & event.c.handoff_id.in_(requests)
    last = select(event.c.handoff_id, func.max(event.c.sequence).label("last"))
    rows = await connection.execute(last.where(of_handoffs).group_by(event.c.handoff_id))
    return {row.handoff_id: row.last for row in rows}
