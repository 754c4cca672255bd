"""A small county in a database for many: its lists hold its own, each row once, and read nothing that others have."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import pytest
from sqlalchemy import Engine, event, select

from app.identifiers import new_id
from app.office import Office
from app.tables import dispute, handoff, help_request
from tests import serving
from tests.county import CIVIL_AFFAIRS, County, Seen
from tests.elsewhere import LISTS, others, own_rows
from tests.watching import change, fetch

OTHERS = 5_000
INDEXES = {
    "handoffs": "ix_handoff_division_code_id",
    "handoffs, dispatched": "ix_handoff_division_code_id",
    "overdue": "ix_handoff_division_due",
    "disputes": "ix_dispute_division_code_id",
    "debts": "ix_debt_division_code_id",
}


@contextmanager
def asked_of(table: str) -> Iterator[list[tuple[str, Any]]]:
    """The queries of a table's rows, as they are sent, and their values."""
    sent: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, values: Any, *___: Any) -> None:
        if statement.startswith("SELECT") and f"FROM {table} " in statement.replace("\n", " "):
            sent.append((statement, values))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def plans(url: str, backend: str) -> dict[str, str]:
    office = Office.of(serving.settings_for(url), b"x" * 32)
    database, found = office.database, {}
    explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
    try:
        await own_rows(database)
        await others(database, backend, OTHERS)
        for name, index in INDEXES.items():
            with asked_of(index.split("_")[1]) as sent:
                page = await LISTS[name](office)
            assert page["items"], name
            statement, values = sent[0]
            async with database.reading() as connection:
                rows = await connection.exec_driver_sql(f"{explain} {statement}", values)
                found[name] = "\n".join(str(row[-1]) for row in rows)
    finally:
        await database.close()
    return found


def test_a_small_countys_lists_read_nothing_of_others(county: County, backend: str) -> None:
    """By the plans, where the few of a county are the oldest of five thousand."""
    county.ask("education_aid")
    for name, plan in asyncio.run(plans(county.running.url, backend)).items():
        table = INDEXES[name].split("_")[1]
        assert INDEXES[name] in plan, f"{name}: {plan}"
        for walked in (
            f"Seq Scan on {table}",
            f"SCAN {table}\n",
            f"SCAN {table} USING",
            f"Scan Backward using pk_{table}",
        ):
            assert walked not in plan, f"{name}: {plan}"


def a_page_after_the_other(county: County, address: str, place: str | None) -> list[Seen]:
    path, _, which = address.partition("?")
    client, items, cursor = county.running.client("coordinator", place=place), [], ""
    while cursor is not None:
        asked = {"limit": "2", **dict(parse_qsl(which)), **({"cursor": cursor} if cursor else {})}
        page = client.get(path, params=asked).raise_for_status().json()
        items += page["items"]
        cursor = page["next_cursor"]
    return items


@pytest.fixture
def of_two_counties(county: County) -> County:
    url = county.running.url
    for place in ("360803101", "360424101", "360803102"):
        receipt = county.ask("medical_assistance_applied", division_code=place.replace("360424", "360803"))
        told = {"what": "虚构", "where": "虚构路1号", "division_code": place, "kind": "hunger"}
        county.window.post("/v1/emergencies", json=told).raise_for_status()
        # As if that county had its agencies here, too.
        of = UUID(receipt["request_id"])
        for table, column in ((help_request, help_request.c.id), (handoff, handoff.c.request_id)):
            change(url, table.update().where(column == of).values(division_code=place))
    change(url, handoff.update().values(first_due=handoff.c.opened_at))
    for each in fetch(county.running.url, select(help_request)):
        row = {"id": new_id(), "request_id": each["id"], "division_code": each["division_code"], "need": "legal_aid"}
        row |= {"handoffs": [], "why": "no_agency", "opened_at": each["registered_at"], "state": "withdrawn"}
        change(county.running.url, dispute.insert().values(row))
    return county


@pytest.mark.parametrize(
    ("path", "by"),
    [
        ("/v1/handoffs", "handoff_id"),
        ("/v1/handoffs?overdue=any", "handoff_id"),
        ("/v1/disputes", "dispute_id"),
        ("/v1/debts", "debt_id"),
    ],
)
def test_a_countys_pages_hold_its_own_once_in_the_order_of_everybodys(
    of_two_counties: County, path: str, by: str
) -> None:
    everybodys = a_page_after_the_other(of_two_counties, path, None)
    own = [each[by] for each in everybodys if each["division_code"].startswith("360803")]
    assert 2 < len(own) < len(everybodys)
    assert [each[by] for each in a_page_after_the_other(of_two_counties, path, "360803")] == own


def test_what_is_opened_later_has_its_requests_place(county: County) -> None:
    receipt = county.ask("medical_assistance_applied")
    (first, *_) = receipt["handoffs"]
    asked = {"agency": CIVIL_AFFAIRS, "reason": "x"}
    county.coordinator.post(f"/v1/handoffs/{first['handoff_id']}/reassign", json=asked)
    found = fetch(county.running.url, select(handoff.c.division_code, handoff.c.request_id))
    assert {row["division_code"] for row in found} == {"360803101"}
    assert {row["request_id"] for row in found} == {UUID(receipt["request_id"])}
