"""Callbacks (回告): verify, deduplicate, apply. At most once, in order, within the lifecycle."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from app import etags
from app.checks import unknown_code
from app.db import Database
from app.delivery.notices import finish
from app.handoffs import Desk, close_leftovers, dispatch_ready, open_mandatory, pass_on
from app.identifiers import new_id, now
from app.ledger import Unit, write_units
from app.lifecycle import Act, allowed, target
from app.office import Office, again_if_outdated
from app.problems import FieldError, Problem, Text, invalid
from app.registry import Snapshot
from app.routing.rules import Role
from app.schemas import CallbackIn
from app.sealing import seal_bytes
from app.senders import Sender, clock
from app.tables import callback, callback_body, event, handoff
from app.timeline import Case, Handoff, last_event, load
from app.wire import to_json

_KEEP_ONCE = {
    "sqlite": sqlite.insert(callback_body).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(callback_body).on_conflict_do_nothing(),
}


async def answered_before(database: Database, agency_code: str, ids: Iterable[str]) -> dict[tuple[str, UUID], bytes]:
    """The answers that callbacks of these ids have got already, each by its id and the handoff that it was about."""
    known = select(callback.c.webhook_id, callback.c.handoff_id, callback.c.answer).where(
        callback.c.agency_code == agency_code, callback.c.webhook_id.in_(ids)
    )
    async with database.reading() as connection:
        return {(row.webhook_id, row.handoff_id): row.answer for row in await connection.execute(known)}


@again_if_outdated
async def apply(
    office: Office, sender: Sender, handoff_id: UUID, said: CallbackIn, body: bytes, if_match: str | None = None
) -> bytes:
    """Apply a callback in one transaction and keep its answer (`CallbackAnswer`, JSON): a repeat gets it again.
    `body` is what was sent, with the callbacks beside it if it came in bulk.

    One that happened before the last applied one is recorded and not applied. Raises `not_found` for another
    agency's handoff, `validation_failed`, `precondition_failed`, `move_not_allowed`, `co_handlers_open`,
    `idempotency_conflict`: then nothing is kept, and the same message may be sent again once the way is free.
    """
    snapshot = await office.registry.current()
    at = now()
    digest = hashlib.sha256(body).digest()
    async with office.database.writing() as connection:
        case = await load(connection, await _request_of(connection, handoff_id, sender.agency.code))
        first = await _first_answer(connection, sender, handoff_id)
        if first is not None:
            return first
        _check(said, handoff_id, snapshot, at, office.settings.callback_tolerance_seconds)
        moved = case.handoff(handoff_id)
        seen = await last_event(connection, case.id, handoff_id)
        _must_match(if_match, etags.etag(seen), case, moved)
        late = moved.last_callback_at is not None and said.timestamp < moved.last_callback_at
        if not late:
            desk = Desk(snapshot, at, sender.actor, office.settings.public_url)
            _move(case, moved, said, desk, digest)
        unit = Unit() if late else finish(case, snapshot)
        events = (each["sequence"] for each in unit.inserts.get(event, ()) if each["handoff_id"] == handoff_id)
        answer = to_json(
            {
                "handoff_id": handoff_id,
                "applied": not late,
                "reason": "older_than_last_applied" if late else None,
                "status": moved.status,
                "request_status": case.status,
                "allowed": allowed(moved.status),
                "etag": etags.etag(max(events, default=seen)),
            }
        )
        unit.insert(
            callback,
            {
                "agency_code": sender.agency.code,
                "webhook_id": sender.webhook_id,
                "id": new_id(),
                "handoff_id": handoff_id,
                "type": said.type.value,
                "sent_at": said.timestamp,
                "received_at": at,
                "applied": not late,
                "digest": digest,
                "signature": sender.signature,
                "signed_at": sender.signed_at,
                "bulk_id": sender.bulk_id,
                "answer": answer,
            },
        )
        await _keep_body(connection, digest, body)
        await write_units(connection, [unit])
        if unit.rings:
            await office.database.bell.before_commit(connection)
    if unit.rings:
        office.database.bell.after_commit()
    return answer


def _must_match(if_match: str | None, current: str, case: Case, moved: Handoff) -> None:
    """Raises `precondition_failed` with what is true now."""
    if if_match is not None and not etags.matches(if_match, current):
        stands = {"etag": current, "status": moved.status, "request_status": case.status}
        raise Problem(
            "precondition_failed",
            headers={"ETag": current},
            extra={"current": stands, "allowed": allowed(moved.status)},
        )


async def _keep_body(connection: AsyncConnection, digest: bytes, body: bytes) -> None:
    """The same bytes may have come with another callback, or come with one at this moment."""
    if await connection.scalar(select(callback_body.c.digest).where(callback_body.c.digest == digest)) is None:
        keep = _KEEP_ONCE[connection.dialect.name]
        await connection.execute(keep, {"digest": digest, "sealed": seal_bytes(body)})


def _move(case: Case, moved: Handoff, said: CallbackIn, desk: Desk, digest: bytes) -> None:
    act = Act(said.type.removeprefix("handoff."))
    data = said.data
    if target(moved.status, act) is None:
        raise Problem(
            "move_not_allowed",
            Text(
                f"转办单现在是 {moved.status},不能 {said.type};允许的操作见 allowed。",
                f"The handoff is {moved.status}; {said.type} is not allowed now. The moves that are: see `allowed`.",
            ),
            extra={"allowed": allowed(moved.status)},
        )
    if act is Act.COMPLETED and moved.role is Role.LEAD and (waiting_for := open_mandatory(case, moved)):
        raise Problem(
            "co_handlers_open",
            extra={"waiting_for": [str(each.id) for each in waiting_for], "allowed": allowed(moved.status)},
        )
    # A clock that runs ahead must not make the agency's next, rightly stamped callback look old.
    moved.last_callback_at = min(said.timestamp, desk.at)
    if act is Act.INFORMATION_REQUESTED:
        moved.suspended_for = "applicant"
    elif act is Act.SUSPENDED:
        moved.suspended_for = data.suspended_for
    elif act is Act.EXTENDED:
        moved.complete_due = moved.extended_until = data.due_at
        moved.due_provisional = False
    elif act is Act.RETURNED:
        moved.reason = data.reason_code
    elif act is Act.COMPLETED:
        moved.outcome = data.outcome
    case.advance(moved, act, desk.at, desk.actor, data=_public(said, digest), note=_private(said))
    if act is Act.RETURNED:
        pass_on(case, moved, data.suggested_department, desk)
    elif act is Act.COMPLETED:
        if moved.role is Role.LEAD:
            close_leftovers(case, moved, desk)
        dispatch_ready(case, moved.need, desk)
    case.settle(desk.at, desk.actor)


def _public(said: CallbackIn, digest: bytes) -> dict[str, Any]:
    """With the digest of what was sent, which the chain of events then holds fast."""
    names = {"outcome", "suspended_for", "reason_code", "suggested_department", "due_at"}
    told = said.data.model_dump(mode="json", include=names, exclude_none=True)
    return {
        "happened_at": said.model_dump(mode="json", include={"timestamp"})["timestamp"],
        **told,
        "digest": digest.hex(),
    }


def _private(said: CallbackIn) -> dict[str, Any] | None:
    """Free text may name people."""
    names = {"note", "handler", "materials", "reason", "legal_basis", "approver"}
    return said.data.model_dump(mode="json", include=names, exclude_none=True) or None


def _check(said: CallbackIn, handoff_id: UUID, snapshot: Snapshot, at: datetime, tolerance: int) -> None:
    errors = []
    if said.data.handoff_id not in (None, handoff_id):
        text = Text("与地址中的转办单编号不一致。", "It differs from the handoff of the address.")
        errors.append(FieldError("/data/handoff_id", "handoff_differs", text))
    if said.timestamp > at + timedelta(seconds=tolerance):
        text = Text(f"时间在未来;服务器时间是 {clock(at)}。", f"The time is in the future; our clock says {clock(at)}.")
        errors.append(FieldError("/timestamp", "timestamp_in_future", text))
    if said.type == "handoff.extended" and said.data.due_at is not None and said.data.due_at <= at:
        text = Text("新期限已经过去。", "The new limit is past already.")
        errors.append(FieldError("/data/due_at", "due_at_past", text))
    suggested = said.data.suggested_department
    if suggested is not None and suggested not in snapshot.departments:
        known = list(snapshot.departments)
        hint = Text("请写部门代码。", "Write a department code, such as county_civil_affairs.")
        errors.append(unknown_code("/data/suggested_department", "department", suggested, known, hint))
    if errors:
        raise invalid(*errors)


async def _request_of(connection: AsyncConnection, handoff_id: UUID, agency_code: str) -> UUID:
    own = select(handoff.c.request_id).where(handoff.c.id == handoff_id, handoff.c.agency_code == agency_code)
    request_id: UUID | None = await connection.scalar(own)
    if request_id is None:
        raise Problem("not_found")
    return request_id


async def _first_answer(connection: AsyncConnection, sender: Sender, handoff_id: UUID) -> bytes | None:
    known = select(callback.c.handoff_id, callback.c.answer).where(
        callback.c.agency_code == sender.agency.code, callback.c.webhook_id == sender.webhook_id
    )
    row = (await connection.execute(known)).first()
    if row is None:
        return None
    if row.handoff_id != handoff_id:
        raise Problem("idempotency_conflict")
    answer: bytes = row.answer
    return answer
