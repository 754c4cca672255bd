"""The outbound client by measurement: signed POSTs of 1.2 kB to a local sink, 32 in flight, one core, client by client.

Raw sockets are the limit; aiohttp is what the courier sends with; httpx and its successor httpx2, where they are
installed, are what it was chosen over. Each signs its own headers, as the courier does.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp

from app import signing

IN_FLIGHT = 32
BODY = b'{"type":"handoff.dispatched","data":"' + b"x" * 1_160 + b'"}'
Post = Callable[[bytes, dict[str, str]], Awaitable[None]]


@asynccontextmanager
async def _raw(port: int) -> AsyncIterator[Post]:
    """A connection of its own for each that is in flight."""
    idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(IN_FLIGHT):
        idle.put_nowait(await asyncio.open_connection("127.0.0.1", port))

    async def post(body: bytes, headers: dict[str, str]) -> None:
        reader, writer = idle.get_nowait()
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST /bare HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n{lines}\r\n"
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200"), answer
        idle.put_nowait((reader, writer))

    yield post
    while not idle.empty():
        idle.get_nowait()[1].close()


@asynccontextmanager
async def _aiohttp(port: int) -> AsyncIterator[Post]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def post(body: bytes, headers: dict[str, str]) -> None:
            async with session.post(f"http://127.0.0.1:{port}/bare", data=body, headers=headers) as answer:
                await answer.read()

        yield post


@asynccontextmanager
async def _httpx(port: int, module: Any) -> AsyncIterator[Post]:
    limits = module.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
    async with module.AsyncClient(limits=limits, trust_env=False) as client:

        async def post(body: bytes, headers: dict[str, str]) -> None:
            (await client.post(f"http://127.0.0.1:{port}/bare", content=body, headers=headers)).raise_for_status()

        yield post


async def rate(client: str, port: int, seconds: float, body: bytes = BODY) -> float | None:
    """Signed posts a second, or None where the client is not installed."""
    if client == "raw sockets":
        opened = _raw(port)
    elif client == "aiohttp":
        opened = _aiohttp(port)
    else:
        try:
            opened = _httpx(port, importlib.import_module(client))
        except ImportError:
            return None
    secret, done, began = signing.new_secret(), 0, time.perf_counter()
    until = began + seconds

    async def keep_posting(post: Post) -> None:
        nonlocal done
        while time.perf_counter() < until:
            headers = signing.sign([secret], str(done), datetime.now(UTC), body)
            await post(body, {**headers, "content-type": "application/json"})
            done += 1

    async with opened as post:
        await asyncio.gather(*(keep_posting(post) for _ in range(IN_FLIGHT)))
    return done / (time.perf_counter() - began)


CLIENTS = ("raw sockets", "aiohttp", "httpx2", "httpx")
