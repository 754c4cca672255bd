"""The inbox that is waited on: news comes at once or when it is committed, each once, in whatever order it commits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db import Database
from app.inbox import SETTLES_WITHIN, Cursor, choose
from app.inboxes import MOST_WAITING, Inboxes, payload_of
from app.keys import KeyRole
from app.ledger import Ledger, Unit, write_units
from app.tables import revision
from tests import serving
from tests.county import EDUCATION, County, Seen
from tests.running import Running
from tests.watching import until

LONG = 50  # seconds; nothing here waits so long unless it is broken
Call = Future[httpx.Response]
OPEN: list[httpx.Client] = []


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(MOST_WAITING + 4) as threads:
        yield threads


@pytest.fixture(autouse=True)
def closes() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


class Inbox:
    """What one agency's machine does: ask, keep the cursor, ask again."""

    def __init__(self, address: str, key: str) -> None:
        self.client = httpx.Client(
            base_url=address,
            headers={"authorization": f"Bearer {key}", "accept-language": "en"},
            timeout=LONG + 10,
            trust_env=False,
            verify=False,
        )
        self.after: str | None = None
        OPEN.append(self.client)

    def call(self, wait: int = LONG, **more: Any) -> httpx.Response:
        after = {"after": self.after} if self.after else {}
        return self.client.get("/v1/handoffs", params={"wait": wait, **after, **more})

    def news(self, wait: int = LONG, **more: Any) -> list[Seen]:
        return self.take(self.call(wait, **more))

    def take(self, answer: httpx.Response) -> list[Seen]:
        assert answer.status_code == 200, answer.text
        self.after = answer.json()["next_cursor"]
        items: list[Seen] = answer.json()["items"]
        return items


def inbox_of(running: Running, agency: str = EDUCATION) -> Inbox:
    return Inbox(running.address, serving.make_key(running.url, KeyRole.AGENCY, agency))


def told(items: list[Seen]) -> list[tuple[str, str]]:
    return [(each["handoff_id"], each["told"]) for each in items]


def begin(pool: ThreadPoolExecutor, inbox: Inbox, **more: Any) -> Call:
    """A call that is waiting by now: it had time to come in, and has not been answered."""
    waiting = pool.submit(inbox.call, **more)
    time.sleep(0.3)
    assert not waiting.done()
    return waiting


def test_what_is_there_is_told_at_once_and_once(county: County) -> None:
    inbox = inbox_of(county.running)
    school = county.handoff(county.ask("education_aid"), EDUCATION)
    assert told(inbox.news()) == [(school["handoff_id"], "handoff.dispatched")]
    assert inbox.news(wait=0) == []


def test_a_call_that_waits_is_answered_by_the_next_dispatch(county: County, pool: ThreadPoolExecutor) -> None:
    inbox = inbox_of(county.running)
    assert inbox.news(wait=0) == []
    waiting = begin(pool, inbox)
    school = county.handoff(county.ask("education_aid"), EDUCATION)
    assert told(inbox.take(waiting.result())) == [(school["handoff_id"], "handoff.dispatched")]
    assert inbox.news(wait=0) == []


def test_a_handoff_that_changes_comes_again(county: County, pool: ThreadPoolExecutor) -> None:
    inbox = inbox_of(county.running)
    receipt = county.ask("education_aid")
    school = county.handoff(receipt, EDUCATION)
    inbox.news()
    county.told(school, "received", "accepted", "information_requested", materials=["诊断证明"])
    assert inbox.news(wait=0) == [], "what the agency itself does is no news to it"
    waiting = begin(pool, inbox)
    path = f"/v1/requests/{receipt['request_id']}"
    assert county.window.post(f"{path}/supplements", json={"note": "已交"}).status_code == 200
    assert told(inbox.take(waiting.result())) == [(school["handoff_id"], "handoff.supplemented")]
    waiting = begin(pool, inbox)
    assert county.window.post(f"{path}/withdraw", json={}).status_code == 200
    (gone,) = inbox.take(waiting.result())
    assert (gone["told"], gone["status"]) == ("handoff.cancelled", "cancelled")


