"""How far the timelines of requests have come, for whoever has a page open: who asks at one moment shares one query."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import select

from app.db import Database
from app.shared_looks import SharedLooks
from app.tables import help_request


class Moves:
    """Of a process. Used from one event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._looks = SharedLooks(self._counted, "moves")
        self.followed = 0  # pages that are open

    @contextmanager
    def following(self) -> Iterator[None]:
        self.followed += 1
        try:
            yield
        finally:
            self.followed -= 1

    async def events(self, request_id: UUID) -> int:
        """How many events a request has; 0: there is no such request. Raises the database's errors."""
        return await self._looks.ask(request_id)

    async def _counted(self, requests: Sequence[UUID]) -> list[int]:
        counted = await events_of(self._database, set(requests))
        return [counted.get(each, 0) for each in requests]


async def events_of(database: Database, requests: Collection[UUID]) -> dict[UUID, int]:
    """How many events each has."""
    query = select(help_request.c.id, help_request.c.events).where(help_request.c.id.in_(requests))
    async with database.reading() as connection:
        return {row.id: row.events for row in await connection.execute(query)}
