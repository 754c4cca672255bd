"""What stands in for the agencies' machines: a real HTTP server that keeps what it was sent and answers as told.

It verifies every message with the `standardwebhooks` library, which shares no code with the service.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections import defaultdict, deque
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

HANGS_AT_MOST = 60.0


@dataclass(frozen=True)
class Received:
    """One attempt as it arrived; `at` is the monotonic second of its first byte."""

    at: float
    path: str
    headers: dict[str, str]
    body: bytes
    verified: bool

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def message(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.body)
        return message


@dataclass(frozen=True)
class Answer:
    """What an endpoint does next. `hang`: it answers only when it is released; `drop`: it hangs up without a word."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    hang: bool = False
    drop: bool = False
    seconds: float = 0


# A failure that is tried again when a test makes it due, and not before.
FAULTY = Answer(500, headers={"Retry-After": "600"})


class Receiver:
    """Every agency's endpoint, `/{agency}`. `then` tells an endpoint its next answers; after them it answers 200."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.received: list[Received] = []
        self.secrets: dict[str, str] = {}
        self._answers: dict[str, deque[Answer]] = defaultdict(deque)
        self._always: dict[str, Answer] = {}
        self._released = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.receiver = self
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}/{{code}}"

    def then(self, agency: str, *answers: Answer) -> None:
        self._answers[agency].extend(answers)

    def always(self, agency: str, answer: Answer) -> None:
        self._always[agency] = answer

    def of(self, agency: str) -> list[Received]:
        return [each for each in list(self.received) if each.path == f"/{agency}"]

    def release(self) -> None:
        """Let go of everything that hangs, now and later."""
        self._released.set()

    def close(self) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def _hear(self, received: Received) -> Answer:
        agency = received.path.strip("/")
        self.received.append(received)
        if not received.verified:
            return Answer(401)
        try:
            return self._answers[agency].popleft()
        except IndexError:
            return self._always.get(agency, Answer())

    def _verify(self, path: str, headers: dict[str, str], body: bytes) -> bool:
        try:
            Webhook(self.secrets[path.strip("/")]).verify(body, headers)
        except (WebhookVerificationError, KeyError):
            return False
        return True


class _Server(ThreadingHTTPServer):
    receiver: Receiver
    daemon_threads = True
    request_queue_size = 128

    def finish_request(self, request: Any, client_address: Any) -> None:
        if isinstance(request, ssl.SSLSocket):
            try:
                request.do_handshake()
            except ssl.SSLError:
                # What it has sent meanwhile is read: else the reset may overtake the alert that says why.
                with socket.socket(fileno=request.detach()) as plain, suppress(OSError):
                    plain.shutdown(socket.SHUT_WR)
                    while plain.recv(65536):
                        pass
                return
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hung up is no fault of ours."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def parse_request(self) -> bool:
        self.began = time.monotonic()
        return super().parse_request()

    def do_POST(self) -> None:
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): content for name, content in self.headers.items()}
        verified = receiver._verify(self.path, headers, body)
        answer = receiver._hear(Received(self.began, self.path, headers, body, verified))
        if answer.hang:
            receiver._released.wait(HANGS_AT_MOST)
        if answer.seconds:
            time.sleep(answer.seconds)
        if answer.drop:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, content in {"content-length": str(len(answer.body)), **answer.headers}.items():
            self.send_header(name, content)
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST  # noqa: N815 - a redirect that was followed would come as this

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        pass
