"""The sweep: who is late is reminded, urged and supervised in its time, once, whoever sweeps and whoever dies."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from app.clocks import Step
from app.db import Database
from app.deadlines import china_day
from app.delivery.lanes import Priority
from app.escalation import due_by, overdue_by, sweep
from app.identifiers import now
from app.lifecycle import Clock
from app.registry import Registry
from app.tables import delivery, event, handoff, worker
from tests import serving
from tests.county import TOWNSHIP, VILLAGE, County, Seen
from tests.examples import PERSONAL, a_request_in_full
from tests.plans import plan_of
from tests.running import Running
from tests.test_deadlines import CALENDAR
from tests.watching import bodies, change, fetch, on, until

DESK = "360803-township"
KINDS = ("handoff.due_soon", "handoff.urged", "handoff.supervised", "handoff.resumed")
A_MOMENT = timedelta(minutes=1)


def sweep_at(url: str, *moments: datetime) -> list[dict[Step, int]]:
    """What each sweep did, one after the other."""

    async def work(database: Database) -> list[dict[Step, int]]:
        registry = Registry(database, 60)
        return [await sweep(database, registry, at) for at in moments]

    return on(url, work)


def did(done: dict[Step, int]) -> dict[str, int]:
    return {str(step): count for step, count in done.items() if count}


def messages(url: str, receiver: str, *types: str) -> list[Seen]:
    wanted = select(delivery).where(delivery.c.receiver == receiver).order_by(delivery.c.created_at, delivery.c.id)
    found = [json.loads(row["body"]) | {"lane": row["priority"]} for row in bodies(url, wanted)]
    return [each for each in found if each["type"] in types]


def row_of(url: str, seen: Seen) -> dict[str, Any]:
    (row,) = fetch(url, select(handoff).where(handoff.c.id == UUID(seen["handoff_id"])))
    return row


def at_opening(due: str, count: int) -> datetime:
    return CALENDAR.opening(datetime.fromisoformat(due), count)


@pytest.fixture
def receipt(county: County) -> Seen:
    return county.ask("medical_assistance_applied")


@pytest.fixture
def office(county: County, receipt: Seen) -> Seen:
    """The first step's handoff: WD:1 to sign for it, WD:0 to accept it, WD:10 to complete it."""
    return county.handoff(receipt, TOWNSHIP)


def test_each_clock_has_its_steps_on_their_mornings_and_each_of_them_once(county: County, office: Seen) -> None:
    url = county.running.url
    dues = {"sign_in": office["sign_in_due"], "acceptance": office["accept_due"], "completion": office["complete_due"]}
    dispatched = datetime.fromisoformat(office["dispatched_at"])
    # Of a short limit that begins within office hours, the morning before its last day is over.
    soon = [(at_opening(due, -1), "due_soon", clock) for clock, due in dues.items()]
    expected = [each for each in soon if each[0] > dispatched]
    for clock, due in dues.items():
        expected += [(at_opening(due, 1), "urged", clock), (at_opening(due, 5), "supervised", clock)]
    mornings = sorted({at for at, _, _ in expected})
    begin = min(dispatched + A_MOMENT, mornings[0] - A_MOMENT)
    moments = [begin]
    for morning in mornings:
        moments += [morning - A_MOMENT, morning + A_MOMENT, morning + A_MOMENT]
    seen: list[tuple[datetime, str, str]] = []
    for at in moments:
        before = len(messages(url, TOWNSHIP, *KINDS))
        sweep_at(url, at)
        for told in messages(url, TOWNSHIP, *KINDS)[before:]:
            clock = told["data"].get("clock") or told["data"]["reason"].removesuffix("_overdue")
            seen.append((at - A_MOMENT, told["type"].removeprefix("handoff."), clock))
    assert sorted(seen) == sorted(expected)
    assert row_of(url, office)["next_look_at"] is None, "nothing will ever be due again"


