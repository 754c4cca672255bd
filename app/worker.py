"""The second process: deliver what is due, sweep the clocks, keep due times in step with the calendar, sign the day.

Inside `serve` on one machine, many beside each other at scale.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

import structlog
from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app import metrics
from app.audit.roots import keep_making
from app.chain import keep_following
from app.coming_of_age import Birthdays
from app.config import Settings
from app.db import DELIVERIES_CHANNEL, Database, is_unavailable
from app.delivery.courier import Courier
from app.escalation import sweep
from app.expiry import keep_expiring
from app.file_store import FileStore
from app.file_sweep import keep_sweeping
from app.identifiers import new_id, now
from app.ledger import Ledger
from app.listening import listen
from app.logs import describe
from app.operation import ALIVE_WITHIN
from app.registry import Registry
from app.rescheduling import Rescheduler
from app.tables import worker

_BEAT_SECONDS = ALIVE_WITHIN.total_seconds() / 3
_FORGOTTEN_AFTER = timedelta(days=1)
log = structlog.get_logger()


class Worker:
    def __init__(
        self, settings: Settings, database: Database, ledger: Ledger, registry: Registry, files: FileStore | None
    ) -> None:
        self.id = new_id()
        self._started_at = now()
        self._settings = settings
        self._database = database
        self._registry = registry
        self._files = files
        birthdays = Birthdays(self.id, database, registry, settings.public_url)
        self._courier = Courier(self.id, settings, database, ledger, registry, birthdays.allow)
        self._tasks: list[asyncio.Task[None]] = []
        self._courier_task: asyncio.Task[None] | None = None
        self._rounds: list[asyncio.Task[None]] = []  # each ends by itself when it is told to stop
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        await self._begin()
        self._courier_task = asyncio.create_task(self._courier.run(), name="courier")
        following = keep_following(self._database, self._registry, self._settings.public_url, self._stopping)
        expiring = keep_expiring(self._database, self._registry, self._settings.retention_hour, self._stopping)
        rescheduler = Rescheduler(self._settings, self._database, self._registry)
        rooting = keep_making(self._settings, self._database, self._stopping)
        self._rounds = [
            asyncio.create_task(self._beat(), name="heartbeat"),
            asyncio.create_task(rescheduler.run(self._stopping), name="rescheduler"),
            asyncio.create_task(self._sweep(), name="sweep"),
            asyncio.create_task(following, name="chain"),
            asyncio.create_task(expiring, name="expiry"),
            asyncio.create_task(rooting, name="audit"),
            asyncio.create_task(keep_sweeping(self._database, self._files, self._stopping), name="files"),
        ]
        if not self._database.is_sqlite:
            ring = self._database.bell.after_commit
            heard = listen(self._database, DELIVERIES_CHANNEL, lambda _: ring(), ring, self._settings.poll_seconds)
            self._tasks.append(asyncio.create_task(heard, name="listener"))
        log.info("worker_started", worker=str(self.id))

    async def stop(self) -> None:
        """Takes nothing new, finishes what is in hand, gives back the rest."""
        self._stopping.set()
        self._courier.stop()
        if self._courier_task:
            await self._courier_task
        for task in self._rounds:
            await task
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(Exception):
            async with self._database.writing() as connection:
                await connection.execute(delete(worker).where(worker.c.id == self.id))
        log.info("worker_stopped", worker=str(self.id))

    async def _begin(self) -> None:
        async with self._database.writing() as connection:
            await connection.execute(delete(worker).where(worker.c.seen_at < now() - _FORGOTTEN_AFTER))
            await self._be_seen(connection)

    async def _be_seen(self, connection: AsyncConnection) -> None:
        """Also when its row is gone: another worker may have thought it dead."""
        at = now()
        seen = await connection.execute(update(worker).where(worker.c.id == self.id).values(seen_at=at))
        if seen.rowcount == 0:
            await connection.execute(worker.insert(), {"id": self.id, "started_at": self._started_at, "seen_at": at})

    async def _sweep(self) -> None:
        """At its start, and every `sweep_seconds` after the last one ended."""
        while not self._stopping.is_set():
            try:
                done = await sweep(self._database, self._registry, now(), self._settings.public_url, self._stopping)
                async with self._database.writing() as connection:
                    await connection.execute(update(worker).where(worker.c.id == self.id).values(swept_at=now()))
                metrics.LAST_SWEEP.set_to_current_time()
                for step, count in done.items():
                    metrics.STEPS.labels(step).inc(count)
                if any(done.values()):
                    log.info("swept", **{str(step): count for step, count in done.items()})
            except Exception as error:
                if not is_unavailable(error):
                    log.error("sweep_failed", **describe(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._settings.sweep_seconds)

    async def _beat(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _BEAT_SECONDS)
                return
            if self._courier_task is not None and self._courier_task.done():
                log.critical("courier_ended")
                return
            try:
                async with self._database.writing() as connection:
                    await self._be_seen(connection)
            except Exception as error:
                if not is_unavailable(error):
                    log.error("heartbeat_failed", **describe(error))
