"""Handoffs (转办单): opened from a decision, dispatched step by step, joined, urged, cancelled.

Every function changes a `Case` in memory and enqueues what its agencies are told; nothing is stored here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text

from app import clocks, etags, gates, shown
from app.delivery.lanes import Priority
from app.delivery.outbox import enqueue
from app.desk import Desk
from app.gates import Opened
from app.handoff_views import disclosed_view, reference, view
from app.identifiers import new_id
from app.lifecycle import Act, HandoffStatus
from app.problems import Problem
from app.receivers import DeliveryMode
from app.routing.decide import Assignment, RoutingDecision
from app.routing.directory import Agency
from app.routing.rules import Role, local_day
from app.steps import InSteps, Steps
from app.tables import emergency_watch
from app.timeline import WAITS_FOR_CONSENT, Case, Handoff

SYSTEM = "system"
FAILED = "not_granted"
NOT_WITH = frozenset({HandoffStatus.WAITING, HandoffStatus.RETURNED, HandoffStatus.CANCELLED})
Given = dict[str, Any] | None  # by whose word an agency gets a handoff, where it was a coordinator's
_WATCH_AGAIN = text(
    "INSERT INTO emergency_watch (handoff_id, delivery_id, due_at, position) "
    "VALUES (:handoff_id, :delivery_id, :due_at, 0) ON CONFLICT (handoff_id) DO UPDATE "
    "SET delivery_id = excluded.delivery_id, due_at = excluded.due_at, position = 0, called = NULL, phone = NULL"
).bindparams(*(bindparam(name, type_=emergency_watch.c[name].type) for name in ("handoff_id", "delivery_id", "due_at")))


def must_match(if_match: str | None, current: str, case: Case, found: Handoff, allowed: Sequence[str]) -> None:
    """Raises `precondition_failed` with what is true now of a handoff, and what its caller may do with it."""
    if if_match is not None and not etags.matches(if_match, current):
        stands = {"etag": current, "status": found.status, "request_status": case.status}
        raise Problem("precondition_failed", headers={"ETag": current}, extra={"current": stands, "allowed": allowed})


@InSteps
def open_from(case: Case, decision: RoutingDecision, desk: Desk) -> Steps[None]:
    """One handoff per agency and need; each need's first step is dispatched, the later ones wait."""
    for need in decision.needs:
        for each in need.assignments:
            case.handoffs.append(assigned(case, need.need, each, decision.version, desk))
    for need in decision.needs[:1]:
        yield
        yield from dispatch_ready.steps(case, need.need, desk)
    for need in decision.needs[1:]:  # a step each: whoever asks for much is not to take steps long after all others
        yield
        dispatch_ready(case, need.need, desk)


def assigned(case: Case, need: str, found: Assignment, version: int, desk: Desk) -> Handoff:
    """The handoff, not yet sent, of an agency that a routing table's version found."""
    return Handoff(
        id=new_id(),
        request_id=case.id,
        need=need,
        agency_code=found.agency.code,
        role=found.role,
        step=found.step,
        mandatory=found.mandatory,
        routing_version=version,
        rule_number=found.rule.number,
        opened_at=desk.at,
    )


@InSteps
def dispatch_ready(case: Case, need: str, desk: Desk) -> Steps[None]:
    """Dispatch the next step of a need once nothing mandatory of the earlier steps is open, and so on: a step that
    nobody has to answer is not waited for.

    A mandatory co-handler's step that ended in `not_granted` stops the need: what waits is cancelled with the
    reason `earlier_step_not_granted`, and nobody waits for an answer that can't come any more. In an emergency no
    step waits for another.
    """
    parts = case.of_need(need)
    if case.is_emergency:
        for each in _waiting(parts):
            dispatch(case, each, desk)
        return
    for step in sorted({each.step for each in _waiting(parts)}):
        earlier = [each for each in parts if each.step < step and each.mandatory and each.replaced_by is None]
        if any(each.is_open or each.status is HandoffStatus.RETURNED for each in earlier):
            return
        failed = any(each.outcome == FAILED for each in earlier)
        for each in _waiting(parts):
            if failed:
                each.reason = "earlier_step_not_granted"
                case.advance(each, Act.CANCELLED, desk.at, SYSTEM, data={"reason": each.reason})
            elif each.step == step:
                yield
                yield from dispatch.steps(case, each, desk)


def _waiting(parts: list[Handoff]) -> list[Handoff]:
    return [each for each in parts if each.status is HandoffStatus.WAITING]


def is_with(part: Handoff) -> bool:
    """Whether an agency has it, or had it to the end: not before it is sent, nor after it was passed on."""
    return part.status not in NOT_WITH