def test_a_step_is_an_event_a_message_in_its_lane_a_notice_and_a_line_for_the_person(county: County) -> None:
    url, admin = county.running.url, county.running.client("admin")
    kinds = ["handoff.due_soon", "handoff.urged", "handoff.supervised"]
    wanted = {"name": "desk", "endpoint": "http://127.0.0.1:9/", "types": kinds}
    answer = admin.post("/v1/subscriptions", json=wanted, headers={"Idempotency-Key": "desk"})
    assert answer.status_code == 201, answer.text
    asked = county.window.post("/v1/requests", json=a_request_in_full("medical_assistance_applied"))
    receipt = asked.json()
    office = county.handoff(receipt, TOWNSHIP)
    county.told(office, "accepted")
    due = office["complete_due"]
    sweep_at(url, *(at_opening(due, count) + A_MOMENT for count in (-1, 1, 5)))
    mine = [each for each in county.events(receipt) if each["handoff_id"] == office["handoff_id"]]
    assert [each["kind"] for each in mine][-3:] == kinds
    assert {each["actor"] for each in mine[-3:]} == {"system"}
    assert mine[-1]["data"]["superior"] == DESK
    assert (mine[-1]["data"]["clock"], mine[-1]["data"]["due_at"][:19]) == ("completion", due[:19])
    lanes = [each["lane"] for each in messages(url, TOWNSHIP, *KINDS)]
    assert lanes == [Priority.ORDINARY, Priority.URGED, Priority.URGED]
    notices = messages(url, answer.json()["subscription_id"], *kinds)
    assert sorted((each["type"], each["data"]["clock"]) for each in notices if each["data"]["agency"] == TOWNSHIP) == [
        ("handoff.due_soon", "completion"),
        ("handoff.supervised", "completion"),
        ("handoff.urged", None),
    ]
    (above,) = [each for each in messages(url, DESK, "agency.supervised") if each["data"]["agency"] == TOWNSHIP]
    assert (above["lane"], above["data"]["clock"], above["data"]["phone"]) == (
        Priority.URGED,
        "completion",
        "0796-0000046",
    )
    everything = json.dumps([above, *notices, *(each["data"] for each in mine)], ensure_ascii=False, default=str)
    assert [value for value in PERSONAL.values() if value in everything] == []
    tracked = county.nobody.get(f"/v1/track/{receipt['tracking_token']}").json()
    told = [each["text_zh"] for each in tracked["events"] if "督办" in each["text_zh"] or "催办" in each["text_zh"]]
    assert len(told) >= 2
    assert county.coordinator.get(f"/v1/handoffs/{office['handoff_id']}/proof").json()["holds"]


def test_who_has_reported_in_time_is_not_urged(county: County, receipt: Seen, office: Seen) -> None:
    county.told(office, "received", "accepted")
    sweep_at(county.running.url, at_opening(office["sign_in_due"], 6) + A_MOMENT)
    assert messages(county.running.url, TOWNSHIP, "handoff.urged", "handoff.supervised") == []
    county.told(office, "completed", outcome="granted")
    row = row_of(county.running.url, office)
    assert (row["next_look_at"], row["first_due"]) == (None, None)


def test_a_sweep_that_comes_late_does_the_gravest_step_alone(county: County, office: Seen) -> None:
    county.told(office, "accepted")
    (done,) = sweep_at(county.running.url, at_opening(office["complete_due"], 30))
    told = [each["type"] for each in messages(county.running.url, TOWNSHIP, *KINDS)]
    assert told == ["handoff.supervised"]
    assert done[Step.SUPERVISE] >= 1


def test_an_extended_limit_has_its_own_steps(county: County, office: Seen) -> None:
    url = county.running.url
    county.told(office, "accepted")
    later = datetime.fromisoformat(office["complete_due"]) + timedelta(days=28)
    county.told(office, "extended", approver="局长", reason="材料多", due_at=later.isoformat())
    sweep_at(url, at_opening(office["complete_due"], 5) + A_MOMENT)
    assert messages(url, TOWNSHIP, *KINDS) == []
    sweep_at(url, *(CALENDAR.opening(later, count) + A_MOMENT for count in (-1, 1, 5)))
    assert [each["type"] for each in messages(url, TOWNSHIP, *KINDS)] == list(KINDS[:3])


