"""How much a person's page costs while it is open: memory, CPU while nothing happens, and from a change to its page.

    python -m tests.benchmarks.tracking [--pages 1000] [--seconds 10] [--database sqlite|postgresql|both] [--json FILE]

One API process; a page for each of `--pages` requests, from addresses of fifty pages each. Beside them one request is changed now and
then: from the answer of the call that changes it to the line on its page's stream. Then all of them change, and every page
must hear of it; then the process is told to stop, and every stream must have ended.
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

from app.keys import KeyRole
from tests import serving
from tests.benchmarks.inbox import come_to_rest, cpu_of
from tests.benchmarks.intake import BODY

A_HOUSE = 50


class Page:
    """An open page: its stream, read as it comes."""

    def __init__(self, port: int, receipt: dict[str, Any], address: str) -> None:
        self._port, self._token, self._address = port, receipt["tracking_token"], address
        self.is_open, self.moved = asyncio.Event(), asyncio.Event()
        self.heard_at = 0.0

    async def follow(self) -> bool:
        """Until the stream ends; whether it was opened."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(
            f"GET /track/{self._token}/events HTTP/1.1\r\nhost: x\r\nx-forwarded-for: {self._address}\r\n\r\n".encode()
        )
        try:
            while line := await reader.readline():
                if line.startswith(b"retry:"):
                    self.is_open.set()
                elif line.startswith(b"event: moved"):
                    self.heard_at = time.perf_counter()
                    self.moved.set()
                elif line == b"0\r\n":
                    break  # the last of the chunks
        except ConnectionError:
            pass
        writer.close()
        return self.is_open.is_set()


async def ask(http: httpx.AsyncClient, window: str, number: int) -> list[dict[str, Any]]:
    at_once = asyncio.Semaphore(16)

    async def one() -> dict[str, Any]:
        async with at_once:
            answer = await http.post("/v1/requests", json=BODY, headers=_as(window))
            receipt: dict[str, Any] = answer.raise_for_status().json()
            return receipt

    return list(await asyncio.gather(*(one() for _ in range(number))))


async def urge(http: httpx.AsyncClient, receipt: dict[str, Any], key: str) -> float:
    """Change a request; when that was answered."""
    sent = next(each for each in receipt["handoffs"] if each["status"] == "dispatched")
    path = f"/v1/handoffs/{sent['handoff_id']}/urge"
    (await http.post(path, json={"note": "请今日内签收"}, headers=_as(key))).raise_for_status()
    return time.perf_counter()


def _as(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def latencies(http: httpx.AsyncClient, page: Page, receipt: dict[str, Any], key: str, times: int) -> list[float]:
    """Milliseconds from the answer to whoever changed a request to the line on its page's stream."""
    took = []
    for _ in range(times):
        page.moved.clear()
        answered = await urge(http, receipt, key)
        await asyncio.wait_for(page.moved.wait(), 10)
        took.append(max(0.0, (page.heard_at - answered) * 1000))
        await asyncio.sleep(0.05)
    return took


async def measure(service: serving.Service, url: str, number: int, seconds: float) -> dict[str, Any]:
    window = await asyncio.to_thread(serving.make_key, url, KeyRole.INTAKE)
    coordinator = await asyncio.to_thread(serving.make_key, url, KeyRole.COORDINATOR)
    process = psutil.Process(service.pid)
    limits = httpx.Limits(max_connections=16)
    async with httpx.AsyncClient(base_url=service.address, trust_env=False, timeout=60, limits=limits) as http:
        receipts = await ask(http, window, number)
        await come_to_rest(process)
        before = process.memory_info().rss
        pages = [
            Page(service.port, each, f"10.0.{n // A_HOUSE // 250}.{n // A_HOUSE % 250 + 1}")
            for n, each in enumerate(receipts)
        ]
        following = [asyncio.create_task(each.follow()) for each in pages]
        await asyncio.wait_for(asyncio.gather(*(each.moved.wait() for each in pages)), 60)  # how far it is
        await come_to_rest(process)
        opened = sum(not each.done() for each in following)
        memory = process.memory_info().rss - before
        began, used = time.perf_counter(), cpu_of(process)
        await asyncio.sleep(seconds)
        cpu = (cpu_of(process) - used) / (time.perf_counter() - began)
        took = await latencies(http, pages[0], receipts[0], coordinator, max(20, int(seconds * 4)))
        for each in pages:
            each.moved.clear()
        began = time.perf_counter()
        at_once = asyncio.Semaphore(16)

        async def change(receipt: dict[str, Any]) -> None:
            async with at_once:
                await urge(http, receipt, coordinator)

        await asyncio.gather(*(change(each) for each in receipts))
        changed = time.perf_counter() - began
        await asyncio.wait_for(asyncio.gather(*(each.moved.wait() for each in pages)), 60)
        heard = time.perf_counter() - began
    open_to_the_end = sum(not each.done() for each in following)
    began = time.perf_counter()
    await asyncio.to_thread(service.stop)
    ended = sum(await asyncio.wait_for(asyncio.gather(*following), 30))
    stopped = time.perf_counter() - began
    took.sort()
    return {
        "pages": number,
        "open": opened,
        "open_to_the_end": open_to_the_end,
        "ended_at_the_stop": ended,
        "stop_seconds": stopped,
        "kib_per_page": memory / number / 1024,
        "cpu_of_one_core_while_nothing_happens": cpu,
        "latency_ms": {"p50": statistics.median(took), "p99": took[int(len(took) * 0.99)], "times": len(took)},
        "all_changed_seconds": changed,
        "all_heard_seconds": heard,
    }


def run(kind: str, url: str, number: int, seconds: float) -> dict[str, Any]:
    serving.prepare(url)
    settings = {"trusted_proxies": "127.0.0.1/32", "open_pages_per_address": A_HOUSE, "connections": number + 200}
    service = serving.Service(url, "--no-worker", **settings).wait_until("/health/live")
    try:
        figures = uvloop.run(measure(service, url, number, seconds))
    finally:
        service.kill()
    latency = figures["latency_ms"]
    print(
        f"{kind}: {figures['open']} of {number} pages open on one process, {figures['kib_per_page']:.0f} KiB each, "
        f"{figures['cpu_of_one_core_while_nothing_happens']:.1%} of a core; change to page p50 {latency['p50']:.1f} ms, "
        f"p99 {latency['p99']:.1f} ms; all {number} changed in {figures['all_changed_seconds']:.1f} s and heard of after "
        f"{figures['all_heard_seconds']:.1f} s; at the stop {figures['ended_at_the_stop']} ended in "
        f"{figures['stop_seconds']:.1f} s",
        flush=True,
    )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    databases = serving.each_database(options.database)
    results = {kind: run(kind, url, options.pages, options.seconds) for kind, url in databases}
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    sys.exit(main())
