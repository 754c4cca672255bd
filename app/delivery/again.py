"""Send again what was given up."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from app.db import Database
from app.delivery.outbox import send_again
from app.identifiers import now
from app.ledger import write_units
from app.problems import Problem
from app.tables import delivery
from app.timeline import load


async def redeliver(database: Database, delivery_id: UUID, actor: str) -> None:
    """Raises `not_found`, `delivery_not_exhausted`."""
    at = now()
    async with database.writing() as connection:
        wanted = select(delivery.c.request_id, delivery.c.handoff_id).where(delivery.c.id == delivery_id)
        row = (await connection.execute(wanted)).first()
        if row is None:
            raise Problem("not_found")
        case = await load(connection, row.request_id)
        if not await send_again(connection, delivery_id, at):
            raise Problem("delivery_not_exhausted")
        if row.handoff_id is not None:  # a notice is no part of what happened to the request
            case.record(
                "delivery.sent_again", at, actor, handoff_id=row.handoff_id, data={"delivery": str(delivery_id)}
            )
        await write_units(connection, [case.finish()])
        await database.bell.before_commit(connection)
    database.bell.after_commit()