def test_a_suspension_ends_when_it_has_lasted_as_long_as_it_may(county: County, receipt: Seen, office: Seen) -> None:
    url = county.running.url
    county.told(office, "accepted", "suspended", suspended_for="verification")
    stands = county.handoff(receipt, TOWNSHIP)
    limit = datetime.fromisoformat(stands["suspended_until"])
    assert CALENDAR.working_days(china_day(now()), china_day(limit)) == 20
    sweep_at(url, limit - A_MOMENT)
    assert county.handoff(receipt, TOWNSHIP)["status"] == "suspended"
    sweep_at(url, limit + 3 * A_MOMENT, limit + 3 * A_MOMENT)
    after = county.handoff(receipt, TOWNSHIP)
    assert (after["status"], after["suspended_for"], after["suspended_until"]) == ("in_progress", None, None)
    resumed = [each for each in county.events(receipt) if each["kind"] == "handoff.resumed"]
    assert [(each["actor"], each["data"]["reason"]) for each in resumed] == [("system", "suspension_limit")]
    assert [each["data"]["reason"] for each in messages(url, TOWNSHIP, "handoff.resumed")] == ["suspension_limit"]
    left = CALENDAR.working_days(china_day(now()), china_day(datetime.fromisoformat(office["complete_due"])))
    moved = datetime.fromisoformat(after["complete_due"])
    assert CALENDAR.working_days(china_day(limit), china_day(moved)) == left
    assert after["promised_due"] == office["complete_due"]
    sweep_at(url, CALENDAR.opening(moved, 1) + A_MOMENT)
    assert [each["data"]["reason"] for each in messages(url, TOWNSHIP, "handoff.urged")] == ["completion_overdue"]


def test_who_suspends_again_has_what_is_left_of_the_limit(county: County, receipt: Seen, office: Seen) -> None:
    url = county.running.url
    county.told(office, "accepted", "suspended", suspended_for="verification")
    limit = datetime.fromisoformat(county.handoff(receipt, TOWNSHIP)["suspended_until"])
    sweep_at(url, limit + A_MOMENT)
    after = county.handoff(receipt, TOWNSHIP)
    assert after["suspended_days"] == 20
    county.told(office, "suspended", suspended_for="verification")
    again = datetime.fromisoformat(county.handoff(receipt, TOWNSHIP)["suspended_until"])
    stood = CALENDAR.working_days(china_day(now()), china_day(again))
    assert stood <= 1, "nothing is left: it ends with the day, or on a day of rest with the next working day"
    sweep_at(url, again + A_MOMENT)
    moved = [datetime.fromisoformat(each["complete_due"]) for each in (after, county.handoff(receipt, TOWNSHIP))]
    assert CALENDAR.working_days(*map(china_day, moved)) == stood
    county.told(office, "suspended", suspended_for="court")
    other = datetime.fromisoformat(county.handoff(receipt, TOWNSHIP)["suspended_until"])
    assert CALENDAR.working_days(china_day(now()), china_day(other)) == 125, "each reason has its own"


def test_the_request_stops_waiting_for_the_person_when_a_suspension_ends(
    county: County, receipt: Seen, office: Seen
) -> None:
    county.told(office, "accepted", "information_requested", materials=["诊断证明"])
    assert county.request(receipt)["status"] == "awaiting_applicant"
    until_ = datetime.fromisoformat(county.handoff(receipt, TOWNSHIP)["suspended_until"])
    sweep_at(county.running.url, until_ + A_MOMENT)
    assert county.request(receipt)["status"] == "in_progress"


def test_where_hours_count_nobody_waits_for_the_morning(county: County) -> None:
    receipt = county.ask("temp_aid_fast")
    urgent = county.handoff(receipt, TOWNSHIP)
    row = row_of(county.running.url, urgent)
    assert row["sign_in_due"] - row["dispatched_at"] == timedelta(hours=1)
    sweep_at(county.running.url, row["sign_in_due"] + A_MOMENT)
    reasons = [each["data"]["reason"] for each in messages(county.running.url, TOWNSHIP, "handoff.urged")]
    assert "sign_in_overdue" in reasons


