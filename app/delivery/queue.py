"""The queue: what is due, found by its lane and receiver, and claimed with a lease.

Rows stand in the index by lane, then receiver, then time. Receivers are stepped through, one seek each, so that the
backlog of one that can take nothing now, however long, costs one seek and delays nobody else. Recursive queries and
lateral joins are said in SQL: the two engines differ in them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import structlog
from cryptography.exceptions import InvalidTag
from sqlalchemy import ARRAY, BindParameter, Integer, LargeBinary, String, TextClause, bindparam, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.base import Executable

from app.columns import Id, Instant
from app.delivery.lanes import Priority, Wanted
from app.delivery.outbox import Claimed, digest_of
from app.logs import describe
from app.sealing import CANT_BE_OPENED, SHUT_BOX, Box, kept_at, vault_of
from app.service_key import service_box
from app.tables import delivery, help_request

log = structlog.get_logger()
_LANES = tuple(Priority)
_OF_LANE = "FROM delivery WHERE status = 'pending' AND priority = {lane} AND receiver"
_FIRST = "(SELECT receiver, due_at {of_lane} > {after} ORDER BY receiver, due_at LIMIT 1)"
# The first of each receiver, from one to the next.
_STEPS = {
    "postgresql": """lane_{lane} (receiver, due_at) AS (
    {first}
    UNION ALL
    SELECT following.receiver, following.due_at FROM lane_{lane} CROSS JOIN LATERAL {following} AS following
)""",
    "sqlite": """lane_{lane} (receiver) AS (
    SELECT (SELECT min(receiver) {of_lane} > :after_{lane})
    UNION ALL
    SELECT (SELECT min(receiver) {of_lane} > lane_{lane}.receiver) FROM lane_{lane}
    WHERE lane_{lane}.receiver IS NOT NULL LIMIT :most
)""",
}
_CHOSEN = {
    "postgresql": "SELECT {lane} AS lane, receiver, due_at FROM lane_{lane} LIMIT :most",
    "sqlite": """SELECT {lane} AS lane, receiver, (SELECT min(due_at) {of_lane} = lane_{lane}.receiver) AS due_at
    FROM lane_{lane} WHERE receiver IS NOT NULL""",
}
_MOST_TOGETHER = 64
_MOST_LOOKED_AT = 1000


@dataclass(frozen=True, slots=True)
class Waiting:
    """A receiver with something pending in a lane, and when the first of it is due."""

    lane: Priority
    receiver: str
    due_at: datetime


async def waiting(connection: AsyncConnection, after: Mapping[Priority, str], most: int) -> list[Waiting]:
    """Of each lane, the next `most` receivers in the order of their codes beyond `after` (default: from the first)."""
    given = {f"after_{lane.value}": after.get(lane, "") for lane in _LANES} | {"most": most}
    rows = await connection.execute(_steps(connection.dialect.name), given)
    return [Waiting(Priority(row.lane), row.receiver, row.due_at) for row in rows]


@cache
def _steps(dialect: str) -> TextClause:
    """One seek a receiver: the least code above the last one. Only SQLite lets the recursion itself be cut short;
    PostgreSQL's runs no further than the outer query asks."""
    steps, chosen = [], []
    for lane in _LANES:
        of_lane = _OF_LANE.format(lane=lane.value)
        given = {
            "lane": lane.value,
            "of_lane": of_lane,
            "first": _FIRST.format(of_lane=of_lane, after=f":after_{lane.value}"),
            "following": _FIRST.format(of_lane=of_lane, after=f"lane_{lane.value}.receiver"),
        }
        steps.append(_STEPS[dialect].format_map(given))
        chosen.append(f"SELECT * FROM ({_CHOSEN[dialect].format_map(given)}) AS of_lane_{lane.value}")  # noqa: S608
    statement = text(f"WITH RECURSIVE {', '.join(steps)} {' UNION ALL '.join(chosen)}")
    return statement.columns(lane=Integer, receiver=String, due_at=Instant)  # type: ignore[return-value]


async def oldest_due(connection: AsyncConnection) -> datetime | None:
    """When the first pending delivery was due, or will be, of the first thousand receivers of each lane."""
    return min((each.due_at for each in await waiting(connection, {}, _MOST_LOOKED_AT)), default=None)


