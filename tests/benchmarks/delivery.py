"""How much delivery costs, as a ratio to the same client in a bare loop, measured in the same run.

    python -m tests.benchmarks.delivery [--database sqlite|postgresql|both] [--seconds 10] [--only PART] [--json FILE]

- The outbound clients side by side (clients.py), so that the choice can be made again.
- A backlog of real handoffs, drained by one worker process to a local sink: claimed, signed, posted, recorded. Beside
  it the same library posts bodies of the same size to the same sink with as many in flight, and does nothing else.
- The time from the 201 of a submission to the first byte at the agency when nothing else is going on.
- One dead endpoint and one that hangs among 100: how long messages to the other 98 take, with them and without.
- Claiming with 10,000 and with 1,000,000 deliveries waiting (backlog.py).
`--only` runs one of them: clients, drain, neighbours, backlog.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count as count_from
from pathlib import Path
from typing import Any

import httpx
import uvloop
from sqlalchemy import func, select

from app.db import Database
from app.keys import KeyRole
from app.tables import delivery
from tests import serving
from tests.benchmarks import backlog, clients, many
from tests.benchmarks.intake import BODY, drive

IN_FLIGHT = 64
SETTINGS = {"delivery_concurrency": IN_FLIGHT, "delivery_per_agency": IN_FLIGHT}


def compare_clients(port: int, seconds: float, results: dict[str, Any]) -> None:
    rates = {name: uvloop.run(clients.rate(name, port, seconds)) for name in clients.CLIENTS}
    for name, rate in rates.items():
        print(f"{name:<12} {'not installed' if rate is None else f'{rate:8.0f}/s'}", flush=True)
    results["clients"] = rates


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
    assert left == 0, f"{left} are still waiting"
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


def neighbours(kind: str, urls: Iterator[str], seconds: float, results: dict[str, Any]) -> None:
    port, file = serving.free_port(), Path(tempfile.mkdtemp(prefix="one-window-bench-")) / "sink.tsv"
    sink = serving.Process("-m", "tests.sink", str(port), str(file), "--times", "--hangs", "r1")
    try:
        wait_for(port)
        well, broken = asyncio.run(many.compare([next(urls), next(urls)], port, seconds, file))
    finally:
        sink.kill()  # one of its answers hangs
        shutil.rmtree(file.parent)
    results[f"{kind}_neighbours_ms"] = {"well": well, "broken": broken}
    print(
        f"{kind}: commit to arrival p50 {well:.2f} ms with 100 well endpoints, {broken:.2f} ms beside a hanging and a dead "
        f"one: {broken / well - 1:+.0%}",
        flush=True,
    )


def wait_for(port: int, within: float = 30) -> None:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")


PARTS = ("clients", "drain", "neighbours", "backlog")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict[str, Any] = {}
    port = serving.free_port()
    sink = serving.Process("-m", "tests.sink", str(port), str(sink_of(port)))
    try:
        wait_for(port)
        parts = options.only or PARTS
        if "clients" in parts:
            compare_clients(port, options.seconds, results)
        with contextlib.ExitStack() as stack:
            for kind in ("sqlite", "postgresql") if options.database == "both" else (options.database,):
                urls = databases(kind, stack)
                if "drain" in parts:
                    bare = uvloop.run(clients.rate("aiohttp", port, options.seconds, b"x" * 2_000)) or 0.0
                    measure(kind, next(urls), port, bare, options.seconds, results)
                if "neighbours" in parts:
                    neighbours(kind, urls, options.seconds, results)
                if "backlog" in parts:
                    backlog.run(kind, urls, results)
    finally:
        sink.stop()
        sink_of(port).unlink(missing_ok=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


def databases(kind: str, stack: contextlib.ExitStack) -> Iterator[str]:
    """Addresses of empty databases, gone with the stack."""
    if kind == "sqlite":
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="one-window-bench-"))
        for number in count_from(1):
            yield f"sqlite:///{folder}/bench-{number}.sqlite3"
    server = stack.enter_context(serving.postgres())
    while True:
        yield serving.make_postgres_database(server)


if __name__ == "__main__":
    sys.exit(main())
