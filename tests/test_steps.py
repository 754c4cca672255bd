"""Steps: what opens when, what stops, and where a request stands while its agencies work."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from app import registry
from app.identifiers import now as at_now
from app.tables import delivery, event, help_request, revision, routing_table, rule
from tests.county import CIVIL_AFFAIRS, EDUCATION, HEALTHCARE, TOWNSHIP, VERIFICATION, VILLAGE, County, Seen
from tests.watching import change, fetch, until

ALLOWANCE = "minimum_living_allowance"


def messages(county: County, type_: str) -> list[str]:
    """The agencies that a message of a type is queued for."""
    wanted = select(delivery.c.receiver).where(delivery.c.type == type_).order_by(delivery.c.id)
    return [row["receiver"] for row in fetch(county.running.url, wanted)]


def test_the_allowance_goes_by_the_township_then_verification_then_civil_affairs(county: County) -> None:
    receipt = county.ask(ALLOWANCE)
    sent, waits = {TOWNSHIP: "dispatched", VILLAGE: "dispatched"}, {VERIFICATION: "waiting", CIVIL_AFFAIRS: "waiting"}
    assert county.statuses(receipt) == sent | waits
    assert messages(county, "handoff.dispatched") == [TOWNSHIP, VILLAGE]
    county.complete(receipt, TOWNSHIP)
    assert county.statuses(receipt)[VERIFICATION] == "dispatched", "the village is not mandatory"
    assert county.statuses(receipt)[CIVIL_AFFAIRS] == "waiting"
    county.complete(receipt, VERIFICATION)
    lead = county.handoff(receipt, CIVIL_AFFAIRS)
    assert lead["status"] == "dispatched"
    assert lead["dispatched_at"] > receipt["registered_at"]
    assert lead["complete_due"], "its clocks run from its dispatch"
    assert county.request(receipt)["status"] == "in_progress"
    county.complete(receipt, CIVIL_AFFAIRS)
    county.complete(receipt, VILLAGE)
    assert county.request(receipt)["status"] == "closed"


def test_the_agencies_of_one_step_work_side_by_side_and_the_next_step_waits_for_all_of_them(county: County) -> None:
    receipt = county.ask("medical_assistance_applied")
    county.complete(receipt, TOWNSHIP)
    assert county.statuses(receipt) == {
        TOWNSHIP: "completed",
        CIVIL_AFFAIRS: "dispatched",
        VERIFICATION: "dispatched",
        HEALTHCARE: "waiting",
    }
    county.complete(receipt, VERIFICATION)
    assert county.statuses(receipt)[HEALTHCARE] == "waiting"
    county.complete(receipt, CIVIL_AFFAIRS)
    assert county.statuses(receipt)[HEALTHCARE] == "dispatched"


def test_a_lead_can_not_complete_while_a_mandatory_co_handler_of_its_step_is_open(county: County) -> None:
    receipt = county.ask("undetermined")
    lead, co_handler = county.handoff(receipt, TOWNSHIP), county.handoff(receipt, CIVIL_AFFAIRS)
    county.told(lead, "accepted")
    answer = county.report(lead, "completed", outcome="granted")
    assert (answer.status_code, answer.json()["code"]) == (409, "co_handlers_open")
    assert answer.json()["waiting_for"] == [co_handler["handoff_id"]]
    county.complete(receipt, CIVIL_AFFAIRS)
    county.told(lead, "completed", outcome="granted")
    assert county.request(receipt)["status"] == "closed"


def publish_joined_table(url: str) -> int:
    """A new version, in force at once: education leads a step with a mandatory and a free co-handler; finance comes
    after. Its number."""
    newest = select(func.max(routing_table.c.version)).scalar_subquery()
    of_newest = select(rule).where(rule.c.version == newest, rule.c.need == "education_aid", rule.c.role == "lead")
    (model,) = fetch(url, of_newest)
    seats = [
        {"department": "county_education", "role": "lead", "step": 1, "mandatory": True},
        {"department": "school", "role": "co_handler", "step": 1, "mandatory": True},
        {"department": "county_dpf", "role": "co_handler", "step": 1, "mandatory": False},
        {"department": "county_finance", "role": "co_handler", "step": 2, "mandatory": False},
    ]
    version = model["version"] + 1
    rows = [{**model, **seat, "version": version, "number": number} for number, seat in enumerate(seats, start=1)]
    at = at_now()
    table = {"version": version, "state": "published", "effective_from": at, "published_at": at, "checksum": bytes(32)}
    table |= {"source": "a test", "created_at": at, "created_by": "a test"}
    moved = update(revision).where(revision.c.name == registry.REVISION).values(value=revision.c.value + 1)
    change(url, insert(routing_table).values(table), insert(rule).values(rows), moved)
    return int(version)


def test_a_lead_joins_its_step_and_what_still_waits_then_is_not_sent_any_more(county: County) -> None:
    version = publish_joined_table(county.running.url)
    receipt = until(
        lambda: seen if (seen := county.ask("education_aid"))["decision"]["version"] == version else None,
        what="the new routing table",
    )
    lead = county.handoff(receipt, EDUCATION)
    county.told(lead, "accepted")
    answer = county.report(lead, "completed", outcome="granted").json()
    assert answer["waiting_for"] == [county.handoff(receipt, "360803-school")["handoff_id"]]
    county.complete(receipt, "360803-school", "not_granted")
    assert county.statuses(receipt)["360803-finance"] == "waiting"
    county.told(lead, "completed", outcome="granted")
    finance = county.handoff(receipt, "360803-finance")
    assert (finance["status"], finance["reason"]) == ("cancelled", "lead_completed")
    assert county.request(receipt)["status"] == "in_progress", "the free co-handler's work goes on"
    county.complete(receipt, "360803-dpf")
    assert county.request(receipt)["status"] == "closed"


def test_a_request_keeps_the_routing_table_that_decided_it(county: County) -> None:
    receipt = county.ask("education_aid")
    version = publish_joined_table(county.running.url)
    until(lambda: county.ask("education_aid")["decision"]["version"] == version, what="the new routing table")
    county.complete(receipt, EDUCATION)
    assert county.request(receipt)["routing_version"] == receipt["decision"]["version"] != version
    assert county.handoff(receipt, EDUCATION)["outcome"] == "granted"


def test_a_step_that_was_not_granted_stops_what_waits_and_the_request_closes(county: County) -> None:
    receipt = county.ask(ALLOWANCE)
    county.complete(receipt, VILLAGE)
    county.complete(receipt, TOWNSHIP, "not_granted")
    for agency in (VERIFICATION, CIVIL_AFFAIRS):
        stopped = county.handoff(receipt, agency)
        assert (stopped["status"], stopped["reason"]) == ("cancelled", "earlier_step_not_granted")
        assert stopped["closed_at"]
    assert county.request(receipt)["status"] == "closed"
    assert messages(county, "handoff.cancelled") == [], "who was never told is not told that it is over"
    assert {each["kind"] for each in county.events(receipt)} >= {"handoff.cancelled", "request.closed"}


def test_a_co_handler_that_is_not_mandatory_stops_nothing(county: County) -> None:
    receipt = county.ask(ALLOWANCE)
    county.complete(receipt, VILLAGE, "not_granted")
    county.complete(receipt, TOWNSHIP, "partly_granted")
    assert county.statuses(receipt)[VERIFICATION] == "dispatched"


def test_one_need_that_fails_leaves_the_others_alone(county: County) -> None:
    receipt = county.ask(ALLOWANCE, "medical_assistance_applied")
    county.complete(receipt, TOWNSHIP, "not_granted", need=ALLOWANCE)
    county.complete(receipt, TOWNSHIP, need="medical_assistance_applied")
    assert county.handoff(receipt, VERIFICATION, "medical_assistance_applied")["status"] == "dispatched"
    assert county.handoff(receipt, VERIFICATION, ALLOWANCE)["status"] == "cancelled"
    assert county.request(receipt)["status"] == "in_progress"


def test_a_withdrawal_cancels_everything_and_tells_those_who_were_told(county: County) -> None:
    receipt = county.ask("medical_assistance_applied")
    county.told(county.handoff(receipt, TOWNSHIP), "accepted")
    path = f"/v1/requests/{receipt['request_id']}/withdraw"
    first = county.window.post(path, json={"reason": "家里已经想出办法"})
    assert (first.status_code, first.json()["status"]) == (200, "withdrawn")
    assert {(each["status"], each["reason"]) for each in first.json()["handoffs"]} == {("cancelled", "withdrawn")}
    assert messages(county, "handoff.cancelled") == [TOWNSHIP]
    events = len(county.events(receipt))
    assert county.events(receipt)[-1]["note"] == {"reason": "家里已经想出办法"}
    second = county.window.post(path, json={"reason": "noch einmal"})
    assert (second.status_code, second.content) == (200, first.content)
    assert len(county.events(receipt)) == events
    assert messages(county, "handoff.cancelled") == [TOWNSHIP]


def test_a_closed_request_can_not_be_withdrawn_or_added_to(county: County) -> None:
    receipt = county.ask("undetermined")
    county.complete(receipt, CIVIL_AFFAIRS)
    county.complete(receipt, TOWNSHIP)
    assert county.request(receipt)["closed_at"]
    path = f"/v1/requests/{receipt['request_id']}"
    for answer in (
        county.window.post(f"{path}/withdraw", json={}),
        county.window.post(f"{path}/supplements", json={"note": "too late"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "already_closed")
    assert county.request(receipt)["status"] == "closed"


def test_the_timeline_tells_the_whole_way_in_order(county: County) -> None:
    receipt = county.ask("undetermined")
    county.complete(receipt, CIVIL_AFFAIRS)
    county.complete(receipt, TOWNSHIP)
    events = county.events(receipt)
    assert [each["sequence"] for each in events] == list(range(1, len(events) + 1))
    assert [each["kind"] for each in events] == [
        "request.registered",
        "handoff.dispatched",
        "handoff.dispatched",
        "request.routed",
        "handoff.received",
        "request.in_progress",
        "handoff.accepted",
        "handoff.completed",
        "handoff.received",
        "handoff.accepted",
        "handoff.completed",
        "request.closed",
    ]
    assert len({each["hash"] for each in events}) == len(events)
    assert [each["at"] for each in events] == sorted(each["at"] for each in events)


@pytest.mark.parametrize(
    ("table", "forged"),
    [
        (event, {"kind": "handoff.dispatched"}),
        (event, {"actor": "key:nobody"}),
        (event, {"data": {"outcome": "granted"}}),
        (event, {"sealed": b"\x00{}"}),
        (event, {"hash": bytes(32)}),
        (event, {"at": at_now()}),
        (help_request, {"head": bytes(32)}),
    ],
)
def test_a_changed_event_shows(county: County, table: Any, forged: dict[str, Any]) -> None:
    receipt = county.ask("undetermined")
    county.complete(receipt, CIVIL_AFFAIRS, "not_granted")
    county.events(receipt)  # asserts that the timeline is intact
    which = event.c.kind == "handoff.completed" if table is event else help_request.c.head.is_not(None)
    assert change(county.running.url, update(table).where(which).values(forged)) == 1
    timeline = county.coordinator.get(f"/v1/requests/{receipt['request_id']}/timeline").json()
    assert timeline["intact"] is False


def test_a_removed_event_shows(county: County) -> None:
    receipt = county.ask("undetermined")
    last = len(county.events(receipt))
    change(county.running.url, event.delete().where(event.c.sequence == last))
    timeline = county.coordinator.get(f"/v1/requests/{receipt['request_id']}/timeline").json()
    assert timeline["intact"] is False


def test_where_a_request_stands_follows_from_its_handoffs(county: County) -> None:
    def stands(receipt: Seen) -> str:
        return str(county.request(receipt)["status"])

    receipt = county.ask("undetermined", "temp_aid_fast")
    assert stands(receipt) == "routed"
    lead = county.handoff(receipt, TOWNSHIP, "temp_aid_fast")
    county.told(lead, "received")
    assert stands(receipt) == "in_progress"
    county.told(lead, "accepted", "information_requested", materials=["身份证"])
    assert stands(receipt) == "awaiting_applicant"
    county.told(lead, "resumed")
    assert stands(receipt) == "in_progress"
    returned = {"reason_code": "not_my_duty", "legal_basis": "x", "suggested_department": "county_civil_affairs"}
    county.told(lead, "returned", **returned)
    assert stands(receipt) == "disputed", "civil affairs has that need already"
