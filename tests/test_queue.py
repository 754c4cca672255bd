"""The queue: lanes and receivers are stepped through by the index, and what is claimed is in one hand only."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any, TypeVar

import pytest
import structlog
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import Database
from app.delivery import queue
from app.delivery.holding import Holding
from app.delivery.lanes import Priority, Wanted
from app.delivery.outbox import Attempt, enqueue, record
from app.identifiers import new_id, now
from app.ledger import Unit, write_units
from app.sealing import SHUT_BOX
from app.service_key import service_box
from app.tables import delivery
from tests.watching import on

Made = TypeVar("Made")
LEASE = timedelta(seconds=60)


async def put(database: Database, *messages: tuple[str, Priority, int]) -> None:
    """Messages by receiver, lane, and how many seconds ago they became due."""
    unit = Unit()
    for receiver, lane, seconds in messages:
        due = now() - timedelta(seconds=seconds)
        enqueue(
            unit,
            SHUT_BOX,
            type="x",
            receiver=receiver,
            request_id=new_id(),
            handoff_id=None,
            data={},
            at=due,
            priority=lane,
        )
    async with database.writing() as connection:
        await write_units(connection, [unit])


def test_each_lane_says_who_waits_and_since_when(database_url: str) -> None:
    async def work(database: Database) -> None:
        ordinary = [(code, Priority.ORDINARY, 10) for code in "edcba"]
        await put(database, *ordinary, ("c", Priority.ORDINARY, 99), ("z", Priority.EMERGENCY, 1))
        await put(database, ("late", Priority.BULK, -1000))
        async with database.reading() as connection:
            found = await queue.waiting(connection, {}, 10)
            assert [(each.lane, each.receiver) for each in found] == [
                (Priority.EMERGENCY, "z"),
                *((Priority.ORDINARY, code) for code in "abcde"),
                (Priority.BULK, "late"),
            ]
            since = {each.receiver: (now() - each.due_at).total_seconds() for each in found}
            assert since["c"] > 98
            assert since["b"] < 98
            assert since["late"] < 0
            few = await queue.waiting(connection, {Priority.ORDINARY: "b"}, 2)
            assert [each.receiver for each in few if each.lane is Priority.ORDINARY] == ["c", "d"]
            assert await queue.oldest_due(connection) == min(each.due_at for each in found)

    on(database_url, work)


def test_what_is_claimed_is_what_was_wanted_the_longest_due_first(database_url: str) -> None:
    async def work(database: Database) -> None:
        await put(database, *(("a", Priority.ORDINARY, seconds) for seconds in range(1, 6)))
        await put(database, ("a", Priority.ORDINARY, -60), ("b", Priority.BULK, 5), ("c", Priority.EMERGENCY, 5))
        wanted = [Wanted(Priority.ORDINARY, "a", 3), Wanted(Priority.EMERGENCY, "c", 9), Wanted(Priority.URGED, "b", 9)]
        async with database.writing() as connection:
            claimed = await queue.claim(connection, new_id(), now(), LEASE, wanted)
        assert [each.receiver for each in claimed] == ["c", "a", "a", "a"]
        ages = [(now() - each.created_at).total_seconds() for each in claimed[1:]]
        assert min(ages) > 2.9, "the three that were due for longest"
        async with database.writing() as connection:
            again = await queue.claim(connection, new_id(), now(), LEASE, [Wanted(Priority.ORDINARY, "a", 9)])
            assert len(again) == 2, "neither what is leased nor what is not due yet"
            ended = await queue.claim(connection, new_id(), now() + LEASE * 1.1, LEASE, wanted[:1])
            assert len(ended) == 3, "a lease that ran out is free again"

    on(database_url, work)


@pytest.mark.parametrize("is_short", [False, True])
def test_one_that_is_damaged_comes_without_a_body_and_the_others_go_on(database_url: str, is_short: bool) -> None:
    async def work(database: Database) -> None:
        async with database.writing() as connection:
            service = await service_box(connection)
        unit = Unit()
        for seconds in (3, 2, 1):
            due = now() - timedelta(seconds=seconds)
            common: dict[str, Any] = {"type": "x", "handoff_id": None, "data": {}, "at": due, "receiver": "a"}
            enqueue(unit, service, request_id=None, priority=Priority.EMERGENCY, **common)
        async with database.writing() as connection:
            await write_units(connection, [unit])
            rows = (
                await connection.execute(select(delivery.c.id, delivery.c.sealed).order_by(delivery.c.due_at))
            ).all()
            broken = bytes([*rows[0].sealed[:-1], rows[0].sealed[-1] ^ 1])
            if is_short:
                broken = b"\x01"
            await connection.execute(update(delivery).where(delivery.c.id == rows[0].id).values(sealed=broken))
        with structlog.testing.capture_logs() as said:
            async with database.writing() as connection:
                wanted = [Wanted(Priority.EMERGENCY, "a", 9)]
                claimed = await queue.claim(connection, new_id(), now(), LEASE, wanted)
        assert {each.id: each.body is not None for each in claimed} == {each.id: each is not rows[0] for each in rows}
        assert [(each["event"], each["delivery"]) for each in said] == [("delivery_unreadable", str(rows[0].id))]
        async with database.writing() as connection:
            later = await queue.claim(connection, new_id(), now(), LEASE, wanted)
            assert later == []

    on(database_url, work)


def test_many_receivers_are_claimed_from_at_once(database_url: str) -> None:
    async def work(database: Database) -> None:
        codes = [f"r{number:03}" for number in range(150)]
        await put(database, *((code, Priority.ORDINARY, 5) for code in codes))
        async with database.writing() as connection:
            wanted = [Wanted(Priority.ORDINARY, code, 1) for code in codes]
            claimed = await queue.claim(connection, new_id(), now(), LEASE, wanted)
        assert sorted(each.receiver for each in claimed) == codes

    on(database_url, work)


def test_two_workers_at_once_never_hold_the_same_delivery(database_url: str) -> None:
    async def work(database: Database) -> None:
        await put(database, *(("a", Priority.ORDINARY, 5) for _ in range(60)))

        async def one() -> list[str]:
            async with database.writing() as connection:
                claimed = await queue.claim(connection, new_id(), now(), LEASE, [Wanted(Priority.ORDINARY, "a", 10)])
                await asyncio.sleep(0.01)
            return [str(each.id) for each in claimed]

        taken = [each for some in await asyncio.gather(*(one() for _ in range(8))) for each in some]
        assert len(taken) == len(set(taken)) == 60

    on(database_url, work)


def test_no_look_at_the_queue_reads_what_waits(database_url: str, backend: str) -> None:
    """By the plans: seeks in the queue's index, whatever its length; no table is read from end to end, nothing sorted."""

    async def work(database: Database) -> str:
        unit = Unit()
        for number in range(3000):
            enqueue(
                unit,
                SHUT_BOX,
                type="x",
                receiver=f"r{number % 30}",
                request_id=new_id(),
                handoff_id=None,
                data={},
                at=now() - timedelta(seconds=number),
            )
        async with database.writing() as connection:
            await write_units(connection, [unit])
        explain = "EXPLAIN QUERY PLAN " if backend == "sqlite" else "EXPLAIN "
        async with database.reading() as connection:
            if backend == "postgresql":
                await connection.execute(text("ANALYZE delivery"))
            given = {f"after_{lane.value}": "" for lane in Priority} | {"most": 10}
            rows = (await connection.execute(text(explain + str(queue._steps(backend))), given)).all()
        return "\n".join(str(row[-1]) for row in rows)

    plan = on(database_url, work)
    assert plan.count("ix_delivery_queue") >= 8
    assert "SCAN delivery\n" not in plan
    assert "Seq Scan on delivery" not in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan


def test_of_several_that_arrived_together_each_is_delivered_also_one_that_was_superseded_on_its_way(
    database_url: str,
) -> None:
    async def work(database: Database) -> None:
        await put(database, *(("a", Priority.ORDINARY, 5) for _ in range(3)))
        worker = new_id()
        async with database.writing() as connection:
            claimed = await queue.claim(connection, worker, now(), LEASE, [Wanted(Priority.ORDINARY, "a", 9)])
            over = update(delivery).where(delivery.c.id == claimed[0].id)
            await connection.execute(over.values(status="superseded", superseded_at=now()))
        mine, anothers = Holding(database, worker), Holding(database, new_id())
        assert await asyncio.gather(*(mine.still(each.id) for each in claimed)) == [False, True, True]
        assert not await anothers.still(claimed[1].id)
        arrived = Attempt(now(), 1, 200, None, b"")
        units = [record(each, arrived, worker, now(), None) for each in claimed]
        async with database.writing() as connection:
            await write_units(connection, units)
            rows = await connection.execute(select(delivery.c.status, delivery.c.attempts, delivery.c.superseded_at))
            found = sorted((row.status, row.attempts, row.superseded_at is not None) for row in rows)
        assert found == [("delivered", 1, False)] * 2 + [("delivered", 1, True)]

    on(database_url, work)


def test_all_that_are_about_to_go_are_looked_for_at_once_and_a_look_that_fails_holds_up_no_later_one(
    database_url: str,
) -> None:
    async def work(database: Database) -> None:
        await put(database, *(("a", Priority.ORDINARY, 5) for _ in range(5)))
        worker = new_id()
        async with database.writing() as connection:
            claimed = await queue.claim(connection, worker, now(), LEASE, [Wanted(Priority.ORDINARY, "a", 9)])
        looks, reading = 0, database.reading

        def counted() -> AbstractAsyncContextManager[AsyncConnection]:
            nonlocal looks
            looks += 1
            if looks == 2:
                raise OSError("cut")
            return reading()

        database.reading = counted  # type: ignore[method-assign]
        holding = Holding(database, worker)
        asked = [asyncio.create_task(holding.still(each.id)) for each in claimed]
        await asyncio.sleep(0)
        asked.pop(0).cancel()
        assert await asyncio.gather(*asked) == [True] * 4
        assert looks == 1
        failed = await asyncio.gather(*(holding.still(each.id) for each in claimed), return_exceptions=True)
        assert [type(each) for each in failed] == [OSError] * 5
        looks = 2
        asked = [asyncio.create_task(holding.still(each.id, alone=True)) for each in claimed[:2]]
        assert await asyncio.gather(holding.still(claimed[2].id), *asked) == [True] * 3
        assert looks == 5, "who is urgent waits for nobody's look"

    on(database_url, work)