def test_the_news_of_others_wakes_nobody(county: County, pool: ThreadPoolExecutor) -> None:
    inbox = inbox_of(county.running, "360803-housing")
    waiting = begin(pool, inbox, wait=5)
    county.ask("education_aid")
    assert inbox.take(waiting.result()) == []


def test_what_another_process_commits_answers_a_call_that_waits_here(
    county: County, database_url: str, pool: ThreadPoolExecutor
) -> None:
    other = serving.Service(database_url, "--no-worker").wait_until("/health/live")
    try:
        inbox = Inbox(other.address, serving.make_key(database_url, KeyRole.AGENCY, EDUCATION))
        inbox.news(wait=0)
        waiting = begin(pool, inbox)
        school = county.handoff(county.ask("education_aid"), EDUCATION)
        assert told(inbox.take(waiting.result(timeout=15))) == [(school["handoff_id"], "handoff.dispatched")]
    finally:
        other.stop()


def test_a_stop_answers_every_call_that_waits(database_url: str, pool: ThreadPoolExecutor) -> None:
    service = serving.Service(database_url, "--no-worker", stop_seconds=100).wait_until("/health/live")
    try:
        inbox = Inbox(service.address, serving.make_key(database_url, KeyRole.AGENCY, EDUCATION))
        assert inbox.news(wait=0) == []
        waiting = [begin(pool, inbox) for _ in range(3)]
        began = time.monotonic()
        service.stop(within=40)
        # With a grace of 30 seconds, less than that means that they were told, not cut off.
        assert time.monotonic() - began < 25
        assert [inbox.take(each.result(timeout=1)) for each in waiting] == [[], [], []]
    finally:
        service.kill()


def test_a_key_may_wait_in_so_many_calls_and_one_that_left_counts_no_more(
    county: County, pool: ThreadPoolExecutor
) -> None:
    inbox = inbox_of(county.running)
    leaving = httpx.Client(base_url=county.running.address, headers=inbox.client.headers, trust_env=False, timeout=0.5)
    calls = [begin(pool, inbox) for _ in range(MOST_WAITING - 1)]
    with pytest.raises(httpx.ReadTimeout):
        leaving.get("/v1/handoffs", params={"wait": LONG})
    leaving.close()
    calls.append(until(lambda: _waits(pool, inbox), what="the place of the one that left"))
    refused = until(lambda: each if (each := inbox.call(wait=0)).status_code == 429 else None)
    assert refused.json()["code"] == "too_many_waiting"
    assert int(refused.headers["retry-after"]) > 0
    assert inbox_of(county.running).news(wait=0) == [], "another key has its own places"
    county.ask("education_aid")
    assert [len(inbox.take(each.result())) for each in calls] == [1] * MOST_WAITING


def _waits(pool: ThreadPoolExecutor, inbox: Inbox) -> Call | None:
    call = pool.submit(inbox.call)
    time.sleep(0.3)
    return None if call.done() else call


def test_only_an_agency_waits_and_a_cursor_is_one_of_ours(county: County) -> None:
    refused = county.coordinator.get("/v1/handoffs", params={"wait": 1})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    inbox = inbox_of(county.running)
    for wrong in ("A" * 33, "A" * 6001, "_" * 32, Cursor().write() + "AAAA"):
        answer = inbox.client.get("/v1/handoffs", params={"after": wrong})
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "cursor_invalid"), wrong
    assert inbox.client.get("/v1/handoffs", params={"after": Cursor().write()}).status_code == 200
    assert inbox.call(wait=61).status_code == 422


def test_a_status_narrows_what_is_waited_for(county: County) -> None:
    inbox = inbox_of(county.running)
    first, second = (county.handoff(county.ask("education_aid"), EDUCATION) for _ in range(2))
    county.told(first, "received")
    assert [each["handoff_id"] for each in inbox.news(status="dispatched")] == [second["handoff_id"]]


START = datetime(2026, 11, 23, 8, tzinfo=UTC)
LATEST = SETTLES_WITHIN.total_seconds() - 1


