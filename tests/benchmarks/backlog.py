"""What claiming costs with 10,000 and with 1,000,000 deliveries waiting, in the same run on the same database.

The rows are made by the database itself, for 100 receivers, one of which holds nine tenths of them. Ids and times grow
together, as those of a real backlog do.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from app.db import Database
from app.delivery import outbox, queue
from app.delivery.lanes import choose
from app.identifiers import new_id, now
from tests import serving

RECEIVERS = 100
LEASE = timedelta(seconds=60)
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
_BYTES = {"sqlite": "zeroblob(32)", "postgresql": "decode(repeat('00', 32), 'hex')"}


def _fill(kind: str) -> str:
    at, body = _TIMES[kind], _BYTES[kind]
    return f"""INSERT INTO delivery (id, receiver, request_id, type, status, priority, attempts, due_at, created_at,
        give_up_at, digest, sealed)
    {_NUMBERS[kind]} SELECT {_IDS[kind]}, 'r' || CASE WHEN n % 10 = 0 THEN (n / 10) % {RECEIVERS} ELSE 0 END,
        {_IDS[kind]}, 'x', 'pending', 2, 0, {at}, {at}, {at}, {body}, {body} FROM g"""


async def claims(database: Database, seconds: float) -> list[float]:
    """Milliseconds of each beat's look and claim, what was claimed being given back so that nothing is used up."""
    worker, took = new_id(), []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        async with database.writing() as connection:
            waiting = await queue.waiting(connection, {}, 256)
            due = [(each.lane, each.receiver) for each in waiting if each.due_at <= now()]
            wanted = choose(ROOM, due, lambda receiver, lane: 8, 4)
            claimed = await queue.claim(connection, worker, now(), LEASE, wanted)
        took.append((time.perf_counter() - began) * 1000)
        assert len(claimed) >= ROOM // 2
        async with database.writing() as connection:
            await outbox.release(connection, worker, claimed, now() - LEASE)
    return took


async def measure(kind: str, url: str, seconds: float) -> dict[str, Any]:
    database = Database(serving.settings_for(url))
    figures: dict[str, Any] = {}
    low = 0
    for rows in (10_000, 1_000_000):
        for at in range(low, rows, _TOGETHER):
            async with database.writing() as connection:
                await connection.execute(text(_fill(kind)), {"low": at, "high": min(at + _TOGETHER, rows)})
        async with database.reading() as connection:  # as the engine's own upkeep does in time
            await connection.execute(text("ANALYZE delivery"))
        low = rows
        await claims(database, min(seconds, 1))
        took = await claims(database, seconds)
        figures[str(rows)] = {"p50_ms": statistics.median(took), "claims": len(took)}
    await database.close()
    figures["slower"] = figures["1000000"]["p50_ms"] / figures["10000"]["p50_ms"] - 1
    return figures


def run(kind: str, url: str, seconds: float, results: dict[str, Any]) -> None:
    serving.prepare(url)
    figures = asyncio.run(measure(kind, url, seconds))
    few, many = figures["10000"]["p50_ms"], figures["1000000"]["p50_ms"]
    print(
        f"{kind}: claiming {ROOM} with 10,000 waiting {few:.2f} ms, with 1,000,000 {many:.2f} ms: {figures['slower']:+.0%}",
        flush=True,
    )
    results[f"{kind}_backlog"] = figures
