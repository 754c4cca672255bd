"""The service's own data key: for what is sealed and belongs to no request, and for the blind index. Made once."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.refusals import RefusedError
from app.sealing import SERVICE, Box, vault_of
from app.tables import service_key


async def make(connection: AsyncConnection) -> None:
    """If there is none yet; the caller holds off everybody else who might."""
    if await connection.scalar(select(service_key.c.name)) is None:
        wrapped = vault_of(connection).new_box(SERVICE)[1]
        await connection.execute(service_key.insert(), {"name": "service", "wrapped": wrapped})


async def service_box(connection: AsyncConnection) -> Box:
    """Read once for a database."""
    vault = vault_of(connection)
    if vault.service is None:
        wrapped = await connection.scalar(select(service_key.c.wrapped))
        if wrapped is None:
            raise RefusedError("The database has no key of its own yet: run `one-window migrate`.")
        vault.open(wrapped)
    assert vault.service is not None
    return vault.service
