"""The service as a test speaks to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn

from app.api.connections import server_options
from app.keys import KeyRole
from app.main import create_app
from tests import serving


@dataclass
class Running:
    """The service on a database of this test's own; `client(role)` calls it as that role."""

    url: str
    address: str
    _clients: list[httpx.Client] = field(default_factory=list)

    def client(
        self, role: KeyRole | str | None, agency: str | None = None, place: str | None = None, **headers: str
    ) -> httpx.Client:
        key = None if role is None else serving.make_key(self.url, KeyRole(role), agency, place)
        return self.with_key(key, **headers)

    def with_key(self, key: str | None, **headers: str) -> httpx.Client:
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        headers.setdefault("accept-language", "en")
        client = httpx.Client(base_url=self.address, headers=headers, timeout=60, trust_env=False, verify=False)
        self._clients.append(client)
        return client

    def leave(self) -> None:
        """Close every client."""
        for client in self._clients:
            client.close()


class _Server(uvicorn.Server):
    """Looks a hundred times a second whether it is to stop, and then waits for calls under way alone: its own pauses of a
    tenth of a second took a seventh of the time of such tests. Tests of processes have the server as it is."""

    async def main_loop(self) -> None:
        while not await self.on_tick(0):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for door in sockets or ():
            door.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wait_tasks_to_complete(), self.config.timeout_graceful_shutdown)
        for task in self.server_state.tasks:
            task.cancel()
        await self.lifespan.shutdown()


@contextlib.contextmanager
def in_this_process(url: str) -> Iterator[Callable[..., Running]]:
    """Starts the service on a real port, as often as it is asked to; all of them stop when the block ends."""
    stops: list[Callable[[], None]] = []

    def run(**settings: Any) -> Running:
        settings = {"embedded_worker": False, "poll_seconds": 0.2, "refresh_seconds": 0.2, **settings}
        settings_ = serving.settings_for(url, **settings)
        app = create_app(settings_)
        server = _Server(uvicorn.Config(app, lifespan="on", **server_options(settings_)))
        door = socket.create_server(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([door],), daemon=True)
        thread.start()
        running = Running(url, f"http://127.0.0.1:{door.getsockname()[1]}")

        def stop() -> None:
            running.leave()
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()

        stops.append(stop)
        while not server.started:
            assert thread.is_alive(), "the service did not start"
            time.sleep(0.002)
        return running

    yield run
    for stop in stops:
        stop()
