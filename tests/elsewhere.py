"""A county with a little of everything, and other counties that have much more, all of it newer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import Table, text

from app import board, debts, docket, reading
from app.db import Database
from app.identifiers import new_id, now
from app.keys import Key, KeyRole
from app.office import Office
from app.paged import PageAsked
from app.tables import debt, delivery, dispute, handoff, help_request
from tests.benchmarks.sweep import _NUMBERS

_TOGETHER = 10_000
_PAGE = PageAsked(50, None)
_COORDINATOR = Key(new_id(), "x", KeyRole.COORDINATOR, None, new_id(), "360803")
_LATER_IDS = {
    "sqlite": "CAST('f' || printf('%015d', n) AS BLOB)",
    "postgresql": "CAST('f' || lpad(to_hex(n), 31, '0') AS UUID)",
}
_DIGEST = {"sqlite": "CAST(printf('%032d', n) AS BLOB)", "postgresql": "decode(lpad(to_hex(n), 64, '0'), 'hex')"}
LISTS: dict[str, Callable[[Office], Awaitable[dict[str, Any]]]] = {
    "handoffs": lambda office: reading.handoffs(office, _COORDINATOR, _PAGE, None, None),
    "handoffs, dispatched": lambda office: reading.handoffs(office, _COORDINATOR, _PAGE, "dispatched", None),
    "overdue": lambda office: board.overdue(office, _COORDINATOR, _PAGE, None, None, None),
    "disputes": lambda office: docket.disputes(office, _COORDINATOR, _PAGE, None),
    "debts": lambda office: debts.listed(office, _COORDINATOR, debts.Asked(_PAGE, None, False)),
    "deliveries": lambda office: reading.deliveries(office, _COORDINATOR, _PAGE, None, None, None),
}


def of_another_county(table: Table, kind: str) -> str:
    """As many rows of one that is there, of another county, each with the id of its number."""
    id_ = _LATER_IDS[kind]
    own = {
        "id": id_,
        "request_id": id_,
        "handoff_id": id_,
        "division_code": "'360424101'",
        "tracking_hash": _DIGEST[kind],
    }
    own |= {"receipt_number": "CAST(100000000000 + n AS VARCHAR)"}
    values = ", ".join(own.get(each.name, f"{table.name}.{each.name}") for each in table.c)
    names = ", ".join(each.name for each in table.c)
    one = f"(SELECT * FROM {table.name} ORDER BY id LIMIT 1) AS {table.name}"
    return f"INSERT INTO {table.name} ({names}) {_NUMBERS[kind]} SELECT {values} FROM g CROSS JOIN {one}"


async def own_rows(database: Database) -> None:
    """One of each of the county's own, its handoff late; the request was taken in over the API."""
    async with database.writing() as connection:
        (part,) = (await connection.execute(handoff.select().limit(1))).mappings()
        late = {"first_due": now() - timedelta(days=1), "sign_in_due": now() - timedelta(days=1)}
        await connection.execute(handoff.update().values(late))
        place = {"division_code": "360803101"}
        row = {"id": new_id(), "request_id": part["request_id"], "opened_at": now()}
        of_dispute = {
            **dict.fromkeys(dispute.c.keys()),
            **row,
            "need": part["need"],
            "handoffs": [],
            "why": "no_agency",
        }
        of_dispute["state"] = "withdrawn"
        of_debt = {**dict.fromkeys(debt.c.keys()), **row, "kind": "aid", "due_at": now()}
        for table, values in ((dispute, of_dispute), (debt, of_debt)):
            at_place = place if "division_code" in table.c else {}
            await connection.execute(table.insert(), {**values, **at_place})


async def others(database: Database, kind: str, rows: int) -> None:
    """So many rows of theirs in each table."""
    for table in (help_request, handoff, dispute, debt, delivery):
        for low in range(1, rows + 1, _TOGETHER):
            given = {"low": low, "high": min(low + _TOGETHER, rows + 1)}
            async with database.writing() as connection:
                await connection.execute(text(of_another_county(table, kind)), given)
    async with database.writing() as connection:
        await connection.execute(text("ANALYZE"))
