"""What claiming costs with 10,000 and with 1,000,000 deliveries waiting, in turns on two databases of the same engine.

The rows are made by the database itself, half of them for one of 100 receivers. Ids and times grow together, as those of
a real backlog do. Each claim takes rows that nobody has touched, in both cases from the same number of receivers.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.db import Database
from app.delivery import queue
from app.delivery.lanes import choose
from app.identifiers import new_id, now
from tests import serving

RECEIVERS = 100
LEASE = timedelta(hours=1)
CLAIMS = 48
ROWS = (10_000, 1_000_000)
ROOM = 64
_TOGETHER = 50_000
_NUMBERS = {
    "sqlite": "WITH RECURSIVE g(n) AS (SELECT :low UNION ALL SELECT n + 1 FROM g WHERE n + 1 < :high)",
    "postgresql": "WITH g AS (SELECT generate_series(CAST(:low AS INTEGER), CAST(:high AS INTEGER) - 1) AS n)",
}
_IDS = {"sqlite": "CAST(printf('%016d', n) AS BLOB)", "postgresql": "CAST(lpad(to_hex(n), 32, '0') AS UUID)"}
_TIMES = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now', '-1 hours', (n * 0.003) || ' seconds') || '+00:00'",
    "postgresql": "now() - interval '1 hour' + n * interval '3 milliseconds'",
}
# As the engine does by itself in time; else it does it while we measure.
_UPKEEP = {
    "sqlite": ("ANALYZE delivery",),
    "postgresql": ("VACUUM (ANALYZE) delivery", "CHECKPOINT"),
}
_BYTES = {"sqlite": "zeroblob(32)", "postgresql": "decode(repeat('00', 32), 'hex')"}


def _fill(kind: str) -> str:
    at, body = _TIMES[kind], _BYTES[kind]
    return f"""INSERT INTO delivery (id, receiver, request_id, type, status, priority, attempts, due_at, created_at,
        give_up_at, digest, sealed)
    {_NUMBERS[kind]} SELECT {_IDS[kind]}, 'r' || CASE WHEN n % 2 = 0 THEN (n / 2) % {RECEIVERS} ELSE 0 END,
        {_IDS[kind]}, 'x', 'pending', 2, 0, {at}, {at}, {at}, {body}, {body} FROM g"""


async def claim(database: Database, worker: UUID) -> float:
    """Milliseconds of one beat's look and claim."""
    began = time.perf_counter()
    async with database.writing() as connection:
        waiting = await queue.waiting(connection, {}, 256)
        due = [(each.lane, each.receiver) for each in waiting if each.due_at <= now()]
        claimed = await queue.claim(connection, worker, now(), LEASE, choose(ROOM, due, lambda receiver, lane: 8, 4))
    assert len(claimed) == ROOM
    return (time.perf_counter() - began) * 1000


async def filled(kind: str, url: str, rows: int) -> Database:
    database = Database(serving.settings_for(url))
    for at in range(0, rows, _TOGETHER):
        async with database.writing() as connection:
            await connection.execute(text(_fill(kind)), {"low": at, "high": min(at + _TOGETHER, rows)})
    async with database.reading() as connection:
        for upkeep in _UPKEEP[kind]:
            await connection.execute(text(upkeep))
    return database


async def measure(kind: str, urls: Sequence[str]) -> dict[str, Any]:
    databases = [await filled(kind, url, rows) for rows, url in zip(ROWS, urls, strict=True)]
    worker = new_id()
    took = [[await claim(each, worker) for each in databases] for _ in range(CLAIMS)]
    for each in databases:
        await each.close()
    few, many = (statistics.median(column) for column in zip(*took, strict=True))
    return {"few_p50_ms": few, "many_p50_ms": many, "slower": many / few - 1}


def run(kind: str, urls: Iterator[str], results: dict[str, Any]) -> None:
    chosen = [next(urls) for _ in ROWS]
    for url in chosen:
        serving.prepare(url)
    figures = asyncio.run(measure(kind, chosen))
    few, many = figures["few_p50_ms"], figures["many_p50_ms"]
    print(
        f"{kind}: claiming {ROOM} with {ROWS[0]:,} waiting {few:.2f} ms, with {ROWS[1]:,} {many:.2f} ms: "
        f"{figures['slower']:+.0%}",
        flush=True,
    )
    results[f"{kind}_backlog"] = figures