@given(
    st.lists(st.tuples(st.floats(0, 200), st.floats(0, LATEST)), max_size=60),
    st.lists(st.floats(0, 240), max_size=30),
    st.integers(1, 7),
)
def test_each_is_told_once_however_late_it_commits(
    commits: list[tuple[float, float]], asks: list[float], limit: int
) -> None:
    """Rows dated at one second are seen some seconds later; somebody asks now and then, and goes on from the cursor."""
    rows = [
        {"id": UUID(int=number + 1), "told_at": START + timedelta(milliseconds=round(at * 1000)), "seen": at + late}
        for number, (at, late) in enumerate(commits)
    ]
    cursor, heard = Cursor(), []
    for second in [*sorted(asks), *(300 + LATEST * n for n in range(len(rows) + 1))]:
        cursor = Cursor.read(cursor.write())
        there = [r for r in rows if r["seen"] <= second and (r["told_at"], r["id"]) > (cursor.told_at, cursor.id)]
        there.sort(key=lambda r: (r["told_at"], r["id"]))
        most = limit + len(cursor.marks) + 1
        at = START + timedelta(seconds=second)
        fresh, cursor = choose(there[:most], cursor, limit, is_all=len(there) < most, at=at)
        assert len(fresh) <= limit
        heard += [row["id"] for row in fresh]
    assert sorted(heard) == [row["id"] for row in rows]
    assert cursor.marks == frozenset()


def test_a_cursor_never_grows_beyond_what_is_taken_back() -> None:
    rows = [{"id": UUID(int=number + 1), "told_at": START} for number in range(2_000)]
    cursor, heard = Cursor(), 0
    for _ in range(20):
        most = 200 + len(cursor.marks) + 1
        fresh, cursor = choose(rows[:most], cursor, 200, is_all=False, at=START)
        heard += len(fresh)
        assert len(cursor.write()) <= 6_500
        assert Cursor.read(cursor.write()) == cursor
    assert 0 < heard < 2_000
    later = START + SETTLES_WITHIN
    while fresh := choose(rows, cursor, 200, is_all=True, at=later):
        if not fresh[0]:
            break
        heard, cursor = heard + len(fresh[0]), fresh[1]
        rows = [row for row in rows if (row["told_at"], row["id"]) > (cursor.told_at, cursor.id)]
    assert heard == 2_000


def test_a_notification_of_too_many_agencies_rings_everybody() -> None:
    inboxes = Inboxes()
    with inboxes.waiting("a", UUID(int=1)) as call:
        inboxes.hear("b,c")
        assert not call.rung.is_set()
        inboxes.hear(payload_of({"c", "a"}))
        assert call.rung.is_set()
        call.rung.clear()
        inboxes.hear(payload_of({f"{number:064}" for number in range(200)}))
        assert call.rung.is_set()
    assert not inboxes.waited_for


def test_a_commit_of_this_process_rings_by_itself(backend: str, database_url: str) -> None:
    """In a group of inserts and in a transaction that changes rows; without the look once a second, which hides it."""
    if backend != "sqlite":
        pytest.skip("PostgreSQL tells this process as it tells the others")

    async def run() -> None:
        database = Database(serving.settings_for(database_url))
        ledger = Ledger(database)
        ledger.start()
        with database.inboxes.waiting("a", UUID(int=1)) as call:
            await ledger.write(Unit(inserts={revision: [{"name": "test", "value": 1}]}, woken={"a"}))
            assert call.rung.is_set()
            call.rung.clear()
            async with database.writing() as connection:
                await write_units(connection, [Unit(woken={"a"})])
                assert not call.rung.is_set(), "before the commit there is nothing to see"
            assert call.rung.is_set()
            call.rung.clear()
            with suppress(RuntimeError):
                async with database.writing() as connection:
                    await write_units(connection, [Unit(woken={"a"})])
                    raise RuntimeError
            async with database.writing():
                pass
            assert not call.rung.is_set(), "what was rolled back is no news"
        await ledger.stop()
        await database.close()

    asyncio.run(run())


def test_whoever_comes_after_the_stop_does_not_wait() -> None:
    inboxes = Inboxes()
    inboxes.close()
    with inboxes.waiting("a", UUID(int=1)) as call:
        assert call.is_over
