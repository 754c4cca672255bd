"""100 endpoints and one courier in this process: the time from a message's commit to the end of its first attempt."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

from sqlalchemy import func, select

from app import agencies
from app.db import Database
from app.delivery.addresses import Endpoint
from app.delivery.courier import Courier
from app.delivery.lanes import Priority
from app.delivery.outbox import enqueue
from app.identifiers import new_id, now
from app.ledger import Ledger, Unit
from app.registry import Registry
from app.tables import delivery
from tests import serving

RECEIVERS = 100
_EVERY = 0.004
_SETTLES_SECONDS = 3


async def latencies(url: str, port: int, elsewhere: dict[str, str], seconds: float) -> list[float]:
    """Milliseconds of each message to the receivers other than r1 and r2; every receiver gets as many."""
    settings = serving.settings_for(url, delivery_total_seconds=10)
    await asyncio.to_thread(serving.prepare, url)
    database = Database(settings)
    async with database.writing() as connection:
        for number in range(RECEIVERS):
            code = f"r{number}"
            await agencies.add(
                connection,
                code=code,
                department_code="county_housing",
                division_code="360803",
                name_zh=code,
                name_en=code,
                phone=None,
                endpoint=Endpoint(elsewhere.get(code, f"http://127.0.0.1:{port}/{code}")),
            )
    ledger, registry = Ledger(database), Registry(database, 60)
    courier = Courier(new_id(), settings, database, ledger, registry)
    ledger.start()
    running = asyncio.create_task(courier.run())
    began, number = time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds + _SETTLES_SECONDS:
        unit = Unit()
        code = f"r{number % RECEIVERS}"
        of_rest = passed >= _SETTLES_SECONDS and code not in ("r1", "r2")
        enqueue(
            unit,
            type="measured" if of_rest else "other",
            receiver=code,
            request_id=new_id(),
            handoff_id=None,
            data={"handoff_id": "none", "filler": "x" * 1_000},
            at=now(),
            priority=Priority.ORDINARY,
        )
        await ledger.write(unit)
        database.bell.after_commit()
        number += 1
        await asyncio.sleep(_EVERY)
    async with asyncio.timeout(60):
        while await _pending(database):  # noqa: ASYNC110 - rows have no bell
            await asyncio.sleep(0.2)
    courier.stop()
    running_for = await asyncio.wait({running}, timeout=30)
    assert not running_for[1], "the courier did not stop"
    await ledger.stop()
    measured = select(delivery.c.created_at, delivery.c.ended_at).where(delivery.c.type == "measured")
    async with database.reading() as connection:
        rows = (await connection.execute(measured)).all()
    await database.close()
    assert rows
    return [(row.ended_at - row.created_at) / timedelta(milliseconds=1) for row in rows]


async def _pending(database: Database) -> int:
    waiting = select(func.count()).where(delivery.c.type == "measured", delivery.c.ended_at.is_(None))
    async with database.reading() as connection:
        return await connection.scalar(waiting) or 0
