"""What an agency may see of a person: the field groups that its rule names, and no others; pure.

Minimum disclosure: Personal Information Protection Law art. 6, 34; Government Data Sharing Regulation art. 25.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

from app.attachment_groups import is_opened

_PERSON = {
    "identity": ("name", "id_type", "id_number", "birth_date"),
    "contact": ("phone", "address", "household_division_code"),
    "bank_account": ("bank_account",),
}
_HELPER = ("name", "phone", "relation", "organisation")
_MEMBER = frozenset({"name", "relation", "birth_date"})
_MEMBER_IDENTIFIED = _MEMBER | {"id_type", "id_number"}
_CONSENT = frozenset({"purpose", "person", "given_at", "text_version", "evidence", "withdrawn_at"})
_CONSENT_IDENTIFIED = _CONSENT | {"guardian"}
_FACTS = {
    "household": ("household_size", "residence", "recognised_status"),
    "income": ("monthly_income_yuan", "recognised_status"),
    "health": ("illness", "out_of_pocket_yuan", "self_care"),
    "disability": ("disability_kind", "disability_grade"),
    "schooling": ("schooling",),
    "dwelling": ("dwelling",),
    "disaster": ("disaster_date",),
}
# A paper's name tells a circumstance too (a diagnosis was handed in, so somebody is ill); but not that of these.
_TELLING_NOTHING = frozenset(
    {
        *("application_form", "approval_form", "verification_authorization", "village_stamped_certificate"),
        *("identity_document", "guardian_identity_document", "social_security_card"),
    }
)
# Personal Information Protection Law art. 28: health and disability, financial accounts and circumstances.
SENSITIVE = frozenset({"health", "disability", "income", "bank_account"})
GROUPS = frozenset(_PERSON) | frozenset(_FACTS) | {"narrative"}
# What everybody who acts in an emergency is told whatever their rules open: what happened, where, to how many.
SITUATION = "situation"
PAPERS = "papers"


def disclose(
    person: Mapping[str, Any], need_code: str, groups: Iterable[str], papers: Collection[str] = ()
) -> dict[str, Any]:
    """The part of a request's sealed data that `groups` open, for the handoff of one need.

    `person` has the shape of a request as taken in (`applicant`, `helper`, `household`, `obligors`, `facts`,
    `needs`, `narrative`, `consents`, `supplements`). Unknown groups open nothing. `papers`: those that the rule itself asks
    for, which its agency is told of whatever else it sees.
    """
    opened, fields, fact_names = _opened(tuple(groups))
    seen: dict[str, Any] = {}
    if fields:
        seen["applicant"] = _only(person["applicant"], fields)
    if "contact" in opened and person.get("helper"):
        seen["helper"] = _only(person["helper"], _HELPER)
    if "household" in opened:
        of_member, of_consent = _MEMBER, _CONSENT
        if "identity" in opened:
            of_member, of_consent = _MEMBER_IDENTIFIED, _CONSENT_IDENTIFIED
        seen["household"] = [_only(each, of_member) for each in person.get("household", [])]
        if person.get("obligors"):
            seen["obligors"] = [_only(each, of_member) for each in person["obligors"]]
        seen["consents"] = [_consent(each, of_consent) for each in person.get("consents", [])]
    need: Mapping[str, Any] = next((each for each in person.get("needs", []) if each["code"] == need_code), {})
    supplements = person.get("supplements", [])
    added = {name: value for each in supplements for name, value in each.get("facts", {}).items()}
    facts = _only({**person.get("facts", {}), **need.get("facts", {}), **added}, fact_names)
    if facts:
        seen["facts"] = facts
    if "narrative" in opened:
        seen["details"] = need.get("details")
        seen["narrative"] = person.get("narrative")
    if shown := [each for one in supplements if (each := _supplement(one, opened, papers))]:
        seen["supplements"] = shown
    return seen


def _consent(given: Mapping[str, Any], fields: Collection[str]) -> dict[str, Any]:
    """How it can be proved is told by kind; the reference stays with who took it."""
    seen = _only(given, fields)
    if seen.get("evidence"):
        seen["evidence"] = _only(seen["evidence"], ("kind",))
    return seen


def _supplement(added: Mapping[str, Any], opened: Collection[str], papers: Collection[str]) -> dict[str, Any] | None:
    """Of what was added later: when, and the papers and words that are opened; None where none are."""
    seen: dict[str, Any] = {}
    if materials := papers_seen(added.get("materials", ()), opened, papers):
        seen["materials"] = materials
    if "narrative" in opened and added.get("note") is not None:
        seen["note"] = added["note"]
    return {**_only(added, ("at",)), **seen} if seen else None


def situation(person: Mapping[str, Any], groups: Collection[str], *, acts: bool) -> dict[str, Any]:
    """What happened in an emergency, where, and to how many. Who acts is told what was said of it whatever its rule
    opens; who is only informed, and what the person had told before it was an emergency, is as the groups say."""
    told: Mapping[str, Any] = person.get("emergency", {})
    before = person.get("narrative") if "narrative" in groups else None
    seen = {
        "situation": (told.get("what") if acts or "narrative" in groups else None) or before,
        "people": told.get("people"),
    }
    places = {"place": told.get("where"), "position": told.get("position")}
    return seen | (places if acts or "contact" in groups else dict.fromkeys(places))


def groups_held(person: Mapping[str, Any]) -> list[str]:
    """The groups of which a request says something, for whoever is shown all of it."""
    codes = [each["code"] for each in person.get("needs", ())] or [""]
    held = [group for group in GROUPS if any(any(disclose(person, code, (group,)).values()) for code in codes)]
    return [*sorted(held), *([SITUATION] if person.get("emergency") else [])]


def groups_told(added: Mapping[str, Any], need_code: str, groups: Iterable[str], papers: Collection[str]) -> list[str]:
    """Of the groups that are open, those that a supplement says something of; papers count as one of their own."""
    person = {"applicant": {}, "facts": added.get("facts", {}), "narrative": added.get("note")}
    opened = tuple(groups)
    told = [each for each in opened if any(disclose(person, need_code, (each,)).values())]
    return [*told, PAPERS] if papers_seen(added.get("materials", ()), opened, papers) else told


def papers_seen(handed_in: Iterable[str], opened: Collection[str], papers: Collection[str] = ()) -> list[str]:
    """Of the papers handed in, by their codes, those that may be named: what tells of nothing, what a group that is
    open tells of, and what the rule asks for. One that nobody has put into a group may tell of anything."""
    return [code for code in handed_in if code in papers or code in _TELLING_NOTHING or is_opened(code, opened)]


@lru_cache(1024)
def _opened(groups: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """The groups, and the fields of the applicant and the facts that they open."""
    fields = (name for group in groups for name in _PERSON.get(group, ()))
    facts = (name for group in groups for name in _FACTS.get(group, ()))
    return frozenset(groups), frozenset(fields), frozenset(facts)


def _only(fields: Mapping[str, Any], wanted: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name in wanted and value is not None}
