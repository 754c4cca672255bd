"""Refused callbacks: who tried to say what, by its digest. Kept for the proof, within bounds, and in no answer's way."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import select

from app import signing
from app.db import Database
from app.identifiers import new_id, now
from app.logs import describe
from app.senders import LONGEST_SIGNATURE
from app.tables import callback_refused, handoff

# Of one handoff; what comes beyond them is answered the same and leaves no row, so a flood fills no disk.
MOST_IN_AN_HOUR = 20
MOST_IN_ALL = 200
log = structlog.get_logger()


async def record(
    database: Database, handoff_id: UUID, code: str, *, webhook_id: str | None, signature: str | None, body: bytes
) -> None:
    """Note that a callback to a handoff was refused with a problem's code. Nothing is raised, and of a handoff that
    does not exist nothing is noted."""
    try:
        if await _has_room(database, handoff_id):
            row = {
                "id": new_id(),
                "handoff_id": handoff_id,
                "webhook_id": _readable(webhook_id, signing.LONGEST_ID),
                "received_at": now(),
                "code": code,
                "digest": hashlib.sha256(body).digest(),
                "signature": _readable(signature, LONGEST_SIGNATURE),
            }
            async with database.writing() as connection:
                await connection.execute(callback_refused.insert(), row)
    except Exception as error:
        log.warning("refusal_not_recorded", **describe(error))


async def _has_room(database: Database, handoff_id: UUID) -> bool:
    noted = select(callback_refused.c.received_at).where(callback_refused.c.handoff_id == handoff_id)
    async with database.reading() as connection:
        if await connection.scalar(select(handoff.c.id).where(handoff.c.id == handoff_id)) is None:
            return False
        times = (await connection.scalars(noted.order_by(callback_refused.c.id.desc()).limit(MOST_IN_ALL))).all()
    hour_ago = now() - timedelta(hours=1)
    return len(times) < MOST_IN_ALL and sum(at > hour_ago for at in times) < MOST_IN_AN_HOUR


def _readable(text: str | None, longest: int) -> str | None:
    return text if text and text.isprintable() and len(text) <= longest else None
