"""Handoffs (转办单): opened from a decision, dispatched step by step, joined, returned, cancelled.

Every function changes a `Case` in memory and enqueues what its agencies are told; nothing is stored here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.deadlines import Due, Limit, due
from app.delivery.lanes import Priority
from app.delivery.outbox import enqueue
from app.disclosure import disclose
from app.identifiers import new_id
from app.lifecycle import Act, HandoffStatus
from app.receivers import DeliveryMode
from app.registry import Snapshot
from app.routing.decide import Assignment, RoutingDecision
from app.routing.directory import Agency
from app.routing.rules import Role, Rule, local_day
from app.tables import emergency_watch
from app.timeline import Case, Handoff

SYSTEM = "system"
FAILED = "not_granted"
_REFERENCE = (
    *("handoff_id", "request_id", "receipt_number", "need", "role", "step", "status", "dispatched_at"),
    *("sign_in_due", "accept_due", "complete_due", "due_provisional", "callback_path", "callback_url"),
)


@dataclass(frozen=True, slots=True)
class Desk:
    """What a unit of work needs to hand off: the county's snapshot, the time, who acts, where callbacks go."""

    snapshot: Snapshot
    at: datetime
    actor: str
    public_url: str | None = None


def open_from(case: Case, decision: RoutingDecision, desk: Desk) -> None:
    """One handoff per agency and need; each need's first step is dispatched, the later ones wait."""
    for need in decision.needs:
        for each in need.assignments:
            case.handoffs.append(assigned(case, need.need, each, decision.version, desk))
    for need in decision.needs:
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


def dispatch_ready(case: Case, need: str, desk: Desk) -> None:
    """Dispatch the next step of a need once nothing mandatory of the earlier steps is open, and so on: a step that
    nobody has to answer is not waited for.

    A mandatory co-handler's step that ended in `not_granted` stops the need: what waits is cancelled with the
    reason `earlier_step_not_granted`, and nobody waits for an answer that can't come any more. In an emergency no
    step waits for another.
    """
    if case.is_emergency:
        for each in case.of_need(need):
            if each.status is HandoffStatus.WAITING:
                dispatch(case, each, desk)
        return
    while waiting := [each for each in case.of_need(need) if each.status is HandoffStatus.WAITING]:
        step = min(each.step for each in waiting)
        earlier = [
            each for each in case.of_need(need) if each.step < step and each.mandatory and each.replaced_by is None
        ]
        if any(each.is_open or each.status is HandoffStatus.RETURNED for each in earlier):
            return
        failed = any(each.outcome == FAILED for each in earlier)
        for each in waiting:
            if failed:
                each.reason = "earlier_step_not_granted"
                case.advance(each, Act.CANCELLED, desk.at, SYSTEM, data={"reason": each.reason})
            elif each.step == step:
                dispatch(case, each, desk)


def dispatch(case: Case, handoff: Handoff, desk: Desk) -> None:
    """Start a handoff's clocks and tell its agency."""
    rule = rule_of(handoff, desk.snapshot)
    agency = desk.snapshot.directory.agencies[handoff.agency_code]
    handoff.dispatched_at = desk.at
    limits = (rule.sign_in_limit, rule.accept_limit, rule.complete_limit)
    clocks = [_clock(limit, desk) for limit in limits]
    handoff.sign_in_due, handoff.accept_due, handoff.complete_due = (clock.at if clock else None for clock in clocks)
    handoff.due_provisional = any(clock is not None and clock.provisional for clock in clocks)
    case.advance(handoff, Act.DISPATCHED, desk.at, desk.actor, data={"agency": agency.code})
    if case.is_emergency:
        tell_emergency(case, handoff, desk)
    else:
        tell(case, handoff, "handoff.dispatched", desk, disclosed=True)


def tell_emergency(case: Case, handoff: Handoff, desk: Desk) -> None:
    """Tell an agency of an emergency, and wait for it to sign in, if it has not and owes an answer."""
    terms = desk.snapshot.aid.terms_of(case.request["division_code"], local_day(desk.at))
    soon = desk.at + timedelta(minutes=terms.sign_in_minutes)
    has_to_sign = handoff.status is HandoffStatus.DISPATCHED
    if has_to_sign:
        handoff.sign_in_due = min(soon, handoff.sign_in_due or soon)
    delivery_id = tell(case, handoff, "emergency.dispatched", desk, disclosed=True)
    due_at = soon if has_to_sign and handoff.role is not Role.INFORMED else None
    row = {"handoff_id": handoff.id, "delivery_id": delivery_id, "due_at": due_at, "position": 0}
    case.unit.insert(emergency_watch, {**row, "called": None, "phone": None})


