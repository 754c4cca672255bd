"""The board (督办台): what is overdue now, and what waits too long for consent, the longest first. Computed by the due
times, never stored."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, tuple_

from app.escalation import overdue_by
from app.identifiers import now
from app.keys import Key
from app.lifecycle import Clock, HandoffStatus
from app.office import Office, again_if_outdated
from app.paged import PageAsked, bad_cursor, of_place
from app.reading import HANDOFFS, listed
from app.tables import handoff

_EPOCH = datetime.fromtimestamp(0, UTC)
_MICROSECOND = timedelta(microseconds=1)
_TIME_BYTES = 8


@again_if_outdated
async def overdue(
    office: Office, key: Key, page: PageAsked, clock: Clock | None, status: HandoffStatus | None, agency: str | None
) -> dict[str, Any]:
    """A page of `HandoffPage`, of one clock or of any; an agency sees its own, others their
    jurisdiction. The cursor is the last one's place."""
    if key.agency_code is not None:
        if agency not in (None, key.agency_code):
            return {"items": [], "next_cursor": None}
        agency = key.agency_code
    wanted = [*overdue_by(now(), clock)]
    if key.agency_code is not None:
        wanted.append(handoff.c.dispatched_at.is_not(None))
    if agency is not None:
        wanted.append(handoff.c.agency_code == agency)
    if status is not None:
        wanted.append(handoff.c.status == status)
    if page.cursor is not None:
        wanted.append(tuple_(handoff.c.first_due, handoff.c.id) > _place(page.cursor))
    snapshot = await office.registry.current()
    place = (handoff.c.division_code, snapshot.divisions, key.division_code)
    query = _longest_first(
        HANDOFFS.where(*of_place(_longest_first(select(handoff.c.id), page), tuple(wanted), *place)), page
    )
    async with office.database.reading() as connection:
        rows = [dict(row) for row in (await connection.execute(query)).mappings()]
    shown, more = rows[: page.limit], len(rows) > page.limit
    next_cursor = _cursor(shown[-1]["first_due"], shown[-1]["id"]) if more else None
    return {"items": [listed(row, snapshot, office.settings.public_url) for row in shown], "next_cursor": next_cursor}


def _longest_first(query: Select[Any], page: PageAsked) -> Select[Any]:
    return query.order_by(handoff.c.first_due, handoff.c.id).limit(page.limit + 1)


def _cursor(due_at: datetime, handoff_id: UUID) -> str:
    place = ((due_at - _EPOCH) // _MICROSECOND).to_bytes(_TIME_BYTES) + handoff_id.bytes
    return urlsafe_b64encode(place).decode().rstrip("=")


def _place(cursor: str) -> tuple[datetime, UUID]:
    try:
        given = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return _EPOCH + int.from_bytes(given[:_TIME_BYTES]) * _MICROSECOND, UUID(bytes=given[_TIME_BYTES:])
    except (ValueError, OverflowError):
        raise bad_cursor() from None
