"""The same person asking again (一人多诉): found by blind index, shown and linked; never refused, never merged.

Who asks at a window is shown what is open of them already for the same need, whichever door it came in by. What a kiosk
or a page shows anybody may read who knows a neighbour's number: there it is only linked.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import chain
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import Database, is_unavailable
from app.lifecycle import ENDED
from app.logs import describe
from app.registry import Snapshot
from app.routing.rules import Role
from app.schemas import Channel
from app.shared_looks import SharedLooks
from app.tables import handoff, help_request

SAME = ("id_mark", "person_mark")  # a telephone alone is a household's
TOLD = ("identity",)  # of another request: that it is this person's, and open
UNATTENDED = frozenset({Channel.KIOSK, Channel.ONLINE})
_MOST_TOGETHER = 64
_MOST_OF_ONE = _MOST_SHOWN = 20
_LONGEST_SECONDS = 1.0
log = structlog.get_logger()
Mark = tuple[str, bytes]  # of which kind, and which
Marks = tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """One that is open, for a need that is asked for again; `agency_code` leads it, if one was found."""

    request_id: UUID
    receipt_number: str
    status: str
    registered_at: datetime
    need: str
    agency_code: str | None
    handoff_status: str | None


def marks_in(row: Mapping[Any, Any]) -> Marks:
    return tuple((name, row[name]) for name in SAME if row[name] is not None)


class SamePerson:
    """Look-ups of a process: those that are asked for together, or while one is under way, share the next."""

    def __init__(self, database: Database, gather: Callable[[Sized], Awaitable[None]] | None = None) -> None:
        """`gather` returns when those who wait are worth a query."""
        self._database = database
        self._looks = SharedLooks(self._find, "same-person", _MOST_TOGETHER, gather)

    def look(self, marks: Marks) -> asyncio.Future[set[UUID]]:
        """Begin to look for what is open of the person, whatever it is for."""
        if not marks:
            found: asyncio.Future[set[UUID]] = asyncio.get_running_loop().create_future()
            found.set_result(set())
            return found
        found = self._looks.ask(marks)
        found.add_done_callback(_heard)
        return found

    async def end(self) -> None:
        """Before the database is closed: a look that nobody waits for any more would leave its connection behind."""
        await self._looks.end()

    async def asking_again(self, look: asyncio.Future[set[UUID]], needs: Collection[str]) -> list[OpenRequest]:
        """What was found that is open for these needs. Help does not wait for it: a database that is slow or away finds
        nobody."""
        try:
            if look.done() and not look.result():
                return []
            async with asyncio.timeout(_LONGEST_SECONDS):
                if not (found := await look):
                    return []
                async with self._database.reading() as connection:
                    return await open_requests(connection, found, needs)
        except Exception as error:
            if not (isinstance(error, TimeoutError | sqlite3.OperationalError) or is_unavailable(error)):
                raise
            log.warning("same_person_not_looked_up", **describe(error))
            return []

    async def _find(self, of_each: Sequence[Marks]) -> list[set[UUID]]:
        wanted = {mark for marks in of_each for mark in marks}
        if self._database.is_sqlite:  # a few seeks: cheaper than to wait for the turn of a thread
            rows = self._database.glance(*_last_of_each(_by_kind(wanted)))
        else:
            async with self._database.direct() as driver:
                rows = await driver.fetch(_LATERAL, *_by_kind(wanted))
        by_mark = _open_among(rows, wanted)
        return [{each for mark in marks for each in by_mark.get(mark, ())} for marks in of_each]


def _heard(look: asyncio.Future[set[UUID]]) -> None:
    """Whoever began it may have left: then nobody else asks what became of it."""
    if not look.cancelled():
        look.exception()


# Of each mark the last few requests: whatever a number was misused for, a look costs so much and no more.
_LAST = {
    name: f"SELECT id, {name} AS mark, closed_at FROM help_request WHERE {name} = {{mark}} "  # noqa: S608 - our own names
    f"ORDER BY id DESC LIMIT {_MOST_OF_ONE}"
    for name in SAME
}


def _last_of_each(by_kind: Sequence[list[bytes]]) -> tuple[str, list[bytes | None]]:
    """In numbers of which there are few, so that the statements stay prepared: no request has the mark NULL."""
    numbers = [1 << (len(marks) - 1).bit_length() if marks else 0 for marks in by_kind]
    filled = [[*marks, *[None] * (number - len(marks))] for marks, number in zip(by_kind, numbers, strict=True)]
    return _union(tuple(numbers)), list(chain.from_iterable(filled))


@cache
def _union(numbers: tuple[int, ...]) -> str:
    each = (f"SELECT * FROM ({last.format(mark='?')})" for last in _LAST.values())  # noqa: S608 - our own names
    return " UNION ALL ".join(chain.from_iterable([one] * number for one, number in zip(each, numbers, strict=True)))


_LATERAL = " UNION ALL ".join(
    f"SELECT last.* FROM unnest(${number}::BYTEA[]) AS wanted (mark) "  # noqa: S608 - our own names
    f"CROSS JOIN LATERAL ({last.format(mark='wanted.mark')}) AS last"
    for number, last in enumerate(_LAST.values(), 1)
)


async def _open_by_mark(connection: AsyncConnection, marks: Collection[Mark]) -> dict[Mark, list[UUID]]:
    """Those of them that are open."""
    by_kind = _by_kind(marks)
    query, given = _last_of_each(by_kind) if connection.dialect.name == "sqlite" else (_LATERAL, by_kind)
    rows = await connection.exec_driver_sql(query, tuple(given))
    return _open_among(rows, marks)


def _by_kind(marks: Collection[Mark]) -> tuple[list[bytes], ...]:
    return tuple([mark for name, mark in set(marks) if name == kind] for kind in SAME)


def _open_among(rows: Iterable[Sequence[Any]], marks: Collection[Mark]) -> dict[Mark, list[UUID]]:
    """A mark is of one kind: its key is told it too."""
    kinds = {mark: name for name, mark in marks}
    found: dict[Mark, list[UUID]] = {}
    for request_id, mark, closed_at in rows:
        if closed_at is None:
            as_id = UUID(bytes=request_id) if isinstance(request_id, bytes) else UUID(int=request_id.int)
            found.setdefault((kinds[mark], mark), []).append(as_id)
    return found


async def others(connection: AsyncConnection, request: Mapping[Any, Any], needs: Collection[str]) -> list[OpenRequest]:
    """Those of the person of a stored request, as they stand now."""
    by_mark = await _open_by_mark(connection, marks) if (marks := marks_in(request)) else {}
    ids = {each for found in by_mark.values() for each in found} - {request["id"]}
    return await open_requests(connection, ids, needs) if ids else []


async def open_requests(
    connection: AsyncConnection, ids: Collection[UUID], needs: Collection[str]
) -> list[OpenRequest]:
    """For those needs, of the last few requests."""
    ids = sorted(ids)[-_MOST_SHOWN:]
    names = ("receipt_number", "status", "registered_at", "decision")
    asked = select(help_request.c.id, *(help_request.c[name] for name in names)).where(help_request.c.id.in_(ids))
    leads = select(handoff.c.request_id, handoff.c.need, handoff.c.agency_code, handoff.c.status).where(
        handoff.c.request_id.in_(ids), handoff.c.role == Role.LEAD.value, handoff.c.need.in_(needs)
    )
    led = {}
    for row in await connection.execute(leads.order_by(handoff.c.id)):  # the last one that was given it
        led[row.request_id, row.need] = (row.agency_code, row.status)
    found = []
    for row in (await connection.execute(asked.order_by(help_request.c.id))).all():
        for need in (each["need"] for each in row.decision["needs"] if each["need"] in needs):
            agency, status = led.get((row.id, need), (None, None))
            if status not in ENDED:
                found.append(
                    OpenRequest(row.id, row.receipt_number, row.status, row.registered_at, need, agency, status)
                )
    return found[-_MOST_SHOWN:]


async def own_handoffs(
    connection: AsyncConnection, request: Mapping[Any, Any], handoff_id: UUID, agency_code: str
) -> list[UUID]:
    """The open handoffs that an agency has of the same person: it learns of its own alone."""
    by_mark = await _open_by_mark(connection, marks) if (marks := marks_in(request)) else {}
    ids = {each for found in by_mark.values() for each in found}
    if not ids:
        return []
    own = select(handoff.c.id).where(
        handoff.c.request_id.in_(ids),
        handoff.c.agency_code == agency_code,
        handoff.c.id != handoff_id,
        handoff.c.dispatched_at.is_not(None),
        handoff.c.status.not_in([str(each) for each in ENDED]),
    )
    return list((await connection.execute(own.order_by(handoff.c.id).limit(_MOST_SHOWN))).scalars())


def shown(found: Sequence[OpenRequest], snapshot: Snapshot) -> list[dict[str, Any]]:
    """As `SamePersonRequest`: no word of what was told then."""
    agencies = snapshot.directory.agencies
    return [
        {
            "request_id": each.request_id,
            "receipt_number": each.receipt_number,
            "status": each.status,
            "registered_at": each.registered_at,
            "need": each.need,
            "handoff_status": each.handoff_status,
            **(
                agencies[each.agency_code].contact
                if each.agency_code
                else dict.fromkeys(("agency", "name_zh", "name_en", "phone"))
            ),
        }
        for each in found
    ]
