"""Callbacks (回告): verify, deduplicate, apply. At most once, in order, within the lifecycle."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import signing
from app.checks import unknown_code
from app.db import Database
from app.delivery.notices import finish
from app.handoffs import Desk, close_leftovers, dispatch_ready, open_mandatory, pass_on
from app.identifiers import now
from app.keys import Key
from app.ledger import Unit, write_units
from app.lifecycle import Act, allowed, target
from app.office import Office, again_if_outdated
from app.problems import FieldError, Problem, Text, invalid
from app.receivers import secrets_at
from app.registry import Snapshot
from app.routing.directory import Agency
from app.routing.rules import Role
from app.schemas import CallbackIn
from app.tables import callback, handoff
from app.timeline import Case, Handoff, load
from app.wire import to_json

_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_LONGEST_SIGNATURE = 500
_LONGEST_TIMESTAMP = 12


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent it, proved by signature or by key, and the id that makes a repeat recognisable."""

    agency: Agency
    webhook_id: str
    signature: str | None


@again_if_outdated
async def authenticate(
    office: Office, handoff_id: UUID, headers: Mapping[str, str], key: Key | None, body: bytes
) -> Sender:
    """The agency of that very handoff. With a bearer key no signature is needed, and without a `webhook-id` the
    body's digest stands for it.

    Raises `not_found` for a handoff that does not exist or is another agency's, `signature_invalid`,
    `timestamp_out_of_tolerance`, `unauthenticated`, `malformed_header`.
    """
    signed = any(name in headers for name in _HEADERS[1:])
    if key is None and not signed:
        raise Problem("unauthenticated")
    agency_code = await _agency_of(office.database, handoff_id)
    if agency_code is None:
        raise Problem("not_found")
    snapshot = await office.registry.current()
    agency = snapshot.directory.agencies[agency_code]
    if key is not None:
        if key.agency_code != agency.code:
            raise Problem("not_found")
        return Sender(agency, _webhook_id(headers) or _digest_id(handoff_id, body), None)
    webhook_id = _verified_id(office, agency, snapshot, headers, body)
    return Sender(agency, webhook_id, headers["webhook-signature"])


@again_if_outdated
async def apply(office: Office, sender: Sender, handoff_id: UUID, said: CallbackIn, body: bytes) -> bytes:
    """Apply a callback in one transaction and keep its answer (`CallbackAnswer`, JSON): a repeat gets it again.

    One that happened before the last applied one is recorded and not applied. Raises `validation_failed`,
    `move_not_allowed`, `co_handlers_open`, `idempotency_conflict`: then nothing is kept, and the same message may
    be sent again once the way is free.
    """
    snapshot = await office.registry.current()
    at = now()
    async with office.database.writing() as connection:
        case = await load(connection, await _request_of(connection, handoff_id))
        first = await _first_answer(connection, sender, handoff_id)
        if first is not None:
            return first
        _check(said, handoff_id, snapshot, at, office.settings.callback_tolerance_seconds)
        moved = case.handoff(handoff_id)
        late = moved.last_callback_at is not None and said.timestamp < moved.last_callback_at
        if not late:
            _move(case, moved, said, Desk(snapshot, at, f"agency:{sender.agency.code}", office.settings.public_url))
        answer = to_json(
            {
                "handoff_id": handoff_id,
                "applied": not late,
                "reason": "older_than_last_applied" if late else None,
                "status": moved.status,
                "request_status": case.status,
                "allowed": allowed(moved.status),
            }
        )
        unit = Unit() if late else finish(case, snapshot)
        unit.insert(
            callback,
            {
                "agency_code": sender.agency.code,
                "webhook_id": sender.webhook_id,
                "handoff_id": handoff_id,
                "type": said.type.value,
                "sent_at": said.timestamp,
                "received_at": at,
                "applied": not late,
                "digest": hashlib.sha256(body).digest(),
                "signature": sender.signature,
                "answer": answer,
            },
        )
        await write_units(connection, [unit])
        if unit.rings:
            await office.database.bell.before_commit(connection)
    if unit.rings:
        office.database.bell.after_commit()
    return answer


