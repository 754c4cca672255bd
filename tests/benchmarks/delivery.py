"""How much delivery costs, as a ratio to the same client in a bare loop, measured in the same run.

    python -m tests.benchmarks.delivery [--database sqlite|postgresql|both] [--seconds 10] [--json FILE]

A backlog of real handoffs is drained by one worker process to a local sink: claimed, signed, posted, recorded. Beside
it the same library posts bodies of the same size to the same sink with as many in flight, and does nothing else.
`latency` is the time from the 201 of a submission to the first byte at the agency when nothing else is going on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import uvloop
from sqlalchemy import func, select

from app.db import Database
from app.keys import KeyRole
from app.tables import delivery
from tests import serving
from tests.benchmarks.intake import BODY, drive

IN_FLIGHT = 64
SETTINGS = {"delivery_concurrency": IN_FLIGHT, "delivery_per_agency": IN_FLIGHT}


async def bare_loop(port: int, seconds: float) -> float:
    """Posts a second of aiohttp alone."""
    body = b"x" * 2_000
    done, until = 0, time.perf_counter() + seconds
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def post() -> None:
            nonlocal done
            while time.perf_counter() < until:
                async with session.post(f"http://127.0.0.1:{port}/bare", data=body) as answer:
                    await answer.read()
                done += 1

        began = time.perf_counter()
        await asyncio.gather(*(post() for _ in range(IN_FLIGHT)))
    return done / (time.perf_counter() - began)


def count(url: str, status: str) -> int:
    async def run() -> int:
        database = Database(serving.settings_for(url))
        async with database.reading() as connection:
            found = await connection.scalar(
                select(func.count()).select_from(delivery).where(delivery.c.status == status)
            )
        await database.close()
        return found or 0

    return asyncio.run(run())


def measure(kind: str, url: str, sink: int, bare: float, seconds: float, results: dict[str, Any]) -> None:
    serving.prepare(url)
    serving.set_endpoints(url, f"http://127.0.0.1:{sink}/{{code}}")
    key = serving.make_key(url, KeyRole.INTAKE)
    backlog = int(max(seconds, 2) * 1_000)
    service = serving.Service(url, "--no-worker").wait_until("/health/live")
    drive(service.port, key, 32, 600, backlog)
    service.stop()
    waiting = count(url, "pending")
    service = serving.Service(url, **SETTINGS).wait_until("/health/live")
    began = time.perf_counter()
    first = None
    while (left := count(url, "pending")) > 0 and time.perf_counter() - began < 20 * seconds + 60:
        if first is None and left < waiting:
            first = (time.perf_counter(), left)
        time.sleep(0.1)
    ended = time.perf_counter()
    assert first is not None
    rate = first[1] / (ended - first[0])
    print(
        f"{kind}: {waiting} waiting deliveries, {rate:.0f}/s; the bare loop {bare:.0f}/s: {rate / bare:.0%} of it",
        flush=True,
    )
    results[f"{kind}_deliveries"] = {"rate": rate, "ratio_to_bare": rate / bare, "left": left}
    results[f"{kind}_latency_ms"] = latency(service.address, key, sink_of(sink), max(20, int(seconds * 5)))
    figures = results[f"{kind}_latency_ms"]
    print(f"{kind}: 201 to first byte when idle: p50 {figures['p50']:.1f} ms, p99 {figures['p99']:.1f} ms", flush=True)
    service.stop()


def sink_of(port: int) -> Path:
    return Path(tempfile.gettempdir()) / f"one-window-bench-sink-{port}.tsv"


def latency(address: str, key: str, ledger: Path, times: int) -> dict[str, float]:
    """From the answer of a submission to its message's line in the sink's ledger."""
    took = []
    with httpx.Client(base_url=address, headers={"authorization": f"Bearer {key}"}, trust_env=False) as client:
        for _ in range(times):
            time.sleep(0.05)
            at = ledger.stat().st_size
            client.post("/v1/requests", json=BODY).raise_for_status()
            answered = time.perf_counter()
            while ledger.stat().st_size == at and time.perf_counter() - answered < 5:
                time.sleep(0.0005)
            took.append((time.perf_counter() - answered) * 1000)
    took.sort()
    return {"p50": statistics.median(took), "p99": took[int(len(took) * 0.99)]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict[str, Any] = {}
    port = serving.free_port()
    sink = serving.Process("-m", "tests.sink", str(port), str(sink_of(port)))
    try:
        time.sleep(1.5)
        bare = uvloop.run(bare_loop(port, options.seconds))
        print(f"aiohttp in a bare loop, {IN_FLIGHT} in flight: {bare:.0f}/s", flush=True)
        results["bare_loop"] = {"rate": bare}
        if options.database in ("sqlite", "both"):
            with tempfile.TemporaryDirectory(prefix="one-window-bench-") as folder:
                measure("sqlite", f"sqlite:///{folder}/bench.sqlite3", port, bare, options.seconds, results)
        if options.database in ("postgresql", "both"):
            with serving.postgres() as server:
                url = serving.make_postgres_database(server)
                measure("postgresql", url, port, bare, options.seconds, results)
                serving.drop_postgres_database(server, url)
    finally:
        sink.stop()
        sink_of(port).unlink(missing_ok=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    sys.exit(main())
