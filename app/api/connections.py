"""One connection: how much a caller may send before it is heard, how slowly, and how slowly it may listen.

The server itself knows none of these limits but how long a connection may rest between calls.
"""

from __future__ import annotations

import asyncio
from enum import IntEnum
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app import metrics
from app.api.edge import HARDENED, problem_answer
from app.config import Settings
from app.problems import Problem

MOST_ADDRESS_BYTES = 8 * 1024
MOST_HEADER_BYTES = 32 * 1024
MOST_HEADERS = 100
_MOST_UNHEARD = 2 * 1024 * 1024  # of a body whose call is answered already
_LEAST_A_SECOND = 4 * 1024
_SURELY_SMALL = 8 * 1024


class Phase(IntEnum):
    """What is waited for; the first are the first to go when there are too many."""

    NEW = 0
    IDLE = 1
    HEAD = 2
    BODY = 3
    ANSWER = 4


class Connection(HttpToolsProtocol):
    def __init__(self, config: Any, server_state: Any, app_state: Any, _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._settings: Settings = config.loaded_app.office.settings
        self._phase, self._began = Phase.NEW, 0.0
        self._head_bytes = self._body_bytes = 0
        self._unsent, self._unsent_since = 0, 0.0
        self._fault: Problem | None = None
        self._look_again: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._began = self.loop.time()
        self._look_later()
        if len(self.connections) > self._settings.connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._look_again:
            self._look_again.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._phase is Phase.IDLE:
            self._phase, self._began, self._head_bytes = Phase.HEAD, self.loop.time(), 0
        self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # no other protocol is spoken here: it is answered as the call that it is
        except httptools.HttpParserError:
            self._refuse(self._fault or Problem("malformed_http"))
        else:
            if self._phase <= Phase.HEAD and self._head_bytes > MOST_ADDRESS_BYTES + MOST_HEADER_BYTES:
                self._refuse(Problem("head_too_large"))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._phase is not Phase.HEAD:
            self._phase, self._began = Phase.HEAD, self.loop.time()

    def on_headers_complete(self) -> None:
        if len(self.headers) > MOST_HEADERS or (self._head_bytes > _SURELY_SMALL and self._head_is_too_large()):
            self._fault = Problem("head_too_large")
            raise ValueError
        super().on_headers_complete()
        self._phase, self._began, self._body_bytes = Phase.BODY, self.loop.time(), 0

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self.cycle.response_complete and self._body_bytes > _MOST_UNHEARD:
            self.transport.close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._phase, self._head_bytes = Phase.ANSWER, 0
        if self.cycle.response_complete:
            self._rest()

    def on_response_complete(self) -> None:
        if self._phase is Phase.ANSWER and not self.pipeline:
            self._rest()
        super().on_response_complete()

    def _rest(self) -> None:
        self._phase, self._began = Phase.IDLE, self.loop.time()

    def _head_is_too_large(self) -> bool:
        bytes_ = sum(len(name) + len(value) for name, value in self.headers)
        return len(self.url) > MOST_ADDRESS_BYTES or bytes_ > MOST_HEADER_BYTES

    def _look_later(self) -> None:
        limits = (self._settings.head_seconds, self._settings.body_seconds, self._settings.unread_seconds)
        self._look_again = self.loop.call_later(min(1.0, *limits), self._look)

    def _look(self) -> None:
        self._look_later()
        at = self.loop.time()
        if self._is_not_listening(at):
            self._cut("unread")
        elif self._phase in (Phase.NEW, Phase.HEAD) and at > self._began + self._settings.head_seconds:
            self._cut("head")
        elif self._phase is Phase.BODY and not self.flow.read_paused and at > self._body_due():
            self._cut("body")  # while it is paused it is ours to read on

    def _body_due(self) -> float:
        return self._began + self._settings.body_seconds + self._body_bytes / _LEAST_A_SECOND

    def _is_not_listening(self, at: float) -> bool:
        unsent = self.transport.get_write_buffer_size()
        if not unsent or unsent <= self._unsent - _LEAST_A_SECOND or not self._unsent:
            self._unsent, self._unsent_since = unsent, at
        return bool(unsent) and at > self._unsent_since + self._settings.unread_seconds

    def _cut(self, why: str) -> None:
        metrics.CUT_OFF.labels(why).inc()
        if why in ("head", "body") and self._phase is not Phase.NEW:
            self._refuse(Problem("too_slow"))
        else:
            self.transport.abort()

    def _refuse(self, problem: Problem) -> None:
        """The answer to a call that the application does not get to hear, or not whole; then the connection ends."""
        answering = self.cycle is not None and not self.cycle.response_complete
        if self._phase is Phase.BODY and not answering:
            self.transport.close()  # it was answered before its body was whole
            return
        if answering and (self.cycle.response_started or self._phase is Phase.HEAD):
            self.transport.abort()  # in the midst of an answer, or before one that another call waits for
            return
        if answering:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        answer = problem_answer(problem, "")
        headers = [*answer.raw_headers, *HARDENED, (b"connection", b"close")]
        lines = [b"%b: %b\r\n" % each for each in headers]
        self.transport.write(b"".join([STATUS_LINE[answer.status_code], *lines, b"\r\n", bytes(answer.body)]))
        self.transport.close()

    def _make_room(self) -> None:
        """Nobody new is turned away: whoever keeps us waiting, longest, goes instead."""
        others = (each for each in self.connections if isinstance(each, Connection) and each is not self)
        waiting = [each for each in others if each._phase is not Phase.ANSWER]
        if waiting:
            first = min(waiting, key=lambda each: (each._phase, each._began))
            self.connections.discard(first)
            first._cut("crowded")


def server_options(settings: Settings) -> dict[str, Any]:
    """For uvicorn."""
    return {
        "loop": "uvloop",
        "http": "app.api.connections:Connection",
        "ws": "none",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "timeout_graceful_shutdown": max(1, round(settings.stop_seconds * 0.3)),  # the rest is the worker's
        "timeout_keep_alive": 30,
    }
