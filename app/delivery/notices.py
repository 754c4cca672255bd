"""Notices (通报): subscribers are told of what happened to a request, in the transaction that made it happen.

A notice holds ids, codes, statuses and times: nothing of the person, and nothing that an agency found out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app import clocks
from app.delivery.lanes import Priority
from app.delivery.outbox import enqueue
from app.identifiers import now
from app.ledger import Unit
from app.receivers import NoticeType, notice_types
from app.registry import Snapshot
from app.steps import InSteps, Steps
from app.tables import event
from app.timeline import Case

_URGENT = frozenset({NoticeType.EMERGENCY_LIFTED, NoticeType.EMERGENCY_ESCALATED})


@InSteps
def finish(case: Case, snapshot: Snapshot, at: datetime | None = None) -> Steps[Unit]:
    """The unit of work that stores everything that was done to the case, with the notices of its events.

    The only way from a case to its unit, so that nobody who records an event has to think of subscribers, nor who
    changes a handoff of when its clocks are looked at next: what they plan before `at`, or now, is done.
    """
    at = at or now()
    for each in case.changed():
        clocks.set_next_look(each, snapshot, at)
    yield
    unit = case.finish()
    if snapshot.subscriptions:
        _tell(case, unit, snapshot)
    return unit


def _tell(case: Case, unit: Unit, snapshot: Snapshot) -> None:
    events = unit.inserts.get(event, ())
    changes = (each["data"]["from"] for each in events if _changes_status(each))
    status = next(changes, case.request["status"])
    for happened in events:
        before = None
        if _changes_status(happened):
            before, status = status, happened["data"]["to"]
        needs, data = _seen(case, happened, before, status)
        for type_ in notice_types(happened["kind"], happened["data"]):
            for each in snapshot.subscriptions.values():
                if each.wants(type_, case.request["division_code"], needs):
                    enqueue(
                        unit,
                        case.box,
                        type=type_,
                        receiver=each.code,
                        request_id=case.id,
                        handoff_id=None,
                        data=data,
                        at=happened["at"],
                        priority=_lane(case, type_),
                    )


def _lane(case: Case, type_: NoticeType) -> Priority:
    """In an emergency a dispute is one too: nobody acts until a coordinator rules."""
    urgent = type_ in _URGENT or (case.is_emergency and type_ is NoticeType.HANDOFF_DISPUTED)
    return Priority.EMERGENCY if urgent else Priority.ORDINARY


def _changes_status(happened: Mapping[str, Any]) -> bool:
    return happened["handoff_id"] is None and "to" in happened["data"]


def _seen(case: Case, happened: Mapping[str, Any], before: str | None, status: str) -> tuple[list[str], dict[str, Any]]:
    """The needs that an event is about, and what is told of it."""
    told = happened["data"]
    of_request = {
        "request_id": case.id,
        "receipt_number": case.request["receipt_number"],
        "division_code": case.request["division_code"],
        "sequence": happened["sequence"],
    }
    if happened["handoff_id"] is None:
        needs = [each["need"] for each in case.request["decision"]["needs"]]
        solved = {"solved": told["solved"]} if "solved" in told else {}
        return needs, {**of_request, "needs": needs, "status_before": before, "status": status, **solved}
    handoff = case.handoff(happened["handoff_id"])
    of_handoff = {**of_request, "handoff_id": handoff.id, "need": handoff.need, "agency": handoff.agency_code}
    if "called" in told:
        called = {name: told[name] for name in ("called", "office", "phone", "reason")}
        return [handoff.need], {**of_handoff, **called}
    if "delivery" in told:
        return [handoff.need], {**of_handoff, "delivery_id": told["delivery"], "attempts": told["attempts"]}
    return [handoff.need], {
        **of_handoff,
        "role": handoff.role,
        "step": handoff.step,
        "status_before": told.get("from", handoff.status),
        "status": told.get("to", handoff.status),
        "due_at": handoff.complete_due,
        "clock": told.get("clock"),
        "clock_due": told.get("due_at") if "clock" in told else None,
    }
