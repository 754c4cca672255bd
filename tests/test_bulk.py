"""Callbacks in bulk and with If-Match: each answered on its own, in order, once; what is stale is not applied."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from app import signing
from app.tables import callback, callback_body, callback_refused
from tests.county import CIVIL_AFFAIRS, EDUCATION, County, Seen, a_callback, now, signed
from tests.watching import count, fetch

HEADER = "one-window-agency"


def an_item(id_: str, handoff: Seen, type_: str, if_match: str | None = None, **data: Any) -> Seen:
    about = {"handoff_id": handoff["handoff_id"], **data}
    item = {"id": id_, "type": f"handoff.{type_}", "timestamp": now(), "data": about}
    return item if if_match is None else {**item, "if_match": if_match}


def in_bulk(*items: Any) -> bytes:
    return json.dumps({"callbacks": items}).encode()


def send(county: County, body: bytes, agency: str = EDUCATION, secret: str | None = None) -> httpx.Response:
    headers = {**signed(secret or county.secrets[agency], body), HEADER: agency}
    return county.nobody.post("/v1/callbacks", content=body, headers=headers)


def items_of(answer: httpx.Response) -> list[Seen]:
    assert answer.status_code == 200, answer.text
    items: list[Seen] = answer.json()["items"]
    return items


def codes(items: list[Seen]) -> list[Any]:
    return [each["problem"]["code"] if each["problem"] else each["status_code"] for each in items]


def etag(county: County, handoff: Seen) -> str:
    answer = county.coordinator.get(f"/v1/handoffs/{handoff['handoff_id']}")
    assert answer.headers["etag"] == answer.json()["etag"]
    return str(answer.headers["etag"])


def test_each_of_many_is_answered_on_its_own_in_their_order(county: County, receipt: Seen, school: Seen) -> None:
    neighbours = county.handoff(receipt, CIVIL_AFFAIRS)
    body = in_bulk(
        an_item("a", school, "accepted"),
        an_item("b", school, "received"),
        an_item("c", neighbours, "accepted"),
        {"id": "d", "type": "handoff.accepted", "timestamp": now(), "data": {}},
        "not a callback",
        an_item("e", {"handoff_id": "01936f2e-9d3c-7a41-8c55-3f0a1b2c3d4e"}, "accepted"),
        an_item("f", school, "suspended", suspended_for="court"),
    )
    items = items_of(send(county, body))
    refusals = ["move_not_allowed", "not_found", "validation_failed", "validation_failed", "not_found"]
    assert codes(items) == [200, *refusals, 200]
    assert [each["status_code"] for each in items] == [200, 409, 404, 422, 422, 404, 200]
    assert [each["id"] for each in items] == ["a", "b", "c", "d", None, "e", "f"]
    assert items[3]["problem"]["errors"][0]["pointer"] == "/data/handoff_id"
    assert [items[at]["answer"]["status"] for at in (0, 6)] == ["in_progress", "suspended"]
    assert items[1]["problem"]["allowed"] == items[0]["answer"]["allowed"]
    assert county.handoff(receipt, CIVIL_AFFAIRS)["status"] == "dispatched"
    kinds = [each["kind"] for each in county.events(receipt) if each["actor"] == f"agency:{EDUCATION}"]
    assert [each for each in kinds if each.startswith("handoff.")] == ["handoff.accepted", "handoff.suspended"]


def test_a_whole_repeat_and_each_alone_get_the_first_answers(county: County, school: Seen) -> None:
    others = [county.handoff(county.ask("education_aid"), EDUCATION) for _ in range(3)]
    body = in_bulk(*(an_item(f"m{at}", each, "accepted") for at, each in enumerate([school, *others])))
    first = send(county, body)
    assert codes(items_of(first)) == [200] * 4
    county.told(school, "completed", outcome="granted")
    stored = count(county.running.url, callback, callback_body)
    assert stored == {"callback": 5, "callback_body": 2}, "the bytes of four callbacks are kept once"
    assert send(county, body).content == first.content
    alone = a_callback("accepted")
    repeat = county.send(school, alone, signed(county.secrets[EDUCATION], alone, "m0"))
    assert repeat.json() == items_of(first)[0]["answer"]
    assert count(county.running.url, callback, callback_body) == stored


def test_the_same_bulk_twice_at_once_applies_each_once(county: County) -> None:
    receipts = [county.ask("education_aid") for _ in range(5)]
    handoffs = [county.handoff(each, EDUCATION) for each in receipts]
    body = in_bulk(*(an_item(f"m{at}", each, "accepted") for at, each in enumerate(handoffs)))
    start = Barrier(4)

    def at_once(_: int) -> httpx.Response:
        start.wait(10)
        return send(county, body)

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(at_once, range(4)))
    assert {each.status_code for each in answers} == {200}, [each.text for each in answers]
    assert len({each.content for each in answers}) == 1
    assert codes(items_of(answers[0])) == [200] * 5
    assert count(county.running.url, callback, callback_body) == {"callback": 5, "callback_body": 1}
    for each in receipts:
        assert [event["kind"] for event in county.events(each)].count("handoff.accepted") == 1


def test_one_id_within_a_bulk_is_one_message(county: County, school: Seen) -> None:
    other = county.handoff(county.ask("education_aid"), EDUCATION)
    same = an_item("m", school, "accepted")
    body = in_bulk(same, same, an_item("m", other, "accepted"))
    items = items_of(send(county, body))
    assert codes(items) == [200, 200, "idempotency_conflict"]
    assert items_of(send(county, body)) == items
    assert items[0]["answer"] == items[1]["answer"]


def test_the_agencys_key_does_instead_of_a_signature_and_no_header_names_the_agency(
    county: County, receipt: Seen, school: Seen
) -> None:
    machine = county.running.client("agency", agency=EDUCATION)
    body = {
        "callbacks": [
            an_item("m", school, "accepted"),
            an_item("n", county.handoff(receipt, CIVIL_AFFAIRS), "accepted"),
        ]
    }
    first = machine.post("/v1/callbacks", json=body)
    assert codes(items_of(first)) == [200, "not_found"]
    assert machine.post("/v1/callbacks", json=body).content == first.content
    (row,) = fetch(county.running.url, select(callback.c.signature, callback.c.signed_at))
    assert set(row.values()) == {None}


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({HEADER: None}, 400, "malformed_header"),
        ({"webhook-id": None}, 400, "malformed_header"),
        ({"webhook-timestamp": "01"}, 400, "malformed_header"),
        ({HEADER: CIVIL_AFFAIRS}, 401, "signature_invalid"),
        ({HEADER: "nobody"}, 401, "signature_invalid"),
        ({"webhook-id": "another"}, 401, "signature_invalid"),
        ({"webhook-timestamp": None, "webhook-signature": None}, 401, "unauthenticated"),
    ],
)
def test_a_bulk_that_is_not_its_agencys_is_refused_as_a_whole(
    county: County, receipt: Seen, school: Seen, changed: dict[str, str | None], status: int, code: str
) -> None:
    body = in_bulk(an_item("m", school, "accepted"))
    headers = {**signed(county.secrets[EDUCATION], body), HEADER: EDUCATION, **changed}
    sent = {name: value for name, value in headers.items() if value is not None}
    answer = county.nobody.post("/v1/callbacks", content=body, headers=sent)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert county.handoff(receipt, EDUCATION)["status"] == "dispatched"
    assert count(county.running.url, callback, callback_refused) == {"callback": 0, "callback_refused": 0}


def test_a_bulk_signed_too_long_ago_tells_our_clock(county: County, school: Seen) -> None:
    body = in_bulk(an_item("m", school, "accepted"))
    headers = signed(county.secrets[EDUCATION], body, at=datetime.now(UTC) - timedelta(minutes=6))
    answer = county.nobody.post("/v1/callbacks", content=body, headers={**headers, HEADER: EDUCATION})
    assert (answer.status_code, answer.json()["code"]) == (401, "timestamp_out_of_tolerance")
    assert f"{datetime.now(UTC):%Y-%m-%dT%H:}" in answer.json()["detail"]


def test_a_bulk_is_at_most_500_callbacks_and_a_mebibyte(county: County, school: Seen) -> None:
    many = send(county, in_bulk(*[an_item("m", school, "accepted")] * 501))
    assert (many.status_code, many.json()["errors"][0]["code"]) == (422, "too_long")
    none = send(county, in_bulk())
    assert (none.status_code, none.json()["errors"][0]["code"]) == (422, "too_short")
    at_most = send(county, in_bulk(*["x"] * 499, an_item("m", school, "accepted", ignored="x" * 900_000)))
    assert codes(items_of(at_most)) == ["validation_failed"] * 499 + [200]
    large = send(county, in_bulk(an_item("n", school, "received", ignored="x" * 1024 * 1024)))
    assert (large.status_code, large.json()["code"]) == (413, "body_too_large")


def test_a_secret_that_was_never_the_agencys_signs_nothing(county: County, school: Seen) -> None:
    answer = send(county, in_bulk(an_item("m", school, "accepted")), secret=signing.new_secret())
    assert (answer.status_code, answer.json()["code"]) == (401, "signature_invalid")


def test_if_match_lets_through_what_has_seen_the_present_state_and_nothing_else(
    county: County, receipt: Seen, school: Seen
) -> None:
    def report(type_: str, if_match: str, **data: Any) -> httpx.Response:
        body = a_callback(type_, **data)
        return county.send(school, body, {**signed(county.secrets[EDUCATION], body), "if-match": if_match})

    seen = etag(county, school)
    assert county.told(school, "received")["etag"] == etag(county, school) != seen
    stale = report("accepted", seen)
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed"), stale.text
    stands = {"etag": etag(county, school), "status": "received", "request_status": "in_progress"}
    assert (stale.json()["current"], stale.headers["etag"]) == (stands, stands["etag"])
    assert county.handoff(receipt, EDUCATION)["status"] == "received"
    assert report("accepted", f"W/{stands['etag']}").status_code == 412, "a weak tag matches nothing"
    fresh = report("accepted", f'"other", {stands["etag"]}')
    assert (fresh.status_code, fresh.json()["etag"]) == (200, etag(county, school))
    assert report("suspended", "*", suspended_for="court").status_code == 200
    for wrong in ("7", '"7', '"7" "8"', '"' + "7" * 200 + '"'):
        answer = report("resumed", wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed"), wrong


def test_a_repeat_gets_its_first_answer_though_its_if_match_is_stale_by_now(county: County, school: Seen) -> None:
    body = a_callback("accepted")
    headers = {**signed(county.secrets[EDUCATION], body), "if-match": etag(county, school)}
    first = county.send(school, body, headers)
    assert first.json()["etag"] != headers["if-match"]
    assert county.send(school, body, headers).content == first.content


def test_a_neighbours_work_on_the_same_request_makes_no_tag_stale(county: County, receipt: Seen, school: Seen) -> None:
    seen = etag(county, school)
    county.told(county.handoff(receipt, CIVIL_AFFAIRS), "received")
    assert etag(county, school) == seen


def test_if_match_counts_for_each_of_many(county: County, school: Seen) -> None:
    seen = etag(county, school)
    body = in_bulk(
        an_item("a", school, "received", if_match=seen),
        an_item("b", school, "accepted", if_match=seen),
        an_item("c", school, "accepted", if_match='x"7"'),
        an_item("d", school, "accepted"),
    )
    items = items_of(send(county, body))
    assert codes(items) == [200, "precondition_failed", "validation_failed", 200]
    assert items[1]["problem"]["current"]["etag"] == items[0]["answer"]["etag"]
    assert items[2]["problem"]["errors"][0]["pointer"] == "/if_match"
