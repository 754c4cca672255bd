"""Disputes and what a coordinator does: rules, once and for all, reassigns, urges, cancels, extends."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.delivery.lanes import Priority
from app.tables import delivery, dispute
from tests.county import CIVIL_AFFAIRS, EDUCATION, HEALTHCARE, TOWNSHIP, VERIFICATION, VILLAGE, County, Seen, now
from tests.test_returns import FINANCE, NOT_OURS, told_to
from tests.versions import TABLES
from tests.watching import change, fetch, until

HOUSING = "360803-housing"
LAW = {"reason": "救助资金由财政安排", "legal_basis": "社会救助暂行办法"}


def act(county: County, handoff: Seen, which: str, /, headers: dict[str, str] | None = None, **body: Any) -> Any:
    return county.coordinator.post(f"/v1/handoffs/{handoff['handoff_id']}/{which}", json=body, headers=headers)


def acted(county: County, handoff: Seen, which: str, /, **body: Any) -> Seen:
    answer = act(county, handoff, which, **body)
    assert answer.status_code == 200, answer.text
    done: Seen = answer.json()
    return done


def refused(answer: httpx.Response, status: int, code: str) -> Seen:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    problem: Seen = answer.json()
    return problem


def disputes(county: County, **asked: str) -> list[Seen]:
    answer = county.coordinator.get("/v1/disputes", params=asked)
    assert answer.status_code == 200, answer.text
    items: list[Seen] = answer.json()["items"]
    return items


def kinds(county: County, receipt: Seen) -> list[str]:
    return [each["kind"] for each in county.events(receipt)]


@pytest.fixture
def disputed(county: County) -> Seen:
    """The township returned its lead to finance, and finance returned it."""
    receipt = county.ask("temp_aid_fast")
    county.told(county.handoff(receipt, TOWNSHIP), "returned", **NOT_OURS)
    again = {**NOT_OURS, "legal_basis": "预算法", "suggested_department": "township_gov"}
    county.told(county.handoff(receipt, FINANCE), "returned", **again)
    return receipt


def test_a_second_return_opens_one_dispute_with_what_everybody_said(county: County, disputed: Seen) -> None:
    (seen,) = disputes(county, state="open")
    assert (seen["why"], seen["state"], seen["ruling"]) == ("second_return", "open", None)
    assert (seen["receipt_number"], seen["need"]["code"]) == (disputed["receipt_number"], "temp_aid_fast")
    said = [(each["agency"], each["legal_basis"], each["suggested_department"]) for each in seen["said"]]
    assert said == [(TOWNSHIP, "三定方案", "county_finance"), (FINANCE, "预算法", "township_gov")]
    assert all(each["phone"] and each["sent_by_legal_basis"] for each in seen["said"])
    assert kinds(county, disputed)[-3:] == ["handoff.returned", "handoff.disputed", "request.disputed"]
    auditor = county.running.client("auditor").get("/v1/disputes").json()["items"]
    assert [each["legal_basis"] for each in auditor[0]["said"]] == [None, None], "words that may name somebody"
    assert disputes(county, state="ruled") == []


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"reason_code": "wrong_area"}, "no_department"),
        ({"reason_code": "duplicate"}, "for_coordinator"),
        ({"reason_code": "recognised_elsewhere", "suggested_department": "county_housing"}, "for_coordinator"),
        ({"reason_code": "applicant_withdrew"}, "for_coordinator"),
        ({"reason_code": "needs_joint", "suggested_department": "county_housing"}, "for_coordinator"),
        ({"reason_code": "not_my_duty", "suggested_department": "township_gov"}, "had_it_already"),
    ],
)
def test_a_first_return_that_no_other_agency_can_mend_is_the_coordinators(
    county: County, said: dict[str, str], why: str
) -> None:
    receipt = county.ask("temp_aid_fast")
    county.told(county.handoff(receipt, TOWNSHIP), "returned", legal_basis="三定方案", **said)
    (seen,) = disputes(county)
    assert seen["why"] == why
    assert county.request(receipt)["status"] == "disputed"


def test_an_agency_that_rests_is_given_nothing(county: County) -> None:
    path = f"/v1/agencies/{FINANCE}"
    tag = county.coordinator.get(path).headers["etag"]
    county.coordinator.patch(path, json={"active": False}, headers={"If-Match": tag}).raise_for_status()

    def refusal(named: dict[str, str]) -> httpx.Response | None:
        lead = county.handoff(county.ask("temp_aid_fast"), TOWNSHIP)
        answer = act(county, lead, "reassign", reason="x", **named)
        return answer if answer.status_code != 200 else None

    for named, code in (({"agency": FINANCE}, "agency_inactive"), ({"department": "county_finance"}, "no_agency")):
        problem = refused(until(lambda named=named: refusal(named)), 422, "validation_failed")  # type: ignore[misc]
        assert [each["code"] for each in problem["errors"]] == [code]
    county.told(county.handoff(county.ask("temp_aid_fast"), TOWNSHIP), "returned", **NOT_OURS)
    assert [each["why"] for each in disputes(county)] == ["no_agency"]


def test_an_area_that_is_wrong_may_name_who_takes_it(county: County) -> None:
    receipt = county.ask("temp_aid_fast")
    county.told(county.handoff(receipt, TOWNSHIP), "returned", **{**NOT_OURS, "reason_code": "wrong_area"})
    assert county.statuses(receipt)[FINANCE] == "dispatched"
    assert disputes(county) == []


@pytest.mark.parametrize("reason", ["not_my_duty", "needs_joint"])
def test_whose_duty_it_is_then_has_to_be_said(county: County, reason: str) -> None:
    receipt = county.ask("temp_aid_fast")
    answer = county.report(county.handoff(receipt, TOWNSHIP), "returned", reason_code=reason, legal_basis="x")
    (error,) = refused(answer, 422, "validation_failed")["errors"]
    assert error["pointer"] == "/data/suggested_department"


def test_missing_materials_are_no_ground_for_a_return(county: County) -> None:
    receipt = county.ask("temp_aid_fast")
    said = {**NOT_OURS, "reason_code": "materials_missing"}
    (error,) = refused(county.report(county.handoff(receipt, TOWNSHIP), "returned", **said), 422, "validation_failed")[
        "errors"
    ]
    assert (error["pointer"], error["code"]) == ("/data/reason_code", "materials_missing_is_no_ground")
    assert "handoff.information_requested" in error["detail"]
    assert county.statuses(receipt)[TOWNSHIP] == "dispatched"


def test_a_return_while_a_dispute_is_open_joins_it(county: County) -> None:
    receipt = county.ask("medical_assistance_applied")
    for agency in (TOWNSHIP,):
        county.complete(receipt, agency)
    before = county.request(receipt)["handoffs"]
    open_now = [each for each in before if each["status"] == "dispatched" and each["mandatory"]]
    assert len(open_now) >= 2, "they stand side by side"
    for each in open_now[:2]:
        county.told(each, "returned", reason_code="duplicate", legal_basis="x")
    (seen,) = disputes(county)
    assert [each["agency"] for each in seen["said"]] == [each["agency"] for each in open_now[:2]]
    (row,) = fetch(county.running.url, select(dispute))
    assert row["handoffs"] == [each["handoff_id"] for each in open_now[:2]]
    acted(county, open_now[0], "ruling", agency=open_now[0]["agency"], **LAW)
    assert [each["state"] for each in disputes(county)] == ["open"], "one of them still has to be ruled on"
    acted(county, open_now[1], "ruling", agency=open_now[1]["agency"], **LAW)
    assert [each["state"] for each in disputes(county)] == ["ruled"]
    assert county.request(receipt)["status"] == "in_progress"


def test_a_ruling_gives_it_to_another_agency_and_binds_it(county: County, disputed: Seen) -> None:
    done = acted(county, county.handoff(disputed, FINANCE), "ruling", agency=HOUSING, **LAW)
    housing = county.handoff(disputed, HOUSING)
    assert (done["successor"], done["handoff"]["replaced_by"]) == (housing, housing["handoff_id"])
    assert (housing["status"], housing["role"]) == ("dispatched", "lead")
    assert done["request_status"] == county.request(disputed)["status"] != "disputed"
    (told,) = told_to(county, HOUSING, "handoff.dispatched")
    assert told["handoff_id"] == housing["handoff_id"]
    assert told["given"] == {"act": "ruled", **LAW}, "it hears why it gets it"
    for agency in (TOWNSHIP, FINANCE):
        (ended,) = told_to(county, agency, "handoff.cancelled")
        returned = county.handoff(disputed, agency)["handoff_id"]
        assert (ended["handoff_id"], ended["reason"]) == (returned, "ruled"), "who returned it hears that it is settled"
    (seen,) = disputes(county, state="ruled")
    ruling = seen["ruling"]
    assert (ruling["agency"], ruling["reason"], ruling["legal_basis"]) == (HOUSING, *LAW.values())
    assert ruling["by"].startswith("key:") or "coordinator" in ruling["by"]

    problem = refused(county.report(housing, "returned", **NOT_OURS), 409, "bound_by_ruling")
    assert ruling["by"] in problem["detail"]
    assert ruling["at"][:16] in problem["detail"]
    assert "handoff.returned" not in problem["allowed"]
    answer = county.told(housing, "received")
    assert answer["allowed"] == ["handoff.accepted"]
    county.told(housing, "accepted", "completed", outcome="granted")
    county.complete(disputed, VILLAGE)
    assert county.request(disputed)["status"] == "closed"


@pytest.mark.parametrize("agency", [TOWNSHIP, FINANCE], ids=["who had it first", "who returned it last"])
def test_a_ruling_may_say_that_it_stays_with_one_that_returned_it(county: County, disputed: Seen, agency: str) -> None:
    before = county.handoff(disputed, agency)
    acted(county, county.handoff(disputed, FINANCE), "ruling", agency=agency, **LAW)
    after = county.handoff(disputed, agency)
    assert after["handoff_id"] == before["handoff_id"], "one handoff for each need"
    assert (after["status"], after["reason"], after["replaced_by"]) == ("dispatched", None, None)
    assert after["closed_at"] is None
    assert after["dispatched_at"] > before["dispatched_at"]
    assert told_to(county, agency, "handoff.dispatched")[-1]["handoff_id"] == after["handoff_id"]
    refused(county.report(after, "returned", **NOT_OURS), 409, "bound_by_ruling")
    county.complete(disputed, agency)
    county.complete(disputed, VILLAGE)
    assert county.request(disputed)["status"] == "closed"


def test_a_ruling_may_name_a_department(county: County, disputed: Seen) -> None:
    done = acted(county, county.handoff(disputed, FINANCE), "ruling", department="county_housing", **LAW)
    assert done["successor"]["agency"] == HOUSING


def test_one_that_was_only_informed_may_be_ruled_to_lead(county: County, disputed: Seen) -> None:
    before = county.handoff(disputed, CIVIL_AFFAIRS)
    acted(county, county.handoff(disputed, FINANCE), "ruling", agency=CIVIL_AFFAIRS, **LAW)
    after = county.handoff(disputed, CIVIL_AFFAIRS)
    assert (before["role"], after["role"], after["mandatory"]) == ("informed", "lead", True)
    assert after["handoff_id"] == before["handoff_id"]
    assert after["complete_due"]
    last = told_to(county, CIVIL_AFFAIRS, "handoff.dispatched")[-1]
    assert last["role"] == "lead"
    county.complete(disputed, CIVIL_AFFAIRS)


def test_a_lead_that_takes_a_co_handlers_part_over_stays_the_lead_and_goes_on(county: County) -> None:
    receipt = county.ask("undetermined")
    lead = county.handoff(receipt, TOWNSHIP)
    county.told(lead, "received", "accepted")
    county.told(county.handoff(receipt, CIVIL_AFFAIRS), "returned", reason_code="duplicate", legal_basis="x")
    refused(county.report(lead, "completed", outcome="granted"), 409, "co_handlers_open")
    acted(county, county.handoff(receipt, CIVIL_AFFAIRS), "ruling", agency=TOWNSHIP, **LAW)
    after = county.handoff(receipt, TOWNSHIP)
    assert (after["status"], after["role"]) == ("in_progress", "lead")
    assert len(told_to(county, TOWNSHIP, "handoff.dispatched")) == 2
    county.told(lead, "completed", outcome="granted")


def test_the_next_step_goes_on_after_a_ruling(county: County) -> None:
    receipt = county.ask("medical_assistance_applied")
    first = county.handoff(receipt, TOWNSHIP)
    county.told(first, "returned", reason_code="duplicate", legal_basis="x")
    acted(county, first, "cancel", reason="已由村委会核实")
    assert county.statuses(receipt)[VERIFICATION] == "dispatched"
    assert county.statuses(receipt)[HEALTHCARE] == "waiting"
    (seen,) = disputes(county)
    assert (seen["state"], seen["ruling"]["agency"]) == ("ruled", None)


def test_a_second_ruling_is_told_who_ruled_when_and_whose_it_is(county: County, disputed: Seen) -> None:
    finance = county.handoff(disputed, FINANCE)
    acted(county, finance, "ruling", agency=TOWNSHIP, **LAW)
    by = disputes(county)[0]["ruling"]["by"]
    for agency in (TOWNSHIP, HOUSING):
        problem = refused(act(county, finance, "ruling", agency=agency, **LAW), 409, "already_ruled")
        assert by in problem["detail"]
        assert "Zhixia" in problem["detail"] or "Township" in problem["detail"] or "Town" in problem["detail"]


def test_what_is_not_disputed_is_not_ruled(county: County) -> None:
    receipt = county.ask("temp_aid_fast")
    lead = county.handoff(receipt, TOWNSHIP)
    problem = refused(act(county, lead, "ruling", agency=FINANCE, **LAW), 409, "act_not_allowed")
    assert problem["allowed"] == ["reassign", "urge", "cancel", "extend"]
    county.complete(receipt, VILLAGE)
    problem = refused(act(county, county.handoff(receipt, VILLAGE), "urge", note="x"), 409, "act_not_allowed")
    assert problem["allowed"] == []


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "", "agency_or_department"),
        ({"agency": FINANCE, "department": "county_finance"}, "", "agency_or_department"),
        ({"agency": "360803-finanze"}, "/agency", "unknown_agency"),
        ({"department": "finance"}, "/department", "unknown_department"),
        ({"agency": FINANCE, "reason": ""}, "/reason", "string_too_short"),
        ({"agency": FINANCE, "legal_basis": None}, "/legal_basis", "string_type"),
    ],
)
def test_a_ruling_names_somebody_who_exists_and_its_law(
    county: County, disputed: Seen, body: dict[str, Any], pointer: str, code: str
) -> None:
    answer = act(county, county.handoff(disputed, FINANCE), "ruling", **{**LAW, **body})
    errors = [(each["pointer"], each["code"]) for each in refused(answer, 422, "validation_failed")["errors"]]
    assert errors == [(pointer, code)]
    assert county.request(disputed)["status"] == "disputed"


def side_by_side(*calls: Callable[[], httpx.Response]) -> list[httpx.Response]:
    with ThreadPoolExecutor(len(calls)) as threads:
        return [each.result() for each in [threads.submit(call) for call in calls]]


def test_of_two_coordinators_who_rule_at_once_one_does(county: County, disputed: Seen) -> None:
    finance = county.handoff(disputed, FINANCE)
    other = county.running.client("coordinator")

    def rule(client: httpx.Client, agency: str) -> httpx.Response:
        path = f"/v1/handoffs/{finance['handoff_id']}/ruling"
        return client.post(path, json={"agency": agency, **LAW})

    done = side_by_side(lambda: rule(county.coordinator, TOWNSHIP), lambda: rule(other, HOUSING))
    assert sorted(each.status_code for each in done) == [200, 409]
    assert kinds(county, disputed).count("handoff.ruled") == 1
    (seen,) = disputes(county)
    winner = TOWNSHIP if done[0].status_code == 200 else HOUSING
    assert seen["ruling"]["agency"] == winner


def test_two_returns_at_once_are_one_dispute(county: County) -> None:
    receipt = county.ask("undetermined")
    said = {"reason_code": "duplicate", "legal_basis": "x"}
    pair = [county.handoff(receipt, agency) for agency in (TOWNSHIP, CIVIL_AFFAIRS)]
    done = side_by_side(*(lambda each=each: county.report(each, "returned", **said) for each in pair))  # type: ignore[misc]
    assert [each.status_code for each in done] == [200, 200]
    (row,) = fetch(county.running.url, select(dispute))
    assert set(row["handoffs"]) == {each["handoff_id"] for each in pair}


def test_the_database_holds_one_open_dispute_for_a_need(county: County, disputed: Seen) -> None:
    (row,) = fetch(county.running.url, select(dispute))
    with pytest.raises(IntegrityError):
        change(county.running.url, dispute.insert().values(**{**row, "id": uuid4()}))


def test_a_withdrawn_request_leaves_no_dispute_open(county: County, disputed: Seen) -> None:
    finance = county.handoff(disputed, FINANCE)
    path = f"/v1/requests/{disputed['request_id']}/withdraw"
    assert county.window.post(path, json={}).status_code == 200
    assert [each["state"] for each in disputes(county)] == ["withdrawn"]
    assert refused(act(county, finance, "ruling", agency=TOWNSHIP, **LAW), 409, "act_not_allowed")["allowed"] == []


def test_a_reassignment_is_told_to_who_loses_it_and_to_who_gets_it(county: County) -> None:
    receipt = county.ask("temp_aid_fast")
    lead = county.handoff(receipt, TOWNSHIP)
    done = acted(county, lead, "reassign", department="county_finance", reason="由财政直接拨付")
    assert (done["handoff"]["status"], done["handoff"]["reason"]) == ("cancelled", "reassigned")
    assert done["successor"] == county.handoff(receipt, FINANCE)
    assert [each["reason"] for each in told_to(county, TOWNSHIP, "handoff.cancelled")] == ["reassigned"]
    (told,) = told_to(county, FINANCE, "handoff.dispatched")
    assert told["given"] == {"act": "reassigned", "reason": "由财政直接拨付", "legal_basis": None}
    assert kinds(county, receipt)[-2:] == ["handoff.reassigned", "handoff.dispatched"]
    event = county.events(receipt)[-2]
    assert (event["data"]["agency"], event["note"]) == (FINANCE, {"reason": "由财政直接拨付"})
    county.told(county.handoff(receipt, FINANCE), "returned", **{**NOT_OURS, "suggested_department": "county_housing"})
    assert [each["why"] for each in disputes(county)] == ["second_return"], "the coordinator gave it: ask there"

    back = acted(county, county.handoff(receipt, FINANCE), "ruling", agency=TOWNSHIP, **LAW)
    assert back["successor"]["handoff_id"] == lead["handoff_id"]


def test_nobody_is_given_a_need_in_which_it_has_a_duty_already(county: County) -> None:
    receipt = county.ask("medical_assistance_applied")
    lead = county.handoff(receipt, TOWNSHIP)
    has_to = [each["agency"] for each in receipt["handoffs"] if each["mandatory"]]
    assert len(has_to) > 1
    before = county.request(receipt)
    for agency in has_to:
        answer = act(county, lead, "reassign", agency=agency, reason="x")
        (error,) = refused(answer, 422, "validation_failed")["errors"]
        assert (error["pointer"], error["code"]) == ("/agency", "has_the_need")
    assert county.request(receipt) == before


@pytest.mark.parametrize("agency", [VILLAGE, CIVIL_AFFAIRS])
@pytest.mark.parametrize("said", [(), ("received",), ("received", "accepted")])
def test_who_only_helps_or_is_informed_can_take_the_lead_over(
    county: County, agency: str, said: tuple[str, ...]
) -> None:
    receipt = county.ask("temp_aid_fast")
    lead, helps = county.handoff(receipt, TOWNSHIP), county.handoff(receipt, agency)
    if said and helps["role"] != "informed":
        county.told(helps, *said)
    done = acted(county, lead, "reassign", agency=agency, reason="由其牵头")
    assert (done["handoff"]["status"], done["handoff"]["replaced_by"]) == ("cancelled", helps["handoff_id"])
    takes = county.handoff(receipt, agency)
    assert done["successor"] == takes
    same = ("role", "mandatory", "step")
    assert {name: takes[name] for name in same} == {name: lead[name] for name in same}
    assert (takes["handoff_id"], takes["status"]) == (helps["handoff_id"], "dispatched"), "it signs for the lead anew"
    assert takes["complete_due"]
    assert len(told_to(county, agency, "handoff.dispatched")) == 2
    county.complete(receipt, agency)
    back = act(county, county.handoff(receipt, agency), "reassign", agency=TOWNSHIP, reason="x")
    assert back.status_code == 409


def test_a_step_that_waits_is_reassigned_without_being_sent(county: County) -> None:
    receipt = county.ask("medical_assistance_applied")
    acted(county, county.handoff(receipt, HEALTHCARE), "reassign", agency=FINANCE, reason="x")
    assert (county.statuses(receipt)[HEALTHCARE], county.statuses(receipt)[FINANCE]) == ("cancelled", "waiting")
    assert told_to(county, HEALTHCARE, "handoff.cancelled") == told_to(county, FINANCE, "handoff.dispatched") == []


def test_an_urge_overtakes_and_carries_the_note(county: County) -> None:
    receipt = county.ask("temp_aid_fast")
    acted(county, county.handoff(receipt, TOWNSHIP), "urge", note="请今日签收")
    (told,) = told_to(county, TOWNSHIP, "handoff.urged")
    assert (told["reason"], told["note"]) == ("coordinator", "请今日签收")
    (row,) = fetch(county.running.url, select(delivery.c.priority).where(delivery.c.type == "handoff.urged"))
    assert row["priority"] == Priority.URGED
    assert kinds(county, receipt)[-1] == "handoff.urged"


def test_a_cancelled_co_handler_is_not_waited_for(county: County) -> None:
    receipt = county.ask("temp_aid_fast")
    acted(county, county.handoff(receipt, VILLAGE), "cancel", reason="村委会已参与")
    assert [each["reason"] for each in told_to(county, VILLAGE, "handoff.cancelled")] == ["coordinator"]
    county.complete(receipt, TOWNSHIP)
    assert county.request(receipt)["status"] == "closed"


def test_a_lead_is_cancelled_with_its_whole_need_and_only_if_that_is_said(county: County) -> None:
    receipt = county.ask("temp_aid_fast", "education_aid")
    lead = county.handoff(receipt, TOWNSHIP, "temp_aid_fast")
    refused(act(county, lead, "cancel", reason="重复"), 409, "lead_needed")
    acted(county, lead, "cancel", reason="重复", without_successor=True)
    stopped = [each for each in county.request(receipt)["handoffs"] if each["need"] == "temp_aid_fast"]
    assert {(each["status"], each["reason"]) for each in stopped} == {("cancelled", "coordinator")}
    assert len(told_to(county, VILLAGE, "handoff.cancelled")) == 1
    assert county.handoff(receipt, EDUCATION)["status"] == "dispatched"


def test_a_limit_is_moved_to_later_only(county: County) -> None:
    receipt = county.ask("temp_aid_fast")
    lead = county.handoff(receipt, TOWNSHIP)
    due = datetime.fromisoformat(lead["complete_due"])
    words = {"reason": "等学籍核实", "approver": "分管副县长"}
    for wrong, code in ((due, "due_at_not_later"), (datetime.now(UTC) - timedelta(days=1), "due_at_past")):
        answer = act(county, lead, "extend", due_at=wrong.isoformat(), **words)
        (error,) = refused(answer, 422, "validation_failed")["errors"]
        assert (error["pointer"], error["code"]) == ("/due_at", code)
    later = (due + timedelta(days=30)).replace(microsecond=0)
    done = acted(county, lead, "extend", due_at=later.isoformat(), **words)
    assert datetime.fromisoformat(done["handoff"]["complete_due"]) == later
    assert (done["handoff"]["status"], done["handoff"]["due_provisional"]) == ("dispatched", False)
    (told,) = told_to(county, TOWNSHIP, "handoff.extended")
    assert datetime.fromisoformat(told["complete_due"]) == later
    event = county.events(receipt)[-1]
    assert (event["kind"], event["note"]) == ("handoff.extended", words)


@pytest.mark.parametrize(
    ("which", "body"),
    [
        ("reassign", {"agency": FINANCE, "reason": "x"}),
        ("urge", {"note": "x"}),
        ("cancel", {"reason": "x", "without_successor": True}),
        (
            "extend",
            {"due_at": f"{datetime.now(UTC) + timedelta(days=90):%Y-%m-%dT00:00:00Z}", "reason": "x", "approver": "y"},
        ),
    ],
)
def test_an_act_is_done_once_for_one_key_and_only_on_what_was_seen(
    county: County, which: str, body: dict[str, Any]
) -> None:
    receipt = county.ask("temp_aid_fast")
    lead = county.handoff(receipt, TOWNSHIP)
    path = f"/v1/handoffs/{lead['handoff_id']}"
    tag = county.coordinator.get(path).headers["etag"]
    stale = refused(act(county, lead, which, {"If-Match": '"1"'}, **body), 412, "precondition_failed")
    assert (stale["current"]["etag"], stale["current"]["status"]) == (tag, "dispatched")
    headers = {"If-Match": tag, "Idempotency-Key": "conference-7"}
    done = act(county, lead, which, headers, **body)
    assert done.status_code == 200, done.text
    again = act(county, lead, which, headers, **body)
    assert (again.status_code, again.content) == (200, done.content)
    assert done.headers["etag"] == done.json()["etag"] == county.coordinator.get(path).headers["etag"] != tag
    refused(
        act(county, lead, which, headers, **{**body, "note" if which == "urge" else "reason": "z"}),
        409,
        "idempotency_conflict",
    )
    kind = {"reassign": "handoff.reassigned", "cancel": "handoff.cancelled"}.get(which, f"handoff.{which}")
    own = [e for e in county.events(receipt) if e["handoff_id"] == lead["handoff_id"] and e["kind"].startswith(kind)]
    assert len(own) == 1


def drafted(county: County, dispute_id: str) -> Seen:
    answer = county.coordinator.post(f"/v1/disputes/{dispute_id}/draft-rule")
    assert answer.status_code == 201, answer.text
    made: Seen = answer.json()
    return made


def test_a_ruling_offers_itself_as_a_draft_with_a_rule_more_for_the_county(county: County, disputed: Seen) -> None:
    done = acted(county, county.handoff(disputed, FINANCE), "ruling", agency=HOUSING, **LAW)
    offered = done["draft_rule"]
    assert (offered["department"], offered["instead_of"]) == ("county_housing", "township_gov")
    made = drafted(county, done["dispute_id"])
    (added,) = made["diff"]["changes"]
    assert (made["diff"]["from"], made["draft"]["state"]) == (offered["version"], "draft")
    assert (added["kind"], "青原区" in added["sentence_zh"]) == ("added", True), "the province's rule stays as it is"
    assert LAW["reason"] not in str(made), "a reason may name somebody, a table must not"
    assert drafted(county, done["dispute_id"]) == made, "the same ruling is the same draft"
    version = made["draft"]["version"]
    rows = county.coordinator.get(f"{TABLES}/{version}").json()["rows"]
    (row,) = [each for each in rows if each["number"] == str(added["new_number"])]
    assert (row["area"], row["department"], row["legal_basis"]) == ("360803", "county_housing", LAW["legal_basis"])
    assert LAW["reason"] not in str(rows)
    body = {"division_code": "360803101", "needs": [{"code": "temp_aid_fast"}], "version": version}
    (need,) = county.coordinator.post("/v1/routing/preview", json=body).json()["needs"]
    assert [each["agency"] for each in need["handoffs"] if each["role"] == "lead"] == [HOUSING]


def test_of_a_co_handlers_ruling_the_rule_itself_is_drafted(county: County) -> None:
    receipt = county.ask("undetermined")
    helper = county.handoff(receipt, CIVIL_AFFAIRS)
    county.told(helper, "returned", reason_code="needs_joint", legal_basis="x", suggested_department="county_housing")
    done = acted(county, helper, "ruling", agency=HOUSING, **LAW)
    (changed,) = drafted(county, done["dispute_id"])["diff"]["changes"]
    assert (changed["kind"], changed["old_number"]) == ("changed", done["draft_rule"]["rule"])
    fields = {each["column"]: (each["old"], each["new"]) for each in changed["fields"]}
    assert fields["department"] == ("county_civil_affairs", "county_housing")
    assert fields["legal_basis"][1] == LAW["legal_basis"]


def test_a_ruling_that_the_table_agrees_with_has_nothing_to_draft(county: County, disputed: Seen) -> None:
    (seen,) = disputes(county)
    path = f"/v1/disputes/{seen['dispute_id']}/draft-rule"
    assert refused(county.coordinator.post(path), 409, "act_not_allowed")["allowed"] == ["ruling"]
    done = acted(county, county.handoff(disputed, FINANCE), "ruling", agency=TOWNSHIP, **LAW)
    assert done["draft_rule"] is None
    refused(county.coordinator.post(path), 409, "nothing_to_draft")
    refused(county.coordinator.post(f"/v1/disputes/{uuid4()}/draft-rule"), 404, "not_found")


def test_returns_in_a_bulk_open_a_dispute_each(county: County) -> None:
    handoffs = [county.handoff(county.ask("undetermined"), CIVIL_AFFAIRS) for _ in range(2)]
    said = {"reason_code": "duplicate", "legal_basis": "x"}
    bulk = [
        {
            "id": each["handoff_id"],
            "type": "handoff.returned",
            "timestamp": now(),
            "data": {**said, "handoff_id": each["handoff_id"]},
        }
        for each in handoffs
    ]
    client = county.running.client("agency", CIVIL_AFFAIRS)
    items = client.post("/v1/callbacks", json={"callbacks": bulk}).json()["items"]
    assert [each["answer"]["request_status"] for each in items] == ["disputed", "disputed"]
    assert [each["said"][0]["handoff_id"] for each in disputes(county)] == [
        each["handoff_id"] for each in reversed(handoffs)
    ]


def test_a_subscriber_is_told_of_the_dispute_and_of_the_ruling(county: County) -> None:
    types = ["handoff.disputed", "handoff.ruled", "handoff.reassigned"]
    body = {"name": "board", "endpoint": "http://127.0.0.1:9/board", "types": types}
    subscribed = county.coordinator.post("/v1/subscriptions", json=body)
    assert subscribed.status_code == 201, subscribed.text
    receipt = county.ask("temp_aid_fast")
    lead = county.handoff(receipt, TOWNSHIP)
    county.told(lead, "returned", reason_code="duplicate", legal_basis="x")
    acted(county, lead, "ruling", agency=TOWNSHIP, **LAW)
    acted(county, lead, "reassign", agency=FINANCE, reason="x")
    told = [data for type_ in types for data in told_to(county, subscribed.json()["subscription_id"], type_)]
    assert [(each["status_before"], each["status"]) for each in told] == [
        ("returned", "returned"),
        ("returned", "dispatched"),
        ("dispatched", "cancelled"),
    ]
    assert LAW["reason"] not in str(told)


def test_the_person_is_told_in_both_languages_what_the_coordinator_did(county: County, disputed: Seen) -> None:
    acted(county, county.handoff(disputed, FINANCE), "ruling", agency=HOUSING, **LAW)
    tracked = county.nobody.get(f"/v1/track/{disputed['tracking_token']}").json()
    assert "由协调员裁定" in tracked["events"][-2]["text_zh"] or "裁定" in tracked["events"][-1]["text_zh"]
    assert LAW["reason"] not in str(tracked)


def test_what_an_agency_returned_itself_is_ruled_before_it_gets_more_of_the_need(county: County) -> None:
    receipt = county.ask("undetermined")
    twice = {**NOT_OURS, "reason_code": "duplicate"}
    first, second = (each for each in county.request(receipt)["handoffs"] if each["mandatory"])
    for each in (first, second):
        county.told(each, "returned", **twice)
    refused_ = refused(act(county, first, "ruling", agency=second["agency"], **LAW), 422, "validation_failed")
    assert refused_["errors"][0]["code"] == "part_disputed"
    for each in (first, second):
        acted(county, each, "ruling", agency=each["agency"], **LAW)
    assert disputes(county, state="open") == []


def test_an_urge_leaves_what_the_person_is_asked_for_as_it_was(county: County) -> None:
    receipt = county.ask("education_aid")
    school = county.handoff(receipt, EDUCATION)
    county.told(school, "accepted", "information_requested", materials=["在读证明"])
    acted(county, school, "urge", note="申请人在等")
    seen = county.nobody.get(f"/v1/track/{receipt['tracking_token']}").json()
    assert [each["needed_from_you"] for each in seen["steps"] if each["waits_for_you"]] == [["在读证明"]]


def test_no_limit_is_moved_beyond_what_can_be_counted(county: County) -> None:
    school = county.handoff(county.ask("education_aid"), EDUCATION)
    outcome = {"item": school["handoff_id"], "decision": "extend", "until": "9999-12-31", "note": "x"}
    answer = county.coordinator.post("/v1/conference/outcomes", json={"outcomes": [outcome]})
    assert refused(answer, 422, "outcomes_refused")["errors"][0]["code"] == "implausible_time"
