"""The walk over everything: roots with their signatures and leaves, then each request's history. A batch at a time, each
batch as the database stands at one moment, so that it can be done while the service works."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit import chains
from app.audit.faults import Fault
from app.audit.histories import History, faults_of
from app.audit.roots import leaves_of, piece_of, salted
from app.audit.statements import FIRST, Published, by_id, digest_of, is_signed, statement_of_row
from app.db import Database
from app.hashchain import is_erased
from app.identifiers import now
from app.merkle import root_of
from app.tables import audit_key, audit_leaf, audit_piece, audit_root, event, help_request, reading

_TOGETHER = 100  # requests, with all their events, in memory
_COMPARED = ("id", "receipt_number", "events", "head", "erased_at", "data_key", "sealed")
Row = Mapping[Any, Any]


@dataclass
class Verified:
    """What was walked, and everything that was found wrong. `keys_given` is false when the public keys were those of the
    database itself."""

    roots: int = 0
    requests: int = 0
    events: int = 0
    erased: int = 0
    readings: int = 0
    by_chain_alone: int = 0
    newest: date | None = None
    keys_given: bool = False
    faults: list[Fault] = field(default_factory=list)


async def verify(
    database: Database,
    keys: Sequence[bytes],
    *,
    published: Sequence[Published] = (),
    since: date | None = None,
    step: Callable[[int], None] = lambda requests: None,
) -> Verified:
    """Everything, or what belongs to roots from `since` on and what came after them. `keys` are public ones; when none
    is given, those that the database names. `step` is told how many requests were walked."""
    async with database.reading() as connection:
        signed = select(audit_root).where(audit_root.c.signature.is_not(None)).order_by(audit_root.c.day)
        roots: list[Row] = list((await connection.execute(signed)).mappings())
        named = (await connection.scalars(select(audit_key.c.public_key))).all()
    found = Verified(roots=len(roots), keys_given=bool(keys), newest=roots[-1]["day"] if roots else None)
    found.faults += _of_roots(roots, by_id(keys or named))
    found.faults += _of_published(roots, published, by_id(keys or named))
    spoilt = set()
    for root in roots:
        if since is None or root["day"] >= since:
            of_leaves = await _of_leaves(database, root)
            found.faults += of_leaves
            if any(each.code == "leaves_differ" for each in of_leaves):
                spoilt.add(root["day"])
    async with database.reading_as_one() as connection:
        days = {root["day"] for root in roots if since is None or root["day"] >= since}
        found.faults += await chains.faults_of(connection, days, roots, now(), whole=since is None)
        counted = select(func.count()).select_from(reading)
        found.readings = await connection.scalar(counted) or 0 if since is None else 0
    newest = roots[-1] if roots else None
    async for histories in _histories(database, {each["day"] for each in roots}, since):
        for each in histories:
            found.faults += faults_of(each, newest, spoilt)
            anchored = each.leaves[-1]["events"] if each.leaves else 0
            found.requests += each.request is not None
            found.events += len(each.events)
            found.erased += sum(e["sealed"] is not None and is_erased(e["sealed"]) for e in each.events)
            found.by_chain_alone += sum(e["sequence"] > anchored for e in each.events)
        step(len(histories))
    return found


async def how_many(database: Database) -> int:
    async with database.reading() as connection:
        return await connection.scalar(select(func.count()).select_from(help_request)) or 0


def _of_roots(roots: Sequence[Row], keys: Mapping[str, bytes]) -> list[Fault]:
    found, previous = [], FIRST
    for root in roots:
        statement, key = statement_of_row(root), keys.get(root["key_id"])
        if key is None:
            found.append(Fault("key_unknown", day=root["day"]))
        elif not is_signed(statement, root["signature"], key):
            found.append(Fault("signature_wrong", day=root["day"]))
        if root["previous"] != previous:
            found.append(Fault("root_order", day=root["day"]))
        previous = digest_of(statement)
    return found


def _of_published(roots: Sequence[Row], published: Sequence[Published], keys: Mapping[str, bytes]) -> list[Fault]:
    found = []
    kept = {root["day"]: statement_of_row(root) for root in roots}
    for each in published:
        if not any(is_signed(each.statement, each.signature, key) for key in keys.values()):
            found.append(Fault("publication_wrong", day=each.day))
        if each.day not in kept:
            found.append(Fault("root_missing", day=each.day))
        elif kept[each.day] != each.statement:
            found.append(Fault("root_rewritten", day=each.day))
    return found


async def _of_leaves(database: Database, root: Row) -> list[Fault]:
    day = root["day"]
    pieces = [piece_of(each) async for each in leaves_of(database, day)]
    if salted(root["salt"], root_of([hashed for _, hashed in pieces])) != root["root"]:
        return [Fault("leaves_differ", day=day)]
    async with database.reading() as connection:
        of_chains = salted(root["salt"], await chains.tree_of(connection, day))
    if root["readings"] not in (None, of_chains):
        return [Fault("reading_leaves_differ", day=day)]
    kept = select(audit_piece.c.first, audit_piece.c.hash).where(audit_piece.c.day == day)
    async with database.reading() as connection:
        rows = [tuple(row) for row in await connection.execute(kept.order_by(audit_piece.c.first))]
    return [] if rows == pieces else [Fault("pieces_differ", day=day)]


async def _histories(database: Database, days: set[date], since: date | None) -> AsyncIterator[list[History]]:
    """In the order of their ids, also of requests of which there are leaves or events only."""
    after = UUID(int=0)
    while True:
        async with database.reading_as_one() as connection:
            ids = await _ids(connection, after, since)
            if not ids:
                return
            yield await _of_ids(connection, ids, days)
        after = ids[-1]


async def _ids(connection: AsyncConnection, after: UUID, since: date | None) -> list[UUID]:
    # Sorted here: one query over all three would sort the whole of them for every batch.
    found: set[UUID] = set()
    for column, wanted in (
        (help_request.c.id, _is_wanted(since)),
        (audit_leaf.c.request_id, True if since is None else audit_leaf.c.day >= since),
        *(((event.c.request_id, True),) if since is None else ()),
    ):
        some = select(column).where(column > after, wanted).distinct().order_by(column).limit(_TOGETHER)
        found |= set(await connection.scalars(some))
    return sorted(found)[:_TOGETHER]


def _is_wanted(since: date | None) -> ColumnElement[bool] | bool:
    """What no root speaks of yet, whole or in part."""
    if since is None:
        return True
    return or_(help_request.c.unanchored, ~exists().where(audit_leaf.c.request_id == help_request.c.id))


async def _of_ids(connection: AsyncConnection, ids: Sequence[UUID], days: set[date]) -> list[History]:
    requests = select(*(help_request.c[name] for name in _COMPARED)).where(help_request.c.id.in_(ids))
    events = select(event).where(event.c.request_id.in_(ids)).order_by(event.c.request_id, event.c.sequence)
    leaves = select(audit_leaf).where(audit_leaf.c.request_id.in_(ids))
    leaves = leaves.order_by(audit_leaf.c.request_id, audit_leaf.c.day)
    of_request = {row["id"]: row for row in (await connection.execute(requests)).mappings()}
    of_events = await _by_request(connection, events)
    of_leaves = await _by_request(connection, leaves)
    return [
        History(
            each,
            of_request.get(each),
            of_events.get(each, []),
            [leaf for leaf in of_leaves.get(each, ()) if leaf["day"] in days],
        )
        for each in ids
    ]


async def _by_request(connection: AsyncConnection, query: Any) -> dict[UUID, list[Row]]:
    rows = (await connection.execute(query)).mappings()
    return {request_id: list(some) for request_id, some in groupby(rows, key=itemgetter("request_id"))}
