"""Looking from outside: rows straight from the database, and waiting, within bounds, for what must come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Executable, Select, Table, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import Database
from app.identifiers import now
from app.sealing import kept_at, vault_of
from app.service_key import service_box
from app.tables import delivery, help_request
from tests import serving

_KEPT_AT = (delivery.c.id.label("kept_id"), delivery.c.receiver.label("kept_for"))
Found = TypeVar("Found")


def on(url: str, work: Callable[[Database], Awaitable[Found]]) -> Found:
    """What `work` finds or does on the database of an address."""

    async def run() -> Found:
        database = Database(serving.settings_for(url))
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


def fetch(url: str, statement: Executable) -> list[dict[str, Any]]:
    """What a query finds, on a connection of its own."""

    async def work(database: Database) -> list[dict[str, Any]]:
        async with database.reading() as connection:
            return [dict(row) for row in (await connection.execute(statement)).mappings()]

    return on(url, work)


def bodies(url: str, statement: Select[Any]) -> list[dict[str, Any]]:
    """The same of a query of deliveries, each with its `body`, opened."""

    async def work(database: Database) -> list[dict[str, Any]]:
        async with database.reading() as connection:
            asked = statement.add_columns(
                delivery.c.request_id.label("of"), delivery.c.sealed.label("as_kept"), *_KEPT_AT
            )
            rows = [dict(row) for row in (await connection.execute(asked)).mappings()]
            for row in rows:
                where = kept_at("delivery.sealed", row.pop("kept_id"), row.pop("kept_for"))
                row["body"] = await opened(connection, row.pop("of"), row.pop("as_kept"), where)
            return rows

    return on(url, work)


async def opened(connection: AsyncConnection, request_id: UUID | None, sealed: bytes, where: bytes) -> bytes:
    if request_id is None:
        return (await service_box(connection)).unseal_bytes(sealed, where) or b""
    wrapped = await connection.scalar(select(help_request.c.data_key).where(help_request.c.id == request_id))
    return vault_of(connection).box(request_id.bytes, wrapped).unseal_bytes(sealed, where) or b""


def digests(url: str, *which: Any) -> dict[str, bytes]:
    """Of stored deliveries, by their id, what their bytes were queued with."""

    async def work(database: Database) -> dict[str, bytes]:
        async with database.reading() as connection:
            names = (delivery.c.id, delivery.c.request_id, delivery.c.receiver, delivery.c.digest)
            rows = (await connection.execute(select(*names).where(*which))).all()
            return {
                str(row.id): await opened(
                    connection, row.request_id, row.digest, kept_at("delivery.digest", row.id, row.receiver)
                )
                for row in rows
            }

    return on(url, work)


def change(url: str, *statements: Executable) -> int:
    """Change rows behind the service's back; how many the last statement changed."""

    async def work(database: Database) -> int:
        async with database.writing() as connection:
            return [(await connection.execute(statement)).rowcount for statement in statements][-1]

    return on(url, work)


def make_due(url: str) -> None:
    """Nobody waits in a test for a retry's time to come. What a worker has in hand it would send a second time."""
    waits = (delivery.c.status == "pending", delivery.c.claimed_by.is_(None))
    change(url, update(delivery).where(*waits).values(due_at=now()))


def count(url: str, *tables: Table) -> dict[str, int]:
    """How many rows each table has."""
    counts = (select(func.count()).select_from(table).scalar_subquery().label(table.name) for table in tables)
    return fetch(url, select(*counts))[0]


def until(look: Callable[[], Found], within: float = 60, what: str = "what was waited for") -> Found:
    """The first thing that `look` finds (anything true); fails when it finds nothing `within` so many seconds."""
    began = time.monotonic()
    while not (found := look()):
        waited = time.monotonic() - began
        assert waited < within, f"{what} did not come within {within} s"
        time.sleep(min(max(0.02, waited / 10), 0.2))  # looking takes time from what is waited for
    return found
