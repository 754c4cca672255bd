"""The conference's list: open disputes, needs that several agencies still work on, handoffs that are overdue twice.

Nothing of the person is in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clocks, presenting, rights
from app.clocks import rule_of
from app.identifiers import now
from app.jurisdictions import of_requests_within, within
from app.keys import Key
from app.lifecycle import DisputeState, HandoffStatus, RequestStatus
from app.loading import from_row
from app.office import Office, again_if_outdated
from app.registry import Snapshot
from app.returns import is_disputed
from app.routing.rules import Role
from app.sealing import kept_at, vault_of
from app.tables import dispute, event, handoff, help_request
from app.timeline import Handoff

DISPUTE, SEVERAL_OPEN, OVERDUE_TWICE = "dispute", "several_open", "overdue_twice"
SEVERAL = 3
TWICE = 2
URGED = ("handoff.urged", "handoff.supervised")
_OPEN = [each.value for each in RequestStatus if each not in (RequestStatus.CLOSED, RequestStatus.WITHDRAWN)]
_AT_A_LOOK, _MOST_LOOKS = 500, 100
_SENT = (HandoffStatus.DISPATCHED, HandoffStatus.RECEIVED, HandoffStatus.IN_PROGRESS, HandoffStatus.SUSPENDED)


def overdue_since(found: Handoff, at: datetime) -> datetime | None:
    """The first limit of a handoff that has passed; a clock that stands is not late."""
    return min((due_at for _, due_at in clocks.overdue(found, at)), default=None)


def is_overdue_twice(found: Handoff, urged: int, at: datetime) -> bool:
    """Whether a limit has passed and its agency was urged, or supervised, at least twice."""
    return urged >= TWICE and overdue_since(found, at) is not None


@dataclass(slots=True)
class _Found:
    """A point before it is shown: which handoffs it is about, the first of them names it."""

    kind: str
    request_id: UUID
    need: str
    since: datetime
    handoffs: list[Handoff]
    dispute_id: UUID | None = None


@dataclass(slots=True)
class _Facts:
    requests: dict[UUID, Mapping[Any, Any]]
    handoffs: dict[tuple[UUID, str], list[Handoff]]
    urged: Counter[UUID]
    says: dict[UUID, str | None] = field(default_factory=dict)


@again_if_outdated
async def agenda(office: Office, key: Key, most: int) -> dict[str, Any]:
    """An `Agenda` of the key's jurisdiction: at most so many of each kind."""
    snapshot, at, place = await office.registry.current(), now(), key.division_code
    async with office.database.reading_as_one() as connection:
        disputes = await _rows(connection, _disputes(most, place))
        several, unseen = await _several(connection, most, place)
        late = await _rows(connection, _late(at, most, place))
        lists = {DISPUTE: disputes, SEVERAL_OPEN: several, OVERDUE_TWICE: late}
        ids = {row["request_id"] for rows in lists.values() for row in rows[:most]}
        facts = await _facts(connection, ids, with_words=rights.sees_people(key))
    found = [
        *(each for row in disputes[:most] for each in _of_dispute(row, facts)),
        *(_of_several(row, facts) for row in several[:most]),
        *(each for row in late[:most] if (each := _of_late(from_row(row), facts, at))),
    ]
    items = [_shown(each, facts, snapshot, at) for each in found]
    more = [kind for kind, rows in lists.items() if len(rows) > most or (kind == SEVERAL_OPEN and unseen)]
    return {"at": at, "items": items, "more": more}


def _disputes(most: int, place: str | None) -> Any:
    is_open = dispute.c.state == DisputeState.OPEN.value
    return (
        select(dispute)
        .where(is_open, *of_requests_within(place, dispute.c.request_id))
        .order_by(dispute.c.id)
        .limit(most + 1)
    )


async def _several(connection: AsyncConnection, most: int, place: str | None) -> tuple[list[Mapping[Any, Any]], bool]:
    """Needs that several agencies work on, one more than `most` where there are more, oldest requests first; and whether
    there were open requests beyond those that one call looks at."""
    found: list[Mapping[Any, Any]] = []
    last = UUID(int=0)
    for _ in range(_MOST_LOOKS):
        ids = list((await connection.execute(open_after(last, place=place))).scalars())
        if not ids:
            return found, False
        found += await _rows(connection, several_of(ids))
        if len(found) > most:
            return found[: most + 1], False
        last = ids[-1]
    return found, True


def open_after(last: UUID, most: int = _AT_A_LOOK, place: str | None = None) -> Any:
    """The next open requests by id: the next of each status that is open, and of these the first."""
    of_status = (
        select(help_request.c.id)
        .where(help_request.c.status == status, help_request.c.id > last, *within(place))
        .order_by(help_request.c.id)
        .limit(most)
        .subquery()
        for status in _OPEN
    )
    together = union_all(*(select(each.c.id) for each in of_status)).subquery()
    return select(together.c.id).order_by(together.c.id).limit(most)


