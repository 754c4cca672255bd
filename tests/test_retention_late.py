"""What belongs to a request is erased with it whenever it was made: after its end, after a reopening, to whomever."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, Select, select, text, update

from app.db import Database
from app.forgetting import messages_of
from app.identifiers import new_id, now
from app.receivers import NoticeType
from app.tables import delivery, delivery_attempt, dispute, feedback, help_request, idempotency
from tests.county import County, Seen
from tests.own_page import JUSTICE, a_county, answer_back, browser, close
from tests.plans import plan_of
from tests.running import Running
from tests.watching import change, fetch, on

WORDS = "虚构的话:补贴一直没有到账"
VERSIONS = Path(__file__).parent.parent / "migrations" / "versions"
LONG_AGO = timedelta(days=366 * 6)  # the least period is over


@pytest.fixture
def county(database_url: str, run_service: Callable[..., Running]) -> County:
    return a_county(database_url, run_service)


@pytest.fixture
def told(county: County) -> None:
    """Somebody who has no part in any request is told of all of them."""
    asked = {"name": "dashboard", "endpoint": "http://127.0.0.1:9/x", "types": [each.value for each in NoticeType]}
    assert county.coordinator.post("/v1/subscriptions", json=asked).status_code == 201


def long_ended(county: County) -> Seen:
    """A request that was closed six years ago; nothing that was made about it then is left to be read."""
    receipt = county.ask("legal_aid")
    close(county, receipt)
    since_then(county)
    change(county.running.url, update(delivery).values(sealed=b""))
    return receipt


def since_then(county: County) -> None:
    moved = {name: help_request.c[name] for name in ("registered_at", "closed_at")}
    (row,) = fetch(county.running.url, select(*moved.values()))
    change(county.running.url, update(help_request).values({n: at - LONG_AGO for n, at in row.items()}))


def ruled(county: County, which: str, **body: Any) -> None:
    (asked,) = county.coordinator.get("/v1/reopenings", params={"state": "open"}).raise_for_status().json()["items"]
    path, key = f"/v1/reopenings/{asked['reopening_id']}/{which}", {"idempotency-key": str(new_id())}
    county.coordinator.post(path, json=body, headers=key).raise_for_status()


def erased(county: County, receipt: Seen) -> None:
    url, of = county.running.url, UUID(receipt["request_id"])
    change(url, update(delivery).values(status="delivered", ended_at=now()))
    assert [row for row in fetch(url, select(delivery.c.sealed).where(delivery.c.request_id == of)) if row["sealed"]]
    asked = {"ground": "unlawful", "legal_basis": "个人信息保护法47(四)"}
    county.coordinator.post(f"/v1/requests/{of}/erase", json=asked).raise_for_status()
    for table in (delivery, delivery_attempt, feedback, dispute):
        assert [row["sealed"] for row in fetch(url, select(table.c.sealed)) if row["sealed"]] == [], table.name
    assert fetch(url, select(idempotency).where(idempotency.c.request_id == of)) == []


@pytest.mark.usefixtures("told")
def test_what_came_long_after_the_end_is_emptied_too(county: County) -> None:
    receipt = long_ended(county)
    assert answer_back(browser(county), receipt, "no", WORDS).status_code == 303
    ruled(county, "decline", reason=WORDS)
    erased(county, receipt)


@pytest.mark.usefixtures("told")
def test_what_was_handled_again_is_erased_whole_when_it_has_ended_again(county: County) -> None:
    receipt = long_ended(county)
    assert answer_back(browser(county), receipt, "no", WORDS).status_code == 303
    ruled(county, "reopen", handoff_id=county.handoff(receipt, JUSTICE)["handoff_id"], reason=WORDS)
    asked = {"ground": "unlawful", "legal_basis": "个人信息保护法47(四)"}
    open_again = county.coordinator.post(f"/v1/requests/{receipt['request_id']}/erase", json=asked)
    assert (open_again.status_code, open_again.json()["why"]) == (409, "open")
    close(county, receipt)
    since_then(county)
    assert answer_back(browser(county), receipt, "partly", WORDS).status_code == 303
    erased(county, receipt)


@pytest.mark.usefixtures("told")
def test_who_is_not_told_any_more_keeps_nothing_either(county: County) -> None:
    """A message to an office that only stands above, and to a subscriber that has gone since."""
    receipt = long_ended(county)
    assert answer_back(browser(county), receipt, "no", WORDS).status_code == 303
    change(county.running.url, update(delivery).values(receiver="36-nobody-any-more"))
    erased(county, receipt)


def test_all_that_belongs_to_a_request_is_found_by_that_request_alone(database_url: str) -> None:
    """By the plans, among twenty thousand messages of others to the same agency."""
    of = new_id()

    async def fill(database: Database) -> None:
        at = now()
        row = {
            "receiver": JUSTICE,
            "handoff_id": None,
            "type": "x",
            "status": "delivered",
            "priority": 0,
            "attempts": 1,
        }
        row |= {"due_at": at, "claimed_by": None, "created_at": at, "give_up_at": at, "ended_at": at}
        row |= {"superseded_at": None, "digest": bytes(32), "sealed": b""}
        rows = [
            {**row, "id": new_id(), "request_id": of if number % 4000 == 0 else new_id()} for number in range(20_000)
        ]
        async with database.writing() as connection:
            await connection.execute(delivery.insert(), rows)

    on(database_url, fill)
    under_way = messages_of(of).where(delivery.c.status == "pending").limit(1)
    for query in (messages_of(of), under_way):
        plan = plan_of(database_url, query)
        assert "ix_delivery_request_id" in plan or "ix_delivery_queue" in plan, plan
        assert "Seq Scan" not in plan, plan
    its: list[Select[Any]] = [select(table).where(table.c.request_id == of) for table in (dispute, idempotency)]
    for query, index in zip(its, ("ix_dispute_request_id", "ix_idempotency_request_id"), strict=True):
        assert index in plan_of(database_url, query, empty=True)


@pytest.mark.usefixtures("told")
def test_an_upgrade_empties_what_earlier_erasures_had_left(county: County) -> None:
    receipt = long_ended(county)
    url, of = county.running.url, UUID(receipt["request_id"])
    open_one = county.ask("legal_aid")
    change(
        url,  # as an older version left it
        update(help_request).where(help_request.c.id == of).values(erased_at=now(), data_key=None),
        update(delivery).where(delivery.c.request_id == of).values(sealed=b"left"),
        *(text(f"DROP INDEX ix_{name}_request_id") for name in ("delivery", "dispute", "idempotency")),
    )
    upgrade = runpy.run_path(str(next(VERSIONS.glob("*_0027_*.py"))))["upgrade"]

    def step(connection: Connection) -> None:
        with Operations.context(MigrationContext.configure(connection)):
            upgrade()

    async def work(database: Database) -> None:
        async with database.engine.begin() as connection:
            await connection.run_sync(step)

    on(url, work)
    left = fetch(url, select(delivery.c.request_id).where(delivery.c.sealed != b"").distinct())
    assert [row["request_id"] for row in left] == [UUID(open_one["request_id"])]
