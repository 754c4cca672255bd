"""Callbacks in bulk and with If-Match: each answered on its own, in order, once; what is stale is not applied."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import Executable, Insert, select, text

from app import signing
from app.db import Database
from app.identifiers import new_id
from app.refused_callbacks import MOST_IN_AN_HOUR
from app.tables import callback, callback_body, callback_refused, delivery, help_request
from app.wire import from_json
from tests.county import CIVIL_AFFAIRS, EDUCATION, County, Seen, a_callback, now, signed
from tests.watching import bodies, count, fetch, on, until

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


def test_a_run_is_stored_at_once_and_each_of_it_counts_alone(county: County, receipt: Seen, school: Seen) -> None:
    second, third = (county.handoff(county.ask("education_aid"), EDUCATION) for _ in range(2))
    known = items_of(send(county, in_bulk(an_item("known", second, "accepted"))))[0]
    body = in_bulk(
        an_item("a", school, "received"),
        an_item("known", second, "accepted"),
        {**an_item("late", second, "suspended", suspended_for="court"), "timestamp": "2026-01-01T00:00:00Z"},
        an_item("b", school, "resumed"),
        an_item("c", county.handoff(receipt, CIVIL_AFFAIRS), "accepted"),
        an_item("a", school, "received"),
        an_item("d", school, "accepted"),
        an_item("a", third, "received"),
        an_item("e", third, "accepted"),
    )
    items = items_of(send(county, body))
    refusals = {3: "move_not_allowed", 4: "not_found", 7: "idempotency_conflict"}
    assert codes(items) == [refusals.get(at, 200) for at in range(9)]
    assert items[1] == known
    assert (items[2]["answer"]["applied"], items[2]["answer"]["status"]) == (False, "in_progress")
    assert items[3]["problem"]["allowed"] == items[0]["answer"]["allowed"]
    assert items[5] == items[0]
    assert items[6]["answer"]["etag"] == etag(county, school) != items[0]["answer"]["etag"]
    kinds = [each["kind"] for each in county.events(receipt) if each["handoff_id"] == school["handoff_id"]]
    assert kinds[-2:] == ["handoff.received", "handoff.accepted"]
    stored = fetch(county.running.url, select(callback).where(callback.c.webhook_id != "known"))
    assert {row["webhook_id"]: row["applied"] for row in stored} == {"a": True, "late": False, "d": True, "e": True}
    assert len({row["received_at"] for row in stored}) == 1
    noted = fetch(county.running.url, select(callback_refused).order_by(callback_refused.c.id))
    assert [(row["webhook_id"], row["code"]) for row in noted] == [
        ("b", "move_not_allowed"),
        ("c", "not_found"),
        ("a", "idempotency_conflict"),
    ]
    again = items_of(send(county, body))
    assert [each for each in items if each["answer"]] == [each for at, each in enumerate(again) if at not in refusals]


def test_each_notice_of_a_run_tells_how_the_handoff_stood_then(county: County, school: Seen) -> None:
    asked = {"name": "all", "endpoint": "http://127.0.0.1:9/", "types": ["handoff.accepted", "handoff.extended"]}
    county.coordinator.post("/v1/subscriptions", json=asked).raise_for_status()
    later = "2037-03-01T00:00:00Z"
    extended = {"due_at": later, "reason": "材料多", "approver": "局长"}
    body = in_bulk(an_item("a", school, "accepted"), an_item("b", school, "extended", **extended))
    assert codes(items_of(send(county, body))) == [200, 200]
    told = select(delivery.c.id).where(delivery.c.type.in_(asked["types"])).order_by(delivery.c.id)
    notices = [from_json(row["body"])["data"] for row in bodies(county.running.url, told)]
    assert [each["due_at"] for each in notices] == [school["complete_due"], later]


def test_no_more_than_a_hundred_are_stored_at_once(county: County, school: Seen) -> None:
    late = [{**an_item(f"m{at}", school, "received"), "timestamp": "2026-01-01T00:00:00Z"} for at in range(149)]
    items = items_of(send(county, in_bulk(an_item("m", school, "accepted"), *late)))
    assert [each["answer"]["applied"] for each in items] == [True] + [False] * 149
    times = [row["received_at"] for row in fetch(county.running.url, select(callback.c.received_at))]
    assert sorted(times.count(each) for each in set(times)) == [50, 100]


def test_of_one_handoff_a_bulk_leaves_no_more_refusals_than_single_ones_would(county: County, school: Seen) -> None:
    body = in_bulk(*(an_item(f"m{at}", school, "resumed") for at in range(MOST_IN_AN_HOUR + 5)))
    for _ in range(2):
        assert codes(items_of(send(county, body))) == ["move_not_allowed"] * (MOST_IN_AN_HOUR + 5)
        noted = fetch(county.running.url, select(callback_refused.c.webhook_id).order_by(callback_refused.c.id))
        assert [row["webhook_id"] for row in noted] == [f"m{at}" for at in range(MOST_IN_AN_HOUR)]


def taken(id_: str, handoff: Seen) -> Insert:
    """The education bureau's `id_` is used up by a report on `handoff`."""
    moment = datetime.now(UTC)
    about = {"agency_code": EDUCATION, "webhook_id": id_, "handoff_id": UUID(handoff["handoff_id"]), "id": new_id()}
    how = {"type": "handoff.received", "sent_at": moment, "received_at": moment, "applied": False}
    return callback.insert().values({**about, **how, "digest": bytes(32), "answer": b"{}"})


