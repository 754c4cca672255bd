"""Delivery: what is queued arrives, signed, with the bytes that were stored, at least once and usually once."""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from app.identifiers import now
from app.messages import CancelledMessage, DispatchedMessage, SupplementedMessage
from app.tables import delivery, worker
from tests import serving
from tests.county import EDUCATION, TOWNSHIP, County, Seen
from tests.examples import a_request, a_request_in_full
from tests.receivers import Answer, Received, Receiver
from tests.running import Running
from tests.watching import change, count, digests, fetch, until

SEATS = 5  # of education_aid, all in its one step


@pytest.fixture
def county(receiver: Receiver, run_service: Callable[..., Running]) -> County:
    return County(run_service(embedded_worker=True), receiver.secrets)


def arrived(receiver: Receiver, number: int, within: float = 60) -> list[Received]:
    return until(
        lambda: list(receiver.received) if len(receiver.received) >= number else None, within, f"message {number}"
    )


def deliveries(county: County, **params: Any) -> list[Seen]:
    answer = county.coordinator.get("/v1/deliveries", params={"limit": 200, **params})
    found: list[Seen] = answer.raise_for_status().json()["items"]
    return found


def all_delivered(county: County, within: float = 60) -> list[Seen]:
    def look() -> list[Seen] | None:
        found = deliveries(county)
        return found if {each["status"] for each in found} == {"delivered"} else None

    return until(look, within, "the delivery of everything")


def test_by_no_digest_of_a_message_a_guess_of_who_is_in_it_can_be_confirmed(county: County, receiver: Receiver) -> None:
    county.ask("education_aid")
    plain = {hashlib.sha256(each.body).digest() for each in arrived(receiver, SEATS)}
    rows = fetch(county.running.url, select(delivery))
    assert not [row["id"] for row in rows for each in plain if any(each == v for v in row.values())]
    assert set(digests(county.running.url).values()) == plain
    shown = f"/v1/deliveries/{rows[0]['id']}"
    for role in ("supervisor", "admin", "auditor"):
        looking = county.running.client(role)
        assert looking.get(shown).json()["digest"] is None, role
        assert "digest" not in looking.get("/v1/deliveries").json()["items"][0], role
    assert bytes.fromhex(county.coordinator.get(shown).json()["digest"]) in plain
    proof = f"/v1/handoffs/{rows[0]['handoff_id']}/proof"
    for role, sees in (("auditor", False), ("coordinator", True)):
        (sent,) = [each for each in of_proof(county, role, proof) if each["kind"] == "delivery"]
        assert (sent["facts"]["digest"] is not None, sent["facts"]["digest_holds"]) == (sees, True)
        assert any(each.hex() in sent["text_en"] for each in plain) is sees


def of_proof(county: County, role: str, path: str) -> list[Seen]:
    entries: list[Seen] = county.running.client(role).get(path).json()["entries"]
    return entries


def test_a_message_arrives_signed_and_with_exactly_the_stored_bytes(county: County, receiver: Receiver) -> None:
    receipt = county.window.post("/v1/requests", json=a_request_in_full("education_aid")).json()
    messages = arrived(receiver, SEATS)
    rows = {each["delivery_id"]: each for each in all_delivered(county)}
    assert {each.id for each in messages} == rows.keys(), "the id of the message is the id of the delivery"
    handoffs = {each["agency"]: each["handoff_id"] for each in receipt["handoffs"]}
    for each in messages:
        row = rows[each.id]
        assert each.verified, "standardwebhooks verifies the signature"
        assert each.path == f"/{row['agency']}"
        seen = county.coordinator.get(f"/v1/deliveries/{each.id}").json()
        assert hashlib.sha256(each.body).hexdigest() == seen["digest"]
        assert each.headers["content-type"] == "application/json"
        assert each.headers["user-agent"].startswith("one-window/")
        assert not {"cookie", "authorization"} & each.headers.keys()
        message = DispatchedMessage.model_validate_json(each.body)
        assert str(message.data.handoff_id) == handoffs[row["agency"]] == row["handoff_id"]
        seen = county.running.client("agency", agency=row["agency"]).get(f"/v1/handoffs/{row['handoff_id']}").json()
        assert message.data.person == seen["person"], "the message discloses what the inbox does"
        assert message.data.status == "dispatched"
        view = county.coordinator.get(f"/v1/deliveries/{each.id}").json()
        assert (view["attempts"], view["next_try_at"]) == (1, None)
        assert [(t["number"], t["status_code"], t["fault"]) for t in view["tries"]] == [(1, 200, None)]


def test_what_happens_to_a_handoff_is_told_in_order(county: County, receiver: Receiver) -> None:
    receipt = county.ask("education_aid")
    arrived(receiver, SEATS)
    school = county.handoff(receipt, EDUCATION)
    county.told(school, "accepted", "information_requested", materials=["在读证明"])
    path = f"/v1/requests/{receipt['request_id']}"
    county.window.post(f"{path}/supplements", json={"note": "在读证明已交"}).raise_for_status()
    until(lambda: len(receiver.of(EDUCATION)) == 2)
    county.window.post(f"{path}/withdraw", json={}).raise_for_status()
    told = until(lambda: found if len(found := receiver.of(EDUCATION)) == 3 else None)
    SupplementedMessage.model_validate_json(told[1].body)
    CancelledMessage.model_validate_json(told[2].body)
    assert [each.message["data"]["status"] for each in told] == ["dispatched", "in_progress", "cancelled"]
    assert {each.message["data"]["handoff_id"] for each in told} == {school["handoff_id"]}
    assert all(each.verified for each in receiver.received)


