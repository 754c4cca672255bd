"""An agency's inbox (收件箱) that is waited on: what it was told of since it last asked, oldest first, at once or when
it comes.

Nothing is missed, though what commits first need not be what was dated first: a cursor holds the place up to which
all has settled, and marks of what was told after it.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select, tuple_

from app.bells import signing_bell, signing_of, timeline_bell, timeline_of
from app.db import Database, is_unavailable
from app.identifiers import now
from app.inboxes import CHANNEL, Inboxes, Waiting
from app.keys import Key
from app.lifecycle import HandoffStatus
from app.listening import listen
from app.logs import describe
from app.moves import events_of
from app.office import Office, again_if_outdated
from app.paged import bad_cursor
from app.reading import HANDOFFS, listed
from app.tables import event, handoff
from app.timeline import SIGNINGS

# Longer than any transaction lasts, and than clocks of several machines are apart.
SETTLES_WITHIN = timedelta(seconds=30)
LOOK_SECONDS = 1.0
_EPOCH = datetime.fromtimestamp(0, UTC)
_NOBODY = UUID(int=0)
_MOST_MARKS = 800
_MARK_BYTES = 6
_PLACE_BYTES = 24
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Cursor:
    """Everything up to (`told_at`, `id`) was told, and of what came after it what `marks` name."""

    told_at: datetime = _EPOCH
    id: UUID = _NOBODY
    marks: frozenset[bytes] = frozenset()

    @classmethod
    def read(cls, text: str | None) -> Cursor:
        """Raises `validation_failed`."""
        if text is None:
            return cls()
        try:
            given = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            told_at = _EPOCH + timedelta(milliseconds=int.from_bytes(given[:8]))
            place = UUID(bytes=given[8:_PLACE_BYTES])
        except (ValueError, OverflowError):
            raise bad_cursor("after") from None
        marks = given[_PLACE_BYTES:]
        if len(marks) % _MARK_BYTES or len(marks) > _MOST_MARKS * _MARK_BYTES:
            raise bad_cursor("after")
        each = (marks[at : at + _MARK_BYTES] for at in range(0, len(marks), _MARK_BYTES))
        return cls(told_at, place, frozenset(each))

    def write(self) -> str:
        given = _milliseconds(self.told_at) + self.id.bytes + b"".join(sorted(self.marks))
        return urlsafe_b64encode(given).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Asked:
    after: Cursor
    limit: int
    status: HandoffStatus | None
    seconds: float


@again_if_outdated
async def news(office: Office, key: Key, asked: Asked, call: Waiting) -> dict[str, Any]:
    """What the key's agency was told of after the cursor (`HandoffPage`; `next_cursor` is the next call's `after`).

    Waits at most `seconds` for something, less when the call is over. `call` was made before: it is rung by
    whatever is committed since.
    """
    until = time.monotonic() + asked.seconds
    while True:
        call.rung.clear()
        page = await _news_now(office, key, asked)
        left = until - time.monotonic()
        if page["items"] or left <= 0 or call.is_over:
            return page
        with suppress(TimeoutError):
            # Also when nobody rings: a full cursor has room again when what it marks has settled.
            await asyncio.wait_for(call.rung.wait(), min(left, SETTLES_WITHIN.total_seconds()))
        if call.is_over:
            return page  # what has come since is told to the next call: its cursor is the same


async def _news_now(office: Office, key: Key, asked: Asked) -> dict[str, Any]:
    snapshot = await office.registry.current()
    after = asked.after
    query = HANDOFFS.where(
        handoff.c.agency_code == key.agency_code,
        tuple_(handoff.c.told_at, handoff.c.id) > (after.told_at, after.id),
    )
    if asked.status is not None:
        query = query.where(handoff.c.status == asked.status)
    most = asked.limit + len(after.marks) + 1
    query = query.order_by(handoff.c.told_at, handoff.c.id).limit(most)
    async with office.database.reading() as connection:
        rows = [dict(row) for row in (await connection.execute(query)).mappings()]
    fresh, cursor = choose(rows, after, asked.limit, is_all=len(rows) < most, at=now())
    items = [listed(row, snapshot, office.settings.public_url) for row in fresh]
    return {"items": items, "next_cursor": cursor.write()}


def choose(
    rows: list[dict[str, Any]], after: Cursor, limit: int, *, is_all: bool, at: datetime
) -> tuple[list[dict[str, Any]], Cursor]:
    """Of `rows` (after the cursor's place, in order) those that are to be told, and the cursor after them.

    The place moves on over what is told and settled; what is told beyond it is marked. `is_all`: there are no rows
    after these.
    """
    settled = at - SETTLES_WITHIN
    told_at, id_ = after.told_at, after.id
    fresh: list[dict[str, Any]] = []
    marks = set() if is_all else set(after.marks - {_mark(row) for row in rows})
    room = _MOST_MARKS - len(after.marks)
    moves_on = True
    for row in rows:
        mark = _mark(row)
        is_fresh = mark not in after.marks
        moves_on = moves_on and row["told_at"] <= settled and not (is_fresh and len(fresh) >= limit)
        if is_fresh:
            if len(fresh) >= limit or (room <= 0 and not moves_on):
                continue
            room -= not moves_on
            fresh.append(row)
        if moves_on:
            told_at, id_ = row["told_at"], row["id"]
        else:
            marks.add(mark)
    return fresh, Cursor(told_at, id_, frozenset(marks))


def _mark(row: Mapping[str, Any]) -> bytes:
    return hashlib.blake2b(row["id"].bytes + _milliseconds(row["told_at"]), digest_size=_MARK_BYTES).digest()


def _milliseconds(at: datetime) -> bytes:
    return ((at - _EPOCH) // timedelta(milliseconds=1)).to_bytes(8)


async def keep_ringing(office: Office, stopping: asyncio.Event) -> None:
    """Hears of what other processes commit, until told to stop: by LISTEN on PostgreSQL; on SQLite by one look a
    second, and only while somebody waits."""
    inboxes = office.database.inboxes
    if office.database.is_sqlite:
        await _look_again_and_again(office.database, inboxes, stopping)
        return
    listening = asyncio.create_task(
        listen(office.database, CHANNEL, inboxes.hear, inboxes.ring_all, office.settings.poll_seconds)
    )
    await stopping.wait()
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def _look_again_and_again(database: Database, inboxes: Inboxes, stopping: asyncio.Event) -> None:
    seen: set[tuple[UUID, datetime]] = set()
    heard: dict[str, int] = {}
    while not stopping.is_set():
        if inboxes.waited_for:
            try:
                found, signed = await _told_lately(database, inboxes), await _signed(database, inboxes)
                moved = await _timelines(database, inboxes)
            except Exception as error:
                if not is_unavailable(error):
                    log.error("inboxes_not_seen", **describe(error))
            else:
                inboxes.ring({code for told, code in found.items() if told not in seen} | signed)
                inboxes.ring([bell for bell, events in moved.items() if heard.get(bell, 0) < events])
                seen, heard = set(found), moved
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), LOOK_SECONDS)


async def _told_lately(database: Database, inboxes: Inboxes) -> dict[tuple[UUID, datetime], str]:
    agencies = [bell for bell in inboxes.waited_for if not (signing_of(bell) or timeline_of(bell))]
    if not agencies:
        return {}
    lately = select(handoff.c.id, handoff.c.told_at, handoff.c.agency_code).where(
        handoff.c.agency_code.in_(agencies), handoff.c.told_at > now() - SETTLES_WITHIN
    )
    async with database.reading() as connection:
        return {(row.id, row.told_at): row.agency_code for row in await connection.execute(lately)}


async def _signed(database: Database, inboxes: Inboxes) -> set[str]:
    """The bells of the emergencies that somebody waits for and that an agency has signed in to."""
    requests = [found for bell in inboxes.waited_for if (found := signing_of(bell))]
    if not requests:
        return set()
    signed = select(event.c.request_id).distinct()
    signed = signed.where(event.c.request_id.in_(requests), event.c.kind.in_(SIGNINGS))
    async with database.reading() as connection:
        return {signing_bell(each) for each in (await connection.execute(signed)).scalars()}


async def _timelines(database: Database, inboxes: Inboxes) -> dict[str, int]:
    """The bells of the requests whose pages are open, and how many events each has: one query for all of them."""
    requests = [found for bell in inboxes.waited_for if (found := timeline_of(bell))]
    if not requests:
        return {}
    return {timeline_bell(each): events for each, events in (await events_of(database, requests)).items()}
