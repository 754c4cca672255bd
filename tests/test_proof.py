"""The proof of a handoff: complete, in order, without a word of the person, and it notices what was changed."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from app import agencies, refused_callbacks, signing
from app.db import Database
from app.tables import (
    callback,
    callback_body,
    callback_refused,
    delivery,
    event,
    help_request,
)
from tests import serving
from tests.commands import one_window
from tests.county import CIVIL_AFFAIRS, EDUCATION, County, Seen, a_callback, now, signed
from tests.examples import PERSONAL, a_request_in_full
from tests.receivers import Answer, Receiver
from tests.watching import change, count, fetch, until


def proof(county: County, handoff: Seen) -> Seen:
    return county._seen(f"/v1/handoffs/{handoff['handoff_id']}/proof")


def kept(county: County, handoff: Seen, query: str = "") -> Seen:
    return county._seen(f"/v1/handoffs/{handoff['handoff_id']}/callbacks{query}")


def of_kind(found: Seen, kind: str) -> list[Seen]:
    return [each["facts"] for each in found["entries"] if each["kind"] == kind]


def fault_codes(found: Seen) -> list[str]:
    assert found["holds"] is (not found["faults"])
    return [each["code"] for each in found["faults"]]


def rotate(url: str) -> str:
    """The education bureau's new secret; the old one has ended."""

    async def run() -> str:
        database = Database(serving.settings_for(url))
        async with database.writing() as connection:
            secret = await agencies.rotate_secret(connection, EDUCATION, timedelta(0))
        await database.close()
        return secret

    return serving.asyncio.run(run())


def test_every_refusal_is_noted_with_its_digest_and_changes_nothing(
    county: County, receipt: Seen, school: Seen
) -> None:
    body = a_callback("accepted")
    good = signed(county.secrets[EDUCATION], body)
    late = {**good, "webhook-timestamp": "1700000000"}
    refused = [
        (body, {**good, "webhook-id": "forged"}, "signature_invalid"),
        (body, late, "timestamp_out_of_tolerance"),
        (body, signed(county.secrets[CIVIL_AFFAIRS], body), "not_found"),
        (body, {**good, "if-match": '"99"'}, "precondition_failed"),
        (body, {**good, "webhook-id": "x" * 257}, "malformed_header"),
    ]
    for type_, code in (("completed", "validation_failed"), ("resumed", "move_not_allowed")):
        other = a_callback(type_)
        refused.append((other, signed(county.secrets[EDUCATION], other), code))
    for content, headers, code in refused:
        assert county.send(school, content, headers).json()["code"] == code
    county.send(school, body, {"content-type": "application/json"})  # proves nothing: it leaves nothing either
    noted = fetch(county.running.url, select(callback_refused).order_by(callback_refused.c.id))
    assert [row["code"] for row in noted] == [code for *_, code in refused]
    assert [row["webhook_id"] for row in noted] == [
        None if len(headers["webhook-id"]) > 256 else headers["webhook-id"] for _, headers, _ in refused
    ]
    assert [row["signature"] for row in noted] == [headers["webhook-signature"] for _, headers, _ in refused]
    assert {row["digest"] for row in noted[:5]} == {hashlib.sha256(body).digest()}
    assert county.handoff(receipt, EDUCATION)["status"] == "dispatched"
    listed = kept(county, school)["items"]
    assert [each["code"] for each in listed] == [code for *_, code in reversed(refused)]
    found = proof(county, school)
    assert [each["code"] for each in of_kind(found, "refused")] == [code for *_, code in refused]
    assert found["holds"]


def test_a_flood_of_refused_callbacks_leaves_few_rows_and_is_answered_all_the_same(
    county: County, school: Seen
) -> None:
    body = a_callback("accepted")
    forged = signed(signing.new_secret(), body)
    for _ in range(refused_callbacks.MOST_IN_AN_HOUR + 5):
        assert county.send(school, body, forged).status_code == 401
    url = county.running.url
    assert count(url, callback_refused) == {"callback_refused": refused_callbacks.MOST_IN_AN_HOUR}
    long_ago = callback_refused.c.received_at
    (newest,) = fetch(url, select(long_ago).order_by(callback_refused.c.id.desc()).limit(1))
    change(url, update(callback_refused).values(received_at=newest["received_at"] - timedelta(hours=2)))
    assert county.send(school, body, forged).status_code == 401
    assert count(url, callback_refused) == {"callback_refused": refused_callbacks.MOST_IN_AN_HOUR + 1}, (
        "an hour has passed"
    )


def test_no_handoff_keeps_more_refusals_than_the_most_of_all(
    county: County, school: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refused_callbacks, "MOST_IN_ALL", 3)
    body = a_callback("accepted")
    for _ in range(5):
        county.send(school, body, signed(signing.new_secret(), body))
    assert count(county.running.url, callback_refused) == {"callback_refused": 3}