async def claim(
    connection: AsyncConnection, worker_id: UUID, at: datetime, lease: timedelta, wanted: Sequence[Wanted]
) -> list[Claimed]:
    """Take what is due of what is wanted, the most urgent first. The lease is the row's new `due_at`.

    PostgreSQL passes over rows that another worker is taking (SKIP LOCKED); on SQLite the caller holds the
    database's one write lock.
    """
    given: dict[str, Any] = {"at": at, "until": at + lease, "worker": worker_id}
    if connection.dialect.name == "sqlite":
        claimed: list[Any] = []
        for start in range(0, len(wanted), _MOST_TOGETHER):
            some = wanted[start : start + _MOST_TOGETHER]
            named = {
                f"{name}{n}": value for n, each in enumerate(some) for name, value in zip("lrm", each, strict=True)
            }
            claimed += (await connection.execute(_taking(len(some)), given | named)).all()
    else:
        lanes, receivers, mosts = (list(column) for column in zip(*wanted, strict=True))
        given |= {"lanes": lanes, "receivers": receivers, "mosts": mosts}
        claimed = list((await connection.execute(_TAKING, given)).all())
    opened = [await _opened(connection, row, at + lease) for row in claimed]
    return sorted(opened, key=lambda each: (each.lane, each.id))


async def _opened(connection: AsyncConnection, row: Any, lease_until: datetime) -> Claimed:
    """One that can't be read comes without a body: it is tried and given up as any other, and the others go on."""
    try:
        if row.request_id is None:
            box = await service_box(connection)
        else:
            box = vault_of(connection).box(row.request_id.bytes, row.data_key)
        body = box.unseal_bytes(row.sealed, kept_at("delivery.sealed", row.id, row.receiver))
        if body and hashlib.sha256(body).digest() != digest_of(box, row):
            raise InvalidTag
    except CANT_BE_OPENED as error:
        log.error("delivery_unreadable", delivery=str(row.id), **describe(error))
        box, body = SHUT_BOX, None
    return _claimed(row, box, body, lease_until)


_TAKEN = tuple(column for column in delivery.c if column.name not in ("due_at", "status"))
_DATA_KEY = (
    select(help_request.c.data_key)
    .where(help_request.c.id == delivery.c.request_id)
    .scalar_subquery()
    .label("data_key")
)
# Each of them by its place: no index has to be asked for what has just been found and locked.
_TAKING = (
    text(
        "WITH due AS MATERIALIZED ("  # noqa: S608 - names of columns
        " SELECT found.place FROM unnest(:lanes, :receivers, :mosts) AS wanted (lane, code, most) CROSS JOIN LATERAL ("
        "  SELECT ctid AS place FROM delivery WHERE status = 'pending' AND priority = wanted.lane"
        "  AND receiver = wanted.code AND due_at <= :at ORDER BY due_at LIMIT wanted.most FOR UPDATE SKIP LOCKED"
        " ) AS found) "
        "UPDATE delivery SET due_at = :until, claimed_by = :worker FROM due WHERE delivery.ctid = due.place "
        f"RETURNING {', '.join(column.name for column in _TAKEN)}, "
        "(SELECT data_key FROM help_request WHERE help_request.id = delivery.request_id) AS data_key"
    )
    .bindparams(
        bindparam("at", type_=Instant),
        bindparam("until", type_=Instant),
        bindparam("worker", type_=Id),
        bindparam("lanes", type_=ARRAY(Integer)),
        bindparam("receivers", type_=ARRAY(String)),
        bindparam("mosts", type_=ARRAY(Integer)),
    )
    .columns(*_TAKEN, data_key=LargeBinary)
)


@cache
def _taking(number: int) -> Executable:
    parts = [
        f"SELECT * FROM (SELECT id FROM delivery WHERE status = 'pending' AND priority = :l{n} AND receiver = :r{n} "  # noqa: S608
        f"AND due_at <= :at ORDER BY due_at LIMIT :m{n}) AS of_{n}"
        for n in range(number)
    ]
    kinds: list[BindParameter[Any]] = [bindparam("at", type_=Instant)]
    for n in range(number):
        kinds += [
            bindparam(f"l{n}", type_=Integer),
            bindparam(f"r{n}", type_=String),
            bindparam(f"m{n}", type_=Integer),
        ]
    due = text(" UNION ALL ".join(parts)).bindparams(*kinds).columns(id=Id).cte("due")
    return (
        update(delivery)
        .where(delivery.c.id.in_(select(due.c.id)))
        .values(due_at=bindparam("until"), claimed_by=bindparam("worker"))
        .returning(*_TAKEN, _DATA_KEY)
    )


def _claimed(row: Any, box: Box, body: bytes | None, lease_until: datetime) -> Claimed:
    return Claimed(
        id=row.id,
        receiver=row.receiver,
        request_id=row.request_id,
        handoff_id=row.handoff_id,
        type=row.type,
        lane=Priority(row.priority),
        body=body,
        attempts=row.attempts,
        created_at=row.created_at,
        give_up_at=row.give_up_at,
        lease_until=lease_until,
        box=box,
    )