@InSteps
def dispatch(
    case: Case,
    handoff: Handoff,
    desk: Desk,
    act: Act = Act.DISPATCHED,
    data: Mapping[str, Any] | None = None,
    note: Any = None,
    given: Given = None,
) -> Steps[None]:
    """Start a handoff's clocks and tell its agency, unless it has to wait for consent; `data` and `note` join the event
    of the act, `given` the message."""
    if handoff.status is HandoffStatus.WAITING and gates.is_held(case, handoff, desk.snapshot, desk.at, desk.actor):
        if act is not Act.DISPATCHED:
            case.record(f"handoff.{act}", desk.at, desk.actor, handoff_id=handoff.id, data=data, note=note)
        return
    yield
    again = handoff.dispatched_at is not None
    clocks.start(handoff, desk.at, desk.snapshot)
    yield
    opened = gates.opened(case, handoff, desk.snapshot, desk.at)
    yield
    disclosed = shown.whole_disclosure(case, handoff, opened, desk.snapshot)
    told = {"agency": handoff.agency_code, **disclosed, **(data or {})}
    case.advance(handoff, act, desk.at, desk.actor, data=told, note=note)
    yield
    if case.is_emergency:
        tell_emergency(case, handoff, opened, desk, given, again=again)
    else:
        yield from tell_dispatched.steps(case, handoff, opened, desk, given)


def given_by(act: Act, reason: str, legal_basis: str | None = None) -> Given:
    """A coordinator's word, as the agency that gets a handoff by it reads it."""
    return {"act": act, "reason": reason, "legal_basis": legal_basis}


@InSteps
def tell_dispatched(
    case: Case, handoff: Handoff, opened: Opened, desk: Desk, given: Given = None, type_: str = "handoff.dispatched"
) -> Steps[UUID | None]:
    """Tell an agency that it has a handoff, with all that is open to it: the message's id, if it is told at all."""
    return (yield from tell.steps(case, handoff, type_, desk, opened=opened, given=given))


def tell_emergency(
    case: Case, handoff: Handoff, opened: Opened, desk: Desk, given: Given = None, *, again: bool = False
) -> None:
    """Tell an agency of an emergency, and wait for it to sign in, if it has not and owes an answer; `again` where it may
    have been told of it before."""
    terms = desk.snapshot.aid.terms_of(case.request["division_code"], local_day(desk.at))
    soon = desk.at + timedelta(minutes=terms.sign_in_minutes)
    has_to_sign = handoff.status is HandoffStatus.DISPATCHED
    if has_to_sign:
        clocks.hasten(handoff, soon, desk.snapshot)
    delivery_id = tell_dispatched(case, handoff, opened, desk, given, "emergency.dispatched")
    due_at = soon if has_to_sign and handoff.role is not Role.INFORMED else None
    row = {"handoff_id": handoff.id, "delivery_id": delivery_id, "due_at": due_at}
    if again:
        case.unit.update(_WATCH_AGAIN, row)
    else:
        case.unit.insert(emergency_watch, {**row, "position": 0, "called": None, "phone": None})


@InSteps
def tell(
    case: Case,
    handoff: Handoff,
    type_: str,
    desk: Desk,
    *,
    opened: Opened | None = None,
    priority: Priority = Priority.ORDINARY,
    **more: Any,
) -> Steps[UUID | None]:
    """Put it into the inbox of the handoff's agency, and enqueue a message to it, if it is told at all: its id. It shows what
    is `opened`, nothing of the person without.

    Of an emergency everything goes in the overtaking lane. One that is told by reference gets ids and clocks, whatever `more` the message would hold.
    """
    agency = desk.snapshot.directory.agencies[handoff.agency_code]
    handoff.told, handoff.told_at = type_, desk.at
    case.touch(handoff)
    case.unit.woken.add(agency.code)
    if not agency.is_told:
        return None
    if agency.delivery_mode is DeliveryMode.REFERENCE:
        data = reference(case.request, handoff, desk)
    elif opened is not None:
        data = {**(yield from disclosed_view.steps(case, handoff, opened, desk)), **more}
    else:
        data = {**view(case.request, handoff, desk), **more}
    yield
    return (
        yield from enqueue.steps(
            case.unit,
            case.box,
            type=type_,
            receiver=agency.code,
            request_id=case.id,
            handoff_id=handoff.id,
            data=data,
            at=desk.at,
            priority=Priority.EMERGENCY if case.is_emergency else priority,
        )
    )


