"""What the agency of a handoff is shown of the person, decided here and nowhere else; and what an event says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app import consents
from app.disclosure import SITUATION, disclose, groups_told, papers_seen, situation
from app.gates import Opened
from app.receivers import DeliveryMode
from app.registry import Snapshot
from app.routing.rules import Role, Rule
from app.timeline import Case, Handoff


def groups_shown(case: Case, opened: Opened) -> list[str]:
    """The field groups that are open to a handoff's agency, with what is shown of an emergency."""
    return [*opened.groups, SITUATION] if case.is_emergency else list(opened.groups)


def person_shown(case: Case, handoff: Handoff, opened: Opened) -> dict[str, Any]:
    """The person as the groups that are open to the handoff's agency show it."""
    person = consents.shown_by(opened.rule, case.person)
    return disclose(person, handoff.need, opened.groups, opened.rule.materials)


def situation_shown(case: Case, handoff: Handoff, opened: Opened) -> dict[str, Any]:
    seen = situation(case.person, opened.groups, acts=handoff.role is not Role.INFORMED)
    return {"emergency": case.request["emergency"], **seen}


def supplement_shown(
    handoff: Handoff, supplement: Mapping[str, Any], opened: Opened
) -> tuple[dict[str, Any], list[str]]:
    """Of what the person added: the papers, facts and words that are opened, and of which groups they tell."""
    rule, groups = opened
    added = {"applicant": {}, "facts": supplement.get("facts", {}), "narrative": supplement.get("note")}
    seen = disclose(added, handoff.need, groups)
    materials = papers_seen(supplement.get("materials", ()), groups, rule.materials)
    told = {"materials": materials, "facts": seen.get("facts", {}), "note": seen.get("narrative")}
    return told, groups_told(supplement, handoff.need, groups, rule.materials)


def disclosure(handoff: Handoff, rule: Rule, groups: Sequence[str], snapshot: Snapshot) -> dict[str, Any]:
    """For the event of a message: which groups it shows, and by what law. Nothing where the message goes by reference or
    is not sent: what is then looked at is a reading."""
    agency = snapshot.directory.agencies[handoff.agency_code]
    if not groups or not agency.is_told or agency.delivery_mode is DeliveryMode.REFERENCE:
        return {}
    return {"agency": agency.code, "groups": list(groups), "legal_basis": rule.legal_basis}


def whole_disclosure(case: Case, handoff: Handoff, opened: Opened, snapshot: Snapshot) -> dict[str, Any]:
    """The same of a message that shows all that is opened."""
    return disclosure(handoff, opened.rule, groups_shown(case, opened), snapshot)
