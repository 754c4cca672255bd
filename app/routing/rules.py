"""Rules and the routing table that holds them: a whole, immutable, numbered snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from app.deadlines import CHINA, Limit

UNDETERMINED = "undetermined"


class Role(StrEnum):
    LEAD = "lead"
    CO_HANDLER = "co_handler"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: a need, in an area, goes to a department in a role and a step."""

    number: int
    need: str
    area: str
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
    legal_basis: str
    effective_from: date
    effective_to: date | None
    note: str

    def described(self) -> dict[str, Any]:
        return {
            "rule": self.number,
            "department": self.department,
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
    version: int
    effective_from: datetime
    rules: tuple[Rule, ...]

    @cached_property
    def by_need(self) -> Mapping[str, tuple[Rule, ...]]:
        """The rules of each need, nearest area first, then in the order of their numbers."""
        index: dict[str, list[Rule]] = {}
        for rule in self.rules:
            index.setdefault(rule.need, []).append(rule)
        return {need: tuple(sorted(rules, key=lambda r: (-len(r.area), r.number))) for need, rules in index.items()}

    @cached_property
    def described(self) -> Mapping[int, Mapping[str, Any]]:
        """What every decision that a rule fires in says of it, ready to be shown."""
        return {rule.number: rule.described() for rule in self.rules}

    @cached_property
    def by_number(self) -> Mapping[int, Rule]:
        return {rule.number: rule for rule in self.rules}


def in_force(tables: Iterable[RoutingTable], at: datetime) -> RoutingTable | None:
    """The published table that decides at `at`: the latest that has taken effect."""
    begun = [table for table in tables if table.effective_from <= at]
    return max(begun, key=lambda table: (table.effective_from, table.version), default=None)


def local_day(at: datetime) -> date:
    return at.astimezone(CHINA).date()
