"""What the agency of a handoff is shown of the person, decided here and nowhere else; and what an event says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from app import gates
from app.disclosure import SITUATION, disclose, groups_told, papers_seen, situation
from app.receivers import DeliveryMode
from app.registry import Snapshot
from app.routing.rules import Role
from app.timeline import Case, Handoff


def opened_to(case: Case, handoff: Handoff, snapshot: Snapshot, at: datetime) -> tuple[str, ...]:
    """The field groups of the person that are open to the handoff's agency: those of its rule, as far as consent goes."""
    return gates.opened(case, handoff, snapshot, at)


def groups_shown(case: Case, handoff: Handoff, snapshot: Snapshot, at: datetime) -> list[str]:
    """The same, with what is shown of an emergency."""
    return [*opened_to(case, handoff, snapshot, at), *([SITUATION] if case.is_emergency else [])]


def person_shown(case: Case, handoff: Handoff, snapshot: Snapshot, opened: Sequence[str]) -> dict[str, Any]:
    """The person as the groups that are open to the handoff's agency show it."""
    papers = gates.disclosing(case, handoff, snapshot).materials
    return disclose(gates.shown(case, handoff, snapshot), handoff.need, opened, papers)


def situation_shown(case: Case, handoff: Handoff, opened: Sequence[str]) -> dict[str, Any]:
    seen = situation(case.person, opened, acts=handoff.role is not Role.INFORMED)
    return {"emergency": case.request["emergency"], **seen}


def supplement_shown(
    case: Case, handoff: Handoff, supplement: Mapping[str, Any], snapshot: Snapshot, at: datetime
) -> tuple[dict[str, Any], list[str]]:
    """Of what the person added: the papers, facts and words that are opened, and of which groups they tell."""
    groups, papers = opened_to(case, handoff, snapshot, at), gates.disclosing(case, handoff, snapshot).materials
    added = {"applicant": {}, "facts": supplement.get("facts", {}), "narrative": supplement.get("note")}
    opened = disclose(added, handoff.need, groups)
    materials = papers_seen(supplement.get("materials", ()), groups, papers)
    told = {"materials": materials, "facts": opened.get("facts", {}), "note": opened.get("narrative")}
    return told, groups_told(supplement, handoff.need, groups, papers)


def disclosure(case: Case, handoff: Handoff, groups: Sequence[str], snapshot: Snapshot) -> dict[str, Any]:
    """For the event of a message: which groups it shows, and by what law. Nothing where the message goes by reference or
    is not sent: what is then looked at is a reading."""
    agency = snapshot.directory.agencies[handoff.agency_code]
    if not groups or not agency.is_told or agency.delivery_mode is DeliveryMode.REFERENCE:
        return {}
    legal_basis = gates.disclosing(case, handoff, snapshot).legal_basis
    return {"agency": agency.code, "groups": list(groups), "legal_basis": legal_basis}


def whole_disclosure(case: Case, handoff: Handoff, snapshot: Snapshot, at: datetime) -> dict[str, Any]:
    """The same of a message that shows all that is opened."""
    return disclosure(case, handoff, groups_shown(case, handoff, snapshot, at), snapshot)
