"""Intake: what a person takes home, who is let in, and what is kept of them and where."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from stdnum.iso7064 import mod_97_10

from app import seed, way
from app.answers import RequestReceipt
from app.tables import event, handoff, help_request, metadata
from tests import serving
from tests.county import CIVIL_AFFAIRS, HEALTHCARE, TOWNSHIP, VERIFICATION, County, Seen
from tests.examples import PERSONAL, a_consent, a_request, a_request_in_full
from tests.running import Running
from tests.watching import count, fetch

CHINESE = re.compile("[一-鿿]")
NEIGHBOUR = "360802001"  # a division of the same prefecture whose county has no agencies of its own
FAR_AWAY = "360102002"  # one of another prefecture


def take_in(running: Running, body: dict[str, Any]) -> Seen:
    answer = running.client("intake").post("/v1/requests", json=body)
    assert answer.status_code == 201, answer.text
    receipt: Seen = answer.json()
    return receipt


def test_the_receipt_has_all_that_the_contract_names(service: Running) -> None:
    before = datetime.now(UTC)
    receipt = take_in(service, a_request())
    RequestReceipt.model_validate(receipt)
    assert mod_97_10.is_valid(receipt["receipt_number"])
    assert re.fullmatch(r"\d{12}", receipt["receipt_number"])
    assert receipt["receipt_number_spoken"].replace(" ", "") == receipt["receipt_number"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{27}", receipt["tracking_token"])
    assert receipt["status"] == "routed"
    assert receipt["registered_at"].endswith("Z")
    assert abs((datetime.fromisoformat(receipt["registered_at"]) - before).total_seconds()) < 10
    assert receipt["warnings"] == []


def test_a_request_takes_many_short_steps_and_one_of_many_needs_not_many_times_as_many(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is shared with those that came with it, and nobody is to take steps long after them (docs/decisions/0024)."""
    step, taken = way._step, 0

    def counted(walks: list[way._Walk]) -> list[way._Walk]:
        nonlocal taken
        taken += len(walks)
        return step(walks)

    monkeypatch.setattr(way, "_step", counted)
    take_in(service, a_request())
    of_one, taken = taken, 0
    take_in(service, a_request(*[each["code"] for each in service.client(None).get("/v1/needs").json()["items"]][:20]))
    assert 35 <= of_one <= 41
    assert taken <= 3 * of_one


def test_the_receipt_names_each_agency_with_its_role_its_step_and_its_due_times(service: Running) -> None:
    receipt = take_in(service, a_request("medical_assistance_applied"))
    seats = {each["agency"]: (each["role"], each["step"], each["status"]) for each in receipt["handoffs"]}
    assert seats == {
        TOWNSHIP: ("co_handler", 1, "dispatched"),
        CIVIL_AFFAIRS: ("co_handler", 2, "waiting"),
        VERIFICATION: ("co_handler", 2, "waiting"),
        HEALTHCARE: ("lead", 3, "waiting"),
    }
    for each in receipt["handoffs"]:
        dues = [each[name] for name in ("sign_in_due", "accept_due", "complete_due")]
        if each["status"] == "waiting":
            assert [each["dispatched_at"], *dues] == [None, None, None, None]
        else:
            assert each["dispatched_at"] == receipt["registered_at"]
            assert all(due.endswith("T15:59:59Z") for due in dues), "a limit in days ends with its day in China"
            accept, sign_in, complete = dues[1], dues[0], dues[2]  # the same day, one working day, ten
            assert receipt["registered_at"] < accept <= sign_in < complete
        assert CHINESE.search(each["agency_name_zh"])
        assert each["agency_name_en"].isascii()
        assert each["agency_phone"]


def test_the_decision_gives_its_reasons_in_both_languages(service: Running) -> None:
    decision = take_in(service, a_request("minimum_living_allowance", "education_aid"))["decision"]
    assert decision["version"] == len(seed.TABLES), "the seeded table that took effect last"
    assert [each["need"] for each in decision["needs"]] == ["minimum_living_allowance", "education_aid"]
    for need in decision["needs"]:
        assert not need["undetermined"]
        assert sum(each["role"] == "lead" for each in need["fired"]) == 1
        for each in need["fired"]:
            assert CHINESE.search(each["why_zh"])
            assert each["why_en"].isascii()
            assert each["legal_basis"]
    verification = next(each for each in decision["needs"][0]["fired"] if each["agency"] == VERIFICATION)
    assert (verification["department"], verification["step"]) == ("county_verification_center", 2)


