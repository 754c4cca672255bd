"""The papers of one handoff: the referral letter (介绍函) to its agency, and that agency's reply (转办结果回复单)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app import gates, handoff_views, looking, presenting
from app.attachment_groups import is_opened
from app.clocks import rule_of
from app.desk import Desk
from app.forms.finding import heading, is_handled, must_be_there, paper_number, part
from app.forms.of_request import attached_to, papers_of
from app.identifiers import now
from app.keys import Key
from app.masks import masked_name
from app.office import Office, again_if_outdated
from app.purposes import Purpose, Way
from app.registry import Snapshot
from app.shown import groups_shown
from app.tables import event
from app.timeline import Case, Handoff

# What an agency says of its part, by the kind of event.
_ANSWERED = (
    *("handoff.received", "handoff.accepted", "handoff.information_requested", "handoff.suspended"),
    *("handoff.extended", "handoff.returned", "handoff.completed"),
)
_SAID = ("outcome", "reason_code", "suggested_department", "due_at")
_NOTED = ("note", "handler", "reason", "legal_basis", "approver")


@again_if_outdated
async def letter(office: Office, key: Key, handoff_id: UUID, purpose: Purpose | None) -> dict[str, Any]:
    """For one agency: of the person what its rule opens and no more, whoever prints it; nothing once the part is not its
    own any more. Raises `not_found`, `purpose_needed`."""
    snapshot, at = await office.registry.current(), now()
    case, found = await part(office, key, handoff_id)
    must_be_there(case)
    desk = Desk(snapshot, at, key.actor, office.settings.public_url)
    opened = gates.opened(case, found, snapshot, at)
    seen = handoff_views.disclosed_view(case, found, opened, desk)
    groups = groups_shown(case, opened)
    handled = is_handled(case, found)
    if handled and groups:
        await looking.record(office, key, case, Way.HANDOFF, groups, purpose, found)
    async with office.database.reading() as connection:
        attached = [each for each in await attached_to(connection, case.id) if is_opened(each, seen["discloses"])]
    return {
        **heading(case, snapshot),
        **_of(case, found, snapshot),
        **{name: seen[name] for name in ("partners", "discloses", "withheld")},
        "person": seen["person"] if handled else None,
        "situation": {name: seen[name] for name in ("situation", "place", "people")}
        if handled and case.is_emergency
        else None,
        "papers": _named_papers(case, found, attached, snapshot) if handled else None,
        "coordinator_phone": office.settings.coordinator_phone,
    }


@again_if_outdated
async def reply(
    office: Office, key: Key, handoff_id: UUID, purpose: Purpose | None, *, blank: bool = False
) -> dict[str, Any]:
    """To be filled in by hand, or filled from what the agency has answered; the person by a masked name where the rule
    opens who they are. Raises `not_found`, `purpose_needed`."""
    snapshot, at = await office.registry.current(), now()
    case, found = await part(office, key, handoff_id)
    must_be_there(case)
    answers = [] if blank else await _answers(office, case, found)
    named = is_handled(case, found) and "identity" in gates.opened(case, found, snapshot, at).groups
    groups = [*(["identity"] if named else []), *(["notes"] if any(each["told"] for each in answers) else [])]
    if groups:
        await looking.record(office, key, case, Way.HANDOFF, groups, purpose, found)
    name = case.person["applicant"].get("name") if named else None
    return {
        **heading(case, snapshot),
        **_of(case, found, snapshot),
        "name": masked_name(name) if name else None,
        "answers": answers,
        "last": answers[-1] if answers else None,
    }


def _of(case: Case, found: Handoff, snapshot: Snapshot) -> dict[str, Any]:
    seen = presenting.handoff_summary(found, snapshot)
    return {
        **seen,
        "need": presenting.named(snapshot.needs[found.need]),
        "paper_number": paper_number(case, found),
        "legal_basis": rule_of(found, snapshot).legal_basis,
    }


def _named_papers(case: Case, found: Handoff, attached: list[str | None], snapshot: Snapshot) -> dict[str, Any]:
    """Those that the agency may know of: what its rule asks for, and of what was attached what its groups open."""
    rule = rule_of(found, snapshot)
    papers = papers_of(case, [rule], attached, snapshot)
    brought = [each for each in papers["brought"] if each["code"] in {*attached, *rule.materials}]  # type: ignore[union-attr]
    return {**papers, "brought": brought}


async def _answers(office: Office, case: Case, found: Handoff) -> list[dict[str, Any]]:
    """What was answered since it was last given out, in its order."""
    kinds = (*_ANSWERED, "handoff.dispatched", "handoff.ruled", "handoff.reopened")
    of_handoff = (event.c.request_id == case.id) & (event.c.handoff_id == found.id) & event.c.kind.in_(kinds)
    async with office.database.reading() as connection:
        rows = (await connection.execute(select(event).where(of_handoff).order_by(event.c.sequence))).mappings().all()
    given_out = [place for place, row in enumerate(rows) if row["kind"] not in _ANSWERED]
    return [_answer(case, row) for row in rows[given_out[-1] + 1 if given_out else 0 :]]


def _answer(case: Case, row: Mapping[Any, Any]) -> dict[str, Any]:
    told = case.note_of(row) or {}
    return {
        "act": row["kind"].removeprefix("handoff."),
        "at": row["at"],
        **{name: row["data"].get(name) for name in _SAID},
        "told": {name: told[name] for name in (*_NOTED, "materials") if told.get(name)},
    }
