"""How an endpoint is treated by how it behaves: hurried no more than it asked, rested when slow, suspended when gone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import delete, select, update

from app.delivery.lanes import Priority
from app.identifiers import now
from app.tables import agency, delivery, delivery_attempt, endpoint_state
from tests.county import CIVIL_AFFAIRS, EDUCATION, TOWNSHIP, County, Seen
from tests.receivers import FAULTY, Answer, Receiver
from tests.running import Running
from tests.watching import change, fetch, make_due, until

STATE = select(endpoint_state).where(endpoint_state.c.receiver == EDUCATION)


def the_delivery(county: County, of: str = EDUCATION) -> Seen:
    (found,) = county.coordinator.get("/v1/deliveries", params={"agency": of}).json()["items"]
    view: Seen = county.coordinator.get(f"/v1/deliveries/{found['delivery_id']}").raise_for_status().json()
    return view


def test_who_asks_for_a_pause_is_not_tried_sooner(receiver: Receiver, run_service: Callable[..., Running]) -> None:
    county = County(run_service(embedded_worker=True), receiver.secrets)
    receiver.then(EDUCATION, Answer(503, headers={"Retry-After": "600"}))
    county.ask("education_aid")
    seen = until(lambda: seen if (seen := the_delivery(county))["attempts"] == 1 else None)
    pause = datetime.fromisoformat(seen["next_try_at"]) - datetime.fromisoformat(seen["tries"][0]["started_at"])
    assert timedelta(seconds=600) <= pause < timedelta(seconds=660)
    # What comes after waits with it, whatever is due, and its neighbours do not.
    county.ask("education_aid")
    make_due(county.running.url)
    until(lambda: len(receiver.of(CIVIL_AFFAIRS)) == 2, what="the neighbour's second message")
    assert len(receiver.of(EDUCATION)) == 1


def test_an_endpoint_that_says_gone_is_suspended_until_it_is_taken_back(
    receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    county = County(run_service(embedded_worker=True, refresh_seconds=0.1), receiver.secrets)
    receiver.then(EDUCATION, Answer(410))
    county.ask("education_aid")
    (state,) = until(lambda: fetch(county.running.url, STATE))
    assert (state["fault"], state["suspended_at"] is None) == ("http_410", False)
    make_due(county.running.url)
    seen = until(lambda: seen if (seen := the_delivery(county))["attempts"] >= 2 else None)
    assert {each["fault"] for each in seen["tries"][1:]} == {"endpoint_suspended"}
    assert seen["status"] == "pending", "nothing is dropped"
    assert len(receiver.of(EDUCATION)) == 1
    change(county.running.url, update(endpoint_state).values(suspended_at=None))

    def delivered() -> bool:
        make_due(county.running.url)
        return bool(the_delivery(county)["status"] == "delivered")

    until(delivered, what="the delivery")


def test_a_suspension_outlives_the_worker(receiver: Receiver, run_service: Callable[..., Running]) -> None:
    county = County(run_service(embedded_worker=False), receiver.secrets)
    county.ask("education_aid")
    row = {"receiver": EDUCATION, "breaker": "closed", "since": now(), "failures": 1, "suspended_at": now()}
    change(county.running.url, endpoint_state.insert().values(row))
    county = County(run_service(embedded_worker=True), receiver.secrets)
    seen = until(lambda: seen if (seen := the_delivery(county))["attempts"] else None)
    assert {each["fault"] for each in seen["tries"]} == {"endpoint_suspended"}
    assert receiver.of(EDUCATION) == []


def test_an_endpoint_that_is_always_slow_is_left_alone_and_is_shown(
    receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    county = County(run_service(embedded_worker=True, delivery_slow_seconds=2), receiver.secrets)
    receiver.always(EDUCATION, Answer(200, seconds=2.2))
    for _ in range(30):
        county.ask("education_aid")
    (state,) = until(lambda: [each for each in fetch(county.running.url, STATE) if each["breaker"] == "open"])
    assert state["fault"] == "slow"
    assert timedelta(0) < state["probe_at"] - now() < timedelta(minutes=6)
    until(lambda: len(receiver.of(CIVIL_AFFAIRS)) == 30, what="everything for its neighbour")
    assert len(receiver.of(EDUCATION)) <= 5 + 8, "what was in flight when it was left alone, and no more"


def test_an_endpoint_that_recovers_is_closed_again_by_its_probe(
    receiver: Receiver, run_service: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.delivery.breaker._FIRST_PAUSE", 0.3)
    county = County(run_service(embedded_worker=True), receiver.secrets)
    receiver.then(EDUCATION, *[FAULTY] * 5)
    for _ in range(5):
        county.ask("education_aid")
    until(lambda: fetch(county.running.url, STATE.where(endpoint_state.c.breaker == "open")))
    make_due(county.running.url)
    (state,) = until(lambda: fetch(county.running.url, STATE.where(endpoint_state.c.breaker == "closed")))
    assert (state["failures"], state["fault"], state["probe_at"]) == (0, None, None)
    until(lambda: len(receiver.of(EDUCATION)) == 10, what="everything that waited")


def test_an_endpoint_gets_no_more_a_second_than_it_may(
    database_url: str, receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    change(database_url, update(agency).where(agency.c.code == EDUCATION).values(per_second=3))
    county = County(run_service(embedded_worker=True), receiver.secrets)
    for _ in range(7):
        county.ask("education_aid")
    until(lambda: len(receiver.of(EDUCATION)) == 7, what="all of them", within=20)
    at = [each.at for each in receiver.of(EDUCATION)]
    # Three at once, and each further one a third of a second after the last: never sooner, later if we are busy. The
    # first may be heard late, so less of it than the whole is asked; as fast as it goes they come within a few hundredths.
    assert at[6] - at[0] > (4 / 3) * 0.6


def test_an_endpoint_s_own_limit_bounds_what_is_in_flight(
    database_url: str, receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    change(database_url, update(agency).where(agency.c.code == EDUCATION).values(max_in_flight=2))
    county = County(run_service(embedded_worker=True), receiver.secrets)
    receiver.always(EDUCATION, Answer(hang=True))
    for _ in range(6):
        county.ask("education_aid")
    until(lambda: len(receiver.of(CIVIL_AFFAIRS)) == 6, what="everything for its neighbour")
    assert len(receiver.of(EDUCATION)) == 2
    receiver.release()
    until(lambda: len(receiver.of(EDUCATION)) == 6, what="the others")


def test_an_emergency_overtakes_and_passes_where_everything_hangs(
    receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    county = County(run_service(embedded_worker=False), receiver.secrets)
    receiver.always(TOWNSHIP, Answer(hang=True))
    for _ in range(20):
        county.ask("temp_aid_fast")
    to_township = select(delivery.c.id).where(delivery.c.receiver == TOWNSHIP).order_by(delivery.c.id.desc())
    last = fetch(county.running.url, to_township)[0]["id"]
    later = {"due_at": now() + timedelta(hours=1)}
    change(county.running.url, update(delivery).where(delivery.c.id == last).values(later))
    county = County(run_service(embedded_worker=True), receiver.secrets)
    until(lambda: len(receiver.of(TOWNSHIP)) == 8, what="as many as may be in flight")
    urgent = {"due_at": now(), "priority": int(Priority.EMERGENCY)}
    change(county.running.url, update(delivery).where(delivery.c.id == last).values(urgent))
    until(lambda: str(last) in {each.id for each in receiver.of(TOWNSHIP)}, what="the emergency")
    assert len(receiver.of(TOWNSHIP)) == 9
    receiver.release()


def test_no_more_are_in_flight_than_may_be_but_for_emergencies(
    receiver: Receiver, run_service: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.delivery.courier._YOUNG_SECONDS", 1000)  # what hangs counts for as long as the test lasts
    county = County(run_service(embedded_worker=False), receiver.secrets)
    for _ in range(4):
        county.ask("education_aid")
    waiting = fetch(county.running.url, select(delivery.c.id, delivery.c.receiver).order_by(delivery.c.id))
    for each in waiting:
        receiver.always(each["receiver"], Answer(hang=True))
    county = County(run_service(embedded_worker=True, delivery_concurrency=4), receiver.secrets)
    until(lambda: len(receiver.received) == 4, what="as many as may be in flight")
    sent = {each.id for each in receiver.received}
    left = next(each["id"] for each in waiting if str(each["id"]) not in sent)
    urgent = update(delivery).where(delivery.c.id == left).values(priority=int(Priority.EMERGENCY), due_at=now())
    change(county.running.url, urgent)
    until(lambda: str(left) in {each.id for each in receiver.received}, what="the emergency")
    assert len(receiver.received) == 5
    receiver.release()


def test_receivers_beyond_one_look_have_their_turn(
    receiver: Receiver, run_service: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.delivery.courier._MOST_RECEIVERS", 2)
    county = County(run_service(embedded_worker=False), receiver.secrets)
    for _ in range(3):
        county.ask("education_aid")
    waiting = fetch(county.running.url, select(delivery.c.receiver).distinct())
    assert len(waiting) > 4
    first, second = sorted(each["receiver"] for each in waiting)[:2]
    for each in (first, second):
        receiver.always(each, Answer(hang=True))
    county = County(run_service(embedded_worker=True), receiver.secrets)
    until(lambda: len([m for m in receiver.received if m.path[1:] not in (first, second)]) == 3 * (len(waiting) - 2))
    receiver.release()


def test_what_the_database_refuses_to_keep_is_sent_again_and_holds_nobody_up(
    receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    """A delivery that vanishes while it is in flight: what came back can't be kept, and the others go on."""
    county = County(run_service(embedded_worker=True), receiver.secrets)
    receiver.always(EDUCATION, Answer(hang=True))
    county.ask("education_aid")
    until(lambda: receiver.of(EDUCATION), what="the message")
    change(county.running.url, delete(delivery).where(delivery.c.receiver == EDUCATION))
    receiver.release()
    county.ask("education_aid")
    until(lambda: the_delivery(county)["status"] == "delivered", what="the next message")
    tries = fetch(county.running.url, select(delivery_attempt.c.delivery_id))
    assert len(tries) == len({each["delivery_id"] for each in tries})
