"""Delivery to endpoints that fail: tried again with the same id and bytes, given up in the open, nobody else delayed."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from app import agencies, metrics
from app.db import Database
from app.delivery.holding import Holding
from app.identifiers import now
from app.sealing import kept_at
from app.service_key import service_box
from app.tables import delivery, delivery_attempt, event, help_request
from tests import serving
from tests.county import CIVIL_AFFAIRS, EDUCATION, TOWNSHIP, County, Seen
from tests.receivers import Answer, Received, Receiver
from tests.running import Running
from tests.watching import change, count, fetch, make_due, on, until

SCHOOL = "360803-school"


@pytest.fixture
def county(receiver: Receiver, run_service: Callable[..., Running]) -> County:
    return County(run_service(embedded_worker=True), receiver.secrets)


def the_delivery(county: County, agency: str = EDUCATION) -> Seen:
    """An agency's only delivery, with its tries."""
    (found,) = county.coordinator.get("/v1/deliveries", params={"agency": agency}).json()["items"]
    view: Seen = county.coordinator.get(f"/v1/deliveries/{found['delivery_id']}").raise_for_status().json()
    return view


def tried(county: County, times: int, agency: str = EDUCATION) -> Seen:
    return until(lambda: seen if (seen := the_delivery(county, agency))["attempts"] == times else None)


def messages_of(receiver: Receiver, agency: str, number: int) -> list[Received]:
    return until(lambda: found if len(found := receiver.of(agency)) >= number else None, what=f"message {number}")


def pause_after(seen: Seen) -> float:
    """Seconds from the last try's beginning to the next."""
    begun, ended = seen["tries"][-1]["started_at"], seen["next_try_at"]
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds()


def looks_at(monkeypatch: pytest.MonkeyPatch, first: Callable[[], Awaitable[None]]) -> list[UUID]:
    """The messages that were looked for before they went; `first` comes before the first look."""
    looked_for: list[UUID] = []
    still = Holding.still

    async def watched(holding: Holding, delivery_id: UUID, *, alone: bool = False) -> bool:
        looked_for.append(delivery_id)
        if len(looked_for) == 1:
            await first()
        return await still(holding, delivery_id, alone=alone)

    monkeypatch.setattr(Holding, "still", watched)
    return looked_for


def assert_it_went_once(county: County, looked_for: list[UUID]) -> None:
    """What was looked for first: after a second look."""

    def seen() -> Seen | None:
        view: Seen = county.coordinator.get(f"/v1/deliveries/{looked_for[0]}").raise_for_status().json()
        return view if view["status"] == "delivered" else None

    until(lambda: looked_for)
    assert [each["status_code"] for each in until(seen)["tries"]] == [200]
    assert looked_for.count(looked_for[0]) == 2