def _move(case: Case, moved: Handoff, said: CallbackIn, desk: Desk) -> None:
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
        moved.complete_due, moved.due_provisional = data.due_at, False
    elif act is Act.RETURNED:
        moved.reason = data.reason_code
    elif act is Act.COMPLETED:
        moved.outcome = data.outcome
    case.advance(moved, act, desk.at, desk.actor, data=_public(said), note=_private(said))
    if act is Act.RETURNED:
        pass_on(case, moved, data.suggested_department, desk)
    elif act is Act.COMPLETED:
        if moved.role is Role.LEAD:
            close_leftovers(case, moved, desk)
        dispatch_ready(case, moved.need, desk)
    case.settle(desk.at, desk.actor)


def _public(said: CallbackIn) -> dict[str, Any]:
    names = {"outcome", "suspended_for", "reason_code", "suggested_department", "due_at"}
    told = said.data.model_dump(mode="json", include=names, exclude_none=True)
    return {"happened_at": said.model_dump(mode="json", include={"timestamp"})["timestamp"], **told}


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
        text = Text(
            f"时间在未来;服务器时间是 {_clock(at)}。", f"The time is in the future; our clock says {_clock(at)}."
        )
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


def _verified_id(office: Office, agency: Agency, snapshot: Snapshot, headers: Mapping[str, str], body: bytes) -> str:
    missing = [name for name in _HEADERS if not headers.get(name)]
    if missing:
        listed = ", ".join(missing)
        raise Problem("malformed_header", Text(f"缺少请求头 {listed}。", f"Missing header: {listed}."))
    webhook_id, timestamp, signature = _webhook_id(headers), headers["webhook-timestamp"], headers["webhook-signature"]
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _LONGEST_TIMESTAMP):
        text = Text("webhook-timestamp 应为秒数。", "webhook-timestamp is a whole number of seconds since 1970.")
        raise Problem("malformed_header", text)
    at = now()
    if abs(at.timestamp() - int(timestamp)) > office.settings.callback_tolerance_seconds:
        ours = int(at.timestamp())
        skew = int(timestamp) - ours
        raise Problem(
            "timestamp_out_of_tolerance",
            Text(
                f"签名时间与服务器相差 {skew} 秒;服务器时间是 {ours}({_clock(at)})。",
                f"The signed time differs from ours by {skew} s; our clock says {ours} ({_clock(at)}).",
            ),
        )
    assert webhook_id is not None
    if not signing.matches(secrets_at(agency, at), webhook_id, timestamp, signature, body):
        # A neighbour's signature on a handoff that is not the neighbour's: for it, the handoff does not exist.
        neighbours = (each for each in snapshot.directory.of_county(agency.division_code) if each.code != agency.code)
        if any(signing.matches(secrets_at(each, at), webhook_id, timestamp, signature, body) for each in neighbours):
            raise Problem("not_found")
        raise Problem("signature_invalid")
    return webhook_id


def _webhook_id(headers: Mapping[str, str]) -> str | None:
    webhook_id = headers.get("webhook-id")
    if webhook_id and not (webhook_id.isprintable() and len(webhook_id) <= signing.LONGEST_ID):
        text = Text("webhook-id 应为不超过 256 个可见字符。", "webhook-id is at most 256 visible characters.")
        raise Problem("malformed_header", text)
    if len(headers.get("webhook-signature", "")) > _LONGEST_SIGNATURE:
        text = Text("webhook-signature 过长。", "webhook-signature is too long.")
        raise Problem("malformed_header", text)
    return webhook_id


def _digest_id(handoff_id: UUID, body: bytes) -> str:
    return f"sha256:{hashlib.sha256(handoff_id.bytes + body).hexdigest()}"


def _clock(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _agency_of(database: Database, handoff_id: UUID) -> str | None:
    async with database.reading() as connection:
        code: str | None = await connection.scalar(select(handoff.c.agency_code).where(handoff.c.id == handoff_id))
    return code


async def _request_of(connection: AsyncConnection, handoff_id: UUID) -> UUID:
    request_id: UUID | None = await connection.scalar(select(handoff.c.request_id).where(handoff.c.id == handoff_id))
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
