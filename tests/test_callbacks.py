"""Callbacks: an agency's report moves its handoff once, in order, within the lifecycle."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Barrier
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from app.tables import callback, event
from tests.county import CIVIL_AFFAIRS, EDUCATION, HEALTHCARE, TOWNSHIP, County, Seen, a_callback, now, signed
from tests.watching import count, fetch


def problem(answer: httpx.Response, status: int, code: str) -> Seen:
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    told: Seen = answer.json()
    return told


def test_signed_callbacks_take_a_handoff_its_whole_way(county: County, receipt: Seen, school: Seen) -> None:
    later = f"{datetime.now(UTC) + timedelta(days=90):%Y-%m-%dT00:00:00Z}"
    way = [
        ("received", {}, "received", ["handoff.accepted", "handoff.returned"]),
        ("accepted", {"handler": "教育局 李"}, "in_progress", None),
        ("extended", {"approver": "局长", "reason": "材料多", "due_at": later}, "in_progress", None),
        ("suspended", {"suspended_for": "verification"}, "suspended", ["handoff.resumed", "handoff.returned"]),
        ("resumed", {}, "in_progress", None),
        ("completed", {"outcome": "granted", "note": "已发放"}, "completed", []),
    ]
    for type_, data, status, allowed in way:
        answer = county.report(school, type_, **data)
        assert answer.status_code == 200, answer.text
        said = answer.json()
        assert (said["handoff_id"], said["status"], said["applied"]) == (school["handoff_id"], status, True)
        assert said["request_status"] == county.request(receipt)["status"] == "in_progress"
        assert allowed is None or said["allowed"] == allowed
    after = county.handoff(receipt, EDUCATION)
    assert (after["status"], after["outcome"], after["complete_due"]) == (
        "completed",
        "granted",
        later,
    )
    assert after["closed_at"]
    moves = [each for each in county.events(receipt) if each["handoff_id"] == school["handoff_id"]]
    assert [each["kind"] for each in moves] == ["handoff.dispatched", *(f"handoff.{type_}" for type_, *_ in way)]
    assert {each["actor"] for each in moves[1:]} == {f"agency:{EDUCATION}"}
    assert moves[-1]["note"] == {"note": "已发放"}


def test_the_agencys_bearer_key_does_instead_of_a_signature(county: County, receipt: Seen, school: Seen) -> None:
    machine = county.running.client("agency", agency=EDUCATION)
    path = f"/v1/handoffs/{school['handoff_id']}/callbacks"
    body = {"type": "handoff.accepted", "timestamp": now(), "data": {}}
    first = machine.post(path, json=body)
    assert (first.status_code, first.json()["status"]) == (200, "in_progress")
    repeat = machine.post(path, json=body)
    assert repeat.content == first.content, "without a webhook-id the same body is the same message"
    assert [each["kind"] for each in county.events(receipt)].count("handoff.accepted") == 1


def test_a_replay_gets_the_first_answer_byte_for_byte_and_adds_no_event(
    county: County, receipt: Seen, school: Seen
) -> None:
    body = a_callback("received")
    headers = signed(county.secrets[EDUCATION], body)
    first = county.send(school, body, headers)
    county.told(school, "accepted", "completed", outcome="granted")
    stored = count(county.running.url, event, callback)
    signed_anew = signed(county.secrets[EDUCATION], body, headers["webhook-id"], datetime.now(UTC))
    for again in (headers, signed_anew):
        repeat = county.send(school, body, again)
        assert (repeat.status_code, repeat.content) == (200, first.content)
    assert count(county.running.url, event, callback) == stored
    assert county.handoff(receipt, EDUCATION)["status"] == "completed"


def test_an_older_callback_than_the_last_applied_is_recorded_and_not_applied(
    county: County, receipt: Seen, school: Seen
) -> None:
    happened = datetime.now(UTC)
    earlier = (happened - timedelta(minutes=2)).isoformat()
    county.report(school, "accepted", happened.isoformat())
    events = len(county.events(receipt))
    body = a_callback("received", earlier)
    late = county.send(school, body, headers := signed(county.secrets[EDUCATION], body))
    assert late.status_code == 200
    said = late.json()
    assert (said["applied"], said["reason"], said["status"]) == (False, "older_than_last_applied", "in_progress")
    assert len(county.events(receipt)) == events
    rows = fetch(county.running.url, select(callback.c.type, callback.c.applied).order_by(callback.c.received_at))
    assert [tuple(row.values()) for row in rows] == [("handoff.accepted", True), ("handoff.received", False)]
    assert county.send(school, body, headers).content == late.content


def test_a_forbidden_move_names_the_allowed_ones_and_the_same_message_works_later(county: County, school: Seen) -> None:
    body = a_callback("completed", outcome="granted")
    headers = signed(county.secrets[EDUCATION], body)
    told = problem(county.send(school, body, headers), 409, "move_not_allowed")
    assert told["allowed"] == ["handoff.received", "handoff.accepted", "handoff.returned"]
    assert "dispatched" in told["detail"]
    assert county.report(school, "accepted", "2026-11-01T00:00:00Z").status_code == 200
    later = county.send(school, body, headers)
    assert (later.status_code, later.json()["status"]) == (200, "completed")


def test_a_callback_on_a_withdrawn_request_is_refused(county: County, receipt: Seen, school: Seen) -> None:
    county.window.post(f"/v1/requests/{receipt['request_id']}/withdraw", json={})
    told = problem(county.report(school, "accepted"), 409, "move_not_allowed")
    assert told["allowed"] == []
    assert county.request(receipt)["status"] == "withdrawn"


def test_a_handoff_that_still_waits_takes_no_callback(county: County) -> None:
    lead = county.handoff(county.ask("medical_assistance_applied"), HEALTHCARE)
    assert lead["status"] == "waiting"
    assert problem(county.report(lead, "accepted"), 409, "move_not_allowed")["allowed"] == []


def test_two_same_callbacks_at_once_are_applied_once(county: County, receipt: Seen, school: Seen) -> None:
    body = a_callback("accepted")
    headers = signed(county.secrets[EDUCATION], body)
    start = Barrier(8)

    def send(_: int) -> httpx.Response:
        start.wait(10)
        return county.send(school, body, headers)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(send, range(8)))
    assert {each.status_code for each in answers} == {200}, {each.text for each in answers}
    assert len({each.content for each in answers}) == 1
    assert [each["kind"] for each in county.events(receipt)].count("handoff.accepted") == 1
    assert count(county.running.url, callback) == {"callback": 1}


def test_callbacks_of_several_agencies_at_once_leave_one_unbroken_timeline(county: County) -> None:
    receipt = county.ask("education_aid")
    handoffs = county.request(receipt)["handoffs"]
    with ThreadPoolExecutor(len(handoffs)) as threads:
        answers = list(threads.map(lambda each: county.report(each, "accepted"), handoffs))
    assert {each.status_code for each in answers} == {200}, {each.text for each in answers}
    events = county.events(receipt)
    assert [each["sequence"] for each in events] == list(range(1, len(events) + 1))
    assert [each["kind"] for each in events].count("handoff.accepted") == len(handoffs) == 5


@pytest.mark.parametrize(
    ("type_", "data", "pointer"),
    [
        ("information_requested", {}, "/data/materials"),
        ("information_requested", {"materials": []}, "/data/materials"),
        ("suspended", {}, "/data/suspended_for"),
        ("returned", {"reason_code": "not_my_duty"}, "/data/legal_basis"),
        ("returned", {"reason_code": "bored", "legal_basis": "x"}, "/data/reason_code"),
        ("extended", {"approver": "局长", "reason": "材料多"}, "/data/due_at"),
        ("completed", {}, "/data/outcome"),
        ("completed", {"outcome": "maybe"}, "/data/outcome"),
    ],
)
def test_each_type_needs_its_fields(
    county: County, receipt: Seen, school: Seen, type_: str, data: dict[str, Any], pointer: str
) -> None:
    county.told(school, "accepted")
    told = problem(county.report(school, type_, **data), 422, "validation_failed")
    assert [each["pointer"] for each in told["errors"]] == [pointer]
    assert county.handoff(receipt, EDUCATION)["status"] == "in_progress"


def test_an_unknown_department_in_a_return_is_refused_with_the_one_that_was_meant(county: County, school: Seen) -> None:
    data = {"reason_code": "not_my_duty", "legal_basis": "x", "suggested_department": "county_civil_affair"}
    (error,) = problem(county.report(school, "returned", **data), 422, "validation_failed")["errors"]
    assert error["pointer"] == "/data/suggested_department"
    assert "county_civil_affairs" in error["detail"]


def test_unknown_fields_are_ignored_and_unknown_types_are_not(county: County, school: Seen) -> None:
    body = json.loads(a_callback("accepted", colour="blue")) | {"version": 7}
    bytes_ = json.dumps(body).encode()
    assert county.send(school, bytes_, signed(county.secrets[EDUCATION], bytes_)).status_code == 200
    (error,) = problem(county.report(school, "forgotten"), 422, "validation_failed")["errors"]
    assert error["pointer"] == "/type"
    (error,) = problem(county.report(school, "cancelled"), 422, "validation_failed")["errors"]
    assert error["pointer"] == "/type", "only the service cancels"


def test_a_callback_from_the_future_is_refused(county: County, school: Seen) -> None:
    before = datetime.now(UTC)
    tomorrow = (before + timedelta(days=1)).isoformat()
    (error,) = problem(county.report(school, "accepted", tomorrow), 422, "validation_failed")["errors"]
    assert (error["pointer"], error["code"]) == ("/timestamp", "timestamp_in_future")
    hours = {f"{each:%Y-%m-%dT%H:}" for each in (before, datetime.now(UTC))}
    assert [each for each in hours if each in error["detail"]], "our clock is told"


def test_the_handoff_in_the_body_is_the_one_of_the_address(county: County, receipt: Seen, school: Seen) -> None:
    other = county.handoff(receipt, CIVIL_AFFAIRS)["handoff_id"]
    answer = county.report(school, "accepted", handoff_id=other)
    (error,) = problem(answer, 422, "validation_failed")["errors"]
    assert error["pointer"] == "/data/handoff_id"
    assert county.report(school, "accepted", handoff_id=school["handoff_id"]).status_code == 200


def test_one_webhook_id_names_one_handoff(county: County) -> None:
    first, second = (county.handoff(county.ask("temp_aid_fast"), TOWNSHIP) for _ in range(2))
    body = a_callback("received")
    headers = signed(county.secrets[TOWNSHIP], body)
    assert county.send(first, body, headers).status_code == 200
    problem(county.send(second, body, headers), 409, "idempotency_conflict")


def test_one_webhook_id_on_two_handoffs_at_once_is_taken_for_one_of_them(county: County) -> None:
    for _ in range(10):
        handoffs = [county.handoff(county.ask("temp_aid_fast"), TOWNSHIP) for _ in range(2)]
        body = a_callback("received")
        send = partial(county.send, body=body, headers=signed(county.secrets[TOWNSHIP], body))
        with ThreadPoolExecutor(2) as threads:
            answers = list(threads.map(send, handoffs))
        assert sorted(each.status_code for each in answers) == [200, 409], [each.text for each in answers]
