"""Callbacks (回告): verify, deduplicate, apply. At most once, in order, within the lifecycle."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clocks, etags
from app.checks import unknown_code
from app.constraints import problem_of
from app.db import is_unavailable
from app.delivery.notices import finish
from app.desk import Desk
from app.handoffs import close_leftovers, dispatch_ready, must_match, open_mandatory
from app.identifiers import new_id, now, utc_text
from app.last_events import last_events
from app.ledger import Unit, write_units
from app.lifecycle import Act, target
from app.loading import load_all
from app.office import Office, again_if_outdated
from app.problems import FieldError, Problem, Text, invalid
from app.registry import Snapshot
from app.returns import pass_on
from app.routing.rules import Role
from app.schemas import CallbackIn
from app.sealing import kept_at
from app.senders import Sender
from app.service_key import service_box
from app.tables import callback, callback_body, event, handoff
from app.timeline import Case, Handoff, allowed_now
from app.wire import to_json

_KEEP_ONCE = {
    "sqlite": sqlite.insert(callback_body).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(callback_body).on_conflict_do_nothing(),
}


@dataclass(frozen=True, slots=True)
class Callback:
    """A callback as it was read, and who sent it; applied only if `if_match` is still the handoff's tag."""

    sender: Sender
    handoff_id: UUID
    said: CallbackIn
    if_match: str | None = None


async def apply(office: Office, given: Callback, body: bytes) -> bytes:
    """As `apply_all` with one callback; raises the problem."""
    (became,) = await apply_all(office, [given], body)
    if isinstance(became, Problem):
        raise became
    return became


async def apply_all(office: Office, callbacks: Sequence[Callback], body: bytes) -> list[bytes | Problem]:
    """Apply callbacks of one agency that came in `body`, in their order, in one transaction, and keep the answer
    (`CallbackAnswer`, JSON) of each: a repeat gets it again.

    One that happened before the last applied one is recorded and not applied. The others are not held up by one that
    is refused: `not_found` for another agency's handoff, `validation_failed`, `precondition_failed`,
    `move_not_allowed`, `co_handlers_open`, `bound_by_ruling`, `idempotency_conflict`. Then nothing of it is kept, and the same message
    may be sent again once the way is free. What the database refuses is halved until the one that it refuses is alone.
    """
    try:
        return await _at_once(office, callbacks, body) if callbacks else []
    except Exception as error:
        if len(callbacks) == 1 and (problem := problem_of(error)):
            return [problem]
        if len(callbacks) == 1 or is_unavailable(error):
            raise
    half = len(callbacks) // 2
    return [*await apply_all(office, callbacks[:half], body), *await apply_all(office, callbacks[half:], body)]


@again_if_outdated
async def _at_once(office: Office, callbacks: Sequence[Callback], body: bytes) -> list[bytes | Problem]:
    snapshot = await office.registry.current()
    async with office.database.writing() as connection:
        heard = await _hear(connection, callbacks)
        desk = Desk(snapshot, now(), callbacks[0].sender.actor, office.settings.public_url)
        digest = hashlib.sha256(body).digest()
        tolerance = office.settings.callback_tolerance_seconds
        became: list[bytes | Problem] = []
        for each in callbacks:
            try:
                became.append(_answer(heard, each, desk, digest, tolerance))
            except Problem as problem:
                became.append(problem)
        rings = any(unit.rings for unit in heard.units)
        if heard.rows:
            if any(heard.cases[row["handoff_id"]].request["erased_at"] is None for row in heard.rows):
                await _keep_body(connection, digest, body)
            answered = Unit()
            # In one order: another call may be about to use some of the same ids.
            answered.insert(callback, *sorted(heard.rows, key=itemgetter("webhook_id")))
            units = [*heard.units, answered]
            await write_units(connection, units)
        if rings:
            await office.database.bell.before_commit(connection)
    if rings:
        office.database.bell.after_commit()
    return became


@dataclass(slots=True)
class _Heard:
    """What a run of callbacks found, and what is to be stored of it; the later ones see what the earlier ones did."""

    cases: dict[UUID, Case]  # by handoff
    answers: dict[str, tuple[UUID, bytes]]  # by webhook-id, each with the handoff that it was about
    seen: dict[UUID, int]  # the last event of each handoff
    units: list[Unit] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)