def test_a_message_whose_look_fails_is_given_back_and_does_not_wait_for_its_lease_to_end(
    receiver: Receiver, run_service: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cut() -> None:
        raise OSError("cut")

    looked_for = looks_at(monkeypatch, cut)
    county = County(run_service(embedded_worker=True, delivery_lease_seconds=3600), receiver.secrets)
    county.ask("education_aid")
    assert_it_went_once(county, looked_for)


def test_a_message_whose_look_takes_long_is_not_sent_at_the_end_of_its_lease_and_claimed_anew(
    receiver: Receiver, run_service: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_for = looks_at(monkeypatch, lambda: asyncio.sleep(5.5))  # of a lease of nine, with an attempt of three
    running = run_service(embedded_worker=True, delivery_total_seconds=3, delivery_lease_seconds=9)
    county = County(running, receiver.secrets)
    county.ask("education_aid")
    assert_it_went_once(county, looked_for)


def test_a_failure_is_tried_again_with_the_same_id_and_the_same_bytes(county: County, receiver: Receiver) -> None:
    receiver.then(EDUCATION, Answer(500, body="暂时不行".encode()), Answer(503))
    county.ask("education_aid")
    for attempt, (least, most) in ((1, (4, 6)), (2, (16, 24))):
        seen = tried(county, attempt)
        assert (seen["status"], seen["ended_at"]) == ("pending", None)
        assert least <= pause_after(seen) <= most + 5, "exponential, spread by a fifth to either side"
        make_due(county.running.url)
    seen = tried(county, 3)
    assert seen["status"] == "delivered"
    assert [each["status_code"] for each in seen["tries"]] == [500, 503, 200]
    assert seen["tries"][0]["answer"] == "暂时不行"
    messages = messages_of(receiver, EDUCATION, 3)
    assert {each.id for each in messages} == {seen["delivery_id"]}
    assert len({each.body for each in messages}) == 1
    assert all(each.verified for each in messages)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_failure_and_is_not_followed(county: County, receiver: Receiver, status: int) -> None:
    elsewhere = receiver.endpoint.format(code="elsewhere")
    receiver.then(EDUCATION, Answer(status, headers={"location": elsewhere}))
    county.ask("education_aid")
    seen = tried(county, 1)
    assert (seen["status"], seen["tries"][0]["status_code"]) == ("pending", status)
    assert receiver.of("elsewhere") == []


@pytest.mark.parametrize("status", [201, 204, 299])
def test_every_2xx_means_delivered(county: County, receiver: Receiver, status: int) -> None:
    receiver.then(EDUCATION, Answer(status))
    county.ask("education_aid")
    assert tried(county, 1)["status"] == "delivered"


@pytest.mark.parametrize(("answer", "fault"), [(Answer(hang=True), "timeout"), (Answer(drop=True), "broken_answer")])
def test_an_endpoint_that_hangs_or_hangs_up_is_tried_again(
    receiver: Receiver, run_service: Callable[..., Running], answer: Answer, fault: str
) -> None:
    running = run_service(embedded_worker=True, delivery_total_seconds=3, delivery_lease_seconds=9)
    county = County(running, receiver.secrets)
    receiver.then(EDUCATION, answer)
    county.ask("education_aid")
    seen = tried(county, 1)
    (attempt,) = seen["tries"]
    assert (seen["status"], attempt["fault"], attempt["status_code"]) == ("pending", fault, None)
    assert attempt["milliseconds"] < 10_000  # not until the receiver lets go, nor until a read's own limit
    make_due(county.running.url)
    assert tried(county, 2)["status"] == "delivered"


def move(url: str, agency: str, endpoint: str) -> str:
    """Give an agency another endpoint; its new secret."""

    async def run() -> str:
        database = Database(serving.settings_for(url))
        async with database.writing() as connection:
            secret = await agencies.set_endpoint(connection, agency, endpoint)
        await database.close()
        return secret

    return asyncio.run(run())


def test_an_endpoint_that_is_not_there_is_tried_again_at_its_new_address(
    database_url: str, receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    move(database_url, EDUCATION, f"http://127.0.0.1:{serving.free_port()}/")
    county = County(run_service(embedded_worker=True), receiver.secrets)
    county.ask("education_aid")
    assert [(each["fault"], each["status_code"]) for each in tried(county, 1)["tries"]] == [("unreachable", None)]
    receiver.secrets[EDUCATION] = move(database_url, EDUCATION, receiver.endpoint.format(code=EDUCATION))

    def delivered() -> bool:
        make_due(county.running.url)
        return bool(the_delivery(county)["status"] == "delivered")

    until(delivered, what="the delivery")
    assert receiver.of(EDUCATION)[-1].verified


def test_a_huge_answer_is_cut_to_one_kib(county: County, receiver: Receiver) -> None:
    receiver.then(EDUCATION, Answer(500, body=b"y" * 5_000_000), Answer(200, body=b"z" * 5_000_000))
    county.ask("education_aid")
    tried(county, 1)
    make_due(county.running.url)
    seen = tried(county, 2)
    assert seen["status"] == "delivered"
    assert [each["answer"] for each in seen["tries"]] == ["y" * 1024, "z" * 1024]
    kept = fetch(county.running.url, select(delivery_attempt.c.sealed))
    assert max(len(each["sealed"]) for each in kept) < 1200


def quick(receiver: Receiver, slow: set[str], number: int, begun: float) -> float:
    """Seconds until `number` messages have reached the agencies that are not slow."""
    others = until(
        lambda: found if len(found := [m for m in list(receiver.received) if m.path[1:] not in slow]) >= number else [],
        within=50,
        what="what the others are to get",
    )
    return max(each.at for each in others) - begun


def test_one_dead_endpoint_delays_nobody_else(receiver: Receiver, run_service: Callable[..., Running]) -> None:
    limits = dict.fromkeys(("delivery_total_seconds", "delivery_read_seconds"), 120)
    county = County(run_service(embedded_worker=True, delivery_lease_seconds=130, **limits), receiver.secrets)
    receiver.always(TOWNSHIP, Answer(hang=True))
    begun = time.monotonic()
    for _ in range(30):
        county.ask("temp_aid_fast")
    quick(receiver, {TOWNSHIP}, 60, begun)  # while it hangs: nothing ends that before the receiver does
    assert len(receiver.of(TOWNSHIP)) == 8, "as many as one agency may have in flight"
    receiver.release()


def test_several_dead_endpoints_delay_nobody_else(receiver: Receiver, run_service: Callable[..., Running]) -> None:
    """A county's systems often stand behind one gateway: they hang together."""
    county = County(run_service(embedded_worker=True, delivery_total_seconds=4), receiver.secrets)
    for handoff in county.ask("homeless_rescue", "wage_arrears")["handoffs"]:
        receiver.always(handoff["agency"], Answer(hang=True))
    slow = {each["agency"] for each in county.ask("homeless_rescue", "wage_arrears")["handoffs"]}
    for _ in range(12):
        county.ask("homeless_rescue", "wage_arrears")
    begun = time.monotonic()
    county.ask("education_aid")
    seconds = quick(receiver, slow, 5, begun)
    receiver.release()
    assert seconds < 10, "they would have waited for every hanging endpoint in turn: some 20 s"


def test_what_can_not_be_delivered_is_kept_shown_and_can_be_sent_again(county: County, receiver: Receiver) -> None:
    receiver.then(SCHOOL, Answer(500), Answer(500))
    receipt = county.ask("education_aid")
    tried(county, 1, SCHOOL)
    of_school = update(delivery).where(delivery.c.receiver == SCHOOL)
    change(county.running.url, of_school.values(give_up_at=now() - timedelta(seconds=1), due_at=now()))
    seen = tried(county, 2, SCHOOL)
    assert (seen["status"], seen["next_try_at"]) == ("exhausted", None)
    assert seen["ended_at"]
    listed = county.coordinator.get("/v1/deliveries", params={"status": "exhausted"}).json()["items"]
    assert [(each["agency"], each["delivery_id"]) for each in listed] == [(SCHOOL, seen["delivery_id"])]
    assert listed[0]["agency_phone"], "somebody can be rung"
    last = county.events(receipt)[-1]
    assert (last["kind"], last["data"]["delivery"]) == ("delivery.exhausted", seen["delivery_id"])
    assert last["data"]["agency"] == SCHOOL

    path = f"/v1/deliveries/{seen['delivery_id']}/redeliver"
    again = county.coordinator.post(path)
    assert (again.status_code, again.json()["delivery_id"]) == (200, seen["delivery_id"])
    assert tried(county, 3, SCHOOL)["status"] == "delivered"
    first, second, third = messages_of(receiver, SCHOOL, 3)
    assert first.id == second.id == third.id
    assert first.body == third.body
    assert county.events(receipt)[-1]["kind"] == "delivery.sent_again"
    receiver.always(SCHOOL, Answer(500))
    assert county.coordinator.post(path).json()["status"] == "pending", "one that was delivered may be replayed"
    refused = county.coordinator.post(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "delivery_pending")
    assert county.events(receipt)[-1]["kind"] == "delivery.sent_again", "the timeline tells of what was given up alone"
    nowhere = county.coordinator.post(f"/v1/deliveries/{receipt['request_id']}/redeliver")
    assert nowhere.status_code == 404


def test_a_worker_that_lost_its_claim_does_not_say_that_a_delivery_was_given_up(
    receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    county = County(run_service(), receiver.secrets)
    receipt = county.ask("education_aid")
    of_education = update(delivery).where(delivery.c.receiver == EDUCATION)
    change(county.running.url, of_education.values(give_up_at=now()))
    receiver.always(EDUCATION, Answer(500, hang=True))
    before = metrics.EXHAUSTED._value.get()
    county = County(run_service(embedded_worker=True), receiver.secrets)
    messages_of(receiver, EDUCATION, 1)
    change(county.running.url, of_education.values(claimed_by=uuid4(), due_at=now() + timedelta(hours=1)))
    receiver.release()
    (attempt,) = until(lambda: the_delivery(county)["tries"])
    assert attempt["status_code"] == 500, "what was tried is kept all the same"
    assert (the_delivery(county)["status"], the_delivery(county)["attempts"]) == ("pending", 0)
    assert "delivery.exhausted" not in {each["kind"] for each in county.events(receipt)}
    assert metrics.EXHAUSTED._value.get() == before


def test_what_was_withdrawn_before_it_was_delivered_is_still_delivered_and_so_is_its_cancellation(
    county: County, receiver: Receiver
) -> None:
    receiver.then(EDUCATION, Answer(503), Answer(503))
    receipt = county.ask("education_aid")
    tried(county, 1)
    county.window.post(f"/v1/requests/{receipt['request_id']}/withdraw", json={}).raise_for_status()
    messages_of(receiver, EDUCATION, 2)

    def delivered() -> list[Seen]:
        make_due(county.running.url)
        found = county.coordinator.get("/v1/deliveries", params={"agency": EDUCATION}).json()["items"]
        return [each for each in found if each["status"] == "delivered"]

    until(lambda: len(delivered()) == 2, what="both messages")
    told = {each.id: each.message for each in receiver.of(EDUCATION)}.values()
    in_time = sorted(told, key=lambda message: datetime.fromisoformat(message["timestamp"]))
    assert [each["type"] for each in in_time] == ["handoff.dispatched", "handoff.cancelled"]
    assert [each["data"]["status"] for each in in_time] == ["dispatched", "cancelled"]
    assert len({each["data"]["handoff_id"] for each in in_time}) == 1


def test_a_delivery_that_is_sent_again_gets_another_three_days(county: County, receiver: Receiver) -> None:
    receiver.then(EDUCATION, Answer(500), Answer(500))
    county.ask("education_aid")
    given_up = tried(county, 1)["delivery_id"]
    of_education = update(delivery).where(delivery.c.receiver == EDUCATION)
    change(county.running.url, of_education.values(status="exhausted", ended_at=now(), give_up_at=now()))
    county.coordinator.post(f"/v1/deliveries/{given_up}/redeliver").raise_for_status()
    seen = tried(county, 2)
    assert seen["status"] == "pending", "one more failure does not give it up at once"
    (row,) = fetch(county.running.url, select(delivery.c.give_up_at).where(delivery.c.receiver == EDUCATION))
    assert row["give_up_at"] - now() > timedelta(days=2.9)


def test_a_delivery_that_is_sent_again_begins_its_schedule_anew_and_is_numbered_on(
    county: County, receiver: Receiver
) -> None:
    receiver.then(EDUCATION, *[Answer(500)] * 4)
    county.ask("education_aid")
    tried(county, 1)
    make_due(county.running.url)
    given_up = tried(county, 2)["delivery_id"]
    of_education = update(delivery).where(delivery.c.receiver == EDUCATION)
    change(county.running.url, of_education.values(status="exhausted", ended_at=now(), attempts=14))
    county.coordinator.post(f"/v1/deliveries/{given_up}/redeliver").raise_for_status()
    for attempt, (least, most) in ((15, (4, 6)), (16, (16, 24))):
        seen = tried(county, attempt)
        assert least <= pause_after(seen) <= most + 5, "what failed before it was sent again counts no more"
        make_due(county.running.url)
    seen = tried(county, 17)
    assert (seen["status"], [each["number"] for each in seen["tries"]]) == ("delivered", [1, 2, 15, 16, 17])


def test_a_failing_endpoint_is_left_alone_for_a_while(county: County, receiver: Receiver) -> None:
    receiver.always(EDUCATION, Answer(500))
    for _ in range(12):
        county.ask("education_aid")
    until(lambda: len(receiver.of(EDUCATION)) >= 5, what="the failures that open the breaker")
    until(lambda: len(receiver.of(CIVIL_AFFAIRS)) == 12, what="everything for its neighbour")
    make_due(county.running.url)
    county.ask("education_aid")
    until(lambda: len(receiver.of(CIVIL_AFFAIRS)) == 13, what="the neighbour's next")
    in_a_row, most_in_flight = 5, 8
    assert len(receiver.of(EDUCATION)) <= in_a_row + most_in_flight
    assert count(county.running.url, delivery) == {"delivery": 13 * 5}, "nothing was given up"


def queued(url: str, body: bytes) -> bytes:
    """What a message to the school with another body would have been queued with."""

    async def work(database: Database) -> bytes:
        async with database.reading() as connection:
            await service_box(connection)
            names = (delivery.c.id, help_request.c.id.label("of"), help_request.c.data_key)
            asked = select(*names).join_from(delivery, help_request, delivery.c.request_id == help_request.c.id)
            row = (await connection.execute(asked.where(delivery.c.receiver == EDUCATION))).one()
            box = database.vault.box(row.of.bytes, row.data_key)
            return box.seal_bytes(hashlib.sha256(body).digest(), kept_at("delivery.digest", row.id, EDUCATION))

    return on(url, work)


@pytest.mark.parametrize("exchanged", ["sealed", "receiver"])
def test_what_was_meant_for_another_agency_is_posted_to_none(
    receiver: Receiver, run_service: Callable[..., Running], exchanged: str
) -> None:
    """Two messages about one request, sealed with the same key, in each other's place."""
    county = County(run_service(), receiver.secrets)
    county.ask("education_aid")
    rows = fetch(county.running.url, select(delivery).order_by(delivery.c.id))
    two = [next(each for each in rows if each["receiver"] == code) for code in (EDUCATION, CIVIL_AFFAIRS)]
    for one, other in (two, two[::-1]):
        its = update(delivery).where(delivery.c.id == one["id"])
        change(county.running.url, its.values({exchanged: other[exchanged]}))
    county = County(run_service(embedded_worker=True), receiver.secrets)

    def failed() -> list[str]:
        tries = select(delivery_attempt.c.fault).where(delivery_attempt.c.delivery_id.in_([each["id"] for each in two]))
        return [row["fault"] for row in fetch(county.running.url, tries)]

    until(lambda: len(failed()) == 2, what="both are tried")
    assert failed() == ["unreadable"] * 2
    assert (receiver.of(EDUCATION), receiver.of(CIVIL_AFFAIRS)) == ([], [])


@pytest.mark.parametrize("damaged", ["body", "digest", "data key"])
def test_what_can_not_be_opened_is_given_up_and_says_nothing_of_its_endpoint(
    receiver: Receiver, run_service: Callable[..., Running], damaged: str
) -> None:
    county = County(run_service(), receiver.secrets)
    receipt = county.ask("education_aid")
    rows = fetch(county.running.url, select(delivery.c.id, delivery.c.receiver, delivery.c.sealed))
    of_education = next(each for each in rows if each["receiver"] == EDUCATION)
    its = delivery.c.id == of_education["id"]
    if damaged == "body":
        broken = of_education["sealed"][:-1] + bytes([of_education["sealed"][-1] ^ 1])
        change(county.running.url, update(delivery).where(its).values(sealed=broken))
        others = {each["receiver"] for each in rows} - {EDUCATION}
    elif damaged == "digest":
        change(
            county.running.url, update(delivery).where(its).values(digest=queued(county.running.url, b"another body"))
        )
        others = {each["receiver"] for each in rows} - {EDUCATION}
    else:
        (kept,) = fetch(county.running.url, select(help_request.c.data_key))
        broken = kept["data_key"][:-1] + bytes([kept["data_key"][-1] ^ 1])
        change(county.running.url, update(help_request).values(data_key=broken))
        others = set()
    county = County(run_service(embedded_worker=True), receiver.secrets)
    seen = tried(county, 1)
    assert (seen["status"], seen["tries"][0]["fault"], seen["tries"][0]["status_code"]) == (
        "pending",
        "unreadable",
        None,
    )
    assert 3.9 < pause_after(seen) < 6.1, "its schedule is that of any other"
    change(county.running.url, update(delivery).where(its).values(give_up_at=now(), due_at=now()))
    until(lambda: the_delivery(county)["status"] == "exhausted")
    listed = county.coordinator.get("/v1/deliveries", params={"status": "exhausted"}).json()["items"]
    assert [each["delivery_id"] for each in listed] == [str(of_education["id"])]
    (told,) = fetch(county.running.url, select(event.c.data).where(event.c.kind == "delivery.exhausted"))
    assert (told["data"]["fault"], told["data"]["attempts"]) == ("unreadable", 2)
    assert receiver.of(EDUCATION) == []
    agency = county.coordinator.get(f"/v1/agencies/{EDUCATION}").json()
    assert agency["state"]["breaker"] == "closed"
    assert {each for each in others if receiver.of(each)} == others
    assert receipt["request_id"] == seen["request_id"]
