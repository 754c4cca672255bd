"""How often a caller may call, counted over all processes; and who is never refused."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import select
from structlog.testing import capture_logs

from app.db import Database
from app.keys import KeyRole
from app.problems import Problem
from app.rates import MINUTE, Budget, InDatabase, InRedis, Rates, Shared
from app.tables import calls_taken
from tests import serving
from tests.examples import a_request
from tests.running import Running
from tests.test_house import OPEN
from tests.watching import fetch, on

NOON = 29_000_000 * MINUTE + 12.0


class Counted:
    """What is shared, and how often it was asked."""

    def __init__(self, shared: Shared) -> None:
        self.shared, self.asked = shared, 0

    async def take(self, mark: bytes, minute: int, calls: int) -> int:
        self.asked += 1
        return await self.shared.take(mark, minute, calls)

    def is_away(self, error: BaseException) -> bool:
        return self.shared.is_away(error)

    async def close(self) -> None:
        await self.shared.close()


def rates_on(shared: Shared, most: int, at: float = NOON) -> Rates:
    return Rates(dict.fromkeys(Budget, most), b"secret", shared, lambda: at)


async def passed(rates: Rates, budget: Budget, calls: int, who: str = "somebody") -> int:
    """How many of so many calls were let in."""
    done = 0
    for _ in range(calls):
        try:
            await rates.spend(budget, who)
        except Problem as problem:
            if problem.code != "too_many_requests":
                raise
        else:
            done += 1
    return done


def test_a_budget_holds_over_processes_within_what_each_may_give_unasked(database_url: str) -> None:
    async def work(database: Database) -> None:
        first, second, third = (rates_on(InDatabase(database), 1000) for _ in range(3))
        assert await passed(first, Budget.CALLS, 900) == 900
        assert await passed(second, Budget.CALLS, 900) == 150  # a block, and what it may give unasked
        assert await passed(first, Budget.CALLS, 900) == 50
        assert await passed(third, Budget.CALLS, 100) == 50
        assert await passed(third, Budget.CALLS, 60, "somebody else") == 60
        next_minute = rates_on(InDatabase(database), 1000, NOON + MINUTE)
        assert await passed(next_minute, Budget.CALLS, 1200) == 1050

    on(database_url, work)


def test_what_is_shared_is_asked_once_for_a_tenth_and_never_for_the_first_few(database_url: str) -> None:
    async def work(database: Database) -> None:
        shared = Counted(InDatabase(database))
        rates = rates_on(shared, 6000)
        await passed(rates, Budget.INTAKE, 300)
        assert shared.asked == 0
        await passed(rates, Budget.INTAKE, 6000)
        assert shared.asked == 10
        await passed(rates, Budget.INTAKE, 1000)
        assert shared.asked == 11, "once it is known that nothing is left, nobody is asked"

    on(database_url, work)


def test_calls_at_the_same_moment_take_one_block_together(database_url: str) -> None:
    async def work(database: Database) -> None:
        shared = Counted(InDatabase(database))
        rates = rates_on(shared, 1000)
        await asyncio.gather(*(rates.spend(Budget.CALLS, "somebody") for _ in range(150)))
        assert shared.asked == 1

    on(database_url, work)


def test_emergencies_are_never_refused_and_ask_nobody(database_url: str) -> None:
    async def work(database: Database) -> None:
        shared = Counted(InDatabase(database))
        assert await passed(rates_on(shared, 10), Budget.EMERGENCIES, 1000) == 1000
        assert shared.asked == 0

    on(database_url, work)


def test_the_alarm_of_emergencies_goes_off_after_the_last_of_the_budget_and_once(database_url: str) -> None:
    async def work(database: Database) -> None:
        rates = rates_on(InDatabase(database), 60)
        with capture_logs() as lines:
            await passed(rates, Budget.EMERGENCIES, 60)
            assert lines == []
            await passed(rates, Budget.EMERGENCIES, 5)
        assert [line["event"] for line in lines] == ["too_many_calls"]

    on(database_url, work)


def test_without_its_database_help_is_let_in_and_guesses_are_not(backend: str, own_nowhere: str) -> None:
    async def work(database: Database) -> None:
        rates = rates_on(InDatabase(database), 100)
        for budget in (Budget.INTAKE, Budget.CALLS, Budget.STRANGERS, Budget.EMERGENCIES):
            assert await passed(rates, budget, 500) == 500
        for budget in (Budget.LOOK_UPS, Budget.SIGN_INS):
            assert await passed(rates, budget, 5) == 5
            with pytest.raises(Problem) as refused:
                await rates.spend(budget, "somebody")
            assert refused.value.code == "unavailable"

    on(own_nowhere, work)


@pytest.fixture
def own_nowhere(backend: str, tmp_path: Path) -> str:
    """A database that can't be used: nobody listens there, or it has no tables."""
    if backend == "postgresql":
        return f"postgresql://nobody@127.0.0.1:{serving.free_port()}/nothing"
    return f"sqlite:///{tmp_path / 'empty.sqlite3'}"


