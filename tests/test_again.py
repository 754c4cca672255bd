"""Sent again: one delivery or thousands, the same ids and bytes, behind everything new, a few hundred at a time."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import pickle
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import RFC_4122, UUID, SafeUUID

import pytest
from sqlalchemy import insert, select, update

from app.db import Database
from app.delivery.again import Batch, Chosen, redeliver_all
from app.delivery.lanes import Priority
from app.identifiers import first_id, new_id, now
from app.tables import delivery
from tests import serving
from tests.commands import one_window_here, refused
from tests.county import CIVIL_AFFAIRS, EDUCATION, County, Seen
from tests.receivers import Received, Receiver
from tests.running import Running
from tests.watching import change, digests, fetch, until

SEATS = 5  # of education_aid
MANY = 600


@pytest.fixture
def county(receiver: Receiver, run_service: Callable[..., Running]) -> County:
    return County(run_service(), receiver.secrets)


def rows_of(county: County, *which: Any) -> list[dict[str, Any]]:
    return fetch(county.running.url, select(delivery).where(*which).order_by(delivery.c.id))


def end(county: County, status: str, *which: Any) -> None:
    at = now()
    change(county.running.url, update(delivery).where(*which).values(status=status, ended_at=at, give_up_at=at))


def sent_again(county: County, path: str, **params: Any) -> Seen:
    seen: Seen = county.coordinator.post(path, params=params).raise_for_status().json()
    return seen


def told_again(county: County, receipt: Seen) -> list[str]:
    return [each["data"]["delivery"] for each in county.events(receipt) if each["kind"] == "delivery.sent_again"]


def deliver_all(run_service: Callable[..., Running], receiver: Receiver, number: int) -> list[Received]:
    run_service(embedded_worker=True)
    return until(lambda: list(receiver.received) if len(receiver.received) >= number else None, 20, "the messages")


def test_all_of_an_agency_since_a_time_is_sent_again_with_the_same_ids_and_bytes(
    county: County, receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    receipts = [county.ask("education_aid") for _ in range(4)]
    of_school = delivery.c.receiver == EDUCATION
    old, given_up, delivered, pending = rows_of(county, of_school)
    since = old["created_at"] + timedelta(milliseconds=1)
    end(county, "delivered", delivery.c.id != pending["id"])
    end(county, "exhausted", delivery.c.id == given_up["id"])
    path = f"/v1/agencies/{EDUCATION}/redeliver"
    assert sent_again(county, path, since=since.isoformat()) == {"sent_again": 2, "next_cursor": None}
    assert sent_again(county, path, since=since.isoformat())["sent_again"] == 0, "now they are pending"

    after = {row["id"]: row for row in rows_of(county, of_school)}
    assert [after[row["id"]]["status"] for row in (old, given_up, delivered, pending)] == ["delivered"] + [
        "pending"
    ] * 3
    lanes = [after[row["id"]]["priority"] for row in (given_up, delivered, pending)]
    assert lanes == [Priority.BULK, Priority.BULK, Priority.ORDINARY]
    assert after[given_up["id"]]["give_up_at"] - now() > timedelta(days=2.9), "for another three days"
    assert {row["status"] for row in rows_of(county, ~of_school)} == {"delivered"}, "nobody else's"
    assert [told_again(county, each) for each in receipts] == [[], [str(given_up["id"])], [], []]

    messages = deliver_all(run_service, receiver, 3)
    ids = [row["id"] for row in (given_up, delivered, pending)]
    queued = digests(county.running.url, delivery.c.id.in_(ids))
    assert {each.id: hashlib.sha256(each.body).digest() for each in messages} == queued
    assert all(each.verified for each in messages)


def test_all_that_was_given_up_is_sent_again_page_by_page(county: County) -> None:
    receipts = [county.ask("education_aid") for _ in range(3)]
    end(county, "delivered")
    end(county, "exhausted", delivery.c.receiver.in_((EDUCATION, CIVIL_AFFAIRS)))
    path, cursor, counts = "/v1/deliveries/redeliver-exhausted", {}, []
    while True:
        seen = sent_again(county, path, limit=4, **cursor)
        counts.append(seen["sent_again"])
        if seen["next_cursor"] is None:
            break
        cursor = {"cursor": seen["next_cursor"]}
    assert counts == [4, 2]
    statuses = {row["receiver"]: row["status"] for row in rows_of(county)}
    assert {code for code, status in statuses.items() if status == "pending"} == {EDUCATION, CIVIL_AFFAIRS}
    assert [len(told_again(county, each)) for each in receipts] == [2, 2, 2]


def test_one_that_was_delivered_is_sent_again_in_its_own_lane_and_one_that_is_pending_is_not(county: County) -> None:
    receipt = county.ask("education_aid")
    (row,) = rows_of(county, delivery.c.receiver == EDUCATION)
    path = f"/v1/deliveries/{row['id']}/redeliver"
    pending = county.coordinator.post(path)
    assert (pending.status_code, pending.json()["code"]) == (409, "delivery_pending")
    end(county, "delivered", delivery.c.id == row["id"])
    assert county.coordinator.post(path).json()["status"] == "pending"
    assert told_again(county, receipt) == []
    end(county, "exhausted", delivery.c.id == row["id"])
    county.coordinator.post(path).raise_for_status()
    assert told_again(county, receipt) == [str(row["id"])]
    assert rows_of(county, delivery.c.id == row["id"])[0]["priority"] == Priority.ORDINARY


def put_by_hand(county: County, receipt: Seen, number: int, status: str) -> None:
    """So many deliveries of a request, to an agency that nobody knows."""
    (like,) = rows_of(county, delivery.c.receiver == EDUCATION)
    at = now()
    of_all = {**like, "receiver": "somebody", "status": status, "ended_at": at, "sealed": b"\x01 sealed by nobody"}
    rows = [{**of_all, "id": new_id(), "digest": b"\x01 sealed by nobody"} for _ in range(number)]
    change(
        county.running.url, insert(delivery).values(rows[: number // 2]), insert(delivery).values(rows[number // 2 :])
    )


def test_thousands_are_sent_again_a_few_hundred_in_one_transaction(county: County) -> None:
    receipt = county.ask("education_aid")
    put_by_hand(county, receipt, MANY, "exhausted")

    async def run(chosen: Chosen, most: int) -> list[Batch]:
        database = Database(serving.settings_for(county.running.url))
        batches = [batch async for batch in redeliver_all(database, chosen, "somebody", most)]
        await database.close()
        return batches

    batches = asyncio.run(run(Chosen(), MANY + 10))
    assert [batch.sent_again for batch in batches] == [250, 250, 100]
    assert len(set(told_again(county, receipt))) == MANY, "and the chain of its timeline holds"
    end(county, "delivered", delivery.c.receiver == "somebody")
    since = rows_of(county, delivery.c.receiver == "somebody")[0]["created_at"]
    batches = asyncio.run(run(Chosen("somebody", since), 300))
    assert [batch.sent_again for batch in batches] == [250, 50]
    assert asyncio.run(run(Chosen("somebody", now() + timedelta(hours=1)), 300)) == []


def test_ids_begin_at_a_moment() -> None:
    before = now()
    made = new_id()
    assert first_id(before) <= made < first_id(now() + timedelta(milliseconds=2))
    assert first_id(before).version == 7


def test_a_new_id_is_an_id_like_any_other_and_later_ones_come_after_it() -> None:
    made, later = new_id(), new_id()
    assert made < later
    assert (made.version, made.variant, made.is_safe) == (7, RFC_4122, SafeUUID.unknown)
    assert copy.deepcopy(made) == pickle.loads(pickle.dumps(made)) == UUID(str(made)) == made


def test_a_time_is_written_out_and_an_agency_is_known(county: County) -> None:
    path = f"/v1/agencies/{EDUCATION}/redeliver"
    for wrong in ("5", "yesterday", "2026-11-23T08:00:00", ""):
        answer = county.coordinator.post(path, params={"since": wrong})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "since"), wrong
    assert county.coordinator.post(path).status_code == 422
    nobody = county.coordinator.post("/v1/agencies/nobody/redeliver", params={"since": now().isoformat()})
    assert nobody.status_code == 404


def test_the_command_line_sends_again_one_an_agencys_or_all(county: County) -> None:
    receipt = county.ask("education_aid")
    (row,) = rows_of(county, delivery.c.receiver == EDUCATION)

    def run(*arguments: str) -> Any:
        return one_window_here("deliveries", "redeliver", *arguments, database=county.running.url)

    assert "still under way" in refused(run(str(row["id"])))
    for wrong in ((), ("--agency", EDUCATION), ("--exhausted", str(row["id"])), ("--since", "2026-11-23")):
        assert "Say what" in refused(run(*wrong))
    assert "There is no agency nobody" in refused(run("--agency", "nobody", "--since", "2026-11-23"))
    end(county, "exhausted")
    assert run(str(row["id"])).stdout.split() == [str(row["id"]), "is", "due", "again."]
    assert run("--exhausted").stdout.strip() == f"Due again: {SEATS - 1}."
    end(county, "delivered")
    assert run("--agency", EDUCATION, "--since", "2020-01-01").stdout.strip() == "Due again: 1."
    assert len(told_again(county, receipt)) == SEATS
