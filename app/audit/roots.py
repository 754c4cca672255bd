"""A day's root: begun, gathered, signed. Many workers may be at it, and any may die: each step is done once.

What is begun is a row without a signature, and there is one at most. Leaves are added a batch a transaction, with that
row locked, until it says that all were gathered; from then on they stay as they are, so that whoever signs signs the
same. A request that has changed says so itself; a new one is found by its id, which is made of its time.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import CursorResult, Exists, Select, Update, delete, exists, literal, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit import chains
from app.audit.statements import FIRST, Signer, digest_of, leaf_content, statement_of_row
from app.config import Settings
from app.db import Database, is_unavailable
from app.identifiers import first_id, now
from app.logs import describe
from app.merkle import leaf_hash, node_hash, root_of
from app.routing.rules import local_day
from app.tables import audit_key, audit_leaf, audit_piece, audit_root, help_request

LOOK_SECONDS = 60.0
BATCH = 250
PIECE = 256  # a power of two: the roots of pieces are nodes of the whole tree
# A request may reach the database later than its id says: the ids of this long before are looked through again.
_LATE = timedelta(days=1)
_LEAF = ("id", "receipt_number", "events", "head")
log = structlog.get_logger()
Row = Mapping[Any, Any]


async def keep_making(settings: Settings, database: Database, stopping: asyncio.Event) -> None:
    """Once a day is over in China, make its root; look again and again, until told to stop."""
    while not stopping.is_set():
        try:
            seed = settings.audit_seed()
            if seed is None:
                log.warning("audit_key_missing", advice="set ONE_WINDOW_AUDIT_KEY; until then no audit roots are made")
                return
            at = now()
            await make(database, Signer(seed), local_day(at) - timedelta(days=1), at, stopping)
        except Exception as error:
            if not is_unavailable(error):
                log.error("audit_root_failed", **describe(error))
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), LOOK_SECONDS)


async def make(
    database: Database, signer: Signer, day: date, at: datetime, stopping: asyncio.Event | None = None
) -> bool:
    """Finish the root that is in the making, if one is; then make that of `day`, unless there is one or a later one.
    Whether it is there now."""
    while not (stopping and stopping.is_set()):
        root = await _in_the_making(database)
        if root is None:
            root = await _begun(database, day, at)
        if root is None:
            return True
        if not await _gather(database, root, stopping):
            return False
        await _sign(database, signer, root)
    return False


async def newest(connection: AsyncConnection, *, signed: bool = True) -> Row | None:
    last = select(audit_root)
    if signed:
        last = last.where(audit_root.c.signature.is_not(None))
    return (await connection.execute(last.order_by(audit_root.c.day.desc()).limit(1))).mappings().first()


async def _in_the_making(database: Database) -> Row | None:
    """It is the newest of all."""
    async with database.reading() as connection:
        last = await newest(connection, signed=False)
    return last if last is not None and last["signature"] is None else None


async def _begun(database: Database, day: date, at: datetime) -> Row | None:
    """The row that says that it is being made; None if there is a root of that day or a later one."""
    async with database.reading() as connection:
        last = await newest(connection)
    if last is not None and last["day"] >= day:
        return None
    previous = FIRST if last is None else digest_of(statement_of_row(last))
    begun = {"day": day, "as_of": at, "previous": previous, "salt": secrets.token_bytes(32)}
    with suppress(IntegrityError):  # another worker was faster
        async with database.writing() as connection:
            await connection.execute(audit_root.insert(), begun)
    return await _in_the_making(database)


async def _gather(database: Database, root: Row, stopping: asyncio.Event | None) -> bool:
    """Add a leaf for each request that has changed or is new. False if it was told to stop before it had all."""
    if root["gathered_at"] is not None:
        return True
    async with database.reading() as connection:
        before = await newest(connection)
    since = UUID(int=0) if before is None else first_id(before["as_of"] - _LATE)
    batches = (_add_changed(database, root["day"]), _add_new(database, root["day"], since, first_id(root["as_of"])))
    for each in batches:
        async for _ in each:
            if stopping and stopping.is_set():
                return False
    async with database.writing() as connection:
        if await _takes_leaves(connection, root["day"]):
            await chains.gather(connection, root["day"], before["as_of"] if before else None, root["as_of"])
            gathered = update(audit_root).where(audit_root.c.day == root["day"])
            await connection.execute(gathered.values(gathered_at=now()))
    return True


async def _add_changed(database: Database, day: date) -> AsyncIterator[None]:
    added = BATCH
    while added == BATCH:  # what changes meanwhile is the next day's
        async with database.writing() as connection:
            if not await _takes_leaves(connection, day):
                return
            rows = (await connection.execute(taking_changed(BATCH))).mappings().all()
            added = len(rows)
            await _put(connection, day, rows)
        yield


def taking_changed(most: int) -> Update:
    """What has changed is taken off the list, as it is at this moment: the first by id, locked in that order."""
    first = select(help_request.c.id).where(help_request.c.unanchored).order_by(help_request.c.id).limit(most)
    taken = update(help_request).where(help_request.c.id.in_(first.with_for_update()))
    return taken.values(unanchored=False).returning(*(help_request.c[name] for name in _LEAF))


async def _put(connection: AsyncConnection, day: date, rows: Any) -> None:
    """In place of what the day's leaf of a request said before."""
    if not rows:
        return
    leaves = [{**{name: row[name] for name in _LEAF[1:]}, "request_id": row["id"], "day": day} for row in rows]
    same = audit_leaf.c.request_id.in_([each["request_id"] for each in leaves])
    await connection.execute(delete(audit_leaf).where(audit_leaf.c.day == day, same))
    await connection.execute(audit_leaf.insert(), leaves)


