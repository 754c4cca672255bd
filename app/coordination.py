"""A coordinator's acts on a handoff: ruled, reassigned, urged, cancelled, extended. Each has a reason, stands in the
timeline, and is told to the agencies that it concerns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app import checks, clocks, drafting, etags, gates, handoffs, presenting, rights
from app.delivery.notices import finish
from app.desk import Desk, desk_of
from app.handoffs import cancel, dispatch_ready, given_by, must_match, tell, tell_dispatched
from app.identifiers import utc_text
from app.keys import Key
from app.last_events import last_event
from app.ledger import write_units
from app.lifecycle import Act, HandoffStatus
from app.loading import load
from app.office import Office, again_if_outdated
from app.problems import FieldError, Problem, Text, invalid
from app.registry import Snapshot
from app.repeats import Repeat, first_answer
from app.returns import give, is_disputed, own, replace
from app.routing.directory import Agency
from app.routing.rules import Role
from app.schemas_coordination import CancelIn, ExtendIn, ReassignIn, RulingIn, UrgeIn
from app.sealing import kept_at
from app.shown import whole_disclosure
from app.tables import event, handoff, idempotency
from app.timeline import Case, Handoff
from app.wire import to_json

BY = "coordinator"
REASSIGNED = "reassigned"
RULED = "ruled"
_RANKS = (Role.LEAD, Role.CO_HANDLER, Role.INFORMED)


@dataclass(frozen=True, slots=True)
class Call:
    """Who acts on which handoff; only if `if_match` is still its tag, and once for one `repeat`."""

    key: Key
    handoff_id: UUID
    if_match: str | None = None
    repeat: Repeat | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What an act came to: who has the part now, and which dispute is settled."""

    successor: Handoff | None = None
    dispute_id: UUID | None = None


async def rule(office: Office, call: Call, asked: RulingIn) -> bytes:
    """`Coordinated`, JSON, as of every act here. The handoff must be disputed.

    Raises `not_found`, `validation_failed`, `precondition_failed`, `idempotency_conflict`, `act_not_allowed` with what
    is, `already_ruled`.
    """

    def act(case: Case, found: Handoff, desk: Desk) -> Done:
        must_be_disputed(case, found, desk)
        agency = _taker(case, asked.agency, asked.department, desk)
        if fault := ruling_fault(case, found, agency, desk):
            raise invalid(FieldError("/agency" if asked.agency else "/department", *fault))
        return ruled(case, found, agency, {"reason": asked.reason, "legal_basis": asked.legal_basis}, desk)

    return await _do(office, call, act)


async def reassign(office: Office, call: Call, asked: ReassignIn) -> bytes:
    """To an agency that has not got the need, or only helps in it; raises as `rule`."""

    def act(case: Case, found: Handoff, desk: Desk) -> Done:
        _must_be_open(case, found, "reassign")
        agency = _taker(case, asked.agency, asked.department, desk)
        mine, waits = own(case, found.need, agency), found.status is HandoffStatus.WAITING
        if mine is not None and not _can_take(mine, found):
            text = Text(
                f"{agency.name_zh}已经有(或有过)此需求的转办单,不能再改派给它。",
                f"{agency.name_en} has this need already, or had it: choose another agency.",
            )
            raise invalid(FieldError("/agency" if asked.agency else "/department", "has_the_need", text))
        if mine is not None and (fault := consent_fault(case, found, mine, desk)):
            raise invalid(FieldError("/agency" if asked.agency else "/department", *fault))
        data = {"agency": agency.code}
        cancel(case, found, REASSIGNED, desk, Act.REASSIGNED, data, {"reason": asked.reason})
        given = given_by(Act.REASSIGNED, asked.reason)
        successor = give(case, found, agency, desk, starts=not waits, given=given)
        dispatch_ready(case, found.need, desk)
        return Done(successor)

    return await _do(office, call, act)


