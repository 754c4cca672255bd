"""Names looked up, each in a thread of its own: one that hangs keeps no other waiting, and no process from ending."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import Future
from typing import Any

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