def test_the_board_shows_what_is_overdue_the_longest_first(county: County, receipt: Seen, office: Seen) -> None:
    url, before = county.running.url, now() - timedelta(days=1)
    village = county.handoff(county.ask("temp_aid_fast"), VILLAGE)
    late = {office["handoff_id"]: before, village["handoff_id"]: before - timedelta(days=1)}
    for id_, due in late.items():
        values = {"sign_in_due": due, "first_due": due}
        change(url, update(handoff).where(handoff.c.id == UUID(id_)).values(values))

    def board(who: Any = county.coordinator, **asked: Any) -> list[Seen]:
        answer = who.get("/v1/handoffs", params={"overdue": "any", **asked})
        assert answer.status_code == 200, answer.text
        items: list[Seen] = answer.json()["items"]
        return items

    assert [each["handoff_id"] for each in board()] == [village["handoff_id"], office["handoff_id"]]
    (shown,) = board(agency=TOWNSHIP)
    assert shown["overdue"] == [{"clock": "sign_in", "since": before.isoformat(timespec="milliseconds")[:23] + "000Z"}]
    assert shown["agency_phone"] == "0796-0000046"
    assert len(board(overdue="sign_in")) == 2
    assert board(overdue="completion") == []
    assert board(status="in_progress") == []
    first = county.coordinator.get("/v1/handoffs", params={"overdue": "any", "limit": 1}).json()
    rest = board(limit=1, cursor=first["next_cursor"])
    assert [each["handoff_id"] for each in (*first["items"], *rest)] == [village["handoff_id"], office["handoff_id"]]
    assert [each["agency"] for each in board(county.running.client("agency", agency=TOWNSHIP))] == [TOWNSHIP]
    assert county.coordinator.get("/v1/handoffs", params={"overdue": "any", "cursor": "abc"}).status_code == 422
    measured = county.coordinator.get("/metrics").text
    assert 'one_window_handoffs_overdue{clock="sign_in"} 2.0' in measured
    assert 'one_window_handoffs_overdue{clock="completion"} 0.0' in measured
    county.told(office, "accepted")
    assert [each["handoff_id"] for each in board()] == [village["handoff_id"]]


def test_what_cannot_be_looked_at_keeps_nobody_waiting(county: County, receipt: Seen, office: Seen) -> None:
    url = county.running.url
    other = county.handoff(county.ask("medical_assistance_applied"), TOWNSHIP)
    broken = {"status": "suspended", "suspended_for": "nothing", "suspended_at": now() - timedelta(days=400)}
    broken |= {"next_look_at": now() - timedelta(days=400)}
    change(url, update(handoff).where(handoff.c.id == UUID(office["handoff_id"])).values(broken))
    at = at_opening(other["accept_due"], 1) + A_MOMENT
    sweep_at(url, at)
    assert {each["data"]["handoff_id"] for each in messages(url, TOWNSHIP, "handoff.urged")} == {other["handoff_id"]}
    assert row_of(url, office)["next_look_at"] > at, "it is tried again, not at once"


def make_late(url: str, calendar_days: int = 10) -> int:
    """Every dispatched handoff was to be signed for and accepted some time ago; how many they are."""
    ago = now() - timedelta(days=calendar_days)
    values = {"sign_in_due": ago, "accept_due": None, "complete_due": None, "first_due": ago, "next_look_at": ago}
    return change(url, update(handoff).where(handoff.c.status == "dispatched").values(values))


def steps_of(url: str) -> Counter[tuple[str, UUID]]:
    """How often each step was done to each handoff."""
    rows = fetch(url, select(event.c.kind, event.c.handoff_id).where(event.c.kind.in_(KINDS)))
    return Counter((row["kind"], row["handoff_id"]) for row in rows)


def test_four_workers_that_sweep_at_once_do_each_step_once(county: County) -> None:
    url = county.running.url
    for _ in range(110):
        county.ask("medical_assistance_applied")
    late = make_late(url)
    at = now()

    async def work(database: Database) -> list[dict[Step, int]]:
        others = [Database(serving.settings_for(url)) for _ in range(3)]
        sweeps = [sweep(each, Registry(each, 60), at) for each in (database, *others)]
        done = await asyncio.gather(*sweeps)
        for each in others:
            await each.close()
        return done

    done = on(url, work)
    assert sum(sum(each.values()) for each in done) == late == 110, "in more than one batch"
    assert set(steps_of(url).values()) == {1}
    assert len(steps_of(url)) == late