async def urge(office: Office, call: Call, asked: UrgeIn) -> bytes:
    """Raises as `rule`."""

    def act(case: Case, found: Handoff, desk: Desk) -> Done:
        _must_be_open(case, found, "urge")
        handoffs.urge(case, found, desk, BY, asked.note)
        return Done()

    return await _do(office, call, act)


async def cancel_one(office: Office, call: Call, asked: CancelIn) -> bytes:
    """What is open, or disputed: then nobody has to do it. Raises as `rule`, and `lead_needed`."""

    def act(case: Case, found: Handoff, desk: Desk) -> Done:
        if "cancel" not in acts_on(case, found):
            raise _not_allowed(case, found)
        note = {"reason": asked.reason}
        if found.role is Role.LEAD:
            if not asked.without_successor:
                raise Problem("lead_needed")
            for each in case.of_need(found.need):
                if each is not found and (each.is_open or is_disputed(each)):
                    cancel(case, each, BY, desk, note=note)
        cancel(case, found, BY, desk, note=note)
        dispute_id = _settle_dispute(case, found, None, {"reason": asked.reason, "legal_basis": None}, desk)
        dispatch_ready(case, found.need, desk)
        return Done(dispute_id=dispute_id)

    return await _do(office, call, act)


async def extend(office: Office, call: Call, asked: ExtendIn) -> bytes:
    """The limit for completing it is moved, to later only. Raises as `rule`."""

    def act(case: Case, found: Handoff, desk: Desk) -> Done:
        _must_be_open(case, found, "extend")
        if fault := clocks.extension_fault(found, asked.due_at, desk.at):
            raise invalid(FieldError("/due_at", *fault))
        extended(case, found, asked.due_at, {"reason": asked.reason, "approver": asked.approver}, desk)
        return Done()

    return await _do(office, call, act)


# ---- the acts on a case in memory, which the conference applies too ----


def acts_on(case: Case, found: Handoff) -> list[str]:
    """What a coordinator can do with a handoff as it stands."""
    if case.has_ended:
        return []
    if is_disputed(found):
        return ["ruling", "cancel"]
    if found.status is HandoffStatus.WAITING:
        return ["reassign", "cancel"]
    return ["reassign", "urge", "cancel", "extend"] if found.is_open else []


def must_be_disputed(case: Case, found: Handoff, desk: Desk) -> None:
    """Raises `act_not_allowed`, or `already_ruled` with who did, when, and whose it is."""
    if is_disputed(found) and not case.has_ended:
        return
    bound = next((each for each in case.of_need(found.need) if each.bound_at is not None), None)
    if bound is None or bound.bound_at is None or (found.is_open and found is not bound):
        raise _not_allowed(case, found)
    agency, at = desk.snapshot.directory.agencies[bound.agency_code], utc_text(bound.bound_at)
    text = Text(
        f"{bound.bound_by} 已于 {at} 裁定由{agency.name_zh}办理。",
        f"{bound.bound_by} ruled at {at} that it is for {agency.name_en}.",
    )
    raise Problem("already_ruled", text, extra={"allowed": acts_on(case, found)})


def ruling_fault(case: Case, found: Handoff, agency: Agency, desk: Desk) -> tuple[str, Text] | None:
    mine = own(case, found.need, agency)
    if mine is None:
        return None
    if fault := consent_fault(case, found, mine, desk):
        return fault
    if mine is not found and is_disputed(mine):
        text = Text(
            f"{agency.name_zh}自己退回的部分还没有裁定,请先裁定那一件。",
            f"What {agency.name_en} itself returned is not ruled on yet: rule on that first.",
        )
        return "part_disputed", text
    if mine.status is not HandoffStatus.COMPLETED:
        return None
    text = Text(
        f"{agency.name_zh}在此需求中的部分已经办结,请另选单位。",
        f"{agency.name_en} has completed its part of this need: choose another agency.",
    )
    return "part_completed", text


