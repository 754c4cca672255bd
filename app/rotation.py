"""Rotation of the master key: every data key is wrapped anew, a few hundred at a time; what they sealed stays as it is.

A process may wrap with the old key meanwhile, and what it wraps may be stored behind a pass that has gone by. So there is
another pass until one finds nothing, and then it is counted by which keys the data keys are wrapped. Stopped in the middle
it is begun again: what is done is passed over.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID

from sqlalchemy import bindparam, func, select, update

from app.db import Database
from app.master_keys import LOOK_AGAIN_SECONDS
from app.sealing import SERVICE
from app.tables import help_request, service_key

_BATCH = 500
_MOST_PASSES = 10
_key = help_request.c.data_key
_REWRAP = (
    update(help_request)
    .where(help_request.c.id == bindparam("b_id"), _key == bindparam("b_old"))
    .values(data_key=bindparam("b_new"))
)


async def count(database: Database) -> int:
    """How many data keys there are."""
    async with database.reading() as connection:
        return await connection.scalar(select(func.count()).where(_key.is_not(None))) or 0


async def by_master(database: Database) -> dict[bytes, int]:
    """How many data keys each master key wraps, by its id; the service's own is counted too."""
    found: Counter[bytes] = Counter()
    async with database.reading_as_one() as connection:
        for key in (_key, service_key.c.wrapped):
            named = func.substr(key, 2, 4).label("master")
            rows = await connection.execute(select(named, func.count()).where(key.is_not(None)).group_by(named))
            found.update({bytes(row[0]): row[1] for row in rows})
    return dict(found)


async def rewrap_all(database: Database) -> AsyncIterator[tuple[int, int]]:
    """Pass after pass until one finds nothing, at most ten: a process that still wraps with another key would keep it going."""
    for number in range(_MOST_PASSES):
        if number:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)  # for what is being stored
        rewrapped = 0
        async for batch in rewrap(database):
            rewrapped += batch[1]
            yield batch if not number else (0, batch[1])
        if not rewrapped:
            return


async def rewrap(database: Database) -> AsyncIterator[tuple[int, int]]:
    """After each batch: how many keys were looked at in it, and how many of them wrapped anew."""
    yield 0, await _service(database)
    after: UUID | None = None
    while True:
        page = select(help_request.c.id, _key).where(_key.is_not(None)).order_by(help_request.c.id).limit(_BATCH)
        if after is not None:
            page = page.where(help_request.c.id > after)
        async with database.reading() as connection:
            rows = (await connection.execute(page)).all()
        if not rows:
            return
        changes = [
            {"b_id": row.id, "b_old": row.data_key, "b_new": new}
            for row in rows
            if (new := database.vault.rewrapped(row.id.bytes, row.data_key)) is not None
        ]
        if changes:
            async with database.writing() as connection:
                await connection.execute(_REWRAP, changes)
        yield len(rows), len(changes)
        after = rows[-1].id


async def _service(database: Database) -> int:
    async with database.writing() as connection:
        wrapped = await connection.scalar(select(service_key.c.wrapped).with_for_update())
        new = database.vault.rewrapped(SERVICE, wrapped) if wrapped is not None else None
        if new is not None:
            await connection.execute(update(service_key).values(wrapped=new))
    return int(new is not None)
