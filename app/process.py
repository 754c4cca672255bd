"""The standalone worker process: starts, works until it is told to stop, stops gracefully."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress

import prometheus_client
import structlog

from app.config import Settings
from app.db import is_unavailable
from app.logs import describe
from app.office import Office
from app.worker import Worker

log = structlog.get_logger()


async def run_worker(settings: Settings) -> None:
    """Returns after SIGTERM or SIGINT. A database that is away is waited for."""
    told_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_stop.set)
    if settings.metrics_port:
        prometheus_client.start_http_server(settings.metrics_port, "127.0.0.1")
    office = Office.of(settings)
    office.ledger.start()
    stopping = asyncio.Event()
    fresh = asyncio.create_task(office.registry.keep_fresh(stopping))
    worker = worker_of(office)
    starting = asyncio.create_task(start_when_possible(worker, stopping))
    await told_to_stop.wait()
    stopping.set()
    await starting
    await worker.stop()
    await fresh
    await office.ledger.stop()
    await office.database.close()


def worker_of(office: Office) -> Worker:
    return Worker(office.settings, office.database, office.ledger, office.registry, office.files)


async def start_when_possible(worker: Worker, stopping: asyncio.Event) -> None:
    """A database that is not there yet is waited for; the API answers 503 meanwhile."""
    while not stopping.is_set():
        try:
            await worker.start()
        except Exception as error:
            log.warning("worker_waits_for_database", **describe(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), 1 if is_unavailable(error) else 5)
        else:
            return
