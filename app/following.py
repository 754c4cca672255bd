"""Following a request (跟踪): whoever has its page open hears when something has happened to it. No page asks by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.bells import timeline_bell
from app.db import is_unavailable
from app.office import Office
from app.problems import Problem
from app.receipts import token_hash
from app.tables import help_request

HEARTBEAT_SECONDS = 20.0  # proxies close what is silent for longer


async def request_of(connection: AsyncConnection, token: str) -> Row[UUID, UUID]:
    """`id` and `registered_by` of the request that a tracking token opens. Raises `not_found`."""
    query = select(help_request.c.id, help_request.c.registered_by)
    found = (await connection.execute(query.where(help_request.c.tracking_hash == token_hash(token)))).first()
    if found is None:
        raise Problem("not_found")
    return found


def must_have_room(office: Office, caller: object) -> None:
    """Raises `too_many_waiting` when `caller` (an address), or everybody together, has as many pages open as may be."""
    inboxes, settings = office.database.inboxes, office.settings
    if office.moves.followed >= settings.open_pages or inboxes.waits(caller) >= settings.open_pages_per_address:
        raise Problem("too_many_waiting", headers={"Retry-After": "60"})


async def moves(
    office: Office, request_id: UUID, after: int, caller: object, silence: float = HEARTBEAT_SECONDS
) -> AsyncIterator[int | None]:
    """How many events a request has, each time that there are more than before, from more than `after` on; None after each
    `silence` (seconds). Ends when the process stops, or when the database is away: whoever follows comes again."""
    with (
        suppress(Problem),  # others came in between
        office.moves.following(),
        office.database.inboxes.waiting(
            timeline_bell(request_id), caller, office.settings.open_pages_per_address
        ) as call,
    ):
        while not call.is_over:
            call.rung.clear()
            try:
                events = await office.moves.events(request_id)
            except Exception as error:
                if is_unavailable(error):
                    return
                raise
            if events > after:
                after = events
                yield events
            while not call.rung.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(call.rung.wait(), silence)
                if not call.rung.is_set():
                    yield None
