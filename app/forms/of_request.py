"""The papers of a whole request: the intake register (受理登记表) and the acceptance notice (受理通知书).

Both show the person, so that either is a reading, recorded before it is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import gates, looking, presenting
from app.clocks import rule_of
from app.disclosure import groups_held
from app.forms.finding import heading, must_be_there, prints_requests, reached
from app.identifiers import now
from app.keys import Key
from app.lifecycle import HandoffStatus
from app.masks import masked_name, masked_number
from app.office import Office, again_if_outdated
from app.problems import Problem
from app.purposes import Purpose, Way
from app.registry import Snapshot
from app.routing.rules import Role, Rule
from app.tables import api_key, attachment, staff_account
from app.timeline import Case, Handoff

OVER = (HandoffStatus.CANCELLED, HandoffStatus.RETURNED)


@again_if_outdated
async def register(office: Office, key: Key, request_id: UUID, purpose: Purpose | None) -> dict[str, Any]:
    """All that was told, for the file. Raises `not_found`, `purpose_needed`."""
    case, snapshot, papers = await _opened(office, key, request_id)
    person = case.person
    await looking.record(office, key, case, Way.REQUEST, groups_held(person), purpose)
    return {
        **heading(case, snapshot),
        "taken_in_by": await _taken_in_by(office, case),
        "person": person,
        "needs": [_need(each, case, snapshot) for each in _needs(case)],
        "papers": papers,
    }


@again_if_outdated
async def notice(office: Office, key: Key, request_id: UUID, purpose: Purpose | None) -> dict[str, Any]:
    """To the person, or to who asked for them: the full name, the number masked, and what becomes of each need. Raises
    `not_found`, `purpose_needed`."""
    case, snapshot, papers = await _opened(office, key, request_id)
    applicant, helper = case.person["applicant"], case.person.get("helper") or {}
    number = applicant.get("id_number")
    groups = ("identity", "contact") if helper.get("name") else ("identity",)
    await looking.record(office, key, case, Way.REQUEST, groups, purpose)
    return {
        **heading(case, snapshot),
        "taken_in_by": await _taken_in_by(office, case),
        "name": applicant.get("name"),
        "id_number": masked_number(number) if number else None,
        "helper": masked_name(helper["name"]) if helper.get("name") else None,
        "needs": [_need(each, case, snapshot) for each in _needs(case)],
        "papers": papers,
        "consents": [each.described() for each in gates.missing(case, snapshot, now())],
        "coordinator_phone": office.settings.coordinator_phone,
    }


async def _opened(office: Office, key: Key, request_id: UUID) -> tuple[Case, Snapshot, dict[str, Any]]:
    if not prints_requests(key):
        raise Problem("not_found")
    snapshot = await office.registry.current()
    case = await reached(office, key, request_id)
    must_be_there(case)
    async with office.database.reading() as connection:
        attached = await attached_to(connection, case.id)
    rules = [rule_of(each, snapshot) for each in case.handoffs if each.status not in OVER]
    return case, snapshot, papers_of(case, rules, attached, snapshot)


async def attached_to(connection: AsyncConnection, request_id: UUID) -> list[str | None]:
    """What each paper of a request is, by its code; None for one of no kind."""
    there = select(attachment.c.material).where(
        attachment.c.request_id == request_id, attachment.c.removed_at.is_(None)
    )
    return list((await connection.execute(there.order_by(attachment.c.id))).scalars())


def papers_of(
    case: Case, rules: Iterable[Rule], attached: Iterable[str | None], snapshot: Snapshot
) -> dict[str, list[dict[str, str]] | int]:
    """Which papers were handed in, which the rules still ask for, and how many are of no kind."""
    person, kinds = case.person, list(attached)
    brought = [each for each in kinds if each]
    brought += [code for each in person.get("supplements", ()) for code in each.get("materials", ())]
    if person["applicant"].get("id_number"):
        brought.append("identity_document")
    if any(each["purpose"] == "economic_verification" for each in person.get("consents", ())):
        brought.append("verification_authorization")
    wanted = dict.fromkeys(code for rule in rules for code in rule.materials)
    return {
        "brought": [_material(code, snapshot) for code in dict.fromkeys(brought)],
        "owed": [_material(code, snapshot) for code in wanted if code not in brought],
        "others": kinds.count(None),
    }


def _material(code: str, snapshot: Snapshot) -> dict[str, str]:
    return presenting.named(snapshot.materials[code])


def _needs(case: Case) -> list[Mapping[str, Any]]:
    """As they were told, and what an emergency added to them."""
    told = {each["code"]: each for each in case.person.get("needs", ())}
    routed = (each["need"] for each in case.request["decision"]["needs"])
    every = dict.fromkeys((*told, *routed, *(each.need for each in case.handoffs)))
    return [told.get(code, {"code": code}) for code in every]


def _need(told: Mapping[str, Any], case: Case, snapshot: Snapshot) -> dict[str, Any]:
    parts = [each for each in case.of_need(told["code"]) if each.status not in OVER]
    parts.sort(key=lambda each: (each.role is not Role.LEAD, each.step, each.id))
    return {
        "need": presenting.named(snapshot.needs[told["code"]]),
        "details": told.get("details"),
        "facts": told.get("facts", {}),
        "handoffs": [part_of(each, snapshot) for each in parts],
    }


def part_of(found: Handoff, snapshot: Snapshot) -> dict[str, Any]:
    """Who has it, by when, by what law."""
    seen = presenting.handoff_summary(found, snapshot)
    return {**seen, "waits_for_consent": found.waits_for_consent, "legal_basis": rule_of(found, snapshot).legal_basis}


async def _taken_in_by(office: Office, case: Case) -> str | None:
    """The person who did, or the door."""
    named = (
        select(staff_account.c.display_name, api_key.c.name)
        .join_from(api_key, staff_account, staff_account.c.id == api_key.c.id, isouter=True)
        .where(api_key.c.id == case.request["registered_by"])
    )
    async with office.database.reading() as connection:
        row = (await connection.execute(named)).first()
    return None if row is None else row.display_name or row.name