def test_what_data_sharing_supplies_or_the_person_brought_is_not_asked_for(service: Running) -> None:
    needs = ("minimum_living_allowance", "medical_assistance_applied")
    empty_handed = take_in(service, a_request(*needs, consents=[]))["missing_materials"]
    assert [each["code"] for each in empty_handed] == [
        "application_form",
        "verification_authorization",
        "identity_document",
        "diagnosis",
    ]
    assert all(CHINESE.search(each["name_zh"]) and each["name_en"].isascii() for each in empty_handed)
    prepared = take_in(service, a_request_in_full(*needs))["missing_materials"]
    assert [each["code"] for each in prepared] == ["application_form", "diagnosis"]


def test_people_without_an_identity_number_a_phone_or_even_a_name_are_let_in(service: Running) -> None:
    for applicant in ({}, {"name": "测试甲"}, {"birth_date": "1943-03-08"}, {"name": None, "phone": None}):
        assert take_in(service, a_request(applicant=applicant))["status"] == "routed"


def test_a_helper_may_ask_for_somebody(service: Running) -> None:
    helper = {"name": "测试乙", "relation": "village_worker", "phone": "0796-8220000"}
    receipt = take_in(service, a_request(helper=helper, channel="village_worker"))
    seen = service.client("coordinator").get(f"/v1/requests/{receipt['request_id']}").json()
    assert seen["person"]["helper"] == {**helper, "id_type": "resident_id"}


@pytest.mark.parametrize(
    ("number", "warned"),
    [
        ("11010519491231002X", []),
        ("11010519491231002x", []),
        ("110105 19491231 002X", []),
        ("440524188001010014", ["very_old"]),
        ("360112199001010010", []),
    ],
)
def test_an_identity_number_with_the_right_check_digit_is_taken(
    service: Running, number: str, warned: list[str]
) -> None:
    warnings = take_in(service, a_request(applicant={"id_number": number}))["warnings"]
    assert [each["code"] for each in warnings] == warned
    for each in warnings:
        assert each["pointer"] == "/applicant/id_number"
        assert CHINESE.search(each["detail_zh"])
        assert each["detail_en"].isascii()


def test_a_birth_date_that_differs_from_the_identity_number_is_only_warned_of(service: Running) -> None:
    person = {"id_number": "11010519491231002X", "birth_date": "1950-01-31", "relation": "parent"}
    (warning,) = take_in(service, a_request(household=[person]))["warnings"]
    assert (warning["pointer"], warning["code"]) == ("/household/0/birth_date", "birth_date_differs")


def test_everybody_who_is_listed_may_consent_and_a_clock_may_run_a_little_ahead(service: Running) -> None:
    people = ("applicant", "helper", "household/0", "household/1")
    given_at = (datetime.now(UTC) + timedelta(minutes=4)).isoformat()
    consents = [a_consent("medical_data", person, given_at=given_at) for person in (*people, "obligors/0")]
    household, obligors = [{"relation": "child"}, {"relation": "spouse"}], [{"relation": "son"}]
    changes = {"helper": {"relation": "friend"}, "household": household, "obligors": obligors, "consents": consents}
    take_in(service, a_request(**changes))


def test_a_need_that_nobody_can_name_goes_to_the_township_and_the_county(service: Running) -> None:
    receipt = take_in(service, a_request("undetermined"))
    assert receipt["decision"]["needs"][0]["undetermined"]
    seats = {each["agency"]: (each["role"], each["status"]) for each in receipt["handoffs"]}
    assert seats == {TOWNSHIP: ("lead", "dispatched"), CIVIL_AFFAIRS: ("co_handler", "dispatched")}


def test_where_no_agency_is_known_a_request_is_taken_in_and_a_coordinator_sees_it(service: Running) -> None:
    receipt = take_in(service, a_request(division_code=FAR_AWAY))
    assert (receipt["status"], receipt["handoffs"]) == ("registered", [])
    (need,) = receipt["decision"]["needs"]
    assert need["undetermined"]
    assert {each["why"] for each in need["passed_over"]} == {"no_agency"}
    waiting = service.client("coordinator").get("/v1/requests", params={"status": "registered"}).json()["items"]
    assert [each["receipt_number"] for each in waiting] == [receipt["receipt_number"]]


@pytest.mark.parametrize("need", ["complaint", "unattended_child"])
def test_a_co_handler_alone_does_not_make_a_request_routed(service: Running, need: str) -> None:
    """The prefecture's hotline or prison liaison reaches into a county that has no agency to lead."""
    receipt = take_in(service, a_request(need, division_code=NEIGHBOUR))
    led = any(each["role"] == "lead" for each in receipt["handoffs"])
    assert led or receipt["status"] == "registered", "nobody answers for the result and no coordinator is told"


