"""Callers that are slow, many, or speak no HTTP: cut off, told why, and nobody else's loss."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack

import httpx
import pytest

from tests.examples import a_request
from tests.running import Running
from tests.security.raw import answers_in, heard, line_to, tell

HEAD = b"POST /v1/requests HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
GET = b"GET /v1/needs HTTP/1.1\r\nHost: x\r\n"


def drip(line: socket.socket, piece: bytes) -> bytes:
    """A piece every tenth of a second until the other side ends it; what it said."""
    line.settimeout(0.1)
    said = b""
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        try:
            line.sendall(piece)
            more = line.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            return said
        if not more:
            return said
        said += more
    raise AssertionError("nobody cut it off")


def test_who_says_nothing_is_let_go(run_service: Callable[..., Running]) -> None:
    with line_to(run_service(head_seconds=0.5).address) as line:
        assert heard(line) == b""


@pytest.mark.parametrize(
    ("begun", "piece"),
    [(GET, b"X-A: b\r\n"), (b"", b"\r\n"), (GET + b"X-Long: ", b"a"), (b"GET /", b"a")],
)
def test_headers_that_never_end_are_cut_off(run_service: Callable[..., Running], begun: bytes, piece: bytes) -> None:
    with line_to(run_service(head_seconds=0.5).address) as line:
        line.sendall(begun)
        said = drip(line, piece)
    for answer in answers_in(said):
        assert (answer.status, answer.problem()["code"]) == (408, "too_slow")


def test_a_body_that_drips_is_cut_off(run_service: Callable[..., Running]) -> None:
    service = run_service(body_seconds=0.5)
    key = service.client("intake").headers["authorization"].encode()
    for framing in (b"Content-Length: 100000\r\n", b"Transfer-Encoding: chunked\r\n"):
        with line_to(service.address) as line:
            line.sendall(HEAD + b"Authorization: " + key + b"\r\n" + framing + b"\r\n")
            (answer,) = answers_in(drip(line, b"1\r\n \r\n" if b"chunked" in framing else b" "))
        assert (answer.status, answer.problem()["code"]) == (408, "too_slow")
        assert answer.headers["connection"] == "close"
    assert service.client("intake").post("/v1/requests", json=a_request()).status_code == 201


def test_a_body_in_time_is_taken_though_it_comes_in_pieces(run_service: Callable[..., Running]) -> None:
    service = run_service()
    body = httpx.Request("POST", "http://x/", json=a_request()).content
    key = service.client("intake").headers["authorization"].encode()
    with line_to(service.address) as line:
        line.sendall(HEAD + b"Authorization: " + key + b"\r\nConnection: close\r\n")
        line.sendall(b"Content-Length: %d\r\n\r\n" % len(body))
        for at in range(0, len(body), 50):
            line.sendall(body[at : at + 50])
            time.sleep(0.01)
        (answer,) = answers_in(heard(line))
    assert answer.status == 201


def test_who_does_not_listen_is_cut_off(run_service: Callable[..., Running]) -> None:
    service = run_service(unread_seconds=0.5)
    with line_to(service.address) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        asked = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
        line.settimeout(0.2)
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up:  # calls, and never a look at an answer
            try:
                line.sendall(asked)
            except TimeoutError:
                continue
            except OSError:
                break
            time.sleep(0.01)
        else:
            raise AssertionError("nobody cut it off")
    metrics = service.client("coordinator").get("/metrics").text
    assert 'one_window_connections_cut_total{why="unread"}' in metrics


def test_with_too_many_connections_who_waits_longest_goes_and_who_asks_is_heard(
    run_service: Callable[..., Running],
) -> None:
    service = run_service(connections=20)
    window = service.client("intake")
    with ExitStack() as lines:
        held = [lines.enter_context(line_to(service.address)) for _ in range(60)]
        for line in held:
            line.sendall(b"GET /v1/needs HTTP/1.1\r\n")
        assert window.post("/v1/requests", json=a_request()).status_code == 201
        gone = 0
        for line in held:
            line.settimeout(0.05)
            try:
                gone += line.recv(1) == b""
            except TimeoutError:
                pass
            except ConnectionError:
                gone += 1
    assert gone >= 40


NO_HTTP = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET\r\n\r\n",
    b"CONNECT evil:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http:// HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/needs HTTP/1.1\r\nHost: x\r\nX-A: a\x00b\r\n\r\n",
    b"GET /v1/needs HTTP/1.1\r\nHost: x\r\n folded: a\r\n\r\n",
    b"GET /v1/needs HTTP/1.1\r\nHost: x\r\nA B: c\r\n\r\n",
    b"GET /v1/needs HTTP/1.1\nHost: x\nTransfer-Encoding : chunked\n\n",
    HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    HEAD + b"Content-Length: -1\r\n\r\n",
    HEAD + b"Content-Length: 5x\r\n\r\nhello",
    HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n",
    HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff1\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n",
]


def test_what_is_no_http_or_could_be_read_in_two_ways_is_refused_and_nothing_after_it_is_read(service: Running) -> None:
    smuggled = b"GET /v1/problems/not_found HTTP/1.1\r\nHost: x\r\n\r\n"
    for said in NO_HTTP:
        (answer,) = tell(service.address, said, smuggled)
        assert answer.status == 400, said
        answer.problem()


def test_long_addresses_and_many_headers_are_refused(service: Running) -> None:
    end = b"\r\n"
    for said in (
        b"GET /v1/needs?" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /" + b"a" * 300_000,
        GET + b"X-Long: " + b"a" * 40_000 + end + end,
        GET + b"X-Long: " + b"a" * 400_000,
        GET + b"".join(b"X-%d: a\r\n" % at for at in range(101)) + end,
    ):
        (answer,) = tell(service.address, said)
        assert (answer.status, answer.problem()["code"]) == (431, "head_too_large")
        for name in ("x-content-type-options", "content-security-policy", "referrer-policy"):
            assert name in answer.headers
    fits = GET + b"Connection: close\r\nX-Long: " + b"a" * 30_000 + end + end
    assert [each.status for each in tell(service.address, fits)] == [200]


def test_no_other_protocol_is_spoken(service: Running) -> None:
    upgrades = (
        b"Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n"
    )
    (answer,) = tell(service.address, GET + upgrades)
    assert answer.status == 200
