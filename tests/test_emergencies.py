"""Emergencies: the least is enough, everybody is told at once and before all else, nothing is verified first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, update

from app.db import Database
from app.delivery.lanes import Priority
from app.identifiers import now
from app.tables import agency, aid_mark, delivery, event, help_request, revision
from tests.county import CIVIL_AFFAIRS, TOWNSHIP, VILLAGE, County, Seen
from tests.plans import plan_of
from tests.receivers import Receiver
from tests.running import Running
from tests.watching import change, count, fetch, on, until

FIRE = {"what": "房屋失火,一家三口今晚无处住", "where": "值夏镇老街", "division_code": "360803101", "kind": "fire"}
COORDINATOR = "360803-coordination-mechanism"
PERSON = {"name": "张某某", "id_number": "11010519491231002X"}


def alarm(county: County, headers: dict[str, str] | None = None, **changes: Any) -> Seen:
    answer = county.window.post("/v1/emergencies", json={**FIRE, **changes}, headers=headers or {})
    assert answer.status_code == 201, answer.text
    receipt: Seen = answer.json()
    return receipt


def codes(receipt: Seen) -> set[tuple[str, str]]:
    return {(each["pointer"], each["code"]) for each in receipt["warnings"]}


def agencies(receipt: Seen) -> set[str]:
    return {each["agency"] for each in receipt["agencies"]}


def messages(county: County) -> list[Seen]:
    return fetch(county.running.url, select(delivery).where(delivery.c.handoff_id.is_not(None)).order_by(delivery.c.id))


def test_one_sentence_and_a_described_place_is_enough(county: County) -> None:
    answer = county.window.post("/v1/emergencies", json={"what": "有人晕倒在路边", "where": "县城东门桥下"})
    assert answer.status_code == 201, answer.text
    receipt = answer.json()
    assert (receipt["kind"], receipt["division_code"], receipt["warnings"]) == ("undetermined", "360803", [])
    assert {COORDINATOR, CIVIL_AFFAIRS, "360803-township", VILLAGE} == agencies(receipt)
    assert all(each["agency_phone"] for each in receipt["agencies"])
    assert "120" in receipt["advice"][0]["en"]
    tracked = county.nobody.get(f"/v1/track/{receipt['tracking_token']}").raise_for_status().json()
    assert tracked["receipt_number"] == receipt["receipt_number"]
    assert receipt["signed_in"] is None


@pytest.mark.parametrize(
    ("changes", "place", "warned"),
    [
        ({"division_code": "360803999"}, "360803", {("/division_code", "unknown_division")}),
        ({"division_code": "somewhere"}, "360803", {("/division_code", "unknown_division")}),
        ({"kind": "earthquake!"}, "360803101", {("/kind", "unknown_kind")}),
        ({"needs": ["no_such_need"]}, "360803101", {("/needs/0", "unknown_need")}),
        (
            {"applicant": {"id_number": "110105194912310021", "phone": "1"}},
            "360803101",
            {("/applicant/id_number", "id_number_check_digit"), ("/applicant/phone", "phone_malformed")},
        ),
    ],
)
def test_what_is_unknown_or_wrong_is_a_warning_and_never_a_refusal(
    county: County, changes: dict[str, Any], place: str, warned: set[tuple[str, str]]
) -> None:
    receipt = alarm(county, **changes)
    assert (receipt["division_code"], codes(receipt)) == (place, warned)
    assert receipt["status"] == "routed"


def test_where_the_service_is_of_many_counties_a_described_place_is_asked_about_and_stored(county: County) -> None:
    moved = update(agency).where(agency.c.code == "360803-school").values(division_code="360802")
    change(county.running.url, moved, update(revision).values(value=revision.c.value + 1))
    body = {"what": "有人晕倒", "where": "东门桥下"}

    def told() -> Seen:
        receipt: Seen = county.window.post("/v1/emergencies", json=body).raise_for_status().json()
        return receipt if receipt["division_code"] == "3608" else {}

    assert codes(until(told, what="the new directory")) == {("/where", "which_county")}


def test_no_place_at_all_is_said_in_a_sentence(county: County) -> None:
    answer = county.window.post("/v1/emergencies", json={"what": "着火了"})
    assert answer.status_code == 422
    assert [each["code"] for each in answer.json()["errors"]] == ["nowhere"]


@pytest.mark.parametrize(
    ("kind", "need", "some"),
    [
        ("fire", "temp_aid_emergency", {CIVIL_AFFAIRS, TOWNSHIP, COORDINATOR}),
        ("illness", "disease_emergency_aid", {"360803-health", "360803-designated-hospital"}),
        ("homeless", "homeless_rescue", {"360803-rescue-station", TOWNSHIP}),
        ("disaster", "disaster_transition", {"360803-emergency-mgmt", TOWNSHIP}),
        ("child", "child_protection", {CIVIL_AFFAIRS, "360803-public-security"}),
        ("violence", "homeless_rescue", {"360803-public-security", "360803-rescue-station"}),
        ("hunger", "temp_aid_fast", {TOWNSHIP, CIVIL_AFFAIRS}),
    ],
)
def test_each_kind_goes_to_the_agencies_of_its_need(county: County, kind: str, need: str, some: set[str]) -> None:
    receipt = alarm(county, kind=kind)
    assert {each["need"] for each in receipt["agencies"]} == {need}
    assert some <= agencies(receipt)


def test_a_need_is_acted_on_by_its_emergency_variant_with_all_steps_at_once(county: County) -> None:
    body = {"what": "家中断粮", "division_code": "360803101", "needs": ["minimum_living_allowance"]}
    receipt = county.window.post("/v1/emergencies", json=body).raise_for_status().json()
    assert {each["need"] for each in receipt["agencies"]} == {"temp_aid_fast"}
    child = alarm(county, kind=None, needs=["unattended_child"])
    assert {each["step"] for each in child["agencies"]} == {1, 2}
    assert {each["status"] for each in child["agencies"]} == {"dispatched"}, "no step waits for another"


def test_everybody_is_told_in_one_moment_in_the_overtaking_lane_what_happened_and_where(
    database_url: str, receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    county = County(run_service(embedded_worker=True), receiver.secrets)
    receipt = alarm(county, applicant=PERSON, caller_phone="13800000000", people=3)
    until(lambda: len(receiver.received) == len(receipt["agencies"]), what="the messages")
    told = {each.path.strip("/"): each.message for each in receiver.received}
    assert told.keys() == agencies(receipt)
    for message in told.values():
        assert message["type"] == "emergency.dispatched"
        data = message["data"]
        seen = (data["emergency"], data["situation"], data["place"], data["people"])
        assert seen == ("fire", FIRE["what"], FIRE["where"], 3)
    assert told[CIVIL_AFFAIRS]["data"]["person"]["helper"] == {"phone": "13800000000", "relation": "caller"}
    assert "helper" not in told["360803-finance"]["data"]["person"], "its rule does not open the contact"
    rows = messages(county)
    assert {each["priority"] for each in rows} == {int(Priority.EMERGENCY)}
    assert len({each["created_at"] for each in rows}) == 1
    lead = county.handoff(receipt, CIVIL_AFFAIRS)
    agency = county.running.client("agency", CIVIL_AFFAIRS)
    seen = agency.get(f"/v1/handoffs/{lead['handoff_id']}").raise_for_status().json()
    assert (seen["situation"], seen["place"]) == (FIRE["what"], FIRE["where"])


def test_it_overtakes_what_waits(database_url: str, receiver: Receiver, run_service: Callable[..., Running]) -> None:
    county = County(run_service(), receiver.secrets)
    for _ in range(40):
        county.ask("education_aid")
    alarm(county)
    run_service(embedded_worker=True, delivery_concurrency=1, delivery_per_agency=1)
    until(lambda: len(receiver.received) >= 12, what="messages")
    first = [each.message["type"] for each in receiver.received[:10]]
    assert first.count("emergency.dispatched") == 4, "the other lanes keep an eighth"


def test_a_repeat_gets_the_first_answer_and_another_body_a_conflict(county: County) -> None:
    first = alarm(county, {"Idempotency-Key": "k1"})
    assert alarm(county, {"Idempotency-Key": "k1"}) == first
    answer = county.window.post("/v1/emergencies", json={**FIRE, "people": 4}, headers={"Idempotency-Key": "k1"})
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")
    assert count(county.running.url, help_request)["help_request"] == 1


@pytest.mark.parametrize("other_process", [False, True])
def test_the_answer_waits_for_the_first_agency_that_signs_in(
    county: County, run_service: Callable[..., Running], other_process: bool
) -> None:
    other = County(run_service(), county.secrets) if other_process else county
    answered: list[Any] = []

    def call() -> None:
        headers = {"Prefer": "respond-async, wait=99"}
        answered.append(county.window.post("/v1/emergencies", json=FIRE, headers=headers))

    calling = threading.Thread(target=call)
    calling.start()
    wanted = select(help_request.c.id).where(help_request.c.emergency.is_not(None))
    rows = until(lambda: fetch(county.running.url, wanted), what="the request, on disk while the call waits")
    assert not answered
    other.told(other.handoff({"request_id": rows[0]["id"]}, TOWNSHIP), "received")
    calling.join(20)
    (answer,) = answered
    assert (answer.status_code, answer.headers["preference-applied"]) == (201, "wait=10")
    signed = answer.json()["signed_in"]
    assert (signed["agency"], signed["phone"]) == (TOWNSHIP, "0796-0000046")


def test_nobody_signs_in_and_it_is_answered_all_the_same(county: County) -> None:
    answer = county.window.post("/v1/emergencies", json=FIRE, headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["signed_in"]) == (201, None)
    assert answer.headers["preference-applied"] == "wait=1"
    answer = county.window.post("/v1/emergencies", json=FIRE, headers={"Prefer": "wait=soon"})
    assert (answer.status_code, answer.headers.get("preference-applied")) == (201, None)


def test_an_emergency_key_tells_of_emergencies_and_does_nothing_else(county: County) -> None:
    station = county.running.client("emergency")
    receipt = station.post("/v1/emergencies", json=FIRE).raise_for_status().json()
    assert station.post("/v1/requests", json={}).status_code == 403
    assert station.get(f"/v1/requests/{receipt['request_id']}").status_code == 403


def test_the_same_person_and_cause_within_the_year_is_shown_and_nothing_else(county: County) -> None:
    first = alarm(county, applicant=PERSON)
    other = alarm(county, applicant=PERSON, kind="illness")
    again = alarm(county, applicant={"id_number": "11010519491231002x"})
    assert codes(first) == codes(other) == set()
    assert codes(again) == {("/applicant/id_number", "helped_before")}
    assert first["receipt_number"] in again["warnings"][0]["detail_zh"]
    assert again["status"] == "routed"
    marks = fetch(county.running.url, select(aid_mark.c.mark))
    assert len({each["mark"] for each in marks}) == 2


def test_the_year_is_that_of_chinas_calendar(county: County, monkeypatch: pytest.MonkeyPatch) -> None:
    before = now().replace(year=2026, month=12, day=31, hour=15, minute=59)  # 23:59 in China
    for at, warned in ((before, 0), (before, 1), (before + timedelta(minutes=2), 0)):
        monkeypatch.setattr("app.desk.now", lambda at=at: at)
        assert len(alarm(county, applicant=PERSON)["warnings"]) == warned


def test_nothing_personal_stands_in_the_timeline_and_the_chain_holds(county: County) -> None:
    receipt = alarm(county, applicant=PERSON)
    assert county.events(receipt)[0]["data"] == {
        "channel": "hotline",
        "needs": ["temp_aid_emergency"],
        "emergency": "fire",
    }
    data = str(fetch(county.running.url, select(event.c.data)))
    for word in (PERSON["name"], PERSON["id_number"], FIRE["what"], FIRE["where"]):
        assert word not in data


def test_lists_show_which_requests_are_emergencies_and_can_be_asked_for_those_alone(
    county: County, backend: str
) -> None:
    plain, fire, lifted = county.ask("education_aid"), alarm(county), county.ask("education_aid")
    path = f"/v1/requests/{lifted['request_id']}/emergency"
    county.window.post(path, json={"facts": ["no_food"]}).raise_for_status()
    county.window.post(f"/v1/requests/{fire['request_id']}/withdraw", json={}).raise_for_status()

    def kinds(client: Any = county.coordinator, **asked: Any) -> list[tuple[str, str | None]]:
        items = client.get("/v1/requests", params=asked).raise_for_status().json()["items"]
        return [(each["request_id"], each["emergency"]) for each in items]

    hunger, fired, none = (lifted["request_id"], "hunger"), (fire["request_id"], "fire"), (plain["request_id"], None)
    assert kinds() == [hunger, fired, none]
    assert kinds(emergency=True) == kinds(county.window, emergency="true") == [hunger, fired]
    assert kinds(emergency=False) == [none]
    assert kinds(emergency=True, status="withdrawn") == [fired]
    assert kinds(county.running.client("intake"), emergency=True) == []
    assert county.request(lifted)["emergency"] == "hunger"
    assert county.coordinator.get("/v1/requests?emergency=perhaps").status_code == 422

    (template,) = fetch(county.running.url, select(help_request).where(help_request.c.id == UUID(plain["request_id"])))
    rows = [
        {**template, "id": UUID(int=n), "receipt_number": f"{n:012}", "tracking_hash": n.to_bytes(32)}
        for n in range(1, 2001)
    ]

    async def fill(database: Database) -> None:
        async with database.writing() as connection:
            await connection.execute(help_request.insert(), rows)

    on(county.running.url, fill)
    listed = select(help_request.c.id).where(help_request.c.emergency.is_not(None))
    plan = plan_of(county.running.url, listed.order_by(help_request.c.id.desc()).limit(51))
    assert "ix_help_request_emergency" in plan, plan


def test_where_no_county_is_named_it_is_the_place_of_whoever_took_it_in(county: County) -> None:
    moved = update(agency).where(agency.c.code == "360803-school").values(division_code="360802")
    change(county.running.url, moved, update(revision).values(value=revision.c.value + 1))
    body = {"what": "有人晕倒", "where": "东门桥下"}
    anywhere, township = county.window, county.running.client("intake", place="360803101")

    def told(client: httpx.Client = anywhere, **more: str) -> Seen:
        receipt: Seen = client.post("/v1/emergencies", json={**body, **more}).raise_for_status().json()
        return receipt

    above = until(lambda: (seen := told())["division_code"] == "3608" and seen, what="the new directory")
    assert codes(above) == {("/where", "which_county")}
    for more, warned in (
        ({}, set()),
        ({"division_code": "3608"}, {("/division_code", "which_county")}),
        ({"division_code": "999999"}, {("/division_code", "unknown_division")}),
    ):
        seen = told(township, **more)
        assert (seen["division_code"], codes(seen)) == ("360803101", warned)
        assert seen["status"] == "routed"
    prefecture = county.running.client("intake", place="3608")
    assert codes(told(prefecture, division_code="36")) == {("/where", "which_county")}, "no second warning of its place"
    watches = county.running.client("coordinator", place="360803")
    listed = {each["request_id"] for each in watches.get("/v1/emergencies/board").json()["items"]}
    assert above["request_id"] in listed, "nobody else would see it"
    others = county.running.client("coordinator", place="360802")
    listed = {each["request_id"] for each in others.get("/v1/emergencies/board").json()["items"]}
    assert (above["request_id"] in listed, seen["request_id"] in listed) == (True, False)
