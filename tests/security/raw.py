"""HTTP as bytes on a socket: what a client library would never send."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

PATIENCE = 30


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def problem(self) -> Any:
        """The body of a refusal, which must be one."""
        assert self.headers["content-type"] == "application/problem+json", self
        told = json.loads(self.body)
        assert told["status"] == self.status
        assert {"type", "title", "detail", "code"} <= told.keys()
        return told


@contextmanager
def line_to(address: str) -> Iterator[socket.socket]:
    place = urlsplit(address)
    with socket.create_connection((place.hostname or "", place.port or 0), PATIENCE) as line:
        yield line


def heard(line: socket.socket) -> bytes:
    """All that is said until the line ends."""
    said = b""
    try:
        while more := line.recv(65536):
            said += more
    except ConnectionError:
        pass
    return said


def answers_in(said: bytes) -> list[Answer]:
    """The answers that stand one after the other in what was said; each says how long it is."""
    found = []
    while said:
        head, _, rest = said.partition(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
        status = int(status_line.split(" ")[1])
        length = int(headers.get("content-length", 0))
        if status >= 200:
            found.append(Answer(status, headers, rest[:length]))
        said = rest[length:]
    return found


def tell(address: str, *parts: bytes) -> list[Answer]:
    """Everything sent at once; all answers until the line ends."""
    with line_to(address) as line:
        try:
            for part in parts:
                line.sendall(part)
        except OSError:
            pass  # it may have had enough before the end
        return answers_in(heard(line))
