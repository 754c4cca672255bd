"""Every agency's endpoint, as a process of its own with a ledger of its own: an SQLite file, a row for each try.

    python -m tests.faults.sink PORT FILE

`PUT /{agency}?manner=…` tells an endpoint how to behave; the manners are those of `MANNERS`.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import signal
import socket
import sqlite3
import struct
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvloop
from aiohttp import web

from tests import serving

MANNERS = ("take", "refuse", "hang", "half", "reset", "huge", "late")
LATE_SECONDS = 1.5
WORKING_SECONDS = 0.005  # what is in hand when somebody is killed is worth the name
_TABLE = """
CREATE TABLE IF NOT EXISTS received (number INTEGER PRIMARY KEY, agency TEXT, id TEXT, digest TEXT, type TEXT,
handoff TEXT, began REAL, ended REAL, took INTEGER DEFAULT 0)
"""


@dataclass(frozen=True)
class Received:
    """One try as it arrived, in the sink's monotonic seconds. `took`: it was answered 200, or would have been."""

    agency: str
    id: str
    digest: str
    type: str
    handoff: str
    began: float
    ended: float | None
    took: bool


class Sink:
    """The process, from outside."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.port = serving.free_port()
        self.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/{{code}}"

    def start(self) -> None:
        self._process = serving.Process("-m", "tests.faults.sink", str(self.port), str(self.file))
        deadline = time.monotonic() + 120
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{self.port}/", trust_env=False)
                return
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    self._process.kill()
                    raise
                time.sleep(0.05)

    def stop(self) -> None:
        self._process.stop()

    def behave(self, agency: str, manner: str) -> None:
        answer = httpx.put(
            f"http://127.0.0.1:{self.port}/{agency}", params={"manner": manner}, trust_env=False, timeout=30
        )
        answer.raise_for_status()

    def received(self) -> list[Received]:
        columns = "agency, id, digest, type, handoff, began, ended, took"
        with closing(sqlite3.connect(self.file)) as ledger:
            rows = ledger.execute(f"SELECT {columns} FROM received ORDER BY number").fetchall()
        return [Received(*row[:-1], took=bool(row[-1])) for row in rows]


@contextmanager
def sink_at(file: Path) -> Iterator[Sink]:
    sink = Sink(file)
    try:
        yield sink
    finally:
        sink.stop()


class _Endpoints:
    def __init__(self, ledger: sqlite3.Connection) -> None:
        self._ledger = ledger
        self._manners: dict[str, str] = {}

    async def set_manner(self, request: web.Request) -> web.Response:
        manner = request.query["manner"]
        if manner not in MANNERS:
            raise web.HTTPBadRequest
        self._manners[request.match_info["agency"]] = manner
        return web.Response()

    async def receive(self, request: web.Request) -> web.StreamResponse:
        agency = request.match_info["agency"]
        began, body = time.monotonic(), await request.read()
        message = json.loads(body)
        row = (agency, request.headers["webhook-id"], hashlib.sha256(body).hexdigest(), message["type"])
        number = self._ledger.execute(
            "INSERT INTO received (agency, id, digest, type, handoff, began) VALUES (?, ?, ?, ?, ?, ?)",
            (*row, message["data"]["handoff_id"], began),
        ).lastrowid
        manner = self._manners.get(agency, "take")
        took = manner == "late"  # it has it, whoever waits for its answer
        try:
            answer = await self._answer(request, manner)
            took = answer.status == 200
            return answer
        finally:
            ended = (time.monotonic(), took, number)
            self._ledger.execute("UPDATE received SET ended = ?, took = ? WHERE number = ?", ended)

    async def _answer(self, request: web.Request, manner: str) -> web.StreamResponse:
        transport = request.transport
        assert transport is not None
        if manner == "refuse":
            return web.Response(status=503)
        if manner == "hang":
            await asyncio.sleep(3600)
        if manner == "late":
            await asyncio.sleep(LATE_SECONDS)
        if manner == "half":
            transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf of what was prom")
            transport.close()
            raise ConnectionError
        if manner == "reset":
            lingering = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering)
            transport.abort()
            raise ConnectionError
        if manner == "huge":
            return web.Response(body=b"x" * 10_000_000)
        await asyncio.sleep(WORKING_SECONDS)
        return web.Response()


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    with closing(sqlite3.connect(options.file, isolation_level=None)) as ledger:
        ledger.execute("PRAGMA journal_mode=WAL")
        ledger.execute("PRAGMA synchronous=OFF")  # nobody kills this process
        ledger.execute(_TABLE)
        endpoints = _Endpoints(ledger)
        server = web.Application()
        server.router.add_post("/{agency}", endpoints.receive)
        server.router.add_put("/{agency}", endpoints.set_manner)
        runner = web.AppRunner(server, access_log=None, handler_cancellation=True, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", options.port).start()
        ended = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
        await ended.wait()
        await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(main())
