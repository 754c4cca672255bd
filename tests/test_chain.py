"""Who does not sign in is followed by people, each step once; the board says whom to call now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from app import emergency_board
from app.chain import follow
from app.db import Database
from app.identifiers import now
from app.registry import Registry
from app.tables import agency, delivery, emergency_watch, endpoint_state, handoff
from tests import serving
from tests.county import CIVIL_AFFAIRS, TOWNSHIP, VILLAGE, County, Seen
from tests.receivers import Answer, Receiver
from tests.running import Running
from tests.test_emergencies import COORDINATOR, alarm
from tests.test_rulings import acted
from tests.watching import change, fetch, on, until

COUNTY_TOWNSHIPS = "360803-township"
TEN = timedelta(minutes=10)
DUTY = [
    {"office": "民政所值班室", "phone": "0796-8200110"},
    {"office": "镇政府值班室", "phone": "0796-8200111", "name": "李某某", "hours": "夜间"},
]

CEILING = {"division_code": "360803", "valid_from": "2027-01-01", "kind": "months", "amount": "1", "source": "县定"}


def on_duty(county: County, code: str = TOWNSHIP, contacts: list[dict[str, str]] = DUTY) -> None:
    county.coordinator.put(f"/v1/agencies/{code}/duty-list", json={"contacts": contacts}).raise_for_status()


def followed(county: County, at: datetime, workers: int = 1) -> int:
    """As so many workers look at `at` in one moment; how many steps they thought due."""

    async def work(database: Database) -> int:
        others = [Database(serving.settings_for(county.running.url)) for _ in range(workers)]
        looks = (follow(each, Registry(each, 60), None, at) for each in others)
        found = await asyncio.gather(*looks)
        for each in others:
            await each.close()
        return sum(found)

    return on(county.running.url, work)


def steps(county: County, receipt: Seen, code: str = TOWNSHIP) -> list[tuple[str, str]]:
    told = [each["data"] for each in county.events(receipt) if each["kind"] == "emergency.escalated"]
    return [(each["called"], each["phone"]) for each in told if each["agency"] == code]


def board(county: County, receipt: Seen) -> Seen:
    items = county.coordinator.get("/v1/emergencies/board").raise_for_status().json()["items"]
    return next(each for each in items if each["request_id"] == receipt["request_id"])


def part(county: County, receipt: Seen, code: str = TOWNSHIP) -> Seen:
    return next(each for each in board(county, receipt)["agencies"] if each["agency"] == code)


@pytest.fixture
def hungry(county: County) -> Seen:
    on_duty(county)
    return alarm(county, kind="hunger")


def test_each_contact_is_followed_after_the_county_s_minutes_then_the_division_above_then_the_coordinator(
    county: County, hungry: Seen
) -> None:
    at = now()
    assert followed(county, at + TEN - timedelta(minutes=1)) == 0, "its minutes are not over"
    for _ in range(6):
        at += TEN
        followed(county, at)
    expected = [("duty", "0796-8200110"), ("duty", "0796-8200111"), ("higher", "0796-0000054")]
    assert steps(county, hungry) == [*expected, ("coordinator", "0796-0000009")]
    added = county.handoff(hungry, COUNTY_TOWNSHIPS)
    assert (added["status"], added["role"], added["mandatory"]) == ("dispatched", "co_handler", False)
    (sent,) = fetch(county.running.url, select(delivery.c.type).where(delivery.c.receiver == COUNTY_TOWNSHIPS))
    assert sent["type"] == "emergency.dispatched"
    assert county.events(hungry)
    assert "李某某" not in str([each["data"] for each in county.events(hungry)])
    assert steps(county, hungry, CIVIL_AFFAIRS) == [], "who is only informed is not waited for"


def test_the_office_above_that_was_called_can_be_given_the_lead_itself(county: County, hungry: Seen) -> None:
    at = now()
    for step in range(1, 4):
        followed(county, at + step * TEN)
    above = county.handoff(hungry, COUNTY_TOWNSHIPS)
    county.told(above, "received")
    lead = county.handoff(hungry, TOWNSHIP)
    acted(county, lead, "reassign", agency=COUNTY_TOWNSHIPS, reason="乡镇联系不上")
    takes = county.handoff(hungry, COUNTY_TOWNSHIPS)
    assert (takes["handoff_id"], takes["role"], takes["mandatory"]) == (above["handoff_id"], "lead", True)
    sent = select(delivery.c.type).where(delivery.c.receiver == COUNTY_TOWNSHIPS)
    assert {each["type"] for each in fetch(county.running.url, sent)} == {"emergency.dispatched"}
    followed(county, now() + TEN)
    assert steps(county, hungry, COUNTY_TOWNSHIPS) == [("coordinator", "0796-0000009")], "it is waited for anew"
    county.complete(hungry, COUNTY_TOWNSHIPS)
    assert county.statuses(hungry)[TOWNSHIP] == "cancelled"


def test_who_has_signed_in_is_not_followed_and_the_others_are(county: County, hungry: Seen) -> None:
    county.told(county.handoff(hungry, TOWNSHIP), "received")
    followed(county, now() + TEN)
    assert steps(county, hungry) == []
    assert [to for to, _ in steps(county, hungry, VILLAGE)] == ["coordinator"], "it has no list, and nobody above"


def test_however_many_workers_look_each_step_is_taken_once(county: County, hungry: Seen) -> None:
    at = now()
    for step in range(1, 4):
        followed(county, at + step * TEN, workers=4)
        assert len(steps(county, hungry)) == step
    assert [h["agency"] for h in county.request(hungry)["handoffs"]].count(COUNTY_TOWNSHIPS) == 1


def test_a_worker_that_starts_later_goes_on_where_the_last_one_was(
    county: County, hungry: Seen, run_service: Callable[..., Running]
) -> None:
    followed(county, now() + TEN)
    due = update(emergency_watch).where(emergency_watch.c.position == 1).values(due_at=now())
    change(county.running.url, due)
    run_service(embedded_worker=True)
    until(lambda: len(steps(county, hungry)) == 2, what="the next step")
    assert part(county, hungry)["calling"] == {"office": DUTY[1]["office"], "phone": DUTY[1]["phone"]}


def test_the_minutes_are_those_of_the_nearest_division_and_day(county: County) -> None:
    terms = county.coordinator.get("/v1/aid-rules").raise_for_status().json()["terms"][0]
    tomorrow = (now() + timedelta(days=2)).date().isoformat()
    rows = [
        {**terms, "division_code": "360803101", "valid_from": "2026-01-01", "sign_in_minutes": 3},
        {**terms, "division_code": "360803101", "valid_from": tomorrow, "sign_in_minutes": 1},
        {**terms, "division_code": "360803102", "valid_from": "2026-01-01", "sign_in_minutes": 1},
    ]
    county.coordinator.patch("/v1/aid-rules", json={"terms": rows}).raise_for_status()
    receipt = alarm(county)
    handoff = county.handoff(receipt, TOWNSHIP)
    limit = datetime.fromisoformat(handoff["sign_in_due"]) - datetime.fromisoformat(handoff["dispatched_at"])
    assert limit == timedelta(minutes=3)
    followed(county, now() + timedelta(minutes=2))
    assert steps(county, receipt) == []
    followed(county, now() + timedelta(minutes=4))
    assert [to for to, _ in steps(county, receipt)] == ["higher"]


def test_a_subscriber_is_told_whom_to_call(
    database_url: str, receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    county = County(run_service(embedded_worker=True), receiver.secrets)
    asked = {"name": "desk", "endpoint": receiver.endpoint.format(code="desk"), "types": ["emergency.escalated"]}
    receiver.secrets["desk"] = (
        county.coordinator.post("/v1/subscriptions", json=asked).raise_for_status().json()["secret"]
    )
    on_duty(county)
    receipt = alarm(county, kind="hunger")
    late = update(emergency_watch).where(emergency_watch.c.due_at.is_not(None)).values(due_at=now())
    change(database_url, late)
    until(lambda: len(receiver.of("desk")) == 2, what="the notices")
    told = [each.message["data"] for each in receiver.of("desk")]
    (of_township,) = [each for each in told if each["agency"] == TOWNSHIP]
    assert (of_township["called"], of_township["phone"]) == ("duty", "0796-8200110")
    assert of_township["receipt_number"] == receipt["receipt_number"]


def test_an_agency_whose_machine_fails_once_is_red_until_it_signs_in(
    database_url: str, receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    receiver.always(TOWNSHIP, Answer(500))
    county = County(run_service(embedded_worker=True), receiver.secrets)
    receipt = alarm(county)
    until(lambda: part(county, receipt)["why"] == "not_delivered", what="red")
    seen = board(county, receipt)
    assert (seen["red"], part(county, receipt)["phone"]) == (True, "0796-0000046")
    until(lambda: part(county, receipt, CIVIL_AFFAIRS)["reached_at"], what="the other's message")
    assert not part(county, receipt, CIVIL_AFFAIRS)["red"]
    county.told(county.handoff(receipt, TOWNSHIP), "received")
    assert (part(county, receipt)["red"], part(county, receipt)["signed_in"]) == (False, True)


STATE = {"receiver": TOWNSHIP, "since": now(), "failures": 9, "fault": "timeout"}


@pytest.mark.parametrize(
    ("done", "why"),
    [
        (insert(endpoint_state).values(**STATE, breaker="open"), "endpoint_down"),
        (insert(endpoint_state).values(**STATE, breaker="closed", suspended_at=now()), "endpoint_down"),
        (update(agency).where(agency.c.code == TOWNSHIP).values(endpoint=None), "no_machine"),
        (update(agency).where(agency.c.code == TOWNSHIP).values(delivery_mode="pull"), "no_machine"),
    ],
)
def test_an_agency_whose_machine_is_down_or_that_has_none_is_red_from_the_first_moment(
    database_url: str, run_service: Callable[..., Running], done: Any, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emergency_board, "_AT_ONCE", timedelta(hours=1))
    secrets = serving.set_endpoints(database_url, "http://127.0.0.1:9/{code}")
    change(database_url, done)
    county = County(run_service(), secrets)
    receipt = alarm(county)
    assert (part(county, receipt)["red"], part(county, receipt)["why"]) == (True, why)
    assert not part(county, receipt, CIVIL_AFFAIRS)["red"], "its message is a moment old"


def test_one_that_was_reached_and_is_silent_is_red_when_its_minutes_are_over(county: County, hungry: Seen) -> None:
    url = county.running.url
    change(url, update(delivery).values(status="delivered", ended_at=now()))
    assert not part(county, hungry)["red"]
    change(url, update(handoff).values(sign_in_due=now() - timedelta(minutes=1)))
    assert part(county, hungry)["why"] == "not_signed_in"
    assert part(county, hungry)["next"][0] == {"to": "duty", "office": DUTY[0]["office"], "phone": DUTY[0]["phone"]}


def test_what_is_closed_or_no_emergency_is_not_on_the_board(county: County, hungry: Seen) -> None:
    county.ask("education_aid")
    other = alarm(county)
    items = county.coordinator.get("/v1/emergencies/board?limit=1").json()
    assert [each["request_id"] for each in items["items"]] == [other["request_id"]]
    items = county.coordinator.get(f"/v1/emergencies/board?cursor={items['next_cursor']}").json()["items"]
    assert [each["request_id"] for each in items] == [hungry["request_id"]]
    county.window.post(f"/v1/requests/{hungry['request_id']}/withdraw", json={}).raise_for_status()
    items = county.coordinator.get("/v1/emergencies/board").json()["items"]
    assert [each["request_id"] for each in items] == [other["request_id"]]
    assert {h["agency"] for h in items[0]["agencies"]} >= {COORDINATOR}


def test_the_duty_list_is_the_county_s_to_set(county: County) -> None:
    on_duty(county)
    shown = county.coordinator.get(f"/v1/agencies/{TOWNSHIP}/duty-list").raise_for_status().json()
    assert [each["phone"] for each in shown["contacts"]] == ["0796-8200110", "0796-8200111"]
    on_duty(county, contacts=[])
    assert county.coordinator.get(f"/v1/agencies/{TOWNSHIP}/duty-list").json()["contacts"] == []
    assert county.coordinator.put("/v1/agencies/nobody/duty-list", json={"contacts": []}).status_code == 404


@pytest.mark.parametrize(
    ("path", "method", "first", "second"),
    [
        (f"/v1/agencies/{TOWNSHIP}/duty-list", "PUT", {"contacts": DUTY}, {"contacts": DUTY[:1]}),
        ("/v1/aid-rules", "PATCH", {"ceilings": [CEILING]}, {"ceilings": [{**CEILING, "amount": "2"}]}),
    ],
)
def test_two_people_do_not_undo_what_the_other_set(
    county: County, path: str, method: str, first: Seen, second: Seen
) -> None:
    read = county.coordinator.get(path).raise_for_status()
    seen = {"if-match": read.headers["etag"]}
    set_ = county.coordinator.request(method, path, json=first, headers=seen).raise_for_status()
    assert set_.headers["etag"] != read.headers["etag"]
    refusal = county.coordinator.request(method, path, json=second, headers=seen)
    assert (refusal.status_code, refusal.json()["code"]) == (412, "precondition_failed")
    assert (refusal.json()["current"], refusal.headers["etag"]) == (set_.json(), set_.headers["etag"])
    now_ = county.coordinator.get(path)
    assert (now_.json(), now_.headers["etag"]) == (set_.json(), set_.headers["etag"])
    for tag in (now_.headers["etag"], "*"):
        county.coordinator.request(method, path, json=second, headers={"if-match": tag}).raise_for_status()
    county.coordinator.request(method, path, json=first).raise_for_status()
    assert county.coordinator.request(method, path, json=first, headers={"if-match": "no tag"}).status_code == 422


def test_a_county_that_enters_the_office_of_its_city_is_followed_by_it(county: County) -> None:
    receipt = alarm(county)
    followed(county, now() + TEN)
    assert [to for to, _ in steps(county, receipt, CIVIL_AFFAIRS)] == ["coordinator"], "the seed has nobody above"
    city = {
        "code": "3608-civil-affairs",
        "department": "county_civil_affairs",
        "division_code": "3608",
        "name_zh": "吉安市民政局",
        "name_en": "Ji'an Civil Affairs Bureau",
        "phone": "0796-0000900",
    }
    county.coordinator.post("/v1/agencies", json=city).raise_for_status()
    receipt = alarm(county)
    for step in (1, 2):
        followed(county, now() + step * TEN)
    assert steps(county, receipt, CIVIL_AFFAIRS) == [("higher", "0796-0000900"), ("coordinator", "0796-0000009")]
    assert county.handoff(receipt, "3608-civil-affairs")["status"] == "dispatched"


def test_an_emergency_that_nobody_answers_for_is_red(county: County, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emergency_board, "_AT_ONCE", timedelta(hours=1))
    receipt = alarm(county)
    assert not board(county, receipt)["red"]
    back = {"reason_code": "duplicate", "legal_basis": "三定方案"}
    county.told(county.handoff(receipt, CIVIL_AFFAIRS), "returned", **back)
    seen = board(county, receipt)
    assert (seen["status"], seen["red"]) == ("disputed", True)
    assert not part(county, receipt, CIVIL_AFFAIRS)["signed_in"]
