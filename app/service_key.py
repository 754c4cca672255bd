"""The service's own data key: for what is sealed and belongs to no request, and for the blind index. Made once."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.config import WrongSettingError
from app.refusals import RefusedError
from app.sealing import SERVICE, Box, vault_of
from app.tables import service_key

_NOT_MIGRATED = "The database has no key of its own yet: run `one-window migrate`."


async def make(connection: AsyncConnection) -> None:
    """If there is none yet; the caller holds off everybody else who might."""
    if await connection.scalar(select(service_key.c.name)) is None:
        vault = vault_of(connection)
        vault.masters.make()
        wrapped = vault.new_box(SERVICE)[1]
        await connection.execute(service_key.insert(), {"name": "service", "wrapped": wrapped})


async def service_box(connection: AsyncConnection) -> Box:
    """Read once for a database."""
    vault = vault_of(connection)
    if vault.service is None:
        wrapped = await connection.scalar(select(service_key.c.wrapped))
        if wrapped is None:
            raise RefusedError(_NOT_MIGRATED)
        vault.open(wrapped)
    assert vault.service is not None
    return vault.service


async def check(connection: AsyncConnection) -> None:
    """Raises RefusedError, with a sentence for the operator, if the service's own key can't be opened."""
    wrapped = await connection.scalar(select(service_key.c.wrapped))
    if wrapped is None:
        raise RefusedError(_NOT_MIGRATED)
    try:
        vault_of(connection).box(SERVICE, wrapped)
    except (InvalidTag, LookupError, ValueError):
        raise WrongSettingError(
            "The database's own key can't be opened, though its master key is there: it was damaged; bring back the "
            "table service_key from a backup"
        ) from None
