"""Debts (先行救助后应补事项): what is still owed in an emergency, each with its day; no request is closed over one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app import looking, rights
from app.aid import Terms
from app.dangers import LARGER_AID
from app.deadlines import Limit, WorkingCalendar, due
from app.delivery.notices import finish
from app.desk import Desk, desk_of
from app.handoffs import NOT_WITH, assigned, dispatch, is_with
from app.identifiers import new_id, now
from app.jurisdictions import Conditions
from app.keys import Key, KeyRole
from app.ledger import write_units
from app.loading import load
from app.office import Office, again_if_outdated
from app.paged import PageAsked, newest_first, of_place, page_of
from app.problems import Problem
from app.purposes import Purpose, Way
from app.routing.decide import decide
from app.routing.facts import Facts
from app.routing.rules import Role, in_force, local_day
from app.schemas_emergencies import SettleIn
from app.sealing import Vault, kept_at
from app.tables import debt, handoff, help_request
from app.timeline import Case
from app.wire import to_json


class DebtKind(StrEnum):
    AID = "aid"
    EXPLANATION = "explanation"  # what happened, written down once the danger is over
    PAPERS = "papers"


@dataclass(frozen=True, slots=True)
class Asked:
    page: PageAsked
    open: bool | None
    overdue: bool


def owe(case: Case, limits: list[Limit], terms: Terms, calendar: WorkingCalendar, at: datetime) -> None:
    """Write down what an emergency owes. `limits` are the emergency limits of its rules: the shortest is that of the
    aid; one of no hours, which says at once, is answered for by the minutes to sign in."""
    allowed = [limit for limit in limits if limit.count > 0] or [terms.aid_limit]
    aid_due = min(due(at, limit, calendar).at for limit in allowed)
    by_kind = {
        DebtKind.AID: aid_due,
        DebtKind.EXPLANATION: due(at, terms.explanation_limit, calendar).at,
        DebtKind.PAPERS: due(at, terms.papers_limit, calendar).at,
    }
    target = min(due(at, terms.aid_target, calendar).at, aid_due)
    for kind, due_at in by_kind.items():
        case.unit.insert(
            debt,
            {
                "id": new_id(),
                "request_id": case.id,
                "division_code": case.request["division_code"],
                "kind": kind.value,
                "opened_at": at,
                "target_at": target if kind is DebtKind.AID else None,
                "due_at": due_at,
                **dict.fromkeys(("settled_at", "settled_by", "outcome", "amount", "sealed")),
            },
        )
    case.request["debts"] = len(by_kind)


@again_if_outdated
async def settle(office: Office, key: Key, request_id: UUID, kind: DebtKind, asked: SettleIn) -> bytes:
    """Say that a debt is settled, and with what; a `DebtView`, JSON. The same again is no error.

    What is not confirmed later takes nothing back: the aid stays as it was settled. Aid above the ceiling is told to
    the county's civil affairs. Raises `not_found`, `debt_settled`.
    """
    desk = await desk_of(office, key)
    async with office.database.writing() as connection:
        case = await load(connection, request_id)
        must_reach(key, case)
        of_kind = (debt.c.request_id == request_id) & (debt.c.kind == kind.value)
        row = (await connection.execute(select(debt).where(of_kind))).mappings().first()
        if row is None:
            raise Problem("not_found")
        note = {"with": asked.with_what} if asked.with_what else None
        settled: dict[str, Any] = {"outcome": asked.outcome, "amount": asked.amount_yuan}
        if row["settled_at"] is not None:
            if any(row[name] != value for name, value in settled.items()):
                raise Problem("debt_settled")
        else:
            sealed = case.box.seal(note, kept_at("debt.sealed", row["id"])) if note else None
            settled |= {"settled_at": desk.at, "settled_by": key.actor, "sealed": sealed}
            await connection.execute(update(debt).where(of_kind).values(settled))
            case.request["debts"] -= 1
            case.record("debt.settled", desk.at, key.actor, data={"debt": kind.value, "outcome": asked.outcome})
            if kind is DebtKind.AID and asked.amount_yuan is not None:
                _weigh(case, Decimal(asked.amount_yuan), desk)
            case.settle(desk.at, key.actor)
            unit = finish(case, desk.snapshot)
            await write_units(connection, [unit])
            await office.database.bell.before_commit(connection)
        own = settled.get("settled_by", row["settled_by"]) == key.actor
        answer = to_json(_seen({**row, **settled}, case.request, desk.at, office.vault if own else None))
    office.database.bell.after_commit()
    return answer


def must_reach(key: Key, case: Case) -> None:
    """An agency reaches what it has a part of, or had to the end; others as ever."""
    if key.role is KeyRole.AGENCY:
        if not any(each.agency_code == key.agency_code and is_with(each) for each in case.handoffs):
            raise Problem("not_found")
    else:
        rights.must_reach(key, case.request)


def reached_by(agency_code: str | None) -> Conditions:
    """The same of an agency, as conditions on rows of `handoff`."""
    return handoff.c.agency_code == agency_code, handoff.c.status.not_in([str(each) for each in NOT_WITH])


def _weigh(case: Case, amount: Decimal, desk: Desk) -> None:
    """Above the ceiling it is the county's business: who leads larger aid there gets a part of its own, if it has none."""
    place, day = case.request["division_code"], local_day(case.request["registered_at"])
    residence = case.person.get("facts", {}).get("residence")
    ceiling = desk.snapshot.aid.ceiling_of(place, day, residence)
    if ceiling is not None and amount <= ceiling:
        return
    data = {"ceiling": None if ceiling is None else str(ceiling), "day": day.isoformat()}
    case.record("aid.above_ceiling", desk.at, desk.actor, data=data)
    table = in_force(desk.snapshot.tables.values(), desk.at)
    if table is None or LARGER_AID not in desk.snapshot.needs or case.of_need(LARGER_AID):
        return
    decision = decide(Facts(place, (LARGER_AID,)), table, desk.snapshot.directory, desk.at)
    (decided,) = decision.needs
    for each in decided.assignments:
        if each.role is Role.LEAD:
            opened = assigned(case, LARGER_AID, each, decision.version, desk)
            case.open_more(opened)
            dispatch(case, opened, desk)


