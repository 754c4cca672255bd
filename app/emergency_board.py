"""The board of emergencies (急难看板): what is open, who has not answered, and whom to call now. All of it is read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, or_, select

from app import debts
from app.chain import steps_of
from app.delivery.breaker import BreakerState
from app.identifiers import now
from app.jurisdictions import Conditions, within
from app.keys import Key, KeyRole
from app.lifecycle import SIGNED_FOR, HandoffStatus, RequestStatus
from app.loading import from_row
from app.office import Office, again_if_outdated
from app.paged import PageAsked, page_of
from app.problems import Text
from app.registry import Snapshot
from app.routing.directory import upward
from app.routing.rules import Role
from app.tables import delivery, emergency_watch, endpoint_state, handoff, help_request

# A message that was not delivered at once is not delivered: somebody has to call.
_AT_ONCE = timedelta(seconds=5)
_WHY = {
    "not_delivered": Text("消息没有送达,请打电话", "the message did not arrive: call"),
    "endpoint_down": Text("接收系统停用或连续失败,请打电话", "its machine is down: call"),
    "no_machine": Text("该单位自己查收,尚未签收,请打电话", "it reads its inbox and has not signed in: call"),
    "not_signed_in": Text("已送达,过时未签收,请打电话", "it was reached and has not signed in in time: call"),
}
# Nobody answers for it: nobody was told, or who was says that it is another's.
_NOBODY = (RequestStatus.REGISTERED, RequestStatus.DISPUTED)
_REQUESTS = select(*(column for column in help_request.c if column.name not in ("sealed", "decision"))).where(
    help_request.c.emergency.is_not(None), help_request.c.closed_at.is_(None)
)
_PARTS: Select[Any] = (
    select(
        handoff,
        *(emergency_watch.c[name] for name in ("due_at", "position", "called", "phone")),
        *(delivery.c[name].label(f"d_{name}") for name in ("status", "attempts", "ended_at")),
        endpoint_state.c.breaker,
        endpoint_state.c.suspended_at.label("endpoint_suspended_at"),
    )
    .join_from(handoff, emergency_watch, emergency_watch.c.handoff_id == handoff.c.id)
    .outerjoin(delivery, delivery.c.id == emergency_watch.c.delivery_id)
    .outerjoin(endpoint_state, endpoint_state.c.receiver == handoff.c.agency_code)
    .order_by(handoff.c.step, handoff.c.id)
)


@again_if_outdated
async def board(office: Office, key: Key, page: PageAsked) -> dict[str, Any]:
    """The open emergencies that a key watches (`EmergencyBoard`), newest first. No words are in it: it is shown also where
    nothing can be recorded."""
    at, snapshot = now(), await office.registry.current()
    requests, next_cursor = await page_of(office.database, _REQUESTS.where(*_watched(key)), help_request.c.id, page)
    ids = [row["id"] for row in requests]
    async with office.database.reading() as connection:
        parts: dict[UUID, list[Any]] = {each: [] for each in ids}
        for row in (await connection.execute(_PARTS.where(handoff.c.request_id.in_(ids)))).mappings():
            parts[row["request_id"]].append(row)
        owed = await debts.of_requests(connection, ids, at)
    items = [_item(row, parts[row["id"]], owed[row["id"]], snapshot, at) for row in requests]
    return {"items": items, "next_cursor": next_cursor}


def _watched(key: Key) -> Conditions:
    """Those of the key's jurisdiction; a coordinator also watches those of which only a place above it is known."""
    if key.division_code is None or key.role is not KeyRole.COORDINATOR:
        return within(key.division_code)
    return (or_(*within(key.division_code), help_request.c.division_code.in_(upward(key.division_code)[1:])),)


def _item(
    request: Mapping[Any, Any], parts: list[Mapping[Any, Any]], owed: list[Any], snapshot: Snapshot, at: datetime
) -> dict[str, Any]:
    agencies = [_part(request, each, snapshot, at) for each in parts]
    return {
        "request_id": request["id"],
        "receipt_number": request["receipt_number"],
        "kind": request["emergency"],
        "division_code": request["division_code"],
        "status": request["status"],
        "registered_at": request["registered_at"],
        "red": request["status"] in _NOBODY
        or any(each["red"] for each in agencies)
        or any(_is_late(each) for each in owed),
        "agencies": agencies,
        "debts": owed,
    }


def _is_late(owed: Mapping[str, Any]) -> bool:
    return owed["settled_at"] is None and bool(owed["overdue"])


def _part(request: Mapping[Any, Any], row: Mapping[Any, Any], snapshot: Snapshot, at: datetime) -> dict[str, Any]:
    names = [column.name for column in handoff.c]
    part = from_row({name: row[name] for name in names})
    agency = snapshot.directory.agencies[part.agency_code]
    steps = steps_of(part, request["division_code"], snapshot)[row["position"] :]
    why = _why_red(row, part.status, part.role, at)
    return {
        "handoff_id": part.id,
        "need": part.need,
        **agency.contact,
        "role": part.role,
        "status": part.status,
        "told_at": part.told_at,
        "reached_at": row["d_ended_at"] if row["d_status"] == "delivered" else None,
        "signed_in": part.status in SIGNED_FOR,
        "sign_in_due": part.sign_in_due,
        "red": why is not None,
        "why": why,
        "why_zh": _WHY[why].zh if why else None,
        "why_en": _WHY[why].en if why else None,
        "followed": row["position"],
        "calling": {"office": row["called"], "phone": row["phone"]} if row["called"] else None,
        "next_at": row["due_at"] if part.status is HandoffStatus.DISPATCHED else None,
        "next": [{"to": each.to, "office": each.office, "phone": each.phone} for each in steps],
    }


def _why_red(row: Mapping[Any, Any], status: HandoffStatus, role: Role, at: datetime) -> str | None:
    """Whoever has not signed in and was not surely reached by a machine is called by people."""
    if status is not HandoffStatus.DISPATCHED or role is Role.INFORMED:
        return None
    if row["d_status"] is None:
        return "no_machine"
    if row["d_status"] == "delivered":
        return "not_signed_in" if row["sign_in_due"] is not None and row["sign_in_due"] <= at else None
    if row["endpoint_suspended_at"] is not None or row["breaker"] == BreakerState.OPEN:
        return "endpoint_down"
    tried = row["d_attempts"] > 0 or row["d_status"] == "exhausted"
    return "not_delivered" if tried or row["told_at"] + _AT_ONCE <= at else None