def tell(
    case: Case,
    handoff: Handoff,
    type_: str,
    desk: Desk,
    *,
    disclosed: bool = False,
    priority: Priority = Priority.ORDINARY,
    **more: Any,
) -> UUID | None:
    """Put it into the inbox of the handoff's agency, and enqueue a message to it, if it is told at all: its id.

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
    else:
        data = {**(disclosed_view(case, handoff, desk) if disclosed else view(case.request, handoff, desk)), **more}
    return enqueue(
        case.unit,
        type=type_,
        receiver=agency.code,
        request_id=case.id,
        handoff_id=handoff.id,
        data=data,
        at=desk.at,
        priority=Priority.EMERGENCY if case.is_emergency else priority,
    )


def urge(case: Case, handoff: Handoff, desk: Desk, reason: str, note: str | None = None) -> None:
    """Urge (催办) an agency on, in the overtaking lane. `reason` is a word of the contract; a note, what a person wrote."""
    data = {"agency": handoff.agency_code, "status": handoff.status, "reason": reason}
    case.record(
        "handoff.urged", desk.at, desk.actor, handoff_id=handoff.id, data=data, note={"note": note} if note else None
    )
    tell(case, handoff, "handoff.urged", desk, priority=Priority.URGED, reason=reason, note=note)


def tell_supplement(case: Case, handoff: Handoff, supplement: dict[str, Any], desk: Desk) -> None:
    """Tell an agency what the person added: the papers, and of facts and words what its rule opens."""
    groups = rule_of(handoff, desk.snapshot).discloses
    added = {"applicant": {}, "facts": supplement.get("facts", {}), "narrative": supplement.get("note")}
    opened = disclose(added, handoff.need, groups)
    materials = supplement.get("materials", [])
    told = {"materials": materials, "facts": opened.get("facts", {}), "note": opened.get("narrative")}
    tell(case, handoff, "handoff.supplemented", desk, supplement=told)


def view(request: Mapping[str, Any], handoff: Handoff, desk: Desk) -> dict[str, Any]:
    """A handoff as its agency sees it, in messages and in the inbox, without anything of the person."""
    snapshot = desk.snapshot
    rule = rule_of(handoff, snapshot)
    need = snapshot.needs[handoff.need]
    path = f"/v1/handoffs/{handoff.id}/callbacks"
    return {
        "handoff_id": handoff.id,
        "request_id": handoff.request_id,
        "receipt_number": request["receipt_number"],
        "need": {"code": need.code, "name_zh": need.name_zh, "name_en": need.name_en},
        "division_code": request["division_code"],
        "role": handoff.role,
        "step": handoff.step,
        "status": handoff.status,
        "dispatched_at": handoff.dispatched_at,
        "sign_in_due": handoff.sign_in_due,
        "accept_due": handoff.accept_due,
        "complete_due": handoff.complete_due,
        "due_provisional": handoff.due_provisional,
        "legal_basis": rule.legal_basis,
        "callback_path": path,
        "callback_url": f"{desk.public_url.rstrip('/')}{path}" if desk.public_url else None,
    }


def reference(request: Mapping[str, Any], handoff: Handoff, desk: Desk) -> dict[str, Any]:
    """Ids, the need, the clocks and the ways back: nothing that says who asks, or where they live."""
    seen = view(request, handoff, desk)
    return {**{name: seen[name] for name in _REFERENCE}, "handoff_path": f"/v1/handoffs/{handoff.id}"}


def disclosed_view(case: Case, handoff: Handoff, desk: Desk) -> dict[str, Any]:
    """The same with the other agencies of its need, and the field groups of the person that its rule opens."""
    agencies = desk.snapshot.directory.agencies
    discloses = rule_of(handoff, desk.snapshot).discloses
    return {
        **view(case.request, handoff, desk),
        "partners": [
            _partner(each, agencies[each.agency_code]) for each in case.of_need(handoff.need) if each is not handoff
        ],
        "discloses": list(discloses),
        "person": disclose(case.person, handoff.need, discloses),
        **(situation(case) if case.is_emergency else {}),
    }


def situation(case: Case) -> dict[str, Any]:
    """What happened and where: who is to help at once is told it whatever else its rule opens."""
    told = case.person.get("emergency", {})
    return {
        "emergency": case.request["emergency"],
        "situation": told.get("what"),
        "place": told.get("where"),
        "people": told.get("people"),
        "position": told.get("position"),
    }


def _partner(handoff: Handoff, agency: Agency) -> dict[str, Any]:
    return {
        "agency": agency.code,
        "name_zh": agency.name_zh,
        "name_en": agency.name_en,
        "phone": agency.phone,
        "role": handoff.role,
        "step": handoff.step,
    }


def open_mandatory(case: Case, lead: Handoff) -> list[Handoff]:
    """The mandatory co-handlers that a lead has to wait for before it can complete."""
    return [
        each
        for each in case.of_need(lead.need)
        if each.role is Role.CO_HANDLER
        and each.mandatory
        and each.replaced_by is None
        and (each.is_open or each.status is HandoffStatus.RETURNED)
    ]


def close_leftovers(case: Case, lead: Handoff, desk: Desk) -> None:
    """When the lead has completed, what still waits of its need is not sent any more. Work under way goes on."""
    for each in case.of_need(lead.need):
        if each.status is HandoffStatus.WAITING:
            each.reason = "lead_completed"
            case.advance(each, Act.CANCELLED, desk.at, SYSTEM, data={"reason": each.reason})


def pass_on(case: Case, returned: Handoff, suggested_department: str | None, desk: Desk) -> None:
    """A returned handoff goes to the department that the return names, once; else it waits for a coordinator.

    Nobody gets the same need twice, so a return can't be thrown back and forth.
    """
    if suggested_department is None:
        return
    agency = desk.snapshot.directory.resolve(suggested_department, case.request["division_code"])
    had_it = {each.agency_code for each in case.of_need(returned.need)}
    passed_before = any(each.replaced_by is not None for each in case.of_need(returned.need))
    if agency is None or agency.code in had_it or passed_before:
        return
    replacement = beside(returned, agency, desk)
    returned.replaced_by = replacement.id
    case.touch(returned)
    case.open_more(replacement)
    dispatch(case, replacement, desk)


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
            was_sent = each.status is not HandoffStatus.WAITING
            each.reason = reason
            case.advance(each, Act.CANCELLED, desk.at, desk.actor, data={"reason": reason})
            if was_sent:
                tell(case, each, "handoff.cancelled", desk, reason=reason)


def rule_of(handoff: Handoff, snapshot: Snapshot) -> Rule:
    return snapshot.tables[handoff.routing_version].by_number[handoff.rule_number]


def _clock(limit: Limit | None, desk: Desk) -> Due | None:
    return due(desk.at, limit, desk.snapshot.calendar) if limit else None