async def listed(office: Office, key: Key, asked: Asked, purpose: Purpose | None = None) -> dict[str, Any]:
    """A page (`DebtPage`), newest first: of an agency those of requests that it has a part of, of others those of what they reach. With
    what one was settled is for those who may see people, and for whoever settled it; that it was read is recorded."""
    at = now()
    wanted: tuple[ColumnElement[bool], ...] = ()
    if asked.overdue:
        wanted = (debt.c.settled_at.is_(None), debt.c.due_at < at)
    elif asked.open is not None:
        wanted = (debt.c.settled_at.is_(None) if asked.open else debt.c.settled_at.is_not(None),)
    if key.role is KeyRole.AGENCY:
        part = select(handoff.c.id).where(handoff.c.request_id == debt.c.request_id, *reached_by(key.agency_code))
        wanted += (part.exists(),)
    elif key.role in rights.TAKE_IN:  # also what it took in of other places
        wanted += rights.reached(key)
    else:
        divisions = (await office.registry.current()).divisions
        newest = newest_first(select(debt.c.id), debt.c.id, asked.page)
        wanted = of_place(newest, wanted, debt.c.division_code, divisions, key.division_code)
    query = _DEBTS.where(*wanted)
    rows, next_cursor = await page_of(office.database, query, debt.c.id, asked.page)
    with_people = rights.sees_people(key)
    items = [
        _seen(row, row, at, office.vault if with_people or row["settled_by"] == key.actor else None) for row in rows
    ]
    read = {each["request_id"] for each in items if each["with_what"]}
    own = {each["request_id"] for each in items if each["settled_by"] == key.actor}
    await looking.record_each(office, key, read, Way.TIMELINE, ("notes",), purpose, own)
    return {"items": items, "next_cursor": next_cursor}


_OF_REQUEST = ("receipt_number", "data_key")
_DEBTS: Select[Any] = select(debt, *(help_request.c[name] for name in _OF_REQUEST)).join_from(
    debt, help_request, debt.c.request_id == help_request.c.id
)


async def of_requests(connection: AsyncConnection, request_ids: list[UUID], at: datetime) -> dict[UUID, list[Any]]:
    """The debts of requests, in the order of their days; without words."""
    found: dict[UUID, list[Any]] = {request_id: [] for request_id in request_ids}
    query = _DEBTS.where(debt.c.request_id.in_(request_ids)).order_by(debt.c.due_at, debt.c.kind)
    for row in (await connection.execute(query)).mappings():
        found[row["request_id"]].append(_seen(row, row, at, None))
    return found


def _seen(row: Mapping[Any, Any], request: Mapping[Any, Any], at: datetime, vault: Vault | None) -> dict[str, Any]:
    """With its words where a vault is given."""
    until = row["settled_at"] or at
    note: dict[str, Any] = {}
    if vault is not None and row["sealed"] is not None:
        box = vault.box(row["request_id"].bytes, request["data_key"])
        note = box.unseal(row["sealed"], kept_at("debt.sealed", row["id"])) or {}
    return {
        "debt_id": row["id"],
        "request_id": row["request_id"],
        "receipt_number": request["receipt_number"],
        "division_code": request["division_code"],
        "kind": row["kind"],
        "opened_at": row["opened_at"],
        "target_at": row["target_at"],
        "due_at": row["due_at"],
        "overdue": until > row["due_at"],
        "past_target": row["target_at"] is not None and until > row["target_at"],
        "settled_at": row["settled_at"],
        "settled_by": row["settled_by"],
        "outcome": row["outcome"],
        "amount_yuan": row["amount"],
        "with_what": note.get("with"),
    }