async def _hear(connection: AsyncConnection, callbacks: Sequence[Callback]) -> _Heard:
    """With the requests locked before the answers are looked up: who sent the same at the same time has answered."""
    agency = callbacks[0].sender.agency.code
    own = select(handoff.c.id, handoff.c.request_id).where(
        handoff.c.id.in_({each.handoff_id for each in callbacks}), handoff.c.agency_code == agency
    )
    requests: dict[UUID, UUID] = {row.id: row.request_id for row in await connection.execute(own)}
    if not requests:
        return _Heard({}, {}, {})
    cases = await load_all(connection, set(requests.values()))
    known = select(callback.c.webhook_id, callback.c.handoff_id, callback.c.answer).where(
        callback.c.agency_code == agency, callback.c.webhook_id.in_({each.sender.webhook_id for each in callbacks})
    )
    answers = {row.webhook_id: (row.handoff_id, row.answer) for row in await connection.execute(known)}
    by_handoff = {handoff_id: cases[request_id] for handoff_id, request_id in requests.items()}
    return _Heard(by_handoff, answers, await last_events(connection, requests))


def _answer(heard: _Heard, given: Callback, desk: Desk, digest: bytes, tolerance: int) -> bytes:
    """Raises what a callback is refused with, before anything is changed."""
    sender, handoff_id, said = given.sender, given.handoff_id, given.said
    case = heard.cases.get(handoff_id)
    if case is None:
        raise Problem("not_found")
    if first := heard.answers.get(sender.webhook_id):
        if first[0] != handoff_id:
            raise Problem("idempotency_conflict")
        return first[1]
    moved = case.handoff(handoff_id)
    _check(said, moved, desk.snapshot, desk.at, tolerance)
    must_match(given.if_match, etags.etag(heard.seen.get(handoff_id, 0)), case, moved, allowed_now(moved))
    late = moved.last_callback_at is not None and said.timestamp < moved.last_callback_at
    if not late:
        _move(case, moved, said, desk, digest)
        unit = finish(case, desk.snapshot)
        heard.units.append(unit)
        heard.seen.update((each["handoff_id"], each["sequence"]) for each in unit.inserts.get(event, ()))
    answer = to_json(
        {
            "handoff_id": handoff_id,
            "applied": not late,
            "reason": "older_than_last_applied" if late else None,
            "status": moved.status,
            "request_status": case.status,
            "allowed": allowed_now(moved),
            "etag": etags.etag(heard.seen.get(handoff_id, 0)),
        }
    )
    heard.rows.append(
        {
            "agency_code": sender.agency.code,
            "webhook_id": sender.webhook_id,
            "id": new_id(),
            "handoff_id": handoff_id,
            "type": said.type.value,
            "sent_at": said.timestamp,
            "received_at": desk.at,
            "applied": not late,
            "digest": digest,
            "signature": sender.signature,
            "signed_at": sender.signed_at,
            "bulk_id": sender.bulk_id,
            "answer": answer,
        }
    )
    heard.answers[sender.webhook_id] = (handoff_id, answer)
    return answer


async def _keep_body(connection: AsyncConnection, digest: bytes, body: bytes) -> None:
    """The same bytes may have come with another callback, or come with one at this moment."""
    if await connection.scalar(select(callback_body.c.digest).where(callback_body.c.digest == digest)) is None:
        keep = _KEEP_ONCE[connection.dialect.name]
        where = kept_at("callback_body.sealed", digest.hex())
        sealed = (await service_box(connection)).seal_bytes(body, where)
        await connection.execute(keep, {"digest": digest, "sealed": sealed})


