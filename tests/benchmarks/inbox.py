"""How much a client that waits for its inbox costs: memory, CPU while nothing happens, and from a commit to its answer.

    python -m tests.benchmarks.inbox [--clients 1000] [--seconds 10] [--database sqlite|postgresql|both] [--json FILE]

One API process, all clients waiting on it, eight to a key. Beside the `--clients` that wait for agencies where nothing
happens, one waits for an agency that gets something now and then: from the 201 of a submission to its answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import uvloop

from app import agencies, keys
from app.db import Database
from app.inboxes import MOST_WAITING
from app.keys import KeyRole
from tests import serving
from tests.benchmarks.intake import BODY

WAIT = 60
BUSY = "360803101-township"


def make_keys(url: str, number: int) -> tuple[list[str], str]:
    """Keys of the townships that nobody asks in, and one of the township that everybody asks in."""

    async def run() -> tuple[list[str], str]:
        database = Database(serving.settings_for(url))
        async with database.writing() as connection:
            codes = [row["code"] for row in await agencies.listed(connection)]
            quiet = [code for code in codes if code.endswith("-township") and code != BUSY]
            made = [
                await keys.create(connection, f"q{n}", KeyRole.AGENCY, quiet[n % len(quiet)]) for n in range(number)
            ]
            _, busy = await keys.create(connection, "busy", KeyRole.AGENCY, BUSY)
        await database.close()
        return [key for _, key in made], busy

    return asyncio.run(run())


async def wait_once(port: int, key: str, came_in: asyncio.Event) -> bool:
    """Whether it was answered with 200, after having waited."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"GET /v1/handoffs?wait={WAIT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n".encode()
    )
    await writer.drain()
    came_in.set()
    answer = await reader.read()
    writer.close()
    return answer.startswith(b"HTTP/1.1 200")


async def measure(service: serving.Service, url: str, clients: int, seconds: float) -> dict[str, Any]:
    quiet, busy = await asyncio.to_thread(make_keys, url, -(-clients // MOST_WAITING))
    window = await asyncio.to_thread(serving.make_key, url, KeyRole.INTAKE)
    process = psutil.Process(service.pid)
    async with httpx.AsyncClient(base_url=service.address, trust_env=False, timeout=WAIT + 10) as http:
        await latencies(http, busy, window, 3)  # warm
        before = process.memory_info().rss
        arrived = [asyncio.Event() for _ in range(clients)]
        calls = [
            asyncio.create_task(wait_once(service.port, quiet[n // MOST_WAITING], arrived[n])) for n in range(clients)
        ]
        await asyncio.gather(*(each.wait() for each in arrived))
        await come_to_rest(process)
        waiting = sum(not call.done() for call in calls)
        memory = process.memory_info().rss - before
        began, used = time.perf_counter(), cpu_of(process)
        await asyncio.sleep(seconds)
        cpu = (cpu_of(process) - used) / (time.perf_counter() - began)
        took = await latencies(http, busy, window, max(20, int(seconds * 4)))
    waited = sum(not call.done() for call in calls)
    began = time.perf_counter()
    await asyncio.to_thread(service.stop)
    stopped = time.perf_counter() - began
    answered = sum(await asyncio.gather(*calls))
    took.sort()
    return {
        "clients": clients,
        "waiting": waiting,
        "waited_to_the_end": waited,
        "answered_at_the_stop": answered,
        "stop_seconds": stopped,
        "kib_per_client": memory / clients / 1024,
        "cpu_of_one_core_while_waiting": cpu,
        "latency_ms": {"p50": statistics.median(took), "p99": took[int(len(took) * 0.99)], "times": len(took)},
    }


async def come_to_rest(process: psutil.Process) -> None:
    """Until every call has come in and waits: the process has next to nothing to do for a second; half a minute at most."""
    for _ in range(30):
        used = cpu_of(process)
        await asyncio.sleep(1)
        if cpu_of(process) - used < 0.05:
            return


def cpu_of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def latencies(http: httpx.AsyncClient, busy: str, window: str, times: int) -> list[float]:
    """Milliseconds from the 201 of a submission to the answer of the call that waited for it."""
    reads, takes = {"authorization": f"Bearer {busy}"}, {"authorization": f"Bearer {window}"}
    after = (await http.get("/v1/handoffs", params={"wait": 0, "limit": 200}, headers=reads)).json()["next_cursor"]
    took = []
    for _ in range(times):
        call = asyncio.create_task(http.get("/v1/handoffs", params={"wait": WAIT, "after": after}, headers=reads))
        await asyncio.sleep(0.05)
        (await http.post("/v1/requests", json=BODY, headers=takes)).raise_for_status()
        committed = time.perf_counter()
        answer = (await call).raise_for_status().json()
        took.append(max(0.0, (time.perf_counter() - committed) * 1000))
        assert answer["items"]
        after = answer["next_cursor"]
    return took


def run(kind: str, url: str, clients: int, seconds: float) -> dict[str, Any]:
    serving.prepare(url)
    # Those that wait, and the few that measure.
    service = serving.Service(url, "--no-worker", connections=clients + 10).wait_until("/health/live")
    try:
        figures = uvloop.run(measure(service, url, clients, seconds))
    finally:
        service.kill()
    latency = figures["latency_ms"]
    print(
        f"{kind}: {figures['waiting']} of {clients} clients waiting, {figures['kib_per_client']:.0f} KiB each, "
        f"{figures['cpu_of_one_core_while_waiting']:.1%} of a core; 201 to answer p50 {latency['p50']:.1f} ms, "
        f"p99 {latency['p99']:.1f} ms; at the stop {figures['answered_at_the_stop']} answered in "
        f"{figures['stop_seconds']:.1f} s",
        flush=True,
    )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    databases = serving.each_database(options.database)
    results = {kind: run(kind, url, options.clients, options.seconds) for kind, url in databases}
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    sys.exit(main())
