"""A handoff as its agency sees it, in messages, in its inbox and on paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app import clocks, shown
from app.clocks import rule_of
from app.desk import Desk
from app.gates import Opened
from app.routing.directory import Agency
from app.steps import InSteps, Steps
from app.timeline import Case, Handoff

_REFERENCE = (
    *("handoff_id", "request_id", "receipt_number", "need", "role", "step", "status", "dispatched_at"),
    *("sign_in_due", "accept_due", "complete_due", "due_provisional", "promised_due", "suspended_until"),
    *("registered_at", "callback_path", "callback_url"),
)


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
        "promised_due": handoff.promised_due,
        "suspended_until": clocks.suspended_until(handoff, snapshot),
        "registered_at": request["registered_at"],
        "legal_basis": rule.legal_basis,
        "callback_path": path,
        "callback_url": f"{desk.public_url.rstrip('/')}{path}" if desk.public_url else None,
    }


def reference(request: Mapping[str, Any], handoff: Handoff, desk: Desk) -> dict[str, Any]:
    """Ids, the need, the clocks and the ways back: nothing that says who asks, or where they live."""
    seen = view(request, handoff, desk)
    return {**{name: seen[name] for name in _REFERENCE}, "handoff_path": f"/v1/handoffs/{handoff.id}"}


@InSteps
def disclosed_view(case: Case, handoff: Handoff, opened: Opened, desk: Desk) -> Steps[dict[str, Any]]:
    """The same with the other agencies of its need, and the field groups of the person that its rule opens."""
    agencies = desk.snapshot.directory.agencies
    person = shown.person_shown(case, handoff, opened)
    yield
    return {
        **view(case.request, handoff, desk),
        "partners": [
            _partner(each, agencies[each.agency_code]) for each in case.of_need(handoff.need) if each is not handoff
        ],
        "discloses": list(opened.groups),
        "withheld": opened.withheld,
        "person": person,
        **(shown.situation_shown(case, handoff, opened) if case.is_emergency else {}),
    }


def _partner(handoff: Handoff, agency: Agency) -> dict[str, Any]:
    return {**agency.contact, "role": handoff.role, "step": handoff.step}
