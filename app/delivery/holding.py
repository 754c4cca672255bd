"""Which messages are still a worker's to send: one look for all that are about to go."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from uuid import UUID

from app.db import Database
from app.delivery import outbox


class Holding:
    """Of one worker."""

    def __init__(self, database: Database, worker_id: UUID) -> None:
        self._database = database
        self._worker_id = worker_id
        self._asking: list[tuple[UUID, asyncio.Future[bool]]] = []
        self._looking: asyncio.Task[None] | None = None

    async def still(self, delivery_id: UUID, *, alone: bool = False) -> bool:
        """As the database is after the question was asked; `alone`: without waiting for others' looks. Raises the
        database's errors."""
        if alone:
            return delivery_id in await self._held([delivery_id])
        asked: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asking.append((delivery_id, asked))
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="held")
        return await asked

    async def _look(self) -> None:
        """Who asks while a look is under way waits for the next."""
        while self._asking:
            asking, self._asking = self._asking, []
            try:
                held = await self._held([each for each, _ in asking])
            except Exception as error:
                for _, asked in asking:
                    if not asked.done():
                        asked.set_exception(error)
            else:
                for each, asked in asking:
                    if not asked.done():
                        asked.set_result(each in held)

    async def _held(self, delivery_ids: Collection[UUID]) -> set[UUID]:
        async with self._database.reading() as connection:
            return await outbox.held(connection, delivery_ids, self._worker_id)
