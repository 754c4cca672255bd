"""Who is only informed: it is told and may sign, keeps nobody waiting, and owes no answer."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.tables import delivery
from tests.county import CIVIL_AFFAIRS, EDUCATION, TOWNSHIP, VILLAGE, County
from tests.versions import Clerk, rule_of
from tests.watching import fetch

FAST = "temp_aid_fast"


def told(county: County, agency: str) -> list[str]:
    """The types of the messages that are queued for an agency."""
    wanted = select(delivery.c.type).where(delivery.c.receiver == agency).order_by(delivery.c.id)
    return [row["type"] for row in fetch(county.running.url, wanted)]


def test_the_fast_emergency_aid_informs_civil_affairs(county: County) -> None:
    receipt = county.ask(FAST)
    handoff = county.handoff(receipt, CIVIL_AFFAIRS)
    assert (handoff["role"], handoff["status"], handoff["mandatory"]) == ("informed", "dispatched", False)
    assert handoff["sign_in_due"]
    assert (handoff["accept_due"], handoff["complete_due"]) == (None, None)
    assert told(county, CIVIL_AFFAIRS) == ["handoff.dispatched"]


def test_the_lead_is_not_kept_and_the_request_closes_without_its_answer(county: County) -> None:
    receipt = county.ask(FAST)
    county.complete(receipt, VILLAGE)
    county.complete(receipt, TOWNSHIP)
    request = county.request(receipt)
    assert request["status"] == "closed"
    handoff = county.handoff(receipt, CIVIL_AFFAIRS)
    assert (handoff["status"], handoff["reason"]) == ("cancelled", "request_closed")
    assert handoff["closed_at"] == request["closed_at"]
    kinds = [each["kind"] for each in county.events(receipt)]
    assert kinds[-2:] == ["request.closed", "handoff.cancelled"]
    late = county.report(handoff, "received")
    assert (late.status_code, late.json()["code"]) == (409, "move_not_allowed")
    assert county.request(receipt) == request


@pytest.mark.parametrize("reports", [("received",), ("received", "accepted"), ("received", "accepted", "completed")])
def test_what_it_reports_does_not_move_the_request(county: County, reports: tuple[str, ...]) -> None:
    receipt = county.ask(FAST)
    handoff = county.handoff(receipt, CIVIL_AFFAIRS)
    county.told(handoff, *reports, **({"outcome": "not_granted"} if "completed" in reports else {}))
    assert county.request(receipt)["status"] == "routed", "who is informed has not begun the work"
    county.complete(receipt, VILLAGE)
    county.complete(receipt, TOWNSHIP)
    assert county.request(receipt)["status"] == "closed"
    last = county.handoff(receipt, CIVIL_AFFAIRS)
    expected = ("completed", None) if "completed" in reports else ("cancelled", "request_closed")
    assert (last["status"], last["reason"]) == expected


def test_the_request_stays_open_for_the_others_and_keeps_it_informed(county: County) -> None:
    receipt = county.ask(FAST)
    county.complete(receipt, TOWNSHIP)
    assert county.request(receipt)["status"] == "in_progress", "the village has its part in hand"
    assert county.handoff(receipt, CIVIL_AFFAIRS)["status"] == "dispatched"


def test_a_return_by_it_is_no_dispute(county: County) -> None:
    receipt = county.ask(FAST)
    returned = {"reason_code": "duplicate", "legal_basis": "x", "suggested_department": "township_gov"}
    county.told(county.handoff(receipt, CIVIL_AFFAIRS), "returned", **returned)
    assert county.request(receipt)["status"] == "routed"
    county.complete(receipt, VILLAGE)
    county.complete(receipt, TOWNSHIP)
    assert county.request(receipt)["status"] == "closed"


def test_a_withdrawal_is_told_to_it(county: County) -> None:
    receipt = county.ask(FAST)
    answer = county.window.post(f"/v1/requests/{receipt['request_id']}/withdraw", json={})
    assert answer.status_code == 200
    handoff = county.handoff(receipt, CIVIL_AFFAIRS)
    assert (handoff["status"], handoff["reason"]) == ("cancelled", "withdrawn")
    assert told(county, CIVIL_AFFAIRS) == ["handoff.dispatched", "handoff.cancelled"]


def test_no_step_waits_for_it(county: County) -> None:
    def inform_first(rows: list[dict[str, str]]) -> None:
        rule_of(rows, "45")["step"] = "2"
        rule_of(rows, "47")["role"] = "informed"

    version = Clerk(county.running).publish_edited(inform_first)
    receipt = county.ask("education_aid", facts={})
    assert receipt["decision"]["version"] == version
    assert (county.handoff(receipt, CIVIL_AFFAIRS)["role"], county.handoff(receipt, EDUCATION)["step"]) == (
        "informed",
        2,
    )
    assert set(county.statuses(receipt).values()) == {"dispatched"}
    county.complete(receipt, "360803-school")
    county.complete(receipt, EDUCATION)
    assert county.request(receipt)["status"] == "closed"
