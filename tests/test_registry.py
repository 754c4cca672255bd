"""What the county has set, in the memory of each process: whole, and never older than the rows that name it."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event, insert, select, update

from app import agencies
from app.db import Database
from app.identifiers import now
from app.registry import REVISION, Registry
from app.routing.decide import decide
from app.routing.facts import Facts
from app.tables import agency, delivery, division, revision, routing_table, rule
from tests import serving
from tests.county import EDUCATION, TOWNSHIP, VERIFICATION, County, Seen, a_callback, signed
from tests.receivers import Receiver
from tests.running import Running
from tests.watching import change, fetch, until

COUNTY = "360803"


def moved() -> Any:
    return update(revision).where(revision.c.name == REVISION).values(value=revision.c.value + 1)


def test_a_snapshot_holds_all_of_a_change_or_nothing_of_it(database_url: str) -> None:
    def rename() -> None:
        of_county = update(division).where(division.c.code == COUNTY).values(name="改名")
        change(
            database_url, of_county, update(agency).where(agency.c.code == EDUCATION).values(name_zh="改名"), moved()
        )

    async def names() -> list[set[str]]:
        database = Database(serving.settings_for(database_url))
        registry = Registry(database, 60)

        @event.listens_for(database.engine.sync_engine, "after_cursor_execute")
        def _between_two_queries(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if "FROM division" in statement and not renaming.is_alive() and renaming.ident is None:
                renaming.start()
                renaming.join()

        renaming = threading.Thread(target=rename)
        seen = [await registry.refresh() for _ in range(2)]
        await database.close()
        return [{each.divisions[COUNTY].name, each.directory.agencies[EDUCATION].name_zh} for each in seen]

    first, second = asyncio.run(names())
    assert "改名" not in first, "it was read before the change, though the change came in the middle"
    assert second == {"改名"}


def test_tables_stay_as_they_are_and_an_old_directory_is_let_go(database_url: str) -> None:
    """Rules are read once, whatever else is changed; and decisions that were made keep no directory alive."""

    async def run() -> None:
        database = Database(serving.settings_for(database_url))
        registry = Registry(database, 60)
        first = await registry.refresh()
        table, old = first.tables[max(first.tables)], weakref.ref(first.directory)
        decide(Facts("360803101", ("education_aid",)), table, first.directory, now())
        tables = first.tables
        del first
        async with database.writing() as connection:
            await agencies.change(connection, EDUCATION, {"active": False})
        second = await registry.refresh()
        gc.collect()
        assert old() is None
        assert not second.directory.agencies[EDUCATION].active
        assert all(second.tables[version] is each for version, each in tables.items())
        await database.close()

    asyncio.run(run())


NEW = "360803101-school"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def add_agency(url: str, endpoint: str | None) -> str | None:
    """A school nearer than any other, so that the next request goes there; its secret."""

    async def run() -> str | None:
        database = Database(serving.settings_for(url))
        names = {"name_zh": "值夏镇中心小学", "name_en": "Zhixia Primary School", "phone": None}
        place = {"department_code": "school", "division_code": "360803101"}
        async with database.writing() as connection:
            secret = await agencies.add(connection, code=NEW, endpoint=endpoint, **place, **names)
        await database.close()
        return secret

    return asyncio.run(run())


def publish_anew(url: str) -> int:
    """The newest rules under a new number, which is told."""
    table = fetch(url, select(routing_table).order_by(routing_table.c.version))[-1]
    version: int = table["version"] + 1
    of_newest = select(rule).where(rule.c.version == table["version"])
    rules = [{**row, "version": version} for row in fetch(url, of_newest)]
    newer = {**table, "version": version, "effective_from": now()}
    change(url, insert(routing_table).values(newer), *(insert(rule).values(row) for row in rules), moved())
    return version


def looked_at(running: Running, receipt: Seen, agency_code: str = EDUCATION) -> dict[str, int]:
    """Everything that can be read of a request, its handoffs and deliveries, and what it was answered with."""
    coordinator = running.client("coordinator")
    machine = running.client("agency", agency=agency_code)
    (mine,) = [each for each in receipt["handoffs"] if each["agency"] == agency_code]
    sent = coordinator.get("/v1/deliveries")
    paths = {
        coordinator: (
            f"/v1/requests/{receipt['request_id']}",
            f"/v1/requests/{receipt['request_id']}/decision",
            f"/v1/track/{receipt['tracking_token']}",
            "/v1/handoffs",
            "/v1/deliveries",
            *(f"/v1/deliveries/{each['delivery_id']}" for each in sent.json().get("items", [])),
        ),
        machine: ("/v1/handoffs", f"/v1/handoffs/{mine['handoff_id']}"),
    }
    return {path: client.get(path).status_code for client, several in paths.items() for path in several}


# What is done first on the replica, while it still knows nothing of the new agency.
def track(replica: Running, receipt: Seen, handoff: Seen, secret: str) -> None:
    assert replica.client(None).get(f"/v1/track/{receipt['tracking_token']}").status_code == 200


def read_inbox(replica: Running, receipt: Seen, handoff: Seen, secret: str) -> None:
    machine = replica.client("agency", agency=NEW)
    assert len(machine.get("/v1/handoffs").raise_for_status().json()["items"]) == 1
    assert machine.get(f"/v1/handoffs/{handoff['handoff_id']}").status_code == 200


def read_all(replica: Running, receipt: Seen, handoff: Seen, secret: str) -> None:
    assert set(looked_at(replica, receipt, NEW).values()) == {200}


def list_deliveries(replica: Running, receipt: Seen, handoff: Seen, secret: str) -> None:
    coordinator = replica.client("coordinator")
    (sent,) = coordinator.get("/v1/deliveries").raise_for_status().json()["items"]
    assert sent["agency"] == NEW


def report(replica: Running, receipt: Seen, handoff: Seen, secret: str) -> None:
    body = a_callback("received")
    path = f"/v1/handoffs/{handoff['handoff_id']}/callbacks"
    answer = replica.client(None).post(path, content=body, headers=signed(secret, body))
    assert (answer.status_code, answer.json()["applied"]) == (200, True)


def withdraw(replica: Running, receipt: Seen, handoff: Seen, secret: str) -> None:
    answer = replica.client("coordinator").post(f"/v1/requests/{receipt['request_id']}/withdraw", json={})
    assert answer.status_code == 200, answer.text
    assert {each["status"] for each in answer.json()["handoffs"]} == {"cancelled"}


@pytest.mark.parametrize("first", [track, read_inbox, read_all, list_deliveries, report, withdraw])
def test_a_replica_that_has_not_looked_again_knows_the_agency_that_a_row_names(
    first: Callable[[Running, Seen, Seen, str], None],
    database_url: str,
    run_service: Callable[..., Running],
) -> None:
    behind = run_service(refresh_seconds=60)
    behind.client(None).get("/v1/needs").raise_for_status()
    secret = add_agency(database_url, "http://127.0.0.1:9/")
    assert secret
    ahead = County(run_service(refresh_seconds=60), {NEW: secret})
    receipt = ahead.ask("education_aid")
    first(behind, receipt, ahead.handoff(receipt, NEW), secret)


def test_a_replica_that_has_not_looked_again_knows_the_routing_table_that_a_row_names(
    database_url: str, run_service: Callable[..., Running]
) -> None:
    behind = run_service(refresh_seconds=60)
    behind.client(None).get("/v1/needs").raise_for_status()
    version = publish_anew(database_url)
    ahead = County(run_service(refresh_seconds=60), {})
    receipt = ahead.ask("education_aid")
    assert receipt["decision"]["version"] == version
    assert set(looked_at(behind, receipt).values()) == {200}


def test_a_replica_that_has_not_looked_again_takes_a_bulk_that_opens_the_next_step_by_a_newer_table(
    database_url: str, run_service: Callable[..., Running]
) -> None:
    behind = run_service(refresh_seconds=60)
    behind.client(None).get("/v1/needs").raise_for_status()
    publish_anew(database_url)
    ahead = County(run_service(refresh_seconds=60), {})
    receipt = ahead.ask("minimum_living_allowance")
    mine = ahead.handoff(receipt, TOWNSHIP)["handoff_id"]
    acts = {"received": {}, "accepted": {}, "completed": {"outcome": "granted"}}
    items = [
        {"id": act, "type": f"handoff.{act}", "timestamp": now().isoformat(), "data": {"handoff_id": mine, **data}}
        for act, data in acts.items()
    ]
    answer = behind.client("agency", agency=TOWNSHIP).post("/v1/callbacks", json={"callbacks": items})
    assert [each["status_code"] for each in answer.json()["items"]] == [200] * 3, answer.text
    assert ahead.statuses(receipt)[VERIFICATION] == "dispatched"


def test_a_worker_that_has_not_looked_again_delivers_to_a_new_agency_at_the_first_try(
    database_url: str, receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    behind = run_service(refresh_seconds=60, embedded_worker=True).client(None)
    until(lambda: behind.get("/health/ready").status_code == 200)
    behind.get("/v1/needs").raise_for_status()
    secret = add_agency(database_url, receiver.endpoint.format(code=NEW))
    assert secret
    receiver.secrets = {NEW: secret}
    County(run_service(refresh_seconds=60), {}).ask("education_aid")
    (message,) = until(lambda: receiver.of(NEW))
    assert message.verified
    (sent,) = until(lambda: fetch(database_url, select(delivery).where(delivery.c.status == "delivered")))
    assert sent["attempts"] == 1
