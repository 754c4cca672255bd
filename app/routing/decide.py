"""decide(): which agencies get which part of a request, with every rule that fired and why. Pure, total."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from app.routing.directory import Agency, Directory
from app.routing.facts import Facts, lies_in
from app.routing.rules import UNDETERMINED, Role, RoutingTable, Rule, local_day

_COORDINATOR = "county_coordination_mechanism"


@dataclass(frozen=True, slots=True)
class Assignment:
    """A rule that fired and the agency it found; `reason` is a key of REASONS."""

    rule: Rule
    agency: Agency
    role: Role
    step: int
    mandatory: bool
    reason: str


@dataclass(frozen=True, slots=True)
class PassedOver:
    rule: Rule
    reason: str


@dataclass(frozen=True, slots=True)
class NeedDecision:
    need: str
    undetermined: bool
    assignments: tuple[Assignment, ...]
    passed_over: tuple[PassedOver, ...]


@dataclass(frozen=True, slots=True)
class RoutingDecision:
    version: int
    at: datetime
    needs: tuple[NeedDecision, ...]

    def record(self) -> dict[str, Any]:
        """What is stored: rule numbers, agencies and reasons. The named version holds everything else."""
        return {
            "version": self.version,
            "needs": [
                {
                    "need": each.need,
                    "undetermined": each.undetermined,
                    "fired": [
                        {
                            "rule": a.rule.number,
                            "agency": a.agency.code,
                            "role": a.role,
                            "step": a.step,
                            "why": a.reason,
                        }
                        for a in each.assignments
                    ],
                    "passed_over": [{"rule": p.rule.number, "why": p.reason} for p in each.passed_over],
                }
                for each in self.needs
            ],
        }


# A reason, and the sentence that a clerk can read aloud: (Chinese, English).
REASONS: dict[str, tuple[str, str]] = {
    "applies": ("该求助事项在本地由此部门办理", "this need is this department's business in this area"),
    "nobody_leads": (
        "没有规则或没有可用的牵头单位,先由乡镇和县协调机制接下",
        "no rule or no agency leads, so the township and the county coordinator take it first",
    ),
    "not_in_force": ("规则在登记之日不在有效期内", "the rule is not in force on the day of registration"),
    "other_area": ("规则适用于别的地区", "the rule is for another area"),
    "nearer_rule": ("有更具体地区的规则优先", "a rule for a nearer area takes precedence"),
    "no_agency": ("本地及上级都没有该部门的可用单位", "the department has no active agency here or above"),
    "already_assigned": ("该单位已经以另一身份承办此事项", "the agency already has this need in another role"),
}


def decide(facts: Facts, table: RoutingTable, directory: Directory, at: datetime) -> RoutingDecision:
    """The decision of `table` for `facts` at `at` (aware). Never raises for a need that no rule knows:
    what nobody leads goes to `undetermined`: the township, then the county coordinator."""
    day = local_day(at)
    needs = tuple(_decide_need(need, facts.division_code, day, table, directory) for need in facts.needs)
    return RoutingDecision(table.version, at, needs)


# One need in one place gets one answer all day: tables and directories are immutable, and told apart by identity.
@lru_cache(maxsize=10_000)
def _decide_need(need: str, place: str, day: date, table: RoutingTable, directory: Directory) -> NeedDecision:
    passed_over: list[PassedOver] = []
    assignments = _assign(table.by_need.get(need, ()), place, directory, day, passed_over, "applies")
    led = any(a.role is Role.LEAD for a in assignments)
    if not led and need == UNDETERMINED:
        assignments = _with_a_lead(assignments)
    elif not led:
        fallback = _assign(table.by_need.get(UNDETERMINED, ()), place, directory, day, passed_over, "nobody_leads")
        taken = {a.agency.code for a in fallback}
        passed_over += [PassedOver(a.rule, "already_assigned") for a in assignments if a.agency.code in taken]
        # Who was to prepare the missing lead's decision helps whoever took its place, and keeps nobody waiting.
        helpers = [replace(a, mandatory=False) for a in assignments if a.agency.code not in taken]
        assignments = _with_a_lead(fallback) + helpers
    return NeedDecision(need, not led or need == UNDETERMINED, tuple(assignments), tuple(passed_over))


def _assign(
    rules: Iterable[Rule],
    place: str,
    directory: Directory,
    day: date,
    passed_over: list[PassedOver],
    reason: str,
) -> list[Assignment]:
    """Rules come nearest area first: one lead, one row a co-handling department, one role an agency."""
    filled: set[str] = set()
    taken: dict[str, Assignment] = {}
    for rule in sorted(rules, key=lambda r: r.role is not Role.LEAD):
        seat = rule.role if rule.role is Role.LEAD else rule.department
        if not lies_in(place, rule.area):
            passed_over.append(PassedOver(rule, "other_area"))
        elif not rule.in_force(day):
            passed_over.append(PassedOver(rule, "not_in_force"))
        elif seat in filled:
            passed_over.append(PassedOver(rule, "nearer_rule"))
        elif (agency := directory.resolve(rule.department, place)) is None:
            passed_over.append(PassedOver(rule, "no_agency"))
        elif agency.code in taken:
            passed_over.append(PassedOver(rule, "already_assigned"))
        else:
            filled.add(seat)
            taken[agency.code] = Assignment(rule, agency, rule.role, rule.step, rule.mandatory, reason)
    return sorted(taken.values(), key=lambda a: (a.step, a.rule.number))


def _with_a_lead(assignments: list[Assignment]) -> list[Assignment]:
    """Somebody must answer for the result: where the township is missing, the first of the others leads."""
    if not assignments or any(a.role is Role.LEAD for a in assignments):
        return assignments
    first = next((a for a in assignments if a.agency.department == _COORDINATOR), assignments[0])
    lead = Assignment(first.rule, first.agency, Role.LEAD, first.step, True, first.reason)
    return [lead if a is first else a for a in assignments]
