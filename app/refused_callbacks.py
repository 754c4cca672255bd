"""Refused callbacks: who tried to say what, by its digest. Kept for the proof, within bounds, and in no answer's way."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import case, func, select

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


@dataclass(frozen=True, slots=True)
class Refusal:
    """With a problem's code; the id and the signature as they were sent, whatever they are."""

    handoff_id: UUID
    code: str
    webhook_id: str | None
    signature: str | None


async def record(database: Database, refusals: Sequence[Refusal], body: bytes) -> None:
    """Note the callbacks of one body that were refused. Nothing is raised, and of a handoff that does not exist
    nothing is noted."""
    try:
        room = await _room(database, {each.handoff_id for each in refusals}) if refusals else {}
        at, digest, rows = now(), hashlib.sha256(body).digest(), []
        for each in refusals:
            if room.get(each.handoff_id, 0) > 0:
                room[each.handoff_id] -= 1
                rows.append(
                    {
                        "id": new_id(),
                        "handoff_id": each.handoff_id,
                        "webhook_id": _readable(each.webhook_id, signing.LONGEST_ID),
                        "received_at": at,
                        "code": each.code,
                        "digest": digest,
                        "signature": _readable(each.signature, LONGEST_SIGNATURE),
                    }
                )
        if rows:
            async with database.writing() as connection:
                await connection.execute(callback_refused.insert(), rows)
    except Exception as error:
        log.warning("refusal_not_recorded", **describe(error))


async def _room(database: Database, handoff_ids: Collection[UUID]) -> dict[UUID, int]:
    """How many more may be noted now of each handoff that exists."""
    noted = callback_refused.c
    of_this_hour = func.count(case((noted.received_at > now() - timedelta(hours=1), 1)))
    counted = (
        select(handoff.c.id, func.count(noted.id), of_this_hour)
        .outerjoin_from(handoff, callback_refused)
        .where(handoff.c.id.in_(handoff_ids))
        .group_by(handoff.c.id)
    )
    async with database.reading() as connection:
        rows = (await connection.execute(counted)).all()
    return {id_: min(MOST_IN_ALL - in_all, MOST_IN_AN_HOUR - in_hour) for id_, in_all, in_hour in rows}


def _readable(text: str | None, longest: int) -> str | None:
    return text if text and text.isprintable() and len(text) <= longest else None
