"""PostgreSQL's LISTEN: what another process says when its transaction is committed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg
import structlog

from app.db import Database

log = structlog.get_logger()


async def listen(
    database: Database, channel: str, hear: Callable[[str], None], missed: Callable[[], None], again_seconds: float
) -> None:
    """Runs until cancelled. `hear` gets each payload; `missed` is called whenever the connection is made, for all that
    was said before."""
    while True:
        lost = asyncio.Event()
        try:
            connection = await database.listen(channel, hear, lost)
            missed()
            try:
                await lost.wait()
            finally:
                connection.terminate()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            log.warning("listener_lost", channel=channel)
        await asyncio.sleep(again_seconds)
