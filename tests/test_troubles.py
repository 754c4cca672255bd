"""Subscribers are told when an agency's endpoint fails, says gone, works again: once, with the number to call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from app.db import Database
from app.delivery.breaker import BreakerState
from app.delivery.troubles import Change, keep
from app.identifiers import now
from app.messages import EndpointNotice
from app.registry import Registry
from app.tables import agency, delivery, endpoint_state, endpoint_trouble
from tests.county import EDUCATION, County, Seen
from tests.receivers import FAULTY, Answer, Receiver
from tests.running import Running
from tests.test_subscriptions import arrived, path_of, queued, seen, subscribe, types_of
from tests.watching import change, fetch, make_due, on, until

TROUBLES = ["endpoint.failing", "endpoint.suspended", "endpoint.recovered"]
PHONE = "0796-8200001"


@pytest.fixture
def county(database_url: str, receiver: Receiver, run_service: Callable[..., Running]) -> County:
    change(database_url, update(agency).where(agency.c.code == EDUCATION).values(phone=PHONE))
    return County(run_service(embedded_worker=True), receiver.secrets)


def fails(county: County, receiver: Receiver, answer: Answer = FAULTY, times: int = 5) -> None:
    receiver.then(EDUCATION, *[answer] * times)
    for _ in range(times):
        county.ask("education_aid")


def told_of(receiver: Receiver, number: int, name: str = "dashboard") -> list[EndpointNotice]:
    received = arrived(receiver, number, name)
    assert all(each.verified for each in received)
    assert len(received) == number
    return [EndpointNotice.model_validate_json(each.body) for each in received]


def test_a_coordinator_is_told_whom_to_call_when_an_endpoint_fails_and_that_it_works_again(
    county: County, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.delivery.breaker._FIRST_PAUSE", 0.3)
    made = subscribe(county, receiver, types=TROUBLES)
    fails(county, receiver)
    (failing,) = told_of(receiver, 1)
    office = county.coordinator.get(f"/v1/agencies/{EDUCATION}").json()
    assert failing.type == "endpoint.failing"
    names = ("name_zh", "name_en", "phone", "division_code")
    assert [getattr(failing.data, name) for name in names] == [office[name] for name in names]
    assert (failing.data.agency, failing.data.fault) == (EDUCATION, "http_500")
    assert abs(failing.timestamp - failing.data.since) < timedelta(minutes=1)
    assert PHONE in failing.data.advice_zh
    assert PHONE in failing.data.advice_en
    until(lambda: make_due(county.running.url) or len(receiver.of("dashboard")) == 2, what="that it works again")
    recovered = told_of(receiver, 2)[1]
    assert (recovered.type, recovered.data.fault) == ("endpoint.recovered", None)
    assert recovered.data.since >= failing.data.since
    assert county.coordinator.get(f"/v1/agencies/{EDUCATION}").json()["state"]["breaker"] == "closed"
    assert [(each["request_id"], each["handoff_id"]) for each in queued(county, made)] == [(None, None)] * 2


def test_who_is_told_goes_by_the_type_and_the_agency_s_area_and_not_by_needs(
    county: County, receiver: Receiver
) -> None:
    other = next(iter(county.coordinator.get("/v1/divisions?parent=360802").json()["items"]))["code"]
    of_area = subscribe(county, name="of area", types=TROUBLES, areas=["360803"])
    of_need = subscribe(county, name="of need", types=TROUBLES, needs=["homeless_rescue"])
    beside = subscribe(county, name="beside", types=TROUBLES, areas=[other])
    unasked = subscribe(county, name="unasked", types=["endpoint.recovered"])
    fails(county, receiver)
    until(lambda: types_of(county, of_area), what="the notice")
    for each, told in ((of_area, 1), (of_need, 1), (beside, 0), (unasked, 0)):
        assert types_of(county, each)["endpoint.failing"] == len(queued(county, each)) == told


def test_one_that_says_gone_is_told_of_and_so_is_the_first_message_after_it_was_taken_back(
    database_url: str, receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    change(database_url, update(agency).where(agency.c.code == EDUCATION).values(phone=None))
    county = County(run_service(embedded_worker=True), receiver.secrets)
    subscribe(county, receiver, types=TROUBLES)
    fails(county, receiver, Answer(410), times=1)
    (suspended,) = told_of(receiver, 1)
    assert (suspended.type, suspended.data.fault, suspended.data.phone) == ("endpoint.suspended", "http_410", None)
    assert "none is on record" in suspended.data.advice_en
    county.coordinator.post(f"/v1/agencies/{EDUCATION}/resume-endpoint").raise_for_status()
    # A message under way when it was taken back may arrive before its worker knows: then the next one says it.
    until(
        lambda: make_due(county.running.url) or (county.ask("education_aid") and len(receiver.of("dashboard")) == 2),
        what="that it works again",
    )
    assert told_of(receiver, 2)[1].type == "endpoint.recovered"


def test_a_subscriber_s_own_endpoint_that_fails_is_announced_to_nobody(county: County, receiver: Receiver) -> None:
    failing = subscribe(county, receiver, name="failing", types=["request.registered", *TROUBLES])
    witness = subscribe(county, receiver, name="witness", types=TROUBLES)
    receiver.then("failing", *[Answer(500)] * 5)
    for _ in range(5):
        county.ask("education_aid")
    until(lambda: seen(county, failing)["state"]["breaker"] == "open", what="its rest")
    assert fetch(county.running.url, select(endpoint_trouble)) == []
    assert queued(county, witness) == []
    assert set(types_of(county, failing)) == {"request.registered"}


def test_what_no_worker_holds_open_any_more_ends_with_the_next_success(
    database_url: str, receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    county = County(run_service(), receiver.secrets)
    made = subscribe(county, receiver, types=TROUBLES)
    at = now()
    row = {"receiver": EDUCATION, "breaker": "open", "since": at, "failures": 9, "fault": "timeout", "probe_at": at}
    change(database_url, insert(endpoint_state).values(row))
    change(database_url, insert(endpoint_trouble).values(receiver=EDUCATION, kind="failing"))
    working = County(run_service(embedded_worker=True), receiver.secrets)
    working.ask("education_aid")
    until(lambda: receiver.of(EDUCATION), what="a message that arrives")
    until(lambda: seen(working, made)["pending"] == 0, what="the worker's rest")
    assert queued(working, made) == [], "another worker may hold it open, and is the one to say so"
    change(database_url, update(endpoint_state).values(probe_at=at - timedelta(minutes=5)))
    until(lambda: working.ask("education_aid") and receiver.of("dashboard"), what="that it works again")
    assert told_of(receiver, 1)[0].type == "endpoint.recovered"
    (state,) = fetch(database_url, select(endpoint_state.c.breaker).where(endpoint_state.c.receiver == EDUCATION))
    assert state["breaker"] == "closed"


FAILING = Change(EDUCATION, BreakerState.OPEN, now(), 5, "timeout", now(), None)
GONE = replace(FAILING, breaker=BreakerState.CLOSED, fault="http_410", probe_at=None, suspended_at=now())
WELL = replace(FAILING, breaker=BreakerState.CLOSED, failures=0, fault=None, probe_at=None)


def kept_by_workers(county: County, *steps: tuple[Change, int]) -> list[int]:
    """Each change as so many workers see it at the same moment; how many of them told."""

    async def work(database: Database) -> list[int]:
        snapshot = await Registry(database, 60).current()

        async def one(seen_by_it: Change) -> bool:
            async with database.writing() as connection:
                return await keep(connection, [seen_by_it], snapshot, now())

        return [sum(await asyncio.gather(*(one(each) for _ in range(workers)))) for each, workers in steps]

    return on(county.running.url, work)


def test_however_many_workers_see_a_change_it_is_told_once(
    receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    county = County(run_service(), receiver.secrets)
    made = subscribe(county, receiver, types=TROUBLES)
    steps = ((WELL, 4), (FAILING, 4), (FAILING, 4), (WELL, 4), (FAILING, 4), (GONE, 4))
    assert kept_by_workers(county, *steps) == [0, 1, 0, 1, 1, 1]
    # Others were under way when it said so: what they saw is no news before it is taken back.
    assert kept_by_workers(county, (FAILING, 2), (WELL, 2), (GONE, 2)) == [0, 0, 0]
    county.coordinator.post(f"/v1/agencies/{EDUCATION}/resume-endpoint").raise_for_status()
    assert kept_by_workers(county, (FAILING, 4), (WELL, 4)) == [1, 1]
    told = dict(types_of(county, made))
    assert told == {"endpoint.failing": 3, "endpoint.recovered": 2, "endpoint.suspended": 1}


def test_a_notice_and_the_row_that_it_is_about_are_written_together_or_not_at_all(
    receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    county = County(run_service(), receiver.secrets)
    made = subscribe(county, receiver, types=TROUBLES)

    async def broken_off(database: Database) -> None:
        with suppress(ZeroDivisionError):
            async with database.writing() as connection:
                assert await keep(connection, [FAILING], await Registry(database, 60).current(), now())
                raise ZeroDivisionError

    on(county.running.url, broken_off)
    assert (
        fetch(county.running.url, select(endpoint_state)) == fetch(county.running.url, select(endpoint_trouble)) == []
    )
    assert queued(county, made) == []


@pytest.mark.parametrize("path", ["/v1/deliveries/{}/redeliver", "/v1/deliveries/redeliver-exhausted"])
def test_a_notice_about_no_request_that_nobody_took_is_shown_and_sent_again(
    county: County, receiver: Receiver, path: str
) -> None:
    made = subscribe(county, receiver, types=TROUBLES)
    receiver.then("dashboard", FAULTY, FAULTY)
    fails(county, receiver)
    until(lambda: told if (told := queued(county, made)) and told[0]["attempts"] == 1 else None, what="the first try")
    ours = update(delivery).where(delivery.c.receiver == made["subscription_id"])
    change(county.running.url, ours.values(give_up_at=now() - timedelta(seconds=1), due_at=now()))
    until(lambda: queued(county, made)[0]["status"] == "exhausted", what="the end of the tries")
    (listed,) = county.coordinator.get("/v1/deliveries?status=exhausted").json()["items"]
    view: Seen = county.coordinator.get(f"/v1/deliveries/{listed['delivery_id']}").raise_for_status().json()
    assert (view["request_id"], len(view["tries"])) == (None, 2)
    county.coordinator.post(path.format(listed["delivery_id"])).raise_for_status()
    until(lambda: queued(county, made)[0]["status"] == "delivered", what="the delivery")
    assert len({(each.id, each.body) for each in receiver.of("dashboard")}) == 1
    assert county.coordinator.delete(path_of(made)).status_code == 204