def several_of(request_ids: Collection[UUID]) -> Any:
    """Who is only informed owes no answer."""
    of_need = (handoff.c.request_id, handoff.c.need)
    works = handoff.c.status.in_(_SENT) & (handoff.c.role != Role.INFORMED.value)
    of_requests = select(*of_need).where(handoff.c.request_id.in_(request_ids), works)
    return of_requests.group_by(*of_need).having(func.count() >= SEVERAL).order_by(*of_need)


def _late(at: datetime, most: int, place: str | None) -> Any:
    of_handoff = (event.c.request_id == handoff.c.request_id) & (event.c.handoff_id == handoff.c.id)
    urged = select(func.count()).where(of_handoff, event.c.kind.in_(URGED)).scalar_subquery()
    late = (handoff.c.first_due < at) & (urged >= TWICE)
    there = of_requests_within(place, handoff.c.request_id)
    return select(handoff).where(late, *there).order_by(handoff.c.first_due, handoff.c.id).limit(most + 1)


async def _rows(connection: AsyncConnection, query: Any) -> list[Mapping[Any, Any]]:
    return list((await connection.execute(query)).mappings())


async def _facts(connection: AsyncConnection, ids: Collection[UUID], *, with_words: bool) -> _Facts:
    columns = (help_request.c[name] for name in ("id", "receipt_number", "division_code", "data_key"))
    requests = await _rows(connection, select(*columns).where(help_request.c.id.in_(ids)))
    of_requests = select(handoff).where(handoff.c.request_id.in_(ids)).order_by(handoff.c.step, handoff.c.id)
    kinds = event.c.kind.in_((*URGED, "handoff.returned"))
    happened = select(event.c.request_id, event.c.sequence, event.c.handoff_id, event.c.kind, event.c.sealed).where(
        event.c.request_id.in_(ids), kinds
    )
    vault = vault_of(connection)
    facts = _Facts({row["id"]: row for row in requests}, {}, Counter())
    for row in await _rows(connection, of_requests):
        facts.handoffs.setdefault((row["request_id"], row["need"]), []).append(from_row(row))
    for row in await _rows(connection, happened.order_by(event.c.request_id, event.c.sequence)):
        if row["kind"] in URGED:
            facts.urged[row["handoff_id"]] += 1
        elif with_words:
            box = vault.box(row["request_id"].bytes, facts.requests[row["request_id"]]["data_key"])
            facts.says[row["handoff_id"]] = (
                box.unseal(row["sealed"], kept_at("event.sealed", row["sequence"])) or {}
            ).get("legal_basis")
    return facts


def _of_dispute(row: Mapping[Any, Any], facts: _Facts) -> list[_Found]:
    """A point for each handoff that has to be ruled on."""
    about = (row["request_id"], row["need"])
    of_need = [each for each in facts.handoffs[about] if each.status is not HandoffStatus.CANCELLED]
    return [
        _Found(DISPUTE, *about, row["opened_at"], [each, *(other for other in of_need if other is not each)], row["id"])
        for each in of_need
        if is_disputed(each)
    ]


def _of_several(row: Mapping[Any, Any], facts: _Facts) -> _Found:
    about = (row["request_id"], row["need"])
    works = [e for e in facts.handoffs[about] if e.status in _SENT and e.role is not Role.INFORMED]
    works.sort(key=lambda each: each.role is not Role.LEAD)
    return _Found(SEVERAL_OPEN, *about, min(each.dispatched_at for each in works if each.dispatched_at), works)


def _of_late(late: Handoff, facts: _Facts, at: datetime) -> _Found | None:
    since = overdue_since(late, at)
    if since is None or not is_overdue_twice(late, facts.urged[late.id], at):
        return None
    return _Found(OVERDUE_TWICE, late.request_id, late.need, since, [late])


def _shown(found: _Found, facts: _Facts, snapshot: Snapshot, at: datetime) -> dict[str, Any]:
    request = facts.requests[found.request_id]
    return {
        "item": found.handoffs[0].id,
        "kind": found.kind,
        "dispute_id": found.dispute_id,
        "request_id": found.request_id,
        "receipt_number": request["receipt_number"],
        "division_code": request["division_code"],
        "need": presenting.named(snapshot.needs[found.need]),
        "since": found.since,
        "agencies": [_of_agency(each, facts, snapshot, at) for each in found.handoffs],
    }


def _of_agency(each: Handoff, facts: _Facts, snapshot: Snapshot, at: datetime) -> dict[str, Any]:
    agency = snapshot.directory.agencies[each.agency_code]
    return {
        **agency.contact,
        "role": each.role,
        "status": each.status,
        "days": (at - (each.dispatched_at or each.opened_at)).days,
        "complete_due": each.complete_due,
        "urged": facts.urged[each.id],
        "legal_basis": rule_of(each, snapshot).legal_basis,
        "says": facts.says.get(each.id),
    }