def test_an_agency_without_an_endpoint_reads_its_inbox_and_is_sent_nothing(
    run_service: Callable[..., Running],
) -> None:
    running = run_service(embedded_worker=True)
    receipt = running.client("intake").post("/v1/requests", json=a_request("education_aid")).json()
    assert count(running.url, delivery) == {"delivery": 0}
    inbox = running.client("agency", agency=EDUCATION).get("/v1/handoffs").json()["items"]
    assert [each["request_id"] for each in inbox] == [receipt["request_id"]]


def test_what_was_queued_while_no_worker_ran_is_delivered_when_one_starts(
    receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    county = County(run_service(), receiver.secrets)
    for _ in range(8):
        county.ask("education_aid")
    assert receiver.received == []
    assert len(deliveries(county, status="pending")) == 8 * SEATS
    run_service(embedded_worker=True)
    all_delivered(county)
    assert len(receiver.received) == len({each.id for each in receiver.received}) == 8 * SEATS


def test_a_lease_that_ran_out_is_reclaimed_and_one_that_runs_is_respected(
    receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    county = County(run_service(), receiver.secrets)
    county.ask("education_aid")
    ran_out = update(delivery).values(claimed_by=uuid4(), due_at=now() - timedelta(seconds=1))
    runs = update(delivery).where(delivery.c.receiver == EDUCATION)
    change(county.running.url, ran_out, runs.values(due_at=now() + timedelta(hours=1)))
    run_service(embedded_worker=True)
    until(lambda: len(deliveries(county, status="delivered")) == SEATS - 1)
    assert receiver.of(EDUCATION) == [], "the other worker may still be sending it"
    change(county.running.url, runs.values(due_at=now()))
    all_delivered(county)
    assert len(receiver.of(EDUCATION)) == 1
    assert len(receiver.received) == SEATS


def test_two_workers_deliver_each_message_once(receiver: Receiver, run_service: Callable[..., Running]) -> None:
    county = County(run_service(), receiver.secrets)
    for _ in range(40):
        county.ask("education_aid")
    for _ in range(2):
        run_service(embedded_worker=True)
    until(lambda: count(county.running.url, worker) == {"worker": 2}, what="the second worker")
    until(lambda: not deliveries(county, status="pending"), what="the delivery of everything")
    assert len(receiver.received) == 40 * SEATS
    assert len({each.id for each in receiver.received}) == 40 * SEATS


def test_a_worker_of_another_process_is_woken_by_the_database(
    backend: str, receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    if backend == "sqlite":
        pytest.skip("SQLite wakes nobody in another process; the poll does")
    county = County(run_service(), receiver.secrets)
    run_service(embedded_worker=True, poll_seconds=60)
    until(lambda: county.nobody.get("/health/ready").status_code == 200)
    county.ask("education_aid")
    arrived(receiver, SEATS)  # the listener may have come up after this one was queued
    county.ask("education_aid")
    arrived(receiver, 2 * SEATS, within=30)  # half of what the poll may take


def test_the_poll_finds_what_nobody_woke_the_worker_for(
    receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    county = County(run_service(), receiver.secrets)
    county.ask("education_aid")
    later = update(delivery).values(due_at=now() + timedelta(seconds=3600))
    change(county.running.url, later)
    run_service(embedded_worker=True, poll_seconds=0.3)
    until(lambda: county.nobody.get("/health/ready").status_code == 200)
    change(county.running.url, update(delivery).values(due_at=now()))
    all_delivered(county)


def test_an_idle_service_sends_the_first_byte_at_once(
    run_service: Callable[..., Running], receiver: Receiver, backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    county = County(run_service(embedded_worker=True, poll_seconds=60), receiver.secrets)
    until(lambda: county.nobody.get("/health/ready").status_code == 200)
    latencies = []
    for turn in range(1, 11):
        county.ask("education_aid")
        answered = time.monotonic()
        messages = arrived(receiver, turn * SEATS)
        latencies.append(min(each.at for each in messages[-SEATS:]) - answered)
        all_delivered(county)
    milliseconds = sorted(round(each * 1000) for each in latencies)
    with capsys.disabled():
        print(f"\n{backend}: first byte after the 201: median {statistics.median(milliseconds)} ms, {milliseconds}")
    assert statistics.median(latencies) < 1


def test_a_worker_that_is_told_to_stop_finishes_what_it_sends_and_gives_back_the_rest(
    database_url: str, receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    county = County(run_service(), receiver.secrets)
    receipts = [county.ask("temp_aid_fast") for _ in range(20)]
    receiver.always(TOWNSHIP, Answer(seconds=0.4))
    settings = {"SECRET": serving.SECRET, "DELIVERY_PER_AGENCY": "2", "DELIVERY_LEASE_SECONDS": "120"}
    settings["ALLOWED_NETWORKS"] = serving.LOOPBACK
    environment = {f"ONE_WINDOW_{name}": setting for name, setting in settings.items()}
    process = serving.Process("-m", "app", "worker", "--database", database_url, environment=environment)
    until(lambda: len(receiver.of(TOWNSHIP)) >= 3, what="the first messages")
    assert process.stop(within=60) == 0
    sent = {each.id for each in receiver.received}
    rows = fetch(database_url, select(delivery.c.id, delivery.c.status, delivery.c.claimed_by))
    assert {str(each["id"]) for each in rows if each["status"] == "delivered"} == sent
    assert len(sent) < len(rows), "it was stopped in the middle"
    assert {each["claimed_by"] for each in rows} == {None}, "nothing waits for a lease to run out"
    assert count(database_url, worker) == {"worker": 0}
    run_service(embedded_worker=True)
    all_delivered(county)
    assert len(receiver.received) == len({each.id for each in receiver.received}) == 3 * len(receipts)
