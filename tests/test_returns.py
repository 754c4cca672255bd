"""What is passed back, and what is asked of the person: a return finds another agency once, a question waits."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select

from app.tables import delivery
from tests.county import CIVIL_AFFAIRS, EDUCATION, HEALTHCARE, TOWNSHIP, VERIFICATION, County, Seen
from tests.examples import PERSONAL, PURPOSES, a_consent, a_request_in_full
from tests.watching import bodies

FINANCE, AGRICULTURE, CHARITY = "360803-finance", "360803-agri-rural", "360803-charity-fed"
NOT_OURS = {"reason_code": "not_my_duty", "legal_basis": "三定方案", "suggested_department": "county_finance"}
FOUND_OUT = ["identity", "contact", "household", "narrative"]  # is shown to whoever finds out whose a need is


def told_to(county: County, agency: str, type_: str) -> list[Seen]:
    """The data of the messages of a type that are queued for an agency."""
    wanted = select(delivery.c.id).where(delivery.c.receiver == agency, delivery.c.type == type_)
    rows = bodies(county.running.url, wanted.order_by(delivery.c.id))
    return [json.loads(row["body"])["data"] for row in rows]


def test_a_returned_handoff_goes_to_the_department_that_the_return_names(county: County) -> None:
    receipt = county.ask("temp_aid_fast")
    first = county.handoff(receipt, TOWNSHIP)
    county.told(first, "returned", **NOT_OURS)
    second = county.handoff(receipt, FINANCE)
    first = county.handoff(receipt, TOWNSHIP)
    assert (first["status"], first["reason"]) == ("returned", "not_my_duty")
    assert first["replaced_by"] == second["handoff_id"]
    assert (second["status"], second["role"], second["step"]) == ("dispatched", "lead", 1)
    assert [each["handoff_id"] for each in told_to(county, FINANCE, "handoff.dispatched")] == [second["handoff_id"]]
    assert county.request(receipt)["status"] != "disputed"
    county.complete(receipt, FINANCE)
    for agency in (CIVIL_AFFAIRS, "360803-village-committee"):
        county.complete(receipt, agency)
    assert county.request(receipt)["status"] == "closed"


def test_a_second_return_is_a_dispute(county: County) -> None:
    receipt = county.ask("temp_aid_fast")
    county.told(county.handoff(receipt, TOWNSHIP), "returned", **NOT_OURS)
    again = {**NOT_OURS, "suggested_department": "county_housing"}
    answer = county.told(county.handoff(receipt, FINANCE), "returned", **again)
    assert answer["request_status"] == county.request(receipt)["status"] == "disputed"
    assert "360803-housing" not in county.statuses(receipt)
    disputed = county.coordinator.get("/v1/requests", params={"status": "disputed"}).json()["items"]
    assert [each["request_id"] for each in disputed] == [receipt["request_id"]]


def test_a_return_to_an_agency_that_has_the_need_already_is_a_dispute(county: County) -> None:
    receipt = county.ask("temp_aid_fast")
    back = {**NOT_OURS, "suggested_department": "county_civil_affairs"}
    county.told(county.handoff(receipt, TOWNSHIP), "returned", **back)
    assert county.request(receipt)["status"] == "disputed"
    assert county.handoff(receipt, TOWNSHIP)["replaced_by"] is None


def test_a_dispute_stays_until_it_is_ruled_even_if_all_the_others_are_done(county: County) -> None:
    receipt = county.ask("undetermined")
    back = {**NOT_OURS, "suggested_department": "township_gov"}
    county.told(county.handoff(receipt, CIVIL_AFFAIRS), "returned", **back)
    lead = county.handoff(receipt, TOWNSHIP)
    county.told(lead, "accepted")
    answer = county.report(lead, "completed", outcome="granted")
    assert answer.json()["code"] == "co_handlers_open"
    assert county.request(receipt)["status"] == "disputed"


def test_the_next_step_waits_for_the_agency_that_a_return_named(county: County) -> None:
    receipt = county.ask("medical_assistance_applied")
    county.told(county.handoff(receipt, TOWNSHIP), "returned", **NOT_OURS)
    assert county.statuses(receipt)[VERIFICATION] == "waiting"
    county.complete(receipt, FINANCE)
    assert county.statuses(receipt)[VERIFICATION] == "dispatched"
    assert county.statuses(receipt)[HEALTHCARE] == "waiting"


def test_an_agency_that_asks_for_something_waits_for_the_person_and_is_told_what_came(county: County) -> None:
    body = a_request_in_full("education_aid")
    receipt = county.window.post("/v1/requests", json=body).json()
    school = county.handoff(receipt, EDUCATION)
    answer = county.told(school, "accepted", "information_requested", materials=["在读证明"])
    assert (answer["status"], answer["request_status"]) == ("suspended", "awaiting_applicant")
    seen = county.request(receipt)
    assert seen["status"] == "awaiting_applicant"
    assert county.handoff(receipt, EDUCATION)["suspended_for"] == "applicant"

    path = f"/v1/requests/{receipt['request_id']}/supplements"
    facts = {"schooling": "junior", "illness": PERSONAL["illness"]}
    added = {"materials": ["school_hardship_form"], "facts": facts, "note": "在读证明已交"}
    answered = county.window.post(path, json=added)
    assert (answered.status_code, answered.json()["status"]) == (200, "in_progress")
    after = county.handoff(receipt, EDUCATION)
    assert (after["status"], after["suspended_for"]) == ("in_progress", None)
    (told,) = told_to(county, EDUCATION, "handoff.supplemented")
    assert told["handoff_id"] == school["handoff_id"]
    assert told["status"] == "in_progress"
    assert told["supplement"] == {
        "materials": ["school_hardship_form"],
        "facts": {"schooling": "junior"},
        "note": "在读证明已交",
    }, "of the facts, those that its rule opens"
    kinds = [each["kind"] for each in county.events(receipt)]
    assert kinds[-3:] == ["request.supplemented", "handoff.resumed", "request.in_progress"]
    county.told(school, "completed", outcome="granted")


def test_a_supplement_reaches_everybody_who_waits_for_it_and_nobody_else(county: County) -> None:
    receipt = county.ask("education_aid", "temp_aid_fast")
    for agency, need in ((EDUCATION, "education_aid"), (TOWNSHIP, "temp_aid_fast")):
        asking = county.handoff(receipt, agency, need)
        county.told(asking, "accepted", "information_requested", materials=["身份证"])
    other = county.handoff(receipt, CIVIL_AFFAIRS, "temp_aid_fast")
    county.told(other, "accepted", "suspended", suspended_for="court")
    answer = county.window.post(f"/v1/requests/{receipt['request_id']}/supplements", json={"note": "都带来了"})
    assert answer.status_code == 200
    for agency in (EDUCATION, TOWNSHIP):
        assert len(told_to(county, agency, "handoff.supplemented")) == 1
    assert told_to(county, CIVIL_AFFAIRS, "handoff.supplemented") == []
    assert county.handoff(receipt, CIVIL_AFFAIRS, "temp_aid_fast")["status"] == "suspended"


def test_a_supplement_says_something_that_can_be_understood(county: County) -> None:
    receipt = county.ask("education_aid")
    path = f"/v1/requests/{receipt['request_id']}/supplements"
    county.told(county.handoff(receipt, EDUCATION), "accepted", "information_requested", materials=["在读证明"])
    for body, pointer in (
        ({}, ""),
        ({"note": None, "materials": []}, ""),
        ({"materials": ["diagnoses"]}, "/materials/0"),
        ({"facts": {"household_size": -1}}, "/facts/household_size"),
    ):
        answer = county.window.post(path, json=body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer), answer.text
    assert county.request(receipt)["status"] == "awaiting_applicant"


def test_what_the_person_added_is_shown_to_the_steps_that_come_after(county: County) -> None:
    """Else the next agency asks for the same thing again: taken in once, never sent from door to door."""
    receipt = county.ask("medical_assistance_applied")
    first = county.handoff(receipt, TOWNSHIP)
    county.told(first, "accepted", "information_requested", materials=["费用情况"])
    path = f"/v1/requests/{receipt['request_id']}/supplements"
    county.window.post(path, json={"facts": {"out_of_pocket_yuan": "48200.00"}}).raise_for_status()
    county.told(first, "completed", outcome="granted")
    for agency in (CIVIL_AFFAIRS, VERIFICATION):
        county.complete(receipt, agency)
    (told,) = told_to(county, HEALTHCARE, "handoff.dispatched")
    assert "health" in told["discloses"]
    assert told["person"]["facts"]["out_of_pocket_yuan"] == "48200.00"


def returned_to(county: County, department: str, **changes: Any) -> Seen:
    """Asked for medical help, which the township returns; it knows of income and illness."""
    receipt = county.ask("medical_assistance_applied", **changes)
    first = county.handoff(receipt, TOWNSHIP)
    (told,) = told_to(county, TOWNSHIP, "handoff.dispatched")
    assert {"income", "health"} <= set(told["discloses"])
    county.told(first, "returned", **{**NOT_OURS, "suggested_department": department})
    return receipt


def test_who_gets_it_by_a_return_is_shown_no_more_than_whoever_finds_out_whose_it_is(county: County) -> None:
    receipt = returned_to(county, "county_agri_rural")
    (told,) = told_to(county, AGRICULTURE, "handoff.dispatched")
    assert told["discloses"] == FOUND_OUT
    assert told["withheld"] == []
    assert "out_of_pocket_yuan" not in json.dumps(told["person"])
    office = county.running.client("agency", AGRICULTURE)
    seen = office.get(f"/v1/handoffs/{county.handoff(receipt, AGRICULTURE)['handoff_id']}").json()
    assert (seen["discloses"], seen["person"]) == (FOUND_OUT, told["person"])
    items = county.coordinator.get(f"/v1/requests/{receipt['request_id']}/disclosures").json()["items"]
    assert {group["code"] for each in items if each["agency"] == AGRICULTURE for group in each["shown"]} == {*FOUND_OUT}


def test_a_charity_that_gets_it_by_a_return_is_shown_nobody_who_did_not_agree(county: County) -> None:
    returned_to(county, "county_charity_fed", consents=[a_consent(purpose, "applicant") for purpose in PURPOSES[:-1]])
    (told,) = told_to(county, CHARITY, "handoff.dispatched")
    assert (told["discloses"], told["withheld"]) == ([], FOUND_OUT)
    assert "测试甲" not in json.dumps(told, ensure_ascii=False)


def test_a_ruling_opens_what_the_part_needs_to_whom_it_binds(county: County) -> None:
    receipt = returned_to(county, "county_agri_rural")
    second = county.handoff(receipt, AGRICULTURE)
    county.told(second, "returned", **{**NOT_OURS, "suggested_department": "county_housing"})
    body = {"agency": AGRICULTURE, "reason": "由农业农村部门牵头", "legal_basis": "县政府会议纪要"}
    county.coordinator.post(f"/v1/handoffs/{second['handoff_id']}/ruling", json=body).raise_for_status()
    *_, told = told_to(county, AGRICULTURE, "handoff.dispatched")
    assert {"income", "health"} <= set(told["discloses"])


def test_who_passed_it_on_reaches_its_consents_and_its_emergency_no_more(county: County) -> None:
    receipt = returned_to(county, "county_agri_rural")
    path = f"/v1/requests/{receipt['request_id']}"
    consent = a_consent("medical_data", "applicant")
    for agency, status in ((TOWNSHIP, 404), (AGRICULTURE, 200)):
        office = county.running.client("agency", agency)
        assert office.get(f"{path}/consents").status_code == status
        assert office.post(f"{path}/consents", json={"consents": [consent]}).status_code == status
        withdrawn = office.post(f"{path}/consents/1/withdraw", json={"reason": "本人要求"})
        assert withdrawn.status_code == status
