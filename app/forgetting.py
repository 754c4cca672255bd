"""Forgetting (删除个人信息): what is erased of a request that has ended, and what stays.

Its data key is destroyed, and with it all that the key sealed; what was sealed is emptied as well. Its codes, statuses
and times stay, for statistics, and its events with their hashes: of a note that was erased the digest, so that the
chain still holds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app import attachments
from app.delivery.notices import finish
from app.hashchain import ERASURE, erased
from app.ledger import write_units
from app.lifecycle import ReopeningState
from app.loading import from_row
from app.registry import Snapshot
from app.sealing import SHUT_BOX
from app.tables import (
    aid_mark,
    callback,
    callback_body,
    debt,
    delivery,
    delivery_attempt,
    dispute,
    event,
    feedback,
    guest_link,
    handoff,
    help_request,
    idempotency,
    legal_hold,
)
from app.tables.cases import PERSON_MARKS
from app.timeline import Case

EMPTY = b""
_REPLACE_NOTE = (
    update(event)
    .where(event.c.request_id == bindparam("b_id"), event.c.sequence == bindparam("b_sequence"))
    .values(sealed=bindparam("b_sealed"))
)


async def load_shut(
    connection: AsyncConnection, request_ids: Collection[UUID], *, skip_locked: bool = False
) -> list[Case]:
    """Requests as `loading.load_all` has them, locked, but for their boxes: to destroy a key nobody needs it, so that
    one whose master key is lost can be erased too. Those that another transaction has in hand may be skipped."""
    wanted = select(help_request).where(help_request.c.id.in_(request_ids)).order_by(help_request.c.id)
    rows = (await connection.execute(wanted.with_for_update(skip_locked=skip_locked))).mappings()
    cases = {row["id"]: Case(dict(row), [], is_new=False, box=SHUT_BOX) for row in rows}
    for each in (await connection.execute(select(handoff).where(handoff.c.request_id.in_(cases)))).mappings():
        cases[each["request_id"]].handoffs.append(from_row(each))
    return list(cases.values())


async def forget(
    connection: AsyncConnection, case: Case, snapshot: Snapshot, at: datetime, actor: str, data: Mapping[str, Any]
) -> None:
    """Erase a request, locked by `load_shut`, that has ended and is not erased. The event says why, by `data`."""
    case.record(ERASURE, at, actor, data=data)
    await write_units(connection, [finish(case, snapshot, at)])
    gone = {"sealed": EMPTY, "data_key": None, "erased_at": at, **dict.fromkeys(PERSON_MARKS)}
    gone["decision"] = without_facts(case.request["decision"])
    await connection.execute(update(help_request).where(help_request.c.id == case.id).values(gone))
    await _empty_notes(connection, case)
    await _empty_messages(connection, case, at)
    await _drop_bodies(connection, case)
    await attachments.forget_all(connection, case.id, at)
    for table in (dispute, debt, legal_hold, feedback):
        await connection.execute(update(table).where(table.c.request_id == case.id).values(sealed=None))
    unruled = (feedback.c.request_id == case.id, feedback.c.state == ReopeningState.OPEN.value)
    ended = {"state": ReopeningState.DECLINED.value, "ruled_by": actor, "ruled_at": at}
    await connection.execute(update(feedback).where(*unruled).values(ended))  # nobody can rule on it any more
    await connection.execute(delete(guest_link).where(guest_link.c.handoff_id.in_(_handoffs(case))))
    await connection.execute(delete(aid_mark).where(aid_mark.c.request_id == case.id))
    await connection.execute(delete(idempotency).where(idempotency.c.request_id == case.id))


def without_facts(decision: Mapping[str, Any]) -> dict[str, Any]:
    """A decision's record without the rules whose conditions were not met, nor what was asked. Who got it by which rule
    stays: its handoffs say it too, by it their limits and legal bases are found."""
    emptied: dict[str, Any] = {"passed_over": [], "asks": []}
    return {**decision, "needs": [{**each, **emptied} for each in decision["needs"]]}


async def is_being_told(connection: AsyncConnection, request_id: UUID) -> bool:
    """Whether a message about it is still under way: erased it would arrive empty, or not at all."""
    under_way = messages_of(request_id).where(delivery.c.status == "pending").limit(1)
    return await connection.scalar(under_way) is not None


async def _empty_notes(connection: AsyncConnection, case: Case) -> None:
    noted = select(event.c.sequence, event.c.sealed).where(event.c.request_id == case.id, event.c.sealed.is_not(None))
    rows = [
        {"b_id": case.id, "b_sequence": row.sequence, "b_sealed": erased(row.sealed)}
        for row in await connection.execute(noted)
    ]
    if rows:
        await connection.execute(_REPLACE_NOTE, rows)


def messages_of(request_id: UUID) -> Select[UUID]:
    """The ids of all messages about it, whenever they were made and to whomever: also after its end, also to those who
    only look on."""
    return select(delivery.c.id).where(delivery.c.request_id == request_id)


async def _empty_messages(connection: AsyncConnection, case: Case, at: datetime) -> None:
    """One that a backup brought back under way is given up: empty it would say nothing to anybody."""
    its = list((await connection.execute(messages_of(case.id))).scalars())
    await connection.execute(update(delivery).where(delivery.c.id.in_(its)).values(sealed=EMPTY, digest=EMPTY))
    of_attempts = update(delivery_attempt).where(delivery_attempt.c.delivery_id.in_(its))
    await connection.execute(of_attempts.values(sealed=EMPTY))
    given_up = {"status": "exhausted", "ended_at": at, "claimed_by": None}
    under_way = (delivery.c.id.in_(its), delivery.c.status == "pending")
    await connection.execute(update(delivery).where(*under_way).values(given_up))


async def _drop_bodies(connection: AsyncConnection, case: Case) -> None:
    """The bytes of its callbacks, but for those that callbacks about others came in too. Locked first: of two requests
    that are erased at once the second sees that the first has gone."""
    its = select(callback.c.digest).where(callback.c.handoff_id.in_(_handoffs(case)))
    kept = select(callback_body.c.digest).where(callback_body.c.digest.in_(its)).order_by(callback_body.c.digest)
    digests = list((await connection.execute(kept.with_for_update())).scalars())
    still_needed = (
        select(callback.c.digest)
        .join(handoff, callback.c.handoff_id == handoff.c.id)
        .join(help_request, handoff.c.request_id == help_request.c.id)
        .where(callback.c.digest.in_(digests), help_request.c.erased_at.is_(None))
    )
    needed = set((await connection.execute(still_needed)).scalars())
    dropped = [each for each in digests if each not in needed]
    await connection.execute(delete(callback_body).where(callback_body.c.digest.in_(dropped)))


def _handoffs(case: Case) -> list[UUID]:
    return [each.id for each in case.handoffs]