async def _add_new(database: Database, day: date, since: UUID, before: UUID) -> AsyncIterator[None]:
    while True:
        async with database.reading() as connection:
            found = (await connection.scalars(new_ones(since, before, BATCH))).all()
        if not found:
            return
        chosen = select(help_request.c.id, literal(day, audit_leaf.c.day.type), *(help_request.c[n] for n in _LEAF[1:]))
        chosen = chosen.where(help_request.c.id.in_(found), ~_has_leaf())
        async with database.writing() as connection:
            if not await _takes_leaves(connection, day):
                return
            names = ("request_id", "day", *_LEAF[1:])
            await connection.execute(audit_leaf.insert().from_select(names, chosen))
        since = found[-1]
        yield


def new_ones(since: UUID, before: UUID, most: int) -> Select[UUID]:
    """Requests between two ids that no root speaks of; neither table is read beyond them."""
    between = (help_request.c.id > since, help_request.c.id < before)
    spoken_of = _has_leaf().where(audit_leaf.c.request_id > since, audit_leaf.c.request_id < before)
    return select(help_request.c.id).where(*between, ~spoken_of).order_by(help_request.c.id).limit(most)


def _has_leaf() -> Exists:
    return exists().where(audit_leaf.c.request_id == help_request.c.id)


async def _takes_leaves(connection: AsyncConnection, day: date) -> bool:
    """Locks the root's row until the transaction ends. False: all were gathered, by another worker."""
    open_row = select(audit_root.c.day).where(audit_root.c.day == day, audit_root.c.gathered_at.is_(None))
    return await connection.scalar(open_row.with_for_update()) is not None


async def leaves_of(database: Database, day: date) -> AsyncIterator[list[Row]]:
    """A day's leaves in the order of the tree, a piece at a time."""
    after = UUID(int=0)
    while True:
        piece = select(audit_leaf).where(audit_leaf.c.day == day, audit_leaf.c.request_id > after)
        async with database.reading() as connection:
            ordered = piece.order_by(audit_leaf.c.request_id).limit(PIECE)
            rows: list[Row] = list((await connection.execute(ordered)).mappings())
        if rows:
            yield rows
        if len(rows) < PIECE:
            return
        after = rows[-1]["request_id"]


def hash_of(leaf: Row) -> bytes:
    content = leaf_content(leaf["request_id"], leaf["receipt_number"], leaf["events"], leaf["head"])
    return leaf_hash(content)


def piece_of(leaves: list[Row]) -> tuple[UUID, bytes]:
    """By which request a piece begins, and its root."""
    return leaves[0]["request_id"], root_of([hash_of(each) for each in leaves])


def salted(salt: bytes, tree: bytes) -> bytes:
    """The root of a day: nobody can tell by it that nothing happened."""
    return node_hash(leaf_hash(salt), tree)


async def _sign(database: Database, signer: Signer, root: Row) -> None:
    pieces, leaves = [], 0
    async for each in leaves_of(database, root["day"]):
        pieces.append(piece_of(each))
        leaves += len(each)
    async with database.reading() as connection:
        readings = salted(root["salt"], await chains.tree_of(connection, root["day"]))
    made = {
        **root,
        "readings": readings,
        "root": salted(root["salt"], root_of([hashed for _, hashed in pieces])),
        "key_id": signer.key_id,
    }
    made |= {"signature": signer.sign(statement_of_row(made)), "leaves": leaves, "made_at": now()}
    unsigned = update(audit_root).where(audit_root.c.day == root["day"], audit_root.c.signature.is_(None))
    names = ("root", "readings", "key_id", "signature", "leaves", "made_at")
    async with database.writing() as connection:
        signed: CursorResult[Any] = await connection.execute(unsigned.values({name: made[name] for name in names}))
        if signed.rowcount == 0:
            return  # another worker was faster
        if pieces:
            rows = [{"day": root["day"], "first": first, "hash": hashed} for first, hashed in pieces]
            await connection.execute(audit_piece.insert(), rows)
        if await connection.scalar(select(audit_key.c.id).where(audit_key.c.id == signer.key_id)) is None:
            key = {"id": signer.key_id, "public_key": signer.public_key, "first_used_at": made["made_at"]}
            await connection.execute(audit_key.insert(), key)
    log.info("audit_root_signed", day=root["day"].isoformat(), key_id=signer.key_id)
