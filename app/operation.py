"""Readiness and the backlog, as an operator sees them."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select

from app import metrics, service_key
from app.config import Settings
from app.db import Database, is_unavailable
from app.delivery.queue import oldest_due
from app.escalation import measure_overdue
from app.identifiers import now
from app.office import Office
from app.refusals import RefusedError
from app.revision import is_at_head
from app.routing.rules import local_day
from app.tables import delivery, worker

_COUNTED = 10_000
# A worker says three times as often that it is there.
ALIVE_WITHIN = timedelta(seconds=15)


async def readiness(database: Database) -> dict[str, bool]:
    state = {"database": await database.is_reachable(), "migrations": False, "worker": False, "keys": False}
    if state["database"]:
        try:
            async with database.reading() as connection:
                state["migrations"] = await is_at_head(connection)
            if state["migrations"]:
                state["worker"] = await workers_alive(database) > 0
                state["keys"] = await _opens(database)
        except Exception as error:
            if not is_unavailable(error):
                raise
            state["database"] = False
    return state


async def _opens(database: Database) -> bool:
    try:
        async with database.reading() as connection:
            await service_key.check(connection)
    except RefusedError:
        return False
    return True


async def must_open(settings: Settings) -> None:
    """Raises RefusedError if the master keys can't be read, or don't open the service's own key. A database that is away
    or not migrated is no reason to stop: it is waited for."""
    database = Database(settings)
    try:
        if await database.is_reachable():
            async with database.reading() as connection:
                if await is_at_head(connection):
                    await service_key.check(connection)
    except Exception as error:
        if not is_unavailable(error):
            raise
    finally:
        await database.close()


async def measure(office: Office) -> None:
    """Set the gauges that come from rows; the count stops at 10,000, so it costs the same on a bad day."""
    at, database = now(), office.database
    calendar = (await office.registry.current()).calendar
    metrics.CALENDAR_KNOWN_DAYS.set(calendar.days_left(local_day(at)))
    waiting = select(delivery.c.id).where(delivery.c.status == "pending").limit(_COUNTED).subquery()
    async with database.reading() as connection:
        count = await connection.scalar(select(func.count()).select_from(waiting))
        oldest = await oldest_due(connection)
        swept = await connection.scalar(select(func.max(worker.c.swept_at)))
        await measure_overdue(connection)
    metrics.LAST_SWEEP.set(swept.timestamp() if swept else 0)
    metrics.BACKLOG.set(count or 0)
    metrics.BACKLOG_AGE.set(max((at - oldest).total_seconds(), 0) if oldest else 0)
    metrics.WORKERS.set(await workers_alive(database))


async def workers_alive(database: Database) -> int:
    async with database.reading() as connection:
        alive = select(func.count()).select_from(worker).where(worker.c.seen_at > now() - ALIVE_WITHIN)
        return await connection.scalar(alive) or 0
