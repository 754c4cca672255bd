"""A page that is open hears when something has happened: over real HTTP, from another process too, until the stop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from queue import Empty, Queue
from uuid import UUID

import httpx
import pytest
from sqlalchemy import event

from app import following, inbox
from app.bells import signing_bell, signing_of, timeline_bell, timeline_of
from app.db import Database
from app.moves import Moves
from tests import serving
from tests.county import County, Seen
from tests.own_page import JUSTICE, browser, path_of
from tests.running import Running
from tests.watching import on


@contextlib.contextmanager
def followed(county: County, receipt: Seen, query: str = "", **headers: str) -> Iterator[Queue[str | None]]:
    """The lines of the stream as they come; None at its end. Who leaves shuts the line, as a browser does."""
    where, lines = httpx.URL(county.running.address), Queue[str | None]()
    head = [f"GET {path_of(receipt)}/events{query} HTTP/1.1", "host: x", *(f"{n}: {v}" for n, v in headers.items())]
    with socket.create_connection((where.host, where.port or 80), 30) as line:
        line.sendall("\r\n".join([*head, "", ""]).encode())
        answer = line.makefile("rb")
        assert answer.readline().split()[1] == b"200"
        said = {each.lower() for each in iter(lambda: answer.readline().strip(), b"")}
        assert {b"content-type: text/event-stream; charset=utf-8", b"cache-control: no-store"} <= said

        def read() -> None:
            with contextlib.suppress(OSError):
                while (each := answer.readline()) and each != b"0\r\n":
                    if b":" in each:  # what is not is how long a piece is
                        lines.put(each.decode().strip())
            lines.put(None)

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            yield lines
        finally:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            reader.join(5)
            answer.close()


def moved(lines: Queue[str | None], within: float = 30) -> int:
    """The next `moved` that comes."""
    until = time.monotonic() + within
    while (line := lines.get(timeout=max(0.01, until - time.monotonic()))) is not None:
        if line.startswith("data: "):
            return int(line.removeprefix("data: "))
    raise AssertionError("the stream has ended")


def nothing_more(lines: Queue[str | None], within: float) -> None:
    with pytest.raises(Empty):
        moved(lines, within)


def events(county: County, receipt: Seen) -> int:
    return len(county.events(receipt))


def test_an_open_page_hears_what_happens_and_only_of_its_own_request(
    county: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "LOOK_SECONDS", 3600)  # so it is told, or never hears
    mine, other = county.ask("legal_aid"), county.ask("legal_aid")
    before = events(county, mine)
    with followed(county, mine, f"?after={before}") as lines:
        nothing_more(lines, 0.3)
        county.told(county.handoff(other, JUSTICE), "received")
        nothing_more(lines, 1.3)
        county.told(county.handoff(mine, JUSTICE), "received")
        assert moved(lines) == events(county, mine) > before
        county.told(county.handoff(mine, JUSTICE), "accepted")
        assert moved(lines) == events(county, mine)


def test_what_happened_while_the_line_was_away_is_heard_when_it_is_back(county: County) -> None:
    receipt = county.ask("legal_aid")
    so_far = events(county, receipt)
    for query, headers in (("", {}), ("?after=1", {}), ("?after=999", {"last-event-id": "1"}), ("?after=x", {})):
        with followed(county, receipt, query, **headers) as lines:
            assert moved(lines) == so_far
    with followed(county, receipt, f"?after={so_far}") as lines:
        nothing_more(lines, 0.5)


def test_what_another_process_commits_is_heard_too(database_url: str, run_service: Callable[..., Running]) -> None:
    here, there = County(run_service(), {}), run_service()
    receipt = here.ask("legal_aid")
    with followed(here, receipt, f"?after={events(here, receipt)}") as lines:
        time.sleep(0.2)
        elsewhere = there.client("coordinator").get(f"/v1/requests/{receipt['request_id']}").json()["handoffs"][0]
        urge = f"/v1/handoffs/{elsewhere['handoff_id']}/urge"
        there.client("coordinator").post(urge, json={"note": "x"}).raise_for_status()
        assert moved(lines) == events(here, receipt)


def test_a_wrong_token_opens_no_stream(county: County) -> None:
    for token in ("A" * 27, "x"):
        answer = browser(county).get(f"/track/{token}/events")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_one_address_keeps_only_so_many_pages_open_and_all_only_so_many(
    database_url: str, run_service: Callable[..., Running]
) -> None:
    county = County(run_service(open_pages_per_address=2), {})
    receipt = county.ask("legal_aid")
    with followed(county, receipt) as first:
        moved(first)
        with followed(county, receipt) as second:
            moved(second)
            refused = browser(county).get(f"{path_of(receipt)}/events")
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_waiting")
            assert refused.headers["retry-after"] == "60"
        deadline = time.monotonic() + 30
        while True:  # it is seen within a moment that somebody has left
            with contextlib.suppress(AssertionError), followed(county, receipt) as third:
                moved(third)
                break
            assert time.monotonic() < deadline
    none = County(run_service(open_pages=0), {})
    assert browser(none).get(f"{path_of(receipt)}/events").status_code == 429
    assert browser(none).get(path_of(receipt)).status_code == 200, "the page itself is there all the same"


def test_streams_end_with_the_service_and_are_not_waited_for(database_url: str) -> None:
    service = serving.Service(database_url, "--no-worker", stop_seconds=100)
    try:
        service.wait_until("/health/live")
        county = County(Running(database_url, service.address), {})
        receipt = county.ask("legal_aid")
        with followed(county, receipt) as lines:
            moved(lines)
            began = time.monotonic()
            service.stop(within=40)
            while lines.get(timeout=10) is not None:
                pass
            # With a grace of 30 seconds, less than that means that they were told, not cut off.
            assert time.monotonic() - began < 25
        county.running.leave()
    finally:
        service.kill()


def test_what_is_silent_says_now_and_then_that_it_is_there(county: County, monkeypatch: pytest.MonkeyPatch) -> None:
    receipt = county.ask("legal_aid")
    monkeypatch.setattr(following.moves, "__kwdefaults__", None)
    monkeypatch.setattr(following.moves, "__defaults__", (0.1,))
    with followed(county, receipt, f"?after={events(county, receipt)}") as lines:
        assert lines.get(timeout=30) == "retry: 5000"
        heard = [lines.get(timeout=30) for _ in range(5)]
        assert heard.count(": still here") >= 2


def test_who_looks_at_one_moment_shares_one_query(database_url: str, receipt: Seen) -> None:
    async def work(database: Database) -> None:
        asked: list[str] = []
        event.listen(
            database.engine.sync_engine, "before_cursor_execute", lambda *given: asked.append(given[2].split()[0])
        )
        moves = Moves(database)
        mine = UUID(receipt["request_id"])
        found = await asyncio.gather(*(moves.events(mine) for _ in range(500)), moves.events(UUID(int=1)))
        assert len(set(found[:-1])) == 1
        assert found[0] > 0
        assert found[-1] == 0
        assert asked.count("SELECT") == 1

    on(database_url, work)


def test_bells_are_told_apart() -> None:
    request = UUID(int=7)
    assert (timeline_of(timeline_bell(request)), signing_of(signing_bell(request))) == (request, request)
    assert (
        timeline_of(signing_bell(request))
        is signing_of(timeline_bell(request))
        is timeline_of("360803-education")
        is None
    )