def test_workers_that_are_killed_in_the_middle_leave_no_step_undone_and_none_done_twice(
    database_url: str, run_service: Callable[..., Running]
) -> None:
    secrets = serving.set_endpoints(database_url, "http://127.0.0.1:9/{code}")
    county = County(run_service(), secrets)
    for _ in range(60):
        county.ask("medical_assistance_applied")
    late = make_late(database_url)
    start = lambda: serving.Worker(database_url, sweep_seconds=0.1, database_pool=3)  # noqa: E731
    workers = [start() for _ in range(4)]
    try:
        for _ in range(6):
            time.sleep(random.uniform(0.2, 0.6))
            victim = random.randrange(4)
            workers[victim].kill()
            workers[victim] = start()
        until(lambda: len(steps_of(database_url)) == late, within=180, what="every step")
        until(
            lambda: fetch(database_url, select(worker.c.swept_at).where(worker.c.swept_at.is_not(None))),
            what="a worker that says when it swept",
        )
    finally:
        for each in workers:
            each.kill()
    assert set(steps_of(database_url).values()) == {1}
    messages_of = fetch(database_url, select(delivery.c.handoff_id).where(delivery.c.type == "handoff.supervised"))
    assert sorted(Counter(row["handoff_id"] for row in messages_of).values()) == [1] * late


def test_a_worker_inside_the_service_sweeps_too(database_url: str, run_service: Callable[..., Running]) -> None:
    secrets = serving.set_endpoints(database_url, "http://127.0.0.1:9/{code}")
    county = County(run_service(embedded_worker=True, sweep_seconds=0.1), secrets)
    receipt = county.ask("medical_assistance_applied")
    make_late(database_url)
    until(lambda: [each for each in county.events(receipt) if each["kind"] == "handoff.supervised"], what="the sweep")
    swept = "one_window_last_sweep_timestamp_seconds"
    until(
        lambda: [
            line
            for line in county.coordinator.get("/metrics").text.splitlines()
            if line.startswith(swept) and float(line.split()[1]) > 1e9
        ],
        what="the gauge",
    )


def test_neither_the_sweep_nor_the_board_reads_what_is_not_due(county: County, backend: str) -> None:
    """By the plans, with two thousand handoffs of which two are due."""
    url = county.running.url
    receipt = county.ask("medical_assistance_applied")
    template = row_of(url, county.handoff(receipt, TOWNSHIP))
    soon = now() + timedelta(days=3)

    async def fill(database: Database) -> None:
        rows = [
            {**template, "id": UUID(int=number), "need": f"n{number}", "first_due": soon, "next_look_at": soon}
            for number in range(1, 2001)
        ]
        async with database.writing() as connection:
            await connection.execute(handoff.insert(), rows)

    on(url, fill)
    at = now()
    board = select(handoff.c.id).where(*overdue_by(at)).order_by(handoff.c.first_due, handoff.c.id).limit(51)
    some = select(handoff.c.id).where(*overdue_by(at, Clock.COMPLETION)).limit(10_000)
    for query, index in ((due_by(at, 100), "next_look_at"), (board, "first_due"), (some, "first_due")):
        plan = plan_of(url, query)
        assert f"ix_handoff_{index}" in plan, plan
        assert "Seq Scan" not in plan, plan
        assert "SCAN handoff" not in plan, plan
        assert "TEMP B-TREE" not in plan, plan
        assert "Sort" not in plan, plan


def test_the_settings_say_when_who_is_told(database_url: str, run_service: Callable[..., Running]) -> None:
    secrets = serving.set_endpoints(database_url, "http://127.0.0.1:9/{code}")
    county = County(run_service(remind_working_days=3), secrets)
    office = county.handoff(county.ask("medical_assistance_applied"), TOWNSHIP)
    county.told(office, "accepted")
    assert row_of(database_url, office)["next_look_at"] == at_opening(office["complete_due"], -3)
