"""The receipt (受理回执), printed again: number, QR code, what happens next, by when, whose telephone; nothing of the person.

That it was printed stands in the timeline, where the person sees it too.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import presenting, rights
from app.dangers import Kind
from app.delivery.notices import finish
from app.desk import desk_of
from app.forms.finding import heading, must_be_there, prints_requests
from app.forms.of_request import OVER, part_of
from app.keys import Key
from app.kiosk_pack import situations
from app.ledger import write_units
from app.loading import load
from app.office import Office, again_if_outdated
from app.problems import Problem
from app.receipts import spoken, token_that_opens
from app.routing.rules import Role
from app.tables import event
from app.timeline import Case

PRINTED = "receipt.printed"
# Whoever turns to the other paper or language meanwhile has printed it once.
_STANDS_FOR = timedelta(minutes=15)


@again_if_outdated
async def receipt(office: Office, key: Key, request_id: UUID) -> dict[str, Any]:
    """The tracking token is there for whoever took the request in, and nobody else. Raises `not_found`."""
    desk = await desk_of(office, key)
    if not prints_requests(key):
        raise Problem("not_found")
    async with office.database.writing() as connection:
        case = await load(connection, request_id)
        rights.must_reach(key, case.request)
        must_be_there(case)
        token = _token(office, key, case)
        if not await _printed_since(connection, case, key, desk.at - _STANDS_FOR):
            case.record(PRINTED, desk.at, key.actor, data={"with_code": token is not None})
            await write_units(connection, [finish(case, desk.snapshot)])
    number = case.request["receipt_number"]
    leads = [each for each in case.handoffs if each.role is Role.LEAD and each.status not in OVER]
    return {
        **heading(case, desk.snapshot),
        "spoken": spoken(number),
        "token": token,
        "status": case.status,
        # Of each need whoever answers for its result; who helps with it stands in the notice.
        "handoffs": [
            {**part_of(each, desk.snapshot), "need": presenting.named(desk.snapshot.needs[each.need])} for each in leads
        ],
        "is_delicate": _is_delicate(case),
        "coordinator_phone": office.settings.coordinator_phone,
    }


def _is_delicate(case: Case) -> bool:
    """Whoever hurts somebody may find the paper at home: of an emergency of that kind, and of the needs that a kiosk takes
    in for it."""
    theirs = {need for each in situations() if each.code == Kind.VIOLENCE for need in each.needs}
    return case.request["emergency"] == Kind.VIOLENCE or any(each.need in theirs for each in case.handoffs)


def _token(office: Office, key: Key, case: Case) -> str | None:
    """None, too, where the secret was changed since: a code that leads nowhere is not printed."""
    if key.role not in rights.TAKE_IN or case.request["registered_by"] != key.holder:
        return None
    request = case.request
    return token_that_opens(office.secret, request["receipt_number"], case.id.bytes, request["tracking_hash"])


async def _printed_since(connection: AsyncConnection, case: Case, key: Key, since: datetime) -> bool:
    printed = select(event.c.sequence).where(
        event.c.request_id == case.id, event.c.kind == PRINTED, event.c.actor == key.actor, event.c.at >= since
    )
    return await connection.scalar(printed.limit(1)) is not None