def urge(case: Case, handoff: Handoff, desk: Desk, reason: str, note: str | None = None) -> None:
    """Urge (催办) an agency on, in the overtaking lane. `reason` is a word of the contract; a note, what a person wrote."""
    data = {"agency": handoff.agency_code, "status": handoff.status, "reason": reason}
    case.record(
        "handoff.urged", desk.at, desk.actor, handoff_id=handoff.id, data=data, note={"note": note} if note else None
    )
    tell(case, handoff, "handoff.urged", desk, priority=Priority.URGED, reason=reason, note=note)


def resume(
    case: Case,
    handoff: Handoff,
    desk: Desk,
    since: datetime | None = None,
    reason: str | None = None,
    data: Mapping[str, Any] | None = None,
) -> None:
    """A suspended handoff goes on, its completion clock from `since`, or from now."""
    clocks.run_again(handoff, since or desk.at, desk.snapshot)
    case.advance(
        handoff, Act.RESUMED, desk.at, desk.actor, data={**({"reason": reason} if reason else {}), **(data or {})}
    )


def take_supplement(case: Case, handoff: Handoff, supplement: dict[str, Any], desk: Desk) -> None:
    """A handoff that waited for the applicant goes on, and its agency is told what of it the rule opens."""
    opened = gates.opened(case, handoff, desk.snapshot, desk.at)
    told, groups = shown.supplement_shown(handoff, supplement, opened)
    resume(case, handoff, desk, data=shown.disclosure(handoff, opened.rule, groups, desk.snapshot))
    tell(case, handoff, "handoff.supplemented", desk, supplement=told)


def open_mandatory(case: Case, lead: Handoff) -> list[Handoff]:
    """The mandatory co-handlers that a lead has to wait for before it can complete; in an emergency for none that itself
    waits for consent."""
    return [
        each
        for each in case.of_need(lead.need)
        if each.role is Role.CO_HANDLER
        and each.mandatory
        and each.replaced_by is None
        and (each.is_open or each.status is HandoffStatus.RETURNED)
        and not (case.is_emergency and each.waits_for_consent)
    ]


def close_leftovers(case: Case, lead: Handoff, desk: Desk) -> None:
    """When the lead has completed, what still waits of its need is not sent any more, and in an emergency who only
    stood behind others and has not signed in is let go. Work under way goes on."""
    for each in case.of_need(lead.need):
        if each.status is HandoffStatus.WAITING:
            each.reason = "lead_completed"
            case.advance(each, Act.CANCELLED, desk.at, SYSTEM, data={"reason": each.reason})
        elif case.is_emergency and each.status is HandoffStatus.DISPATCHED and _stands_behind(each):
            cancel(case, each, "lead_completed", desk)


def _stands_behind(handoff: Handoff) -> bool:
    return handoff.role is Role.CO_HANDLER and not handoff.mandatory


def beside(
    other: Handoff, agency: Agency, desk: Desk, role: Role | None = None, mandatory: bool | None = None
) -> Handoff:
    """Another agency's handoff of the same need, by the same rule; in the same role unless one is given."""
    return Handoff(
        id=new_id(),
        request_id=other.request_id,
        need=other.need,
        agency_code=agency.code,
        role=other.role if role is None else role,
        step=other.step,
        mandatory=other.mandatory if mandatory is None else mandatory,
        routing_version=other.routing_version,
        rule_number=other.rule_number,
        opened_at=desk.at,
    )


def cancel_open(case: Case, reason: str, desk: Desk) -> None:
    """Cancel everything open and tell the agencies that had been sent it."""
    for each in case.handoffs:
        if each.is_open:
            cancel(case, each, reason, desk)


def cancel(
    case: Case,
    handoff: Handoff,
    reason: str,
    desk: Desk,
    act: Act = Act.CANCELLED,
    data: Mapping[str, Any] | None = None,
    note: Any = None,
) -> None:
    """End a handoff for a reason of the contract; its agency is told if it has it. `data`, `note`: as in `dispatch`."""
    has_it = handoff.is_open and handoff.status is not HandoffStatus.WAITING
    handoff.reason = reason
    case.advance(handoff, act, desk.at, desk.actor, data={"reason": reason, **(data or {})}, note=note)
    if has_it:
        tell(case, handoff, "handoff.cancelled", desk, reason=reason)


def hold(case: Case, handoff: Handoff, reason: str, desk: Desk) -> None:
    """Take a handoff back from its agency until a consent is there again; it has no clock until then."""
    lacking = gates.holding_back(case, handoff, desk.snapshot, desk.at)
    missing = [f"{each.purpose}:{each.person}" for each in lacking]
    data = {"agency": handoff.agency_code, "reason": reason, "missing": missing}
    clocks.clear(handoff)
    case.advance(handoff, Act.HELD, desk.at, desk.actor, data=data)
    handoff.reason = WAITS_FOR_CONSENT
    tell(case, handoff, "handoff.cancelled", desk, reason=reason)
