"""Which messages are still a worker's to send: one look for all that are about to go."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from app.db import Database
from app.delivery import outbox
from app.shared_looks import SharedLooks


class Holding:
    """Of one worker."""

    def __init__(self, database: Database, worker_id: UUID) -> None:
        self._database = database
        self._worker_id = worker_id
        self._looks = SharedLooks(self._held, "held")

    async def still(self, delivery_id: UUID, *, alone: bool = False) -> bool:
        """As the database is after the question was asked; `alone`: without waiting for others' looks. Raises the
        database's errors."""
        if alone:
            return (await self._held([delivery_id]))[0]
        return await self._looks.ask(delivery_id)

    async def _held(self, delivery_ids: Sequence[UUID]) -> list[bool]:
        async with self._database.reading() as connection:
            held = await outbox.held(connection, delivery_ids, self._worker_id)
        return [each in held for each in delivery_ids]
