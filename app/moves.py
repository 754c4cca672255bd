"""How far the timelines of requests have come, for whoever has a page open: who asks at one moment shares one query."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import select

from app.db import Database
from app.tables import help_request


class Moves:
    """Of a process. Used from one event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asked: list[tuple[UUID, asyncio.Future[int]]] = []
        self._runner: asyncio.Task[None] | None = None
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
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._asked.append((request_id, found))
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run(), name="moves")
        return await found

    async def _run(self) -> None:
        while self._asked:
            together, self._asked = self._asked, []
            try:
                counted = await events_of(self._database, {request_id for request_id, _ in together})
            except Exception as error:
                for _, found in together:
                    if not found.done():
                        found.set_exception(error)
                continue
            for request_id, found in together:
                if not found.done():
                    found.set_result(counted.get(request_id, 0))


async def events_of(database: Database, requests: Collection[UUID]) -> dict[UUID, int]:
    """How many events each has."""
    query = select(help_request.c.id, help_request.c.events).where(help_request.c.id.in_(requests))
    async with database.reading() as connection:
        return {row.id: row.events for row in await connection.execute(query)}