def consent_fault(case: Case, found: Handoff, mine: Handoff, desk: Desk) -> tuple[str, Text] | None:
    """What was with an agency before is given out at once, and does not wait for a consent as a new part does."""
    if mine.status is HandoffStatus.WAITING or (mine.is_open and _does_as_much(mine, found)):
        return None
    if not gates.holding_back(case, found, desk.snapshot, desk.at):
        return None
    return "consent_missing", Text(
        "尚缺所需的授权,不能再交给它;请先登记授权(见 GET /v1/requests/{编号}/consents),或另选单位。",
        "A consent that this needs is missing: record it first (GET /v1/requests/{id}/consents says which), or choose "
        "another agency.",
    )


def ruled(case: Case, found: Handoff, agency: Agency, words: dict[str, Any], desk: Desk) -> Done:
    """The agency gets it, and can't return it; who returned it is told. One that handles the need already takes the
    part over, and keeps its own role where that is the higher one."""
    dispute = case.disputes.get(found.need)
    data = {"dispute": str(dispute.id)} if dispute else {}
    given = given_by(Act.RULED, **words)
    dispute_id = _settle_dispute(case, found, agency.code, words, desk)
    taker = own(case, found.need, agency)
    if taker is not None and taker.is_open and _does_as_much(taker, found):
        replace(case, found, taker)
        taker.bound_by, taker.bound_at = desk.actor, desk.at
        case.touch(taker)
        data |= {"agency": agency.code}
        opened = None if taker.status is HandoffStatus.WAITING else gates.opened(case, taker, desk.snapshot, desk.at)
        if opened is not None:
            data |= whole_disclosure(case, taker, opened, desk.snapshot)
        case.record("handoff.ruled", desk.at, desk.actor, handoff_id=taker.id, data=data, note=words)
        if opened is not None:
            tell_dispatched(case, taker, opened, desk, given)
    else:
        taker = give(case, found, agency, desk, Act.RULED, data, words, given=given)
    for each in case.of_need(found.need):
        if each.status is HandoffStatus.RETURNED and (each is found or each.replaced_by == found.id):
            tell(case, each, "handoff.cancelled", desk, reason=RULED)
    dispatch_ready(case, found.need, desk)
    return Done(taker, dispute_id)


def _does_as_much(taker: Handoff, part: Handoff) -> bool:
    return taker.mandatory and _RANKS.index(taker.role) <= _RANKS.index(part.role)


def _can_take(mine: Handoff, part: Handoff) -> bool:
    """Whether an agency can be given a part beside the one that it has, or had, of the need: what it has to do itself
    it can't lay down for it."""
    if part.status is HandoffStatus.WAITING or mine.status is HandoffStatus.COMPLETED or is_disputed(mine):
        return False
    return not mine.is_open or (not _is_duty(mine) and _is_duty(part))


def _is_duty(part: Handoff) -> bool:
    return part.mandatory and part.role is not Role.INFORMED


def extended(case: Case, found: Handoff, due_at: datetime, words: dict[str, Any], desk: Desk) -> None:
    """`words`: the reason and the approver."""
    before = found.complete_due
    clocks.extend(found, due_at, desk.at)
    data = {"due_at": utc_text(due_at), "due_before": utc_text(before) if before else None}
    case.record("handoff.extended", desk.at, desk.actor, handoff_id=found.id, data=data, note=words)
    tell(case, found, "handoff.extended", desk, reason=BY)


def agency_fault(code: str, snapshot: Snapshot) -> tuple[str, Text] | None:
    """What is wrong with an agency that is to get something."""
    agencies = snapshot.directory.agencies
    if code not in agencies:
        error = checks.unknown_code("", "agency", code, list(agencies), _AGENCIES)
        return error.code, error.detail
    if not agencies[code].active:
        return "agency_inactive", Text(
            "该单位已停用,不再接收转办单。", "The agency is inactive: nothing is handed to it."
        )
    return None


_AGENCIES = Text("代码见 GET /v1/agencies。", "GET /v1/agencies lists the codes.")
_DEPARTMENTS = Text("请写部门代码。", "Write a department code, such as county_civil_affairs.")


