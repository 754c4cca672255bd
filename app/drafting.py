"""A ruling offers itself as a rule: what the table in force would say if it had known, as a draft for the county."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app import tabling
from app.identifiers import now
from app.jurisdictions import within
from app.keys import Key
from app.lifecycle import DisputeState
from app.office import Office, again_if_outdated
from app.problems import Problem
from app.registry import Snapshot
from app.routing.directory import COUNTY_DIGITS
from app.routing.rules import Role, RoutingTable, Rule, in_force, local_day
from app.sealing import kept_at, vault_of
from app.tables import dispute, handoff, help_request


def offered(
    snapshot: Snapshot, version: int, number: int, agency_code: str, at: datetime
) -> tuple[RoutingTable, Rule, str] | None:
    """The table in force, the rule of it that sent the handoff elsewhere, and the department that it would name;
    None where a draft would change nothing, or the rule has gone."""
    table = in_force(snapshot.tables.values(), at)
    sent_by = snapshot.tables[version].by_number[number]
    department = snapshot.directory.agencies[agency_code].department
    if table is None or department == sent_by.department:
        return None
    like = (each for each in table.by_need.get(sent_by.need, ()) if _does_the_same(each, sent_by))
    old = next(iter(sorted(like, key=lambda each: each.number != number)), None)
    return (table, old, department) if old else None


async def draft(office: Office, key: Key, dispute_id: UUID) -> dict[str, Any]:
    """A `DraftRule`. The same ruling again is answered with the draft that there is.

    Raises `not_found`, `act_not_allowed` for what is not ruled, `nothing_to_draft`.
    """
    at, asked = now(), await _ruling(office, key, dispute_id)
    offer = offered(
        await office.registry.current(), asked["routing_version"], asked["rule_number"], asked["agency_code"], at
    )
    if offer is None:
        raise Problem("nothing_to_draft")
    table, old, department = offer
    words = asked["words"]
    said = f"依据 {local_day(asked['ruled_at'])} 的裁定(争议 {dispute_id})"
    new = replace(old, department=department, legal_basis=words["legal_basis"], note=f"{old.note} {said}".strip())
    if len(old.area) < COUNTY_DIGITS and old.role is Role.LEAD:
        # Of two leads the nearer area's goes first: the rule of everybody else stays as it is.
        number = max(each.number for each in table.rules) + 1
        rules = (*table.rules, replace(new, number=number, area=asked["division_code"][:COUNTY_DIGITS]))
    else:
        rules = tuple(new if each is old else each for each in table.rules)
    kept = await tabling.keep_draft(office, key.actor, rules, f"ruling {dispute_id}")
    return {"draft": kept.summary(), "diff": await tabling.compare(office, table.version, kept.number)}


def _does_the_same(rule: Rule, other: Rule) -> bool:
    return all(getattr(rule, name) == getattr(other, name) for name in ("need", "area", "department", "role", "step"))


@again_if_outdated
async def _ruling(office: Office, key: Key, dispute_id: UUID) -> dict[str, Any]:
    columns = (
        dispute.c.id,
        dispute.c.request_id,
        help_request.c.data_key,
        dispute.c.agency_code,
        dispute.c.ruled_at,
        dispute.c.sealed,
        dispute.c.state,
    )
    of_handoff = (handoff.c.routing_version, handoff.c.rule_number, help_request.c.division_code)
    found = (
        select(*columns, *of_handoff)
        .join_from(dispute, help_request, dispute.c.request_id == help_request.c.id)
        .outerjoin(handoff, dispute.c.ruled_on == handoff.c.id)
        .where(dispute.c.id == dispute_id, *within(key.division_code))
    )
    async with office.database.reading() as connection:
        row = (await connection.execute(found)).mappings().first()
        vault = vault_of(connection)
    if row is None:
        raise Problem("not_found")
    if row["state"] != DisputeState.RULED:
        raise Problem("act_not_allowed", extra={"allowed": ["ruling"]} if row["state"] == DisputeState.OPEN else {})
    if row["agency_code"] is None:
        raise Problem("nothing_to_draft")
    words = vault.box(row["request_id"].bytes, row["data_key"]).unseal(
        row["sealed"], kept_at("dispute.sealed", row["id"])
    )
    return {**row, "words": words or {"reason": None, "legal_basis": ""}}
