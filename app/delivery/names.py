"""Names looked up, each in a thread of its own: one that hangs keeps no other waiting, and no process from ending."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import Future
from typing import Any

import aiohttp

# Each ends by itself when the system's resolver gives up, mostly within half a minute.
_MOST = 512
_room = threading.Semaphore(_MOST)


async def look_up(host: str, port: int | None, family: int = 0, flags: int = 0) -> list[tuple[Any, ...]]:
    """What `socket.getaddrinfo` finds for a stream. Raises OSError, also when too many hang; UnicodeError."""
    room = _room
    if not room.acquire(blocking=False):
        raise OSError("too many names are being looked up")
    found: Future[list[tuple[Any, ...]]] = Future()
    found.set_running_or_notify_cancel()  # from here on nobody who stops waiting stops it

    def run() -> None:
        try:
            found.set_result(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, flags))
        except Exception as error:
            found.set_exception(error)
        finally:
            room.release()

    try:
        threading.Thread(target=run, name="look-up", daemon=True).start()
    except RuntimeError as error:  # the machine has no thread left
        room.release()
        raise OSError("no thread could be started") from error
    return await asyncio.wrap_future(found)


class Resolver(aiohttp.abc.AbstractResolver):
    """For aiohttp, which asks once for several connections to one name, and keeps what it heard for ten seconds."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        return [
            aiohttp.abc.ResolveResult(
                hostname=host,
                host=f"{address[0]}%{address[3]}" if len(address) == 4 and address[3] else address[0],
                port=address[1],
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in await look_up(host, port, family, socket.AI_ADDRCONFIG)
        ]

    async def close(self) -> None:
        """Nothing is kept."""