def _taker(case: Case, code: str | None, department: str | None, desk: Desk) -> Agency:
    """Raises `validation_failed`."""
    snapshot = desk.snapshot
    if code is not None:
        if fault := agency_fault(code, snapshot):
            raise invalid(FieldError("/agency", *fault))
        return snapshot.directory.agencies[code]
    assert department is not None
    if department not in snapshot.departments:
        known = list(snapshot.departments)
        raise invalid(checks.unknown_code("/department", "department", department, known, _DEPARTMENTS))
    agency = snapshot.directory.resolve(department, case.request["division_code"])
    if agency is None:
        text = Text("此部门在当地没有在用的承办单位。", "This department has no active agency there.")
        raise invalid(FieldError("/department", "no_agency", text))
    return agency


def _settle_dispute(
    case: Case, found: Handoff, agency_code: str | None, words: dict[str, Any], desk: Desk
) -> UUID | None:
    """A dispute ends when the last of its handoffs has been ruled on: then its id."""
    dispute = case.disputes.get(found.need)
    if dispute is None or any(each is not found and is_disputed(each) for each in case.of_need(found.need)):
        return None
    sealed = case.box.seal(words, kept_at("dispute.sealed", dispute.id))
    dispute.rule(case.unit, found.id, agency_code, desk.actor, desk.at, sealed)
    del case.disputes[found.need]
    return dispute.id


def _must_be_open(case: Case, found: Handoff, act: str) -> None:
    if act not in acts_on(case, found):
        raise _not_allowed(case, found)


def _not_allowed(case: Case, found: Handoff) -> Problem:
    return Problem("act_not_allowed", extra={"allowed": acts_on(case, found)})


@again_if_outdated
async def _do(office: Office, call: Call, act: Callable[[Case, Handoff, Desk], Done]) -> bytes:
    desk = await desk_of(office, call.key)
    async with office.database.writing() as connection:
        wanted = select(handoff.c.request_id).where(handoff.c.id == call.handoff_id)
        request_id: UUID | None = await connection.scalar(wanted)
        if request_id is None:
            raise Problem("not_found")
        case = await load(connection, request_id)
        rights.must_reach(call.key, case.request)
        if call.repeat and (first := await first_answer(connection, call.repeat)):
            answer: bytes = first.answer
            return answer
        found = case.handoff(call.handoff_id)
        seen = await last_event(connection, request_id, found.id)
        must_match(call.if_match, etags.etag(seen), case, found, acts_on(case, found))
        done = act(case, found, desk)
        case.settle(desk.at, desk.actor)
        unit = finish(case, desk.snapshot)
        last = max((e["sequence"] for e in unit.inserts.get(event, ()) if e["handoff_id"] == found.id), default=seen)
        answer = to_json(_answer(case, found, done, etags.etag(last), desk))
        if call.repeat:
            unit.insert(idempotency, call.repeat.row(case.id, desk.at, answer))
        await write_units(connection, [unit])
        await office.database.bell.before_commit(connection)
    office.database.bell.after_commit()
    return answer


def _rule_offered(found: Handoff, done: Done, desk: Desk) -> dict[str, Any] | None:
    if done.dispute_id is None or done.successor is None:
        return None
    code = done.successor.agency_code
    offer = drafting.offered(desk.snapshot, found.routing_version, found.rule_number, code, desk.at)
    if offer is None:
        return None
    table, rule, department = offer
    return {
        "version": table.version,
        "rule": rule.number,
        "department": department,
        "instead_of": rule.department,
    }


def _answer(case: Case, found: Handoff, done: Done, tag: str, desk: Desk) -> dict[str, Any]:
    successor = done.successor
    return {
        "request_id": case.id,
        "request_status": case.status,
        "handoff": presenting.handoff_summary(found, desk.snapshot),
        "successor": presenting.handoff_summary(successor, desk.snapshot) if successor else None,
        "dispute_id": done.dispute_id,
        "draft_rule": _rule_offered(found, done, desk),
        "allowed": acts_on(case, found),
        "etag": tag,
    }
