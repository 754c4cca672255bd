"""Requests looked up by an identity number or a telephone, through the blind indexes: a number stands in no row."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import select

from app import looking, presenting, rights
from app.keys import Key
from app.loading import stored_case
from app.marks import marks_of
from app.office import Office
from app.purposes import Purpose, Way
from app.schemas import LookUpIn, plain
from app.tables import help_request

_MOST_LOOKED_AT, _MOST_SHOWN = 200, 20
_BY = {"id_number": ("id_mark", "identity"), "phone": ("phone_mark", "contact")}


async def search(office: Office, key: Key, asked: LookUpIn, purpose: Purpose | None) -> dict[str, Any]:
    """The newest of those that a key reaches (`RequestsFound`). That somebody asked for help is told by this alone: each
    that is found is recorded as looked at, and that none was found is recorded too. Raises `purpose_needed`, `unavailable`."""
    looking.must_say(office, key, purpose)
    await office.registry.current()  # whose loading opens the vault
    given = plain(asked)
    (mark, group) = _BY["id_number" if asked.id_number is not None else "phone"]
    wanted = marks_of(given, office.vault)[mark]
    column = help_request.c[mark]
    last = select(help_request.c.id).where(column == wanted).order_by(help_request.c.id.desc()).limit(_MOST_LOOKED_AT)
    reached = select(help_request).where(help_request.c.id.in_(last.subquery().select()), *rights.reached(key))
    async with office.database.reading() as connection:
        rows = (
            (await connection.execute(reached.order_by(help_request.c.id.desc()).limit(_MOST_SHOWN))).mappings().all()
        )
        cases = [stored_case(connection, row) for row in rows]
    await asyncio.gather(*(looking.record(office, key, case, Way.SEARCH, (group,), purpose) for case in cases))
    if not cases:
        await looking.record_miss(office, key, Way.SEARCH, group, purpose)
    return {"items": [presenting.request_summary(case.request) for case in cases]}
