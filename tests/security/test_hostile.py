"""Ten thousand hostile calls of every route, to a real process on each database: each is answered as the house answers,
nothing of it is in a log, and the next person is taken in.

In short form fewer; ONE_WINDOW_TEST_LONG=1 for all of them.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil

from app.api.bodies import MOST_BYTES
from app.keys import KeyRole
from tests import serving
from tests.examples import a_request
from tests.security.hostile import MARK, Call, Route, calls, routes_of
from tests.security.raw import tell
from tests.security.test_connections import NO_HTTP
from tests.test_rights import ALLOWED

MANY = 10_000 if os.environ.get("ONE_WINDOW_TEST_LONG") else 1_500
SEED = os.environ.get("ONE_WINDOW_TEST_SEED", "360803")
AT_ONCE = 4
MOST_GROWTH = 96 * 1024 * 1024
CLIENTS_FAULT = (httpx.InvalidURL, httpx.LocalProtocolError, UnicodeEncodeError)


def test_hostile_calls_are_answered_and_nobody_else_notices(database_url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    service = serving.Service(database_url, log=log, log_level="debug")
    try:
        service.wait_until(within=120)
        keys = {role: serving.make_key(database_url, role, _agency(role)) for role in KeyRole}
        document = httpx.get(f"{service.address}/openapi.json", trust_env=False, timeout=30).json()
        routes = routes_of(document)
        chance = random.Random(SEED)
        with httpx.Client(base_url=service.address, timeout=60, trust_env=False) as client:
            wrong: list[str] = []

            def send(given: tuple[Route, Call]) -> str | None:
                try:
                    return _send(client, *given)
                except (AssertionError, httpx.TransportError) as error:
                    if isinstance(error, httpx.TransportError) and len(given[1].body or b"") > MOST_BYTES:
                        return "cut off"  # while it was still sending what is too much
                    wrong.append(f"{given[1].method} {given[1].address[:100]}: {error!r}"[:1500])
                    return None

            sent = _keyed(calls(routes, chance), keys, chance)
            with ThreadPoolExecutor(AT_ONCE) as at_once:
                outcomes: Counter[str] = Counter()
                before = 0
                for part in range(4):
                    some = [next(sent) for _ in range(MANY // 4)]
                    outcomes.update(filter(None, at_once.map(send, some)))
                    for said in NO_HTTP[part::4]:
                        (answer,) = tell(service.address, said)
                        answer.problem()
                    before = before or psutil.Process(service.pid).memory_info().rss
            grown = psutil.Process(service.pid).memory_info().rss - before
            taken = client.post(
                "/v1/requests", json=a_request(), headers={"authorization": f"Bearer {keys[KeyRole.INTAKE]}"}
            )
        assert wrong == [], f"{len(wrong)} wrong; {wrong[:10]}"
        assert taken.status_code == 201
        assert not service.has_ended
    finally:
        service.stop()
    written = log.read_text()
    assert written.count('"answered"') >= MANY * 0.9, "nearly all of them came in"
    faults = [line for line in written.splitlines() if "unexpected_error" in line or "Exception in ASGI" in line]
    assert faults == [], faults[:3]
    assert MARK not in written, next(line for line in written.splitlines() if MARK in line)
    assert grown < MOST_GROWTH, f"{grown >> 20} MiB more after the first quarter"
    assert sum(count for status, count in outcomes.items() if status.startswith("2")) > MANY / 50, outcomes


def _agency(role: KeyRole) -> str | None:
    return "360803-civil-affairs" if role is KeyRole.AGENCY else None


def _keyed(sent: Any, keys: dict[KeyRole, str], chance: random.Random) -> Any:
    """Mostly with a key that may, so that what is behind the door is reached."""
    for route, call in sent:
        if chance.random() < 0.9 and (may := sorted(filter(None, ALLOWED.get((route.method, route.path)) or ()))):
            call.headers.setdefault("authorization", f"Bearer {keys[chance.choice(may)]}")
        yield route, call


def _send(client: httpx.Client, route: Route, call: Call) -> str | None:
    """The status; None where the client could not even say it."""
    headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in call.headers.items()]
    try:
        answer = client.request(call.method, call.address, headers=headers, content=call.body)
    except CLIENTS_FAULT:
        return None
    _judge(route, call, answer)
    return str(answer.status_code)


def _judge(route: Route, call: Call, answer: httpx.Response) -> None:
    shown = (call.method, call.address[:200], answer.status_code, answer.text[:300], (call.body or b"")[:300])
    assert answer.status_code < 500, shown
    assert "x-request-id" in answer.headers or answer.status_code == 431, shown
    assert "set-cookie" not in answer.headers, shown
    if answer.status_code >= 400 and call.method != "HEAD":
        kind = answer.headers["content-type"]
        if call.address.startswith("/answer/"):
            assert kind.startswith(("text/html", "application/problem+json")), shown
        else:
            assert kind == "application/problem+json", shown
            told = json.loads(answer.content)
            assert told["status"] == answer.status_code, shown
            assert {"type", "title", "detail", "code"} <= told.keys(), shown
