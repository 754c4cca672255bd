"""Two couriers of 100 endpoints each, all of one's well, one of the other's hanging and one dead: the time from a message's
commit to its arrival. They take turns of a second, so that what else the machine does falls on both."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

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
from app.service_key import service_box
from app.tables import delivery
from tests import serving

RECEIVERS = 100
BROKEN = ("r1", "r2")
_EVERY = 0.004
_TURN = 1.0
_TURNS_TO_SETTLE = 3


class Side:
    """One courier with its database; `sent` holds when each message was committed, nanoseconds since 1970."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self.database = database
        self._ledger = ledger
        self.sent: dict[str, int] = {}
        self._number = 0

    async def turn(self, seconds: float, *, measured: bool) -> None:
        until = time.monotonic() + seconds
        async with self.database.reading() as connection:
            box = await service_box(connection)
        while time.monotonic() < until:
            unit = Unit()
            code = f"r{self._number % RECEIVERS}"
            self._number += 1
            counts = measured and code not in BROKEN
            enqueue(
                unit,
                box,
                type="measured" if counts else "other",
                receiver=code,
                request_id=None,
                handoff_id=None,
                data={"handoff_id": "none", "filler": "x" * 1_000},
                at=now(),
                priority=Priority.ORDINARY,
            )
            await self._ledger.write(unit)
            if counts:
                self.sent[str(unit.inserts[delivery][0]["id"])] = time.time_ns()
            self.database.bell.after_commit()
            await asyncio.sleep(_EVERY)

    async def all_gone(self) -> None:
        waiting = select(func.count()).where(delivery.c.type == "measured", delivery.c.ended_at.is_(None))
        async with asyncio.timeout(60):
            while True:
                async with self.database.reading() as connection:
                    if not await connection.scalar(waiting):
                        return
                await asyncio.sleep(0.2)


@asynccontextmanager
async def side(url: str, port: int, elsewhere: dict[str, str]) -> AsyncIterator[Side]:
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
    try:
        yield Side(database, ledger)
    finally:
        courier.stop()
        ended, _ = await asyncio.wait({running}, timeout=30)
        await ledger.stop()
        await database.close()
    assert ended, "the courier did not stop"


async def compare(urls: Sequence[str], port: int, seconds: float, heard: Path) -> list[float]:
    """The median milliseconds of the well side, and of the 98 others of the broken one. `heard` is the ledger of the
    sink, with times; it lets r1 hang."""
    sink = f"http://127.0.0.1:{port}"
    async with (
        side(urls[0], port, {"r1": f"{sink}/well"}) as well,
        side(urls[1], port, {"r2": "http://127.0.0.1:9/r2"}) as broken,
    ):
        for number in range(_TURNS_TO_SETTLE + max(2, round(seconds / _TURN))):
            for each in (well, broken):
                await each.turn(_TURN, measured=number >= _TURNS_TO_SETTLE)
        for each in (well, broken):
            await each.all_gone()
    lines = (await asyncio.to_thread(heard.read_text)).splitlines()
    arrived = {line[0]: int(line[-1]) for line in (each.split("\t") for each in lines)}
    return [statistics.median((arrived[one] - at) / 1e6 for one, at in each.sent.items()) for each in (well, broken)]