def test_a_caller_has_one_row_and_what_is_old_goes(database_url: str) -> None:
    async def work(database: Database) -> None:
        for minutes in range(5):
            shared = InDatabase(database)
            await passed(rates_on(shared, 100, NOON + minutes * MINUTE), Budget.CALLS, 100)
        await passed(rates_on(shared, 100, NOON + 30 * MINUTE), Budget.CALLS, 100, "somebody else")

    on(database_url, work)
    (row,) = fetch(database_url, select(calls_taken))
    assert row["minute"] == NOON // MINUTE + 30


def test_a_process_whose_clock_is_behind_adds_to_the_minute_that_counts(database_url: str) -> None:
    async def work(database: Database) -> None:
        ahead, behind = (rates_on(InDatabase(database), 1000, NOON + by) for by in (MINUTE, 0))
        assert await passed(ahead, Budget.CALLS, 950) == 950
        assert await passed(behind, Budget.CALLS, 950) == 150

    on(database_url, work)


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        pytest.skip("there is no redis-server here")
    port = serving.free_port()
    options = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path))
    server = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    yield url
    server.kill()
    server.wait()


def test_redis_keeps_the_same_account_and_its_absence_is_taken_as_the_databases(redis_url: str) -> None:
    async def work() -> None:
        shared = [InRedis(redis_url) for _ in range(2)]
        for _ in range(100):  # until it listens
            with suppress(ConnectionError, RedisConnectionError):
                if await shared[0].take(b"x" * 32, 1, 1):
                    break
            await asyncio.sleep(0.05)
        first, second = (rates_on(each, 1000) for each in shared)
        assert await passed(first, Budget.CALLS, 900) == 900
        assert await passed(second, Budget.CALLS, 900) == 150
        for each in shared:
            await each.close()
        away = InRedis(f"redis://127.0.0.1:{serving.free_port()}/0")
        assert await passed(rates_on(away, 100), Budget.INTAKE, 500) == 500
        with pytest.raises(Problem, match="unavailable"):
            await passed(rates_on(away, 100), Budget.SIGN_INS, 500)
        await away.close()

    asyncio.run(work())


def within_one_minute(burst: Callable[[], list[int]]) -> list[int]:
    """What a burst of calls got that began and ended in one minute of the clock."""
    while True:
        began = time.time() // MINUTE
        got = burst()
        if time.time() // MINUTE == began:
            return got


def test_two_processes_on_one_database_share_a_keys_budget(database_url: str) -> None:
    most = 100
    both = [serving.Service(database_url, "--no-worker", calls_a_minute=most) for _ in range(2)]
    try:
        for each in both:
            each.wait_until("/health/live", within=120)

        def burst() -> list[int]:
            key = {"authorization": f"Bearer {serving.make_key(database_url, KeyRole.AUDITOR)}"}
            with httpx.Client(trust_env=False, headers=key, timeout=20) as client, ThreadPoolExecutor(4) as at_once:
                calls = [f"{both[at % 2].address}/v1/requests" for at in range(2 * most)]
                return [each.status_code for each in at_once.map(client.get, calls)]

        got = within_one_minute(burst)
    finally:
        for each in both:
            each.stop()
    assert set(got) == {200, 429}
    assert most - most // 10 <= got.count(200) <= most + 2 * (most // 20)


