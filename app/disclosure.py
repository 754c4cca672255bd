"""What an agency may see of a person: the field groups that its rule names, and no others; pure.

Minimum disclosure: Personal Information Protection Law art. 6, 34; Government Data Sharing Regulation art. 25.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

_PERSON = {
    "identity": ("name", "id_type", "id_number", "birth_date"),
    "contact": ("phone", "address", "household_division_code"),
}
_HELPER = ("name", "phone", "relation", "organisation")
_MEMBER = ("name", "relation", "birth_date")
_MEMBER_IDENTITY = ("id_type", "id_number")
_CONSENT = ("purpose", "person", "given_at", "text_version", "evidence", "withdrawn_at")
_FACTS = {
    "household": ("household_size", "residence", "recognised_status"),
    "income": ("monthly_income_yuan", "recognised_status"),
    "health": ("illness", "out_of_pocket_yuan", "self_care"),
    "disability": ("disability_kind", "disability_grade"),
    "schooling": ("schooling",),
    "dwelling": ("dwelling",),
    "disaster": ("disaster_date",),
}
# Personal Information Protection Law art. 28: health and disability, financial accounts and circumstances.
SENSITIVE = frozenset({"health", "disability", "income"})
GROUPS = frozenset(_PERSON) | frozenset(_FACTS) | {"narrative"}


def disclose(person: Mapping[str, Any], need_code: str, groups: Iterable[str]) -> dict[str, Any]:
    """The part of a request's sealed data that `groups` open, for the handoff of one need.

    `person` has the shape of a request as taken in (`applicant`, `helper`, `household`, `obligors`, `facts`,
    `needs`, `narrative`, `consents`, `supplements`). Unknown groups open nothing.
    """
    opened, fields, fact_names = _opened(tuple(groups))
    seen: dict[str, Any] = {}
    if fields:
        seen["applicant"] = _only(person["applicant"], fields)
    if "contact" in opened and person.get("helper"):
        seen["helper"] = _only(person["helper"], _HELPER)
    if "household" in opened:
        of_member = (*_MEMBER, *_MEMBER_IDENTITY) if "identity" in opened else _MEMBER
        seen["household"] = [_only(each, of_member) for each in person.get("household", [])]
        if person.get("obligors"):
            seen["obligors"] = [_only(each, of_member) for each in person["obligors"]]
        of_consent = (*_CONSENT, "guardian") if "identity" in opened else _CONSENT
        seen["consents"] = [_only(each, of_consent) for each in person.get("consents", [])]
    need: Mapping[str, Any] = next((each for each in person.get("needs", []) if each["code"] == need_code), {})
    supplements = person.get("supplements", [])
    added = {name: value for each in supplements for name, value in each.get("facts", {}).items()}
    facts = _only({**person.get("facts", {}), **need.get("facts", {}), **added}, fact_names)
    if facts:
        seen["facts"] = facts
    if "narrative" in opened:
        seen["details"] = need.get("details")
        seen["narrative"] = person.get("narrative")
    if supplements:
        names = ("at", "materials", "note") if "narrative" in opened else ("at", "materials")
        seen["supplements"] = [_only(each, names) for each in supplements]
    return seen


@lru_cache(1024)
def _opened(groups: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """The groups, and the fields of the applicant and the facts that they open."""
    fields = (name for group in groups for name in _PERSON.get(group, ()))
    facts = (name for group in groups for name in _FACTS.get(group, ()))
    return frozenset(groups), frozenset(fields), frozenset(facts)


def _only(fields: Mapping[str, Any], wanted: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name in wanted and value is not None}