def test_a_refusal_that_can_not_be_noted_is_answered_all_the_same(
    county: County, school: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(refused_callbacks, "_room", fail)
    body = a_callback("accepted")
    assert county.send(school, body, signed(signing.new_secret(), body)).json()["code"] == "signature_invalid"


def test_accepted_and_refused_callbacks_are_listed_newest_first_a_page_at_a_time(county: County, school: Seen) -> None:
    county.told(school, "received", "accepted")
    county.report(school, "resumed")
    county.report(school, "received", "2026-11-01T00:00:00Z")
    county.told(school, "suspended", suspended_for="court")
    seen, query = [], "?limit=2"
    while query:
        page = kept(county, school, query)
        assert len(page["items"]) <= 2
        seen += page["items"]
        query = page["next_cursor"] and f"?limit=2&cursor={page['next_cursor']}"
    assert [(each["outcome"], each["type"] or each["code"]) for each in seen] == [
        ("applied", "handoff.suspended"),
        ("recorded", "handoff.received"),
        ("refused", "move_not_allowed"),
        ("applied", "handoff.accepted"),
        ("applied", "handoff.received"),
    ]
    assert all(each["signature"] and len(each["digest"]) == 64 for each in seen)
    nowhere = county.coordinator.get(f"/v1/handoffs/{uuid.uuid4()}/callbacks")
    assert nowhere.status_code == 404


def test_the_chain_shows_who_had_what_when(database_url: str, run_service: Callable[..., Any]) -> None:
    receiver = Receiver()
    try:
        secrets = serving.set_endpoints(database_url, receiver.endpoint)
        receiver.secrets = secrets
        receiver.then(EDUCATION, Answer(503, headers={"retry-after": "0"}))
        county = County(run_service(embedded_worker=True), secrets)
        school = county.handoff(county.ask("education_aid"), EDUCATION)
        until(lambda: len(receiver.of(EDUCATION)) == 2, within=30, what="the second attempt")
        county.told(school, "received")
        item = {"id": "of-bulk", "type": "handoff.accepted", "timestamp": now()}
        body = json.dumps({"callbacks": [{**item, "data": {"handoff_id": school["handoff_id"]}}]}).encode()
        headers = {**signed(secrets[EDUCATION], body, "the-bulk"), "one-window-agency": EDUCATION}
        assert county.nobody.post("/v1/callbacks", content=body, headers=headers).status_code == 200
        machine = county.running.client("agency", agency=EDUCATION)
        by_key = {"type": "handoff.completed", "timestamp": now(), "data": {"outcome": "granted"}}
        assert machine.post(f"/v1/handoffs/{school['handoff_id']}/callbacks", json=by_key).status_code == 200

        def whole() -> Seen | None:
            found = proof(county, school)
            return found if any(each["delivered"] for each in of_kind(found, "attempt")) else None

        found = until(whole, within=30, what="the recorded delivery")
    finally:
        receiver.close()
    assert fault_codes(found) == []
    assert [each["at"] for each in found["entries"]] == sorted(each["at"] for each in found["entries"])
    (sent,) = of_kind(found, "delivery")
    assert sent["digest"] == hashlib.sha256(receiver.of(EDUCATION)[1].body).hexdigest()
    assert sent["delivery_id"] == receiver.of(EDUCATION)[1].id
    assert [each["status_code"] for each in of_kind(found, "attempt")] == [503, 200]
    assert [(each["type"], each["signature"]) for each in of_kind(found, "callback")] == [
        ("handoff.received", "verified"),
        ("handoff.accepted", "verified"),
        ("handoff.completed", "with_key"),
    ]
    assert of_kind(found, "callback")[1]["bulk_id"] == "the-bulk"
    moves = [each for each in of_kind(found, "event") if "digest" in each["data"]]
    assert [each["data"]["digest"] for each in moves] == [each["digest"] for each in of_kind(found, "callback")]
    assert found["chain"]["head"] == county._seen(f"/v1/requests/{found['request_id']}/timeline")["events"][-1]["hash"]


def test_a_signature_is_verified_again_after_its_secret_has_ended(county: County, school: Seen) -> None:
    county.told(school, "received")
    new = rotate(county.running.url)
    body = a_callback("accepted")
    until(lambda: county.send(school, body, signed(new, body)).status_code == 200, what="the new secret")
    old, newer = of_kind(proof(county, school), "callback")
    assert (old["signature"], newer["signature"]) == ("verified", "verified")
    assert old["secret_ended_at"]
    assert newer["secret_ended_at"] is None
    assert old["secret_made_at"] < newer["secret_made_at"]


def test_what_was_changed_or_removed_is_found(county: County, receipt: Seen, school: Seen) -> None:
    url = county.running.url
    county.told(school, "received", "accepted")
    assert fault_codes(proof(county, school)) == []
    of_school = callback.c.handoff_id == uuid.UUID(school["handoff_id"])
    (first, second) = fetch(url, select(callback).where(of_school).order_by(callback.c.id))
    (body,) = fetch(url, select(callback_body).where(callback_body.c.digest == first["digest"]))
    (sent,) = fetch(url, select(delivery).where(delivery.c.handoff_id == uuid.UUID(school["handoff_id"])))
    this = callback.c.webhook_id == first["webhook_id"]
    of_request = event.c.request_id == uuid.UUID(receipt["request_id"])
    (entry,) = fetch(url, select(event).where(of_request, event.c.sequence == 1))
    body_row = callback_body.c.digest == first["digest"]
    tried = [
        (update(callback).where(this).values(signature=second["signature"]), ["signature_fails"]),
        (
            update(callback_body).where(body_row).values(sealed=body["sealed"] + b" "),
            ["signature_fails", "digest_differs"],
        ),
        (callback_body.delete().where(body_row), ["signature_fails", "body_missing"]),
        (callback.delete().where(this), ["callback_missing"]),
        (update(callback).where(this).values(digest=second["digest"]), None),
        (update(delivery).where(delivery.c.id == sent["id"]).values(sealed=sent["sealed"] + b" "), ["digest_differs"]),
        (update(event).where(of_request, event.c.sequence == 1).values(actor="key:nobody"), ["chain_broken"]),
    ]
    restore = [
        (callback, first, this, callback.c.webhook_id == first["webhook_id"]),
        (callback_body, body, body_row, body_row),
        (delivery, sent, None, delivery.c.id == sent["id"]),
        (event, entry, None, (of_request) & (event.c.sequence == 1)),
    ]
    for statement, expected in tried:
        change(url, statement)
        codes = fault_codes(proof(county, school))
        if expected is None:
            assert {"signature_fails", "callback_missing", "event_missing"} <= set(codes)
        else:
            assert codes == [
                each for each in expected if not (each == "signature_fails" and "body_missing" in expected)
            ]
        for table, row, _, which in restore:
            change(url, table.delete().where(which), table.insert().values(row))
        assert fault_codes(proof(county, school)) == []


def test_a_callback_from_before_bodies_were_kept_is_told_as_such_and_is_no_fault(county: County, school: Seen) -> None:
    county.told(school, "received")
    url = county.running.url
    (row,) = fetch(url, select(event.c.data).where(event.c.kind == "handoff.received"))
    older = {name: value for name, value in row["data"].items() if name != "digest"}
    change(url, update(callback).values(signed_at=None), callback_body.delete())
    change(url, update(event).where(event.c.kind == "handoff.received").values(data=older))
    found = proof(county, school)
    assert [each["signature"] for each in of_kind(found, "callback")] == ["not_kept"]
    assert fault_codes(found) == ["chain_broken"], "only the event that this test itself has changed"


def test_a_proof_holds_nothing_of_the_person_and_no_secret(county: County) -> None:
    request = a_request_in_full("education_aid")
    receipt = county.window.post("/v1/requests", json=request).json()
    school = county.handoff(receipt, EDUCATION)
    county.told(
        school,
        "received",
        "accepted",
        "completed",
        outcome="granted",
        note=PERSONAL["narrative"],
        handler=PERSONAL["name"],
    )
    county.report(school, "accepted", note=PERSONAL["narrative"])
    shown = json.dumps([proof(county, school), kept(county, school)], ensure_ascii=False)
    assert [each for each in PERSONAL.values() if each in shown] == []
    assert county.secrets[EDUCATION] not in shown


def test_the_command_prints_the_chain_in_both_languages_and_as_json(county: County, school: Seen) -> None:
    county.told(school, "received")
    url, named = county.running.url, school["handoff_id"]
    chinese = one_window("proof", named, "--language", "zh", database=url)
    english = one_window("proof", named, database=url)
    whole = one_window("proof", named, "--json", database=url)
    assert {each.returncode for each in (chinese, english, whole)} == {0}, english.stderr
    found, served = json.loads(whole.stdout), proof(county, school)
    assert {**found, "made_at": None} == {**served, "made_at": None}
    for entry in found["entries"]:
        assert entry["text_en"] in english.stdout
        assert entry["text_zh"] in chinese.stdout
    assert "Everything that can be verified does." in english.stdout
    assert "全部核验相符" in chinese.stdout
    for each in found["proves"]:
        assert each["text_zh"] in chinese.stdout


def test_the_command_exits_with_1_for_a_chain_that_is_broken_and_for_no_handoff(county: County, school: Seen) -> None:
    url = county.running.url
    change(url, update(help_request).values(head=bytes(32)))
    broken = one_window("proof", school["handoff_id"], database=url)
    assert broken.returncode == 1
    assert "chain is broken at event" in broken.stdout
    nothing = one_window("proof", str(uuid.uuid4()), database=url)
    assert nothing.returncode == 1
    assert "There is no handoff" in nothing.stderr
    assert "Traceback" not in nothing.stderr
