"""Rules and the routing table that holds them: a whole, immutable, numbered snapshot, indexed once for deciding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from app.deadlines import Limit, china_day
from app.routing.conditions import Condition, spell
from app.routing.directory import upward

UNDETERMINED = "undetermined"
COORDINATOR = "county_coordination_mechanism"  # the department that sees to what nobody else does


class Role(StrEnum):
    LEAD = "lead"
    CO_HANDLER = "co_handler"
    INFORMED = "informed"


class Consent(StrEnum):
    """What must be agreed to before the department may see what the rule discloses; a rule that names nothing has
    not been thought about."""

    NONE = "none"  # a statutory duty, or nothing personal
    NOTICE = "notice"  # the person is told, no consent is the basis
    VERIFICATION = "economic_verification"
    MEDICAL = "medical_data"  # separate consent, health data
    SENSITIVE = "sensitive"  # separate consent, Personal Information Protection Law art. 29
    SHARING = "share_with_charity"  # separate consent, art. 23
    WAIVED = "waived"  # an emergency or a child's best interest: told later, art. 18


class ConsentOf(StrEnum):
    """Whose consent it is."""

    NOBODY = ""
    APPLICANT = "applicant"
    HOUSEHOLD = "every_adult_member"
    HOUSEHOLD_AND_OBLIGOR = "every_adult_member_and_obligor"
    GUARDIAN = "guardian"
    GUARDIAN_UNDER_14 = "guardian_under_14"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: a need, in an area, under a condition, goes to a department in a role and a step.

    `area` is a division code or a prefix of one. `publicity` is `none`, `forbidden`, `local`, or how long it is posted
    (`CD:7`). `emergency_variant` is the need whose rules act first in an emergency, its own code where the need itself
    does; `emergency_limit` is by when. Materials are asked for; `waived` ones are supplied by data sharing.
    """

    number: int
    need: str
    area: str
    condition: Condition | None
    department: str
    role: Role
    step: int
    mandatory: bool
    prerequisites: tuple[str, ...]
    sign_in_limit: Limit | None
    sign_in_certainty: str
    accept_limit: Limit | None
    accept_certainty: str
    complete_limit: Limit | None
    complete_certainty: str
    limit_source: str
    discloses: tuple[str, ...]
    consent: tuple[Consent, ...]
    consent_of: ConsentOf
    publicity: str
    materials: tuple[str, ...]
    waived: tuple[str, ...]
    emergency_variant: str | None
    emergency_limit: Limit | None
    legal_basis: str
    effective_from: date
    effective_to: date | None
    note: str

    def described(self) -> dict[str, Any]:
        return {
            "rule": self.number,
            "department": self.department,
            "condition_zh": spell(self.condition.node, "zh") if self.condition else None,
            "condition_en": str(self.condition) if self.condition else None,
            "prerequisites": list(self.prerequisites),
            "sign_in_limit": str(self.sign_in_limit) if self.sign_in_limit else None,
            "accept_limit": str(self.accept_limit) if self.accept_limit else None,
            "complete_limit": str(self.complete_limit) if self.complete_limit else None,
            "complete_certainty": self.complete_certainty,
            "legal_basis": self.legal_basis,
        }

    def in_force(self, day: date) -> bool:
        return self.effective_from <= day and (self.effective_to is None or day <= self.effective_to)


@dataclass(frozen=True, eq=False)
class RoutingTable:
    """A retired one decides nothing new; the decisions that name it can still be read and made again."""

    version: int
    effective_from: datetime
    rules: tuple[Rule, ...]
    retired: bool = False

    @cached_property
    def _by_place(self) -> Mapping[tuple[str, str], Sequence[Sequence[Rule]]]:
        """The rules of a need for an area itself, apart by their roles."""
        roles = tuple(Role)
        index: dict[tuple[str, str], Sequence[list[Rule]]] = {}
        for rule in sorted(self.rules, key=lambda r: r.number):
            by_role = index.setdefault((rule.need, rule.area), tuple([] for _ in roles))
            by_role[roles.index(rule.role)].append(rule)
        return index

    def of(self, need: str, place: str) -> tuple[Rule, ...]:
        """The rules of a need whose area holds `place`: leads before co-handlers before those informed, each nearest
        area first, then in the order of their numbers."""
        index = self._by_place
        near = [found for area in upward(place) if (found := index.get((need, area)))]
        return tuple([rule for of_role in zip(*near, strict=True) for rules in of_role for rule in rules])

    @cached_property
    def charities(self) -> frozenset[str]:
        """The departments that are shown somebody only if that was agreed to."""
        return frozenset(rule.department for rule in self.rules if Consent.SHARING in rule.consent)

    @cached_property
    def by_need(self) -> Mapping[str, tuple[Rule, ...]]:
        """Every rule of each need, nearest area first, then in the order of their numbers."""
        index: dict[str, list[Rule]] = {}
        for rule in sorted(self.rules, key=lambda r: (-len(r.area), r.number)):
            index.setdefault(rule.need, []).append(rule)
        return {need: tuple(rules) for need, rules in index.items()}

    def facts_of(self, need: str) -> tuple[str, ...]:
        """The names of the facts that can matter for a need: those of its own rules and of `undetermined`'s."""
        return self._facts.get(need) or self._facts.get(UNDETERMINED, ())

    @cached_property
    def _facts(self) -> Mapping[str, tuple[str, ...]]:
        named: dict[str, dict[str, None]] = {need: {} for need in self.by_need}
        for rule in self.rules:
            if rule.condition:
                named[rule.need] |= dict.fromkeys(rule.condition.facts)
        behind = named.get(UNDETERMINED, {})
        return {need: tuple({**own, **behind}) for need, own in named.items()}

    @cached_property
    def described(self) -> Mapping[int, Mapping[str, Any]]:
        """What every decision that a rule fires in says of it, ready to be shown."""
        return {rule.number: rule.described() for rule in self.rules}

    @cached_property
    def by_number(self) -> Mapping[int, Rule]:
        return {rule.number: rule for rule in self.rules}


def in_force(tables: Iterable[RoutingTable], at: datetime) -> RoutingTable | None:
    """The published table that decides at `at`: the latest that has taken effect."""
    begun = [table for table in tables if table.effective_from <= at and not table.retired]
    return max(begun, key=lambda table: (table.effective_from, table.version), default=None)


local_day = china_day  # which day's rules decide
