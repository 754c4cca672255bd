"""A request is lifted when agencies have done, returned or lost their parts already: they are told all the same."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest
from sqlalchemy import select

from app.tables import delivery, emergency_watch
from tests.county import CIVIL_AFFAIRS, EDUCATION, TOWNSHIP, VILLAGE, County, Seen
from tests.test_chain import board, part
from tests.test_debts import lift
from tests.test_emergencies import COORDINATOR, PERSON, alarm
from tests.test_returns import FINANCE, NOT_OURS
from tests.test_rulings import acted, disputes
from tests.watching import fetch

UNCLEAR = {"reason_code": "duplicate", "legal_basis": "三定方案"}


@pytest.fixture
def receipt(county: County) -> Seen:
    """What a danger is about, and another need, which keeps the request open."""
    return county.ask("temp_aid_fast", "education_aid")


def alarmed(county: County) -> Counter[str]:
    """How often each agency was sent an emergency."""
    sent = select(delivery.c.receiver).where(delivery.c.type == "emergency.dispatched")
    return Counter(each["receiver"] for each in fetch(county.running.url, sent))


def lifted(county: County, receipt: Seen) -> Seen:
    view: Seen = lift(county, receipt).raise_for_status().json()
    return view


def test_who_returned_it_gets_the_same_handoff_again_and_its_dispute_is_over(county: County, receipt: Seen) -> None:
    lead = county.handoff(receipt, TOWNSHIP, "temp_aid_fast")
    county.told(lead, "returned", **UNCLEAR)
    assert county.request(receipt)["status"] == "disputed"
    assert lifted(county, receipt)["status"] == "routed"
    again = county.handoff(receipt, TOWNSHIP, "temp_aid_fast")
    same = ("handoff_id", "role", "mandatory", "step")
    assert {name: again[name] for name in same} == {name: lead[name] for name in same}
    assert (again["status"], again["reason"], again["closed_at"]) == ("dispatched", None, None)
    assert alarmed(county)[TOWNSHIP] == 1
    assert [each["why"] for each in disputes(county, state="withdrawn")] == ["for_coordinator"]
    assert disputes(county, state="open") == []
    assert part(county, receipt)["next"], "it is waited for, and the chain stands behind it"
    county.told(again, "returned", **UNCLEAR)
    assert len(disputes(county, state="open")) == 1, "it can be disputed anew"


def test_who_returned_it_to_another_stands_behind_it_and_need_not(county: County, receipt: Seen) -> None:
    county.told(county.handoff(receipt, TOWNSHIP, "temp_aid_fast"), "returned", **NOT_OURS)
    lifted(county, receipt)
    again, leads = (county.handoff(receipt, agency, "temp_aid_fast") for agency in (TOWNSHIP, FINANCE))
    assert (again["status"], again["role"], again["mandatory"]) == ("dispatched", "co_handler", False)
    assert (leads["status"], leads["role"], leads["mandatory"]) == ("dispatched", "lead", True)
    assert alarmed(county)[TOWNSHIP] == alarmed(county)[FINANCE] == 1
    county.told(again, "returned", **UNCLEAR)
    assert disputes(county, state="open") == [], "nobody has to take what it need not do"


def test_what_a_coordinator_had_cancelled_is_given_out_again(county: County, receipt: Seen) -> None:
    acted(county, county.handoff(receipt, VILLAGE, "temp_aid_fast"), "cancel", reason="重复")
    lead = county.handoff(receipt, TOWNSHIP, "temp_aid_fast")
    acted(county, lead, "cancel", reason="已办过", without_successor=True)
    lifted(county, receipt)
    seen = {h["agency"]: (h["status"], h["role"]) for h in board_parts(county, receipt)}
    assert seen[TOWNSHIP] == ("dispatched", "lead")
    assert seen[VILLAGE] == ("dispatched", "co_handler")
    assert COORDINATOR not in seen, "somebody acts"


def board_parts(county: County, receipt: Seen) -> list[Seen]:
    return [each for each in board(county, receipt)["agencies"] if each["need"] == "temp_aid_fast"]


def test_what_was_completed_stays_so_its_agency_is_told_and_the_coordinator_has_to_act(
    county: County, receipt: Seen
) -> None:
    for agency in (VILLAGE, TOWNSHIP):
        county.complete(receipt, agency, need="temp_aid_fast")
    before = county.handoff(receipt, TOWNSHIP, "temp_aid_fast")
    lifted(county, receipt)
    assert county.handoff(receipt, TOWNSHIP, "temp_aid_fast") == before
    assert (alarmed(county)[TOWNSHIP], alarmed(county)[COORDINATOR]) == (1, 1)
    told = [each["data"] for each in county.events(receipt) if each["kind"] == "emergency.told"]
    assert {TOWNSHIP, VILLAGE} <= {each["agency"] for each in told}
    assert all(each["groups"] for each in told), "what it was shown is on record"
    inbox = county.running.client("agency", VILLAGE).get("/v1/handoffs?wait=0").raise_for_status().json()["items"]
    assert [each["told"] for each in inbox] == ["emergency.dispatched"]
    added = county.handoff(receipt, COORDINATOR, "temp_aid_fast")
    assert (added["status"], added["role"], added["mandatory"]) == ("dispatched", "co_handler", True)
    watched = select(emergency_watch.c.due_at).where(emergency_watch.c.handoff_id == UUID(before["handoff_id"]))
    assert fetch(county.running.url, watched) in ([{"due_at": None}], []), "nobody waits for it"
    seen = {each["agency"]: each["red"] for each in board_parts(county, receipt)}
    assert not seen[TOWNSHIP]
    assert not seen[CIVIL_AFFAIRS]


def test_where_only_the_helper_had_completed_its_part_the_lead_acts(county: County, receipt: Seen) -> None:
    county.complete(receipt, VILLAGE, need="temp_aid_fast")
    lifted(county, receipt)
    assert {h["agency"] for h in board_parts(county, receipt)} == {VILLAGE, TOWNSHIP, CIVIL_AFFAIRS}
    assert alarmed(county)[VILLAGE] == 1


def test_that_the_same_person_was_helped_this_year_is_shown_when_a_request_is_lifted(county: County) -> None:
    applicant = {**PERSON, "phone": "13800000000"}
    asked = county.ask("education_aid", applicant=applicant)
    assert lifted(county, asked)["warnings"] == [], "it is the first"
    first = alarm(county, kind="fire", applicant=PERSON)
    assert first["warnings"] == []
    second = county.ask("education_aid", applicant=applicant)
    for _ in range(2):
        (warning,) = lifted(county, second)["warnings"]
        assert (warning["pointer"], warning["code"]) == ("/applicant/id_number", "helped_before")
        assert asked["receipt_number"] in warning["detail_zh"]
        assert first["receipt_number"] not in warning["detail_zh"], "that was for another need"
        assert second["receipt_number"] not in warning["detail_zh"]
    (warning,) = lifted(county, asked)["warnings"]
    assert second["receipt_number"] in warning["detail_en"]


def test_an_agency_that_lifts_learns_only_of_requests_that_it_has_a_part_in(county: County) -> None:
    applicant = {**PERSON, "phone": "13800000000"}
    first = alarm(county, kind="hunger", applicant=PERSON)
    asked = county.ask("education_aid", applicant=applicant)

    def warned(agency: str) -> str:
        answer = lift(county, asked, county.running.client("agency", agency)).raise_for_status().json()
        return str(answer["warnings"])

    assert warned(EDUCATION) == "[]"
    assert first["receipt_number"] in warned(TOWNSHIP)
    county.told(county.handoff(first, TOWNSHIP), "returned", **NOT_OURS)
    assert warned(TOWNSHIP) == "[]", "it passed that on"