def test_a_door_that_runs_away_is_told_to_repeat_and_an_emergency_still_gets_in(
    run_service: Callable[..., Running],
) -> None:
    service = run_service(intake_a_minute=2, emergencies_a_minute=2)
    client = service.client("intake")

    def burst() -> list[int]:
        return [client.post("/v1/requests", json=a_request()).status_code for _ in range(8)]

    assert within_one_minute(burst)[-1] == 429
    refused = client.post("/v1/requests", json=a_request())
    while refused.status_code == 201:  # another minute began
        refused = client.post("/v1/requests", json=a_request())
    assert refused.json()["code"] == "too_many_requests"
    assert "Idempotency-Key" in refused.json()["detail"]
    assert 0 < int(refused.headers["retry-after"]) <= MINUTE
    emergency = {"what": "断粮", "where": "值夏镇"}
    assert {client.post("/v1/emergencies", json=emergency).status_code for _ in range(5)} == {201}
    assert client.get("/v1/requests").status_code == 200, "other calls have their own budget"


def test_whoever_guesses_is_slowed_by_address_and_a_key_that_counts_is_not(
    run_service: Callable[..., Running],
) -> None:
    service = run_service(look_ups_a_minute=60, strangers_a_minute=20, sign_ins_a_minute=5)
    stranger = service.client(None)

    def guesses() -> list[int]:
        return [stranger.get(f"/v1/track/{'A' * 26}{at}").status_code for at in range(10)]

    def sign_ins() -> list[int]:
        sent = {"code": "123456"}
        return [stranger.post(f"/answer/{'A' * 32}/session", data=sent).status_code for _ in range(10)]

    def without_key() -> list[int]:
        return [stranger.get("/v1/requests").status_code for _ in range(25)]

    assert within_one_minute(guesses)[-1] == 429
    assert within_one_minute(sign_ins)[-1] == 429
    assert stranger.get("/v1/requests").status_code == 401
    assert within_one_minute(without_key)[-1] == 429
    assert stranger.get("/v1/needs").status_code == 200, "a kiosk at the same address goes on"
    assert service.client("intake").get("/v1/requests").status_code == 200
    assert stranger.get("/health/live").status_code == 200


def test_only_the_proxys_word_says_who_calls(run_service: Callable[..., Running]) -> None:
    service = run_service(strangers_a_minute=3, trusted_proxies="127.0.0.1/32")

    def burst() -> list[int]:
        first = service.client(None, **{"x-forwarded-for": "192.0.2.1"})
        forged = [
            service.client(None, **{"x-forwarded-for": f"198.51.100.{at}, 192.0.2.1"}).get("/v1/needs").status_code
            for at in range(6)
        ]
        other = service.client(None, **{"x-forwarded-for": "192.0.2.2"}).get("/v1/needs").status_code
        return [*forged, first.get("/v1/needs").status_code, other]

    got = within_one_minute(burst)
    assert got[-3:] == [429, 429, 200]


POSTED = {"/sign-out", "/account/password", "/account/sessions/end", "/kiosks/{kiosk_id}/revoke"}
POSTED |= {f"/track/{{token}}/{each}" for each in ("papers", "all-there", "solved")}


def test_every_open_route_has_a_budget_or_is_no_secret_and_no_work(run_service: Callable[..., Running]) -> None:
    client = run_service(look_ups_a_minute=1, strangers_a_minute=1, sign_ins_a_minute=1).client(None)
    free = {"/health/live", "/health/ready", "/openapi.json", "/docs", "/docs/assets"}
    free |= {"/kiosk", "/kiosk/", "/kiosk/{file}", "/track/live.js"}  # files in memory
    for path in sorted(OPEN):
        posted = path in POSTED or (path.count("/") > 2 and path.startswith("/answer"))
        method = "POST" if posted else "GET"
        gaps = {"token": "A" * 27, "code": "not_found", "act": "completed", "day": "2026-11-01"}
        address = re.sub(r"{(\w+)}", lambda gap, gaps=gaps: gaps.get(gap[1], str(uuid4())), path)  # type: ignore[misc]

        def burst(method: str = method, address: str = address) -> list[int]:
            return [client.request(method, address).status_code for _ in range(4)]

        assert (within_one_minute(burst)[-1] == 429) == (path not in free), path