def _move(case: Case, moved: Handoff, said: CallbackIn, desk: Desk, digest: bytes) -> None:
    """What refuses it is raised before anything is changed: the case is that of the run's other callbacks, too."""
    act = Act(said.type.removeprefix("handoff."))
    data = said.data
    if target(moved.status, act) is None:
        raise Problem(
            "move_not_allowed",
            Text(
                f"转办单现在是 {moved.status},不能 {said.type};允许的操作见 allowed。",
                f"The handoff is {moved.status}; {said.type} is not allowed now. The moves that are: see `allowed`.",
            ),
            extra={"allowed": allowed_now(moved)},
        )
    if act is Act.COMPLETED and moved.role is Role.LEAD and (waiting_for := open_mandatory(case, moved)):
        raise Problem(
            "co_handlers_open",
            extra={"waiting_for": [str(each.id) for each in waiting_for], "allowed": allowed_now(moved)},
        )
    _check_materials(case, moved, said, desk.snapshot)
    if act is Act.RETURNED and moved.bound_at is not None:
        text = Text(
            f"{moved.bound_by} 已于 {utc_text(moved.bound_at)} 裁定由贵单位办理;裁定之后不能再退回,请办理或致电协调员。",
            f"{moved.bound_by} ruled at {utc_text(moved.bound_at)} that it is yours. There is no return after a ruling: "
            "handle it, or call the coordinator.",
        )
        raise Problem("bound_by_ruling", text, extra={"allowed": allowed_now(moved)})
    # A clock that runs ahead must not make the agency's next, rightly stamped callback look old.
    moved.last_callback_at = min(said.timestamp, desk.at)
    if act is Act.INFORMATION_REQUESTED:
        moved.material_requests += 1
        clocks.stop(moved, "applicant", desk.at)
    elif act is Act.SUSPENDED and data.suspended_for:
        clocks.stop(moved, data.suspended_for, desk.at)
    elif act is Act.RESUMED:
        clocks.run_again(moved, desk.at, desk.snapshot)
    elif act is Act.EXTENDED and data.due_at:
        clocks.extend(moved, data.due_at, desk.at)
    elif act is Act.RETURNED:
        moved.reason = data.reason_code
    elif act is Act.COMPLETED:
        moved.outcome = data.outcome
    told = {**_public(said, digest), **_counted(moved, act)}
    case.advance(moved, act, desk.at, desk.actor, data=told, note=_private(said))
    if act is Act.RETURNED:
        pass_on(case, moved, data.suggested_department, desk)
    elif act is Act.COMPLETED:
        if moved.role is Role.LEAD:
            close_leftovers(case, moved, desk)
        dispatch_ready(case, moved.need, desk)
    case.settle(desk.at, desk.actor)


def _counted(moved: Handoff, act: Act) -> dict[str, int]:
    """The how manieth request for materials it was, or extension."""
    if act is Act.INFORMATION_REQUESTED:
        return {"request": moved.material_requests}
    return {"extension": moved.extensions} if act is Act.EXTENDED else {}


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


def _check(said: CallbackIn, moved: Handoff, snapshot: Snapshot, at: datetime, tolerance: int) -> None:
    errors = []
    if said.data.handoff_id not in (None, moved.id):
        text = Text("与地址中的转办单编号不一致。", "It differs from the handoff of the address.")
        errors.append(FieldError("/data/handoff_id", "handoff_differs", text))
    if said.timestamp > at + timedelta(seconds=tolerance):
        text = Text(
            f"时间在未来;服务器时间是 {utc_text(at)}。", f"The time is in the future; our clock says {utc_text(at)}."
        )
        errors.append(FieldError("/timestamp", "timestamp_in_future", text))
    wanted = said.data.due_at if said.type == "handoff.extended" else None
    if wanted is not None and (fault := clocks.extension_fault(moved, wanted, at)):
        errors.append(FieldError("/data/due_at", *fault))
    suggested = said.data.suggested_department
    if suggested is not None and suggested not in snapshot.departments:
        known = list(snapshot.departments)
        hint = Text("请写部门代码。", "Write a department code, such as county_civil_affairs.")
        errors.append(unknown_code("/data/suggested_department", "department", suggested, known, hint))
    if errors:
        raise invalid(*errors)


def _check_materials(case: Case, moved: Handoff, said: CallbackIn, snapshot: Snapshot) -> None:
    """All that is missing is asked for once (一次性告知), and never what data sharing supplies for the need."""
    if said.type != "handoff.information_requested":
        return
    errors = []
    rules = [clocks.rule_of(each, snapshot) for each in case.of_need(moved.need)]
    waived = [snapshot.materials[code] for rule in rules for code in rule.waived]
    known = {word.casefold(): each for each in waived for word in (each.code, each.name_zh, each.name_en)}
    for place, asked in enumerate(said.data.materials or ()):
        if shared := known.get(asked.casefold()):
            text = Text(
                f"{shared.name_zh}({shared.code})由数据共享取得,不得要求申请人提交。",
                f"{shared.name_en} ({shared.code}) is had by data sharing; the person may not be asked for it.",
            )
            errors.append(FieldError(f"/data/materials/{place}", "material_waived", text))
    if moved.material_requests and not said.data.reason:
        text = Text(
            "此前已一次性告知;再次要求补正须写明理由,并计入次数。",
            "Materials were asked for once already; a further request needs its reason, and is counted.",
        )
        errors.append(FieldError("/data/reason", "reason_of_further_request", text))
    if errors:
        raise invalid(*errors)