def test_a_need_that_nobody_takes_keeps_its_request_open(service: Running) -> None:
    """Else it would be lost as soon as the needs beside it are done."""
    receipt = take_in(service, a_request("medical_assistance_applied", "complaint", division_code=NEIGHBOUR))
    hotline = service.client("agency", agency="3608-hotline-12345")
    for each in receipt["handoffs"]:
        for body in ({"type": "handoff.accepted"}, {"type": "handoff.completed", "data": {"outcome": "granted"}}):
            happened = {"timestamp": datetime.now(UTC).isoformat()}
            answer = hotline.post(f"/v1/handoffs/{each['handoff_id']}/callbacks", json=body | happened)
            assert answer.status_code == 200, answer.text
    seen = service.client("coordinator").get(f"/v1/requests/{receipt['request_id']}").json()
    assert seen["status"] != "closed"


def test_receipt_numbers_differ_and_follow_no_order(service: Running) -> None:
    county = County(service, {})
    numbers = [county.ask()["receipt_number"] for _ in range(25)]
    assert len(set(numbers)) == len(numbers)
    assert numbers != sorted(numbers)


def test_what_is_stored_is_what_was_answered(service: Running) -> None:
    receipt = take_in(service, a_request())
    assert count(service.url, help_request, handoff) == {"help_request": 1, "handoff": 4}
    (row,) = fetch(service.url, select(help_request))
    assert (row["id"], row["receipt_number"]) == (UUID(receipt["request_id"]), receipt["receipt_number"])
    assert row["events"] == count(service.url, event)["event"]
    stored = {str(each["id"]): each["agency_code"] for each in fetch(service.url, select(handoff))}
    assert stored == {each["handoff_id"]: each["agency"] for each in receipt["handoffs"]}


def as_bytes(content: Any) -> bytes:
    if isinstance(content, bytes):
        return content
    return (content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, default=str)).encode()


def everything(url: str, *, but_sealed: bool) -> bytes:
    """Every column of every row of every table, one after the other."""
    rows = (row for table in metadata.sorted_tables for row in fetch(url, select(table)))
    return b"\n".join(
        as_bytes(content) for row in rows for name, content in row.items() if not (but_sealed and name == "sealed")
    )


def test_only_the_hash_of_the_tracking_token_is_stored(service: Running) -> None:
    token = take_in(service, a_request())["tracking_token"]
    keyed = service.client("intake", **{"idempotency-key": "tracked"}).post("/v1/requests", json=a_request()).json()
    kept = everything(service.url, but_sealed=False)
    for each in (token, keyed["tracking_token"]):
        assert hashlib.sha256(each.encode()).digest() in kept
        assert each.encode() not in kept


def test_what_names_or_describes_a_person_is_in_sealed_columns_only(database_url: str, run_service: Any) -> None:
    secrets = serving.set_endpoints(database_url, "http://127.0.0.1:9/{code}")
    county = County(run_service(), secrets)
    said = {"note": "此人的回告", "handler": "经办虚构丁", "legal_basis": "虚构依据", "reason": "虚构撤回原因"}
    body = a_request_in_full("medical_assistance_applied", "education_aid")
    receipt = county.window.post("/v1/requests", json=body, headers={"idempotency-key": "full"}).json()
    school = county.handoff(receipt, "360803-education")
    county.told(school, "accepted", "information_requested", materials=["虚构证明"], note=said["note"])
    path = f"/v1/requests/{receipt['request_id']}"
    supplement = {"note": "此人补充的话", "facts": {"illness": "另一虚构病"}}
    answer = county.window.post(f"{path}/supplements", json=supplement, headers={"idempotency-key": "more"})
    assert answer.status_code == 200, answer.text
    county.told(county.handoff(receipt, TOWNSHIP), "received", handler=said["handler"])
    returned = {"reason_code": "not_my_duty", "suggested_department": "county_finance"}
    county.told(school, "returned", legal_basis=said["legal_basis"], **returned)
    assert county.window.post(f"{path}/withdraw", json={"reason": said["reason"]}).status_code == 200

    in_the_open = everything(county.running.url, but_sealed=True)
    assert receipt["receipt_number"].encode() in in_the_open, "the search finds what is there"
    seen = json.dumps(county.request(receipt)["person"], ensure_ascii=False)
    notes = json.dumps([each["note"] for each in county.events(receipt)], ensure_ascii=False)
    for value in PERSONAL.values():
        assert value in seen, "it was kept"
        assert value.encode() not in in_the_open
    for value in (*said.values(), "虚构证明", supplement["note"], "另一虚构病"):
        assert value in notes, "it was kept"
        assert value.encode() not in in_the_open