def sent_meanwhile(county: County, body: bytes, *statements: Executable) -> list[Seen]:
    """A transaction does the first statement, a bulk is sent and (on PostgreSQL) waits for it, and the transaction
    goes on: what the bulk is answered with when it has ended."""
    waits = text("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")

    async def work(database: Database) -> httpx.Response:
        async with database.writing() as connection:
            await connection.execute(statements[0])
            call = asyncio.create_task(asyncio.to_thread(send, county, body))
            if not database.is_sqlite:
                await asyncio.to_thread(until, lambda: fetch(county.running.url, waits), what="the bulk's wait")
                await connection.execute(text("SET LOCAL lock_timeout = '100ms'"))
            for each in statements[1:]:
                await connection.execute(each)
        return await call

    return items_of(on(county.running.url, work))


def test_one_that_the_database_refuses_fails_alone(county: County, receipt: Seen, school: Seen) -> None:
    *others, elsewhere = (county.handoff(county.ask("education_aid"), EDUCATION) for _ in range(4))
    body = in_bulk(*(an_item(id_, each, "accepted") for id_, each in zip("abcd", [school, *others], strict=True)))
    items = sent_meanwhile(county, body, taken("b", elsewhere))
    assert codes(items) == [200, "idempotency_conflict", 200, 200]
    assert county.handoff(receipt, EDUCATION)["status"] == "in_progress"
    (noted,) = fetch(county.running.url, select(callback_refused.c.webhook_id, callback_refused.c.code))
    assert tuple(noted.values()) == ("b", "idempotency_conflict")
    alone = items_of(send(county, in_bulk(an_item("x", others[0], "accepted"))))
    assert codes(alone) == [200], "nothing of what was refused was applied"


@pytest.mark.parametrize("backend", ["postgresql"])
def test_a_bulk_that_waits_holds_nothing_that_others_lock_after_it(county: County) -> None:
    """In the order of its body it would hold what they want, and they what it wants."""
    receipts = [county.ask("education_aid") for _ in range(3)]
    first, second, elsewhere = (county.handoff(each, EDUCATION) for each in receipts)
    requests = [
        select(help_request.c.id).where(help_request.c.id == UUID(each["request_id"])).with_for_update()
        for each in receipts
    ]
    received = in_bulk(an_item("x", second, "received"), an_item("y", first, "received"))
    assert codes(sent_meanwhile(county, received, *requests[:2])) == [200, 200]
    accepted = in_bulk(an_item("b", first, "accepted"), an_item("a", second, "accepted"))
    ids = [taken(each, elsewhere) for each in "ab"]
    assert codes(sent_meanwhile(county, accepted, *ids)) == ["idempotency_conflict"] * 2


def test_bulks_at_once_that_overlap_in_opposite_orders_leave_each_handoff_moved_once(county: County) -> None:
    receipts = [county.ask("education_aid") for _ in range(12)]
    handoffs = [county.handoff(each, EDUCATION) for each in receipts]
    shared, rest = handoffs[:8], handoffs[8:]
    bodies = [
        [an_item(f"x{at}", each, "accepted") for at, each in enumerate(shared)]
        + [an_item(f"same{at}", rest[at], "received") for at in range(2)],
        [an_item(f"same{at}", rest[2 + at], "received") for at in reversed(range(2))]
        + [an_item(f"y{at}", each, "accepted") for at, each in reversed(list(enumerate(shared)))],
    ]
    start, moment = Barrier(2), now()

    def at_once(items: list[Seen]) -> httpx.Response:
        body = in_bulk(*({**each, "timestamp": moment} for each in items))
        start.wait(10)
        return send(county, body)

    with ThreadPoolExecutor(2) as threads:
        found = [items_of(each) for each in threads.map(at_once, bodies)]
    outcome = {each["id"]: code for items in found for each, code in zip(items, codes(items), strict=True)}
    for at in range(8):
        assert {outcome[f"x{at}"], outcome[f"y{at}"]} == {200, "move_not_allowed"}
    for at in range(2):
        both = [
            code for items in found for each, code in zip(items, codes(items), strict=True) if each["id"] == f"same{at}"
        ]
        assert sorted(map(str, both)) == ["200", "idempotency_conflict"]
    for each in receipts[:8]:
        assert [event["kind"] for event in county.events(each)].count("handoff.accepted") == 1
