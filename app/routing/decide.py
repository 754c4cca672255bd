"""decide(): which agencies get which part of a request, with every rule that fired and why. Pure, total."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property, lru_cache
from typing import Any

from app.routing.conditions import Answer
from app.routing.directory import Agency, Directory
from app.routing.facts import Facts, FactValues
from app.routing.rules import UNDETERMINED, Role, RoutingTable, Rule, local_day

_COORDINATOR = "county_coordination_mechanism"
_REMEMBERED = 4096


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


@dataclass(frozen=True)
class NeedDecision:
    """`asks` names the facts that are not known and that a rule of this need waits for."""

    need: str
    undetermined: bool
    assignments: tuple[Assignment, ...]
    passed_over: tuple[PassedOver, ...]
    asks: tuple[str, ...] = ()

    @cached_property
    def _hash(self) -> int:
        return hash((self.need, self.asks, tuple((a.rule.number, a.agency.code) for a in self.assignments)))

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def record(self) -> dict[str, Any]:
        return {
            "need": self.need,
            "undetermined": self.undetermined,
            "fired": [
                {"rule": a.rule.number, "agency": a.agency.code, "role": a.role, "step": a.step, "why": a.reason}
                for a in self.assignments
            ],
            "passed_over": [{"rule": p.rule.number, "why": p.reason} for p in self.passed_over],
            "asks": list(self.asks),
        }


@dataclass(frozen=True, slots=True)
class RoutingDecision:
    version: int
    directory: int
    at: datetime
    needs: tuple[NeedDecision, ...]

    def record(self) -> dict[str, Any]:
        """What is stored: rule numbers, agencies, reasons, and facts by name only. The version and the revision of the
        directory that it names hold everything else."""
        return {
            "version": self.version,
            "directory": self.directory,
            "needs": [each.record for each in self.needs],
        }


# A reason, and the sentence that a clerk can read aloud: (Chinese, English).
REASONS: dict[str, tuple[str, str]] = {
    "applies": ("该求助事项在本地由此部门办理", "this need is this department's business in this area"),
    "nobody_leads": (
        "没有规则或没有可用的牵头单位,先由乡镇和县协调机制接下",
        "no rule or no agency leads, so the township and the county coordinator take it first",
    ),
    "lead_needs_fact": (
        "还缺一项情况才能确定牵头单位,先由乡镇和县协调机制接下",
        "the lead depends on a fact that is not known yet, so the township and the county coordinator take it first",
    ),
    "not_in_force": ("规则在登记之日不在有效期内", "the rule is not in force on the day of registration"),
    "other_area": ("规则适用于别的地区", "the rule is for another area"),
    "nearer_rule": ("有更具体地区的规则优先", "a rule for a nearer area takes precedence"),
    "condition_not_met": ("所报情况不符合规则的条件", "what was declared does not meet the rule's condition"),
    "needs_fact": ("规则的条件还缺情况,请补问", "the rule's condition needs a fact that is not known: ask for it"),
    "no_agency": ("本地及上级都没有该部门的可用单位", "the department has no active agency here or above"),
    "already_assigned": ("该单位已经以另一身份承办此事项", "the agency already has this need in another role"),
}


def decide(facts: Facts, table: RoutingTable, directory: Directory, at: datetime) -> RoutingDecision:
    """The decision of `table` for `facts` at `at` (aware). Never raises for a need that no rule knows: what nobody
    leads goes to `undetermined`: the township, then the county coordinator. A rule whose condition is unknown does
    not fire; the others do, and what has to be asked is said."""
    day, place = local_day(at), facts.division_code
    needs = tuple(decide_need(need, place, facts.known_for(need), day, table, directory) for need in facts.needs)
    return RoutingDecision(table.version, directory.revision, at, needs)


def decide_need(
    need: str, place: str, known: FactValues, day: date, table: RoutingTable, directory: Directory
) -> NeedDecision:
    """The part of `decide` for one need."""
    answers, fallback = _answers(table, need, place, known), _answers(table, UNDETERMINED, place, known)
    decision = _decided(need, place, day, answers, fallback, table, directory)
    waiting = [each.rule.condition for each in decision.passed_over if each.reason == "needs_fact"]
    if not waiting:
        return decision
    asks = dict.fromkeys(name for condition in waiting if condition for name in condition.unknown(known))
    return replace(decision, asks=tuple(asks))


_ORDER = {Role.LEAD: 0, Role.CO_HANDLER: 1, Role.INFORMED: 2}


# Tables and directories are immutable, and told apart by identity.
@lru_cache(_REMEMBERED)
def _candidates(table: RoutingTable, need: str, place: str) -> tuple[Rule, ...]:
    """Leads before co-handlers before those informed, each nearest area first, then by number."""
    return tuple(sorted(table.of(need, place), key=lambda rule: _ORDER[rule.role]))


def _answers(table: RoutingTable, need: str, place: str, known: FactValues) -> tuple[Answer, ...]:
    return tuple([rule.condition is None or rule.condition.answer(known) for rule in _candidates(table, need, place)])


# One need in one place with the same answers gets one decision all day.
@lru_cache(_REMEMBERED)
def _decided(
    need: str,
    place: str,
    day: date,
    answers: tuple[Answer, ...],
    fallback_answers: tuple[Answer, ...],
    table: RoutingTable,
    directory: Directory,
) -> NeedDecision:
    passed_over: list[PassedOver] = []

    def assign(of_need: str, of_answers: Sequence[Answer], reason: str) -> list[Assignment]:
        rules = zip(_candidates(table, of_need, place), of_answers, strict=True)
        return _assign(rules, place, directory, day, passed_over, reason)

    assignments = assign(need, answers, "applies")
    led = any(a.role is Role.LEAD for a in assignments)
    if not led and need == UNDETERMINED:
        assignments = _with_a_lead(assignments)
    elif not led:
        waits = any(p.reason == "needs_fact" and p.rule.role is Role.LEAD for p in passed_over)
        fallback = assign(UNDETERMINED, fallback_answers, "lead_needs_fact" if waits else "nobody_leads")
        taken = {a.agency.code for a in fallback}
        passed_over += [PassedOver(a.rule, "already_assigned") for a in assignments if a.agency.code in taken]
        # Who was to prepare the missing lead's decision helps whoever took its place, and keeps nobody waiting.
        helpers = [replace(a, mandatory=False) for a in assignments if a.agency.code not in taken]
        assignments = _with_a_lead(fallback) + helpers
    return NeedDecision(need, not led or need == UNDETERMINED, tuple(assignments), tuple(passed_over))


def _assign(
    rules: Iterable[tuple[Rule, Answer]],
    place: str,
    directory: Directory,
    day: date,
    passed_over: list[PassedOver],
    reason: str,
) -> list[Assignment]:
    """Rules come nearest area first: one lead, one row a department beside it, one role an agency."""
    filled: set[tuple[str, ...]] = set()
    taken: dict[str, Assignment] = {}
    for rule, answer in rules:
        seat = () if rule.role is Role.LEAD else (rule.department,)
        if not rule.in_force(day):
            passed_over.append(PassedOver(rule, "not_in_force"))
        elif answer is False:
            passed_over.append(PassedOver(rule, "condition_not_met"))
        elif answer is None:
            passed_over.append(PassedOver(rule, "needs_fact"))
        elif seat in filled:
            passed_over.append(PassedOver(rule, "nearer_rule"))
        elif (agency := directory.resolve(rule.department, place)) is None:
            passed_over.append(PassedOver(rule, "no_agency"))
        elif agency.code in taken:
            passed_over.append(PassedOver(rule, "already_assigned"))
        else:
            filled.add(seat)
            mandatory = rule.mandatory and rule.role is not Role.INFORMED
            taken[agency.code] = Assignment(rule, agency, rule.role, rule.step, mandatory, reason)
    return sorted(taken.values(), key=lambda a: (a.step, a.rule.number))


def _with_a_lead(assignments: list[Assignment]) -> list[Assignment]:
    """Somebody must answer for the result: where the township is missing, the first of the others leads."""
    if not assignments or any(a.role is Role.LEAD for a in assignments):
        return assignments
    first = next((a for a in assignments if a.agency.department == _COORDINATOR), assignments[0])
    lead = Assignment(first.rule, first.agency, Role.LEAD, first.step, True, first.reason)
    return [lead if a is first else a for a in assignments]
